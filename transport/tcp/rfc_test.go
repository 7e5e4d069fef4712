package tcp

import (
	goflag "flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var updateRFC = goflag.Bool("update", false, "write RFC.md")

const (
	rfcPage    = "RFC.md"
	rfcRoot    = "../.." // of the module
	rfcScripts = "testdata/packetdrill"
)

// rfcLabel is how a requirement is named in comments: as in appendix B of the RFC.
var rfcLabel = regexp.MustCompile(`\b(?:MUST|SHLD|MAY|REC)-[1-9][0-9]*\b`)

// rfcSources are where labels are looked for. In tests, in the scenarios of the oracle and in packet scripts a label
// says that they show it; elsewhere that the code obeys it.
var rfcSources = []string{
	"header", "internal/oracle", "internal/tcb", "network", "stack", "tcpip", "transport/tcp",
}

// rfcMark is a place that bears a label.
type rfcMark struct{ file, name string }

func (m rfcMark) String() string {
	if m.name == "" {
		return m.file
	}
	return m.file + " " + m.name
}

// rfcMarks are the places of every label.
type rfcMarks struct{ obeyed, shown map[string][]rfcMark }

func addMark(to map[string][]rfcMark, comment string, m rfcMark) {
	for _, label := range rfcLabel.FindAllString(comment, -1) {
		if !slices.Contains(to[label], m) {
			to[label] = append(to[label], m)
		}
	}
}

// findRFCMarks reads the sources and the scripts. Errors are told to t.
func findRFCMarks(t *testing.T) rfcMarks {
	marks := rfcMarks{obeyed: map[string][]rfcMark{}, shown: map[string][]rfcMark{}}
	for _, dir := range rfcSources {
		require.NoError(t, filepath.WalkDir(filepath.Join(rfcRoot, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
				return err
			}
			rel, err := filepath.Rel(rfcRoot, path)
			if err == nil {
				err = marks.readGo(t, path, filepath.ToSlash(rel))
			}
			return err
		}))
	}
	passing := passingScripts(t)
	require.NoError(t, filepath.WalkDir(filepath.Join(rfcRoot, rfcScripts), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".pkt" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(filepath.Join(rfcRoot, rfcScripts), path)
		name = filepath.ToSlash(name)
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "#") || !rfcLabel.MatchString(line) {
				continue
			}
			if !passing[name] {
				t.Errorf("%s shows nothing: the list of scripts does not say that it passes here and on Linux", name)
			}
			addMark(marks.shown, line, rfcMark{rfcScripts + "/" + name, ""})
		}
		return err
	}))
	return marks
}

// passingScripts are the scripts that pass on this stack, and on Linux where they have been played there.
func passingScripts(t *testing.T) map[string]bool {
	b, err := os.ReadFile(filepath.Join(rfcRoot, rfcScripts, "KERNEL"))
	require.NoError(t, err)
	passing := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "pass" && (f[1] != "-" || strings.HasPrefix(f[0], "rfc/")) {
			passing[f[0]] = true
		}
	}
	return passing
}

// readGo adds the labels in the comments of one file.
func (marks *rfcMarks) readGo(t *testing.T, path, rel string) error {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	test := strings.HasSuffix(rel, "_test.go")
	to := marks.obeyed
	if test || strings.HasPrefix(rel, "internal/oracle/") {
		to = marks.shown
	}
	for _, c := range f.Comments {
		if !rfcLabel.MatchString(c.Text()) {
			continue
		}
		name, ok := declared(files, f, c)
		if !ok || test && !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") {
			t.Errorf("%s: a label that belongs to nothing: %s", files.Position(c.Pos()), strings.TrimSpace(c.Text()))
			continue
		}
		addMark(to, c.Text(), rfcMark{rel, name})
	}
	return nil
}

// declared returns the name of the declaration that c is in or beside, or that it is the doc of.
func declared(files *token.FileSet, f *ast.File, c *ast.CommentGroup) (string, bool) {
	for _, d := range f.Decls {
		from := d.Pos()
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Doc != nil {
				from = d.Doc.Pos()
			}
			if from <= c.Pos() && (c.Pos() < d.End() || files.Position(c.Pos()).Line == files.Position(d.End()).Line) {
				return receiver(d) + d.Name.Name, true
			}
		case *ast.GenDecl:
			if d.Doc != nil {
				from = d.Doc.Pos()
			}
			for _, s := range d.Specs {
				if from <= c.Pos() && c.Pos() <= afterLine(s) {
					return specName(s), true
				}
				from = s.End()
			}
		}
	}
	return "", false
}

// afterLine is the end of s with the comment on its line.
func afterLine(s ast.Spec) token.Pos {
	switch s := s.(type) {
	case *ast.ValueSpec:
		if s.Comment != nil {
			return s.Comment.End()
		}
	case *ast.TypeSpec:
		if s.Comment != nil {
			return s.Comment.End()
		}
	}
	return s.End()
}

func specName(s ast.Spec) string {
	switch s := s.(type) {
	case *ast.ValueSpec:
		return s.Names[0].Name
	case *ast.TypeSpec:
		return s.Name.Name
	}
	return ""
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	switch x := d.Recv.List[0].Type.(type) {
	case *ast.StarExpr:
		if id, ok := x.X.(*ast.Ident); ok {
			return id.Name + "."
		}
	case *ast.Ident:
		return x.Name + "."
	}
	return ""
}

// places lists marks in a cell of the table: a file once, with all that is in it.
func places(marks []rfcMark) string {
	var files []string
	names := map[string][]string{}
	for _, m := range marks {
		if _, ok := names[m.file]; !ok {
			files = append(files, m.file)
		}
		names[m.file] = append(names[m.file], m.name)
	}
	slices.Sort(files)
	for i, f := range files {
		n := names[f]
		slices.Sort(n)
		files[i] = strings.TrimSpace(strings.TrimPrefix(f, rfcScripts+"/") + " " + strings.Join(n, ", "))
	}
	return strings.Join(files, "<br>")
}

func renderRFC(marks rfcMarks) string {
	var b strings.Builder
	b.WriteString(`# RFC 9293

What the RFC's appendix B asks of TCP, where the code obeys it, and what shows that it does. A name that ends in .pkt is a
packet script in testdata/packetdrill, which passes on this stack and on Linux; one in internal/oracle is a scenario that
is played on both.

The page is generated from the labels in comments: go test ./transport/tcp -run RFC -update. The test fails if a
requirement is neither obeyed and shown nor among the remarks.

| | § | what it asks | obeyed by | shown by |
| --- | --- | --- | --- | --- |
`)
	for _, r := range requirements {
		obeyed, shown := places(marks.obeyed[r.label]), places(marks.shown[r.label])
		if obeyed == "" && shown == "" {
			obeyed = "see the remarks"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.label, r.section, r.text, obeyed, shown)
	}
	b.WriteString("\n## Remarks\n\nWhat does not apply, is left open by the RFC and not used, or is done otherwise on purpose.\n\n| | | |\n| --- | --- | --- |\n")
	for _, r := range requirements {
		if why, ok := remarks[r.label]; ok {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.label, why.kind, why.text)
		}
	}
	return b.String()
}

// Every requirement of the RFC is accounted for, and the page says how.
func TestRFC(t *testing.T) {
	marks := findRFCMarks(t)
	known := map[string]bool{}
	for _, r := range requirements {
		require.False(t, known[r.label], r.label)
		known[r.label] = true
		_, excused := remarks[r.label]
		if !excused && len(marks.obeyed[r.label]) == 0 {
			t.Errorf("%s (%s): nothing says that it obeys it", r.label, r.text)
		}
		if !excused && len(marks.shown[r.label]) == 0 {
			t.Errorf("%s (%s): nothing shows it", r.label, r.text)
		}
	}
	for label := range remarks {
		require.True(t, known[label], label)
	}
	for _, at := range []map[string][]rfcMark{marks.obeyed, marks.shown} {
		for label, where := range at {
			if !known[label] {
				t.Errorf("%s at %v is no requirement of RFC 9293", label, where)
			}
		}
	}
	page := renderRFC(marks)
	if *updateRFC {
		require.NoError(t, os.WriteFile(rfcPage, []byte(page), 0o644))
	}
	b, err := os.ReadFile(rfcPage)
	require.NoError(t, err)
	if string(b) != page {
		t.Error("RFC.md is stale: go test ./transport/tcp -run RFC -update")
	}
}
