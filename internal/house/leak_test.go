package house

import (
	"go/ast"
	"strconv"
	"testing"
)

// startsGoroutines reports whether what f does can start a goroutine: it does so itself, or it uses a stack.
func startsGoroutines(f *source) (found bool) {
	for _, im := range f.ast.Imports {
		if p, _ := strconv.Unquote(im.Path.Value); p == module+"/stack" {
			return true
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "Go" || s.Sel.Name == "AfterFunc") {
				found = true
			}
		}
		return !found
	})
	return found
}

// No test leaves a goroutine behind: where any is started, TestMain looks for what is left.
func TestLeaksAreLookedFor(t *testing.T) {
	starts, tested, checked := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, f := range everySource(t) {
		starts[f.dir] = starts[f.dir] || startsGoroutines(&f)
		if !f.test {
			continue
		}
		tested[f.dir] = true
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if name, ok := selects(n, "leak"); ok && name == "Main" || f.dir == "internal/leak" {
				checked[f.dir] = true
			}
			return true
		})
	}
	for dir := range tested {
		if starts[dir] && !checked[dir] {
			t.Errorf("%s: the tests start goroutines, and have no TestMain with leak.Main", dir)
		}
	}
}
