package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/seed963a8790/netstack"

// source is one Go file of the root module.
type source struct {
	name string // slash-separated, relative to the root
	dir  string // "." for the root
	test bool
	text []byte
	ast  *ast.File
}

var fset = token.NewFileSet()

// sources parses every Go file of the root module, once.
var sources = sync.OnceValues(func() ([]source, error) {
	var all []source
	err := filepath.WalkDir("../..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("../..", file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == "." {
				return nil
			}
			if name := d.Name(); name == "testdata" || strings.HasPrefix(name, ".") {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
				return fs.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, rel, text, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{rel, path.Dir(rel), strings.HasSuffix(rel, "_test.go"), text, f})
		return nil
	})
	return all, err
})

func everySource(t *testing.T) []source {
	t.Helper()
	if _, err := os.Stat("../../go.mod"); err != nil {
		t.Skip("needs the source tree around it: ", err)
	}
	all, err := sources()
	require.NoError(t, err)
	require.Greater(t, len(all), 20, "the walk over the source tree found too little to mean anything")
	return all
}

// at returns the place of n for a message.
func at(n ast.Node) string { return fset.Position(n.Pos()).String() }

// under reports whether dir is one of roots or below one of them.
func under(dir string, roots ...string) bool {
	for _, r := range roots {
		if dir == r || strings.HasPrefix(dir, r+"/") {
			return true
		}
	}
	return false
}
