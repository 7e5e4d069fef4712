package house

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A user's module graph stays small: the root module requires these three directly, and no other.
func TestDirectDependencies(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Skip("needs the source tree around it: ", err)
	}
	allowed := []string{"golang.org/x/sys", "github.com/google/btree", "github.com/stretchr/testify"}
	n := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "v") || strings.Contains(line, "// indirect") {
			continue
		}
		n++
		if !slices.Contains(allowed, fields[0]) {
			t.Errorf("go.mod requires %s directly", fields[0])
		}
	}
	require.NotZero(t, n, "no requirement found: the reading of go.mod is wrong")
	require.NotContains(t, string(text), "\nreplace ", "a library with a replace directive cannot be imported")
}

// What a newcomer looks for is there.
func TestPapers(t *testing.T) {
	everySource(t)
	for _, name := range []string{"README.md", "LICENSE", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", ".ci/run"} {
		info, err := os.Stat("../../" + name)
		require.NoError(t, err)
		require.Greater(t, info.Size(), int64(500), name)
	}
}

// Every package says what it is.
func TestPackageComments(t *testing.T) {
	said := map[string]bool{}
	for _, f := range everySource(t) {
		if !f.test {
			said[f.dir] = said[f.dir] || f.ast.Doc != nil
		}
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("package %s has no comment", dir)
		}
	}
}
