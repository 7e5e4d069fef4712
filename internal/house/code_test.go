package house

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/token"
	"go/types"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The longest file of code and of tests, in lines.
const (
	maxLines     = 600
	maxTestLines = 1000
)

func TestFileLength(t *testing.T) {
	for _, f := range everySource(t) {
		limit := maxLines
		if f.test {
			limit = maxTestLines
		}
		if n := bytes.Count(f.text, []byte{'\n'}); n > limit {
			t.Errorf("%s has %d lines, more than %d: it holds more than one concern", f.name, n, limit)
		}
	}
}

func TestGofmt(t *testing.T) {
	for _, f := range everySource(t) {
		want, err := format.Source(f.text)
		require.NoError(t, err, f.name)
		if !bytes.Equal(f.text, want) {
			t.Errorf("%s is not gofmt's", f.name)
		}
	}
}

// clockReads are the functions of package time that look at or wait for the system's clock.
var clockReads = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}

// Time comes from the stack's clock: nothing but tcpip/clock.go reads the system's.
func TestClocks(t *testing.T) {
	for _, f := range everySource(t) {
		if f.test || f.name == "tcpip/clock.go" || under(f.dir, support...) || under(f.dir, programs...) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if name, ok := selects(n, "time"); ok && slices.Contains(clockReads, name) {
				t.Errorf("%s: time.%s outside tcpip/clock.go", at(n), name)
			}
			return true
		})
	}
}

// selects returns the name that n takes from the named package.
func selects(n ast.Node, pkg string) (string, bool) {
	s, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	x, ok := s.X.(*ast.Ident)
	if !ok || x.Name != pkg || x.Obj != nil {
		return "", false
	}
	return s.Sel.Name, true
}

// What is dropped is counted in one place, which shows it to who wants to see it, too.
func TestDropsAreShown(t *testing.T) {
	for _, f := range everySource(t) {
		if f.test || under(f.dir, "internal") || f.name == "stack/tap.go" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Inc" && s.Sel.Name != "Add" {
				return true
			}
			if x, ok := s.X.(*ast.IndexExpr); ok && strings.HasSuffix(strings.ToLower(types.ExprString(x.X)), "drops") {
				t.Errorf("%s: a drop is counted and not shown: Packet.Drop, Stack.Miss, Stack.Lose or ICMPError.Drop do both", at(n))
			}
			return true
		})
	}
}

// Nothing registers itself: protocols are passed to stack.New.
func TestNoInit(t *testing.T) {
	for _, f := range everySource(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init()", at(fn))
			}
		}
	}
}

// A panic says what invariant broke; one that stands for missing code does not land.
func TestNoStubs(t *testing.T) {
	for _, f := range everySource(t) {
		if under(f.dir, "internal/house") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			fn, ok := call.Fun.(*ast.Ident)
			arg, isText := call.Args[0].(*ast.BasicLit)
			if ok && isText && fn.Name == "panic" && slices.Contains([]string{"stub", "todo", "not implemented", "unimplemented"}, strings.ToLower(strings.Trim(arg.Value, "\"`"))) {
				t.Errorf("%s: a stub", at(n))
			}
			return true
		})
	}
}

// Package-level variables are tables: written by their declaration, and by nobody afterwards.
func TestNoPackageState(t *testing.T) {
	type pkg struct {
		dir, name string
	}
	vars := map[pkg][]string{}
	for _, f := range everySource(t) {
		if f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				for _, n := range v.Names {
					vars[pkg{f.dir, f.ast.Name.Name}] = append(vars[pkg{f.dir, f.ast.Name.Name}], n.Name)
				}
				if typeIs(v.Type, "sync", "atomic") {
					t.Errorf("%s: %s is shared state at package level", at(v), v.Names[0].Name)
				}
			}
		}
	}
	for _, f := range everySource(t) {
		if f.test || under(f.dir, programs...) {
			continue
		}
		own := vars[pkg{f.dir, f.ast.Name.Name}]
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				for _, to := range writes(n) {
					if id := root(to); id != nil && id.Name != "_" && isPackageLevel(id) && slices.Contains(own, id.Name) {
						t.Errorf("%s: writes the package-level %s", at(n), id.Name)
					}
				}
				return true
			})
		}
	}
}

// writes returns what n assigns to.
func writes(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	}
	return nil
}

// root returns the identifier that an expression like a.b[c] starts from.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil // through a pointer or a call: not seen by this test
		}
	}
}

// isPackageLevel reports whether id was declared outside functions: in this file, or, being
// unresolved by the parser, in another.
func isPackageLevel(id *ast.Ident) bool {
	if id.Obj == nil {
		return true
	}
	if spec, ok := id.Obj.Decl.(*ast.ValueSpec); ok {
		return id.Obj.Kind == ast.Var && slices.ContainsFunc(spec.Names, func(n *ast.Ident) bool { return n.Name == id.Name }) && topLevel[spec]
	}
	return false
}

// topLevel holds the specs of variables declared outside functions.
var topLevel = map[*ast.ValueSpec]bool{}

func TestMain(m *testing.M) {
	if all, err := sources(); err == nil {
		for _, f := range all {
			for _, d := range f.ast.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
					for _, s := range g.Specs {
						topLevel[s.(*ast.ValueSpec)] = true
					}
				}
			}
		}
	}
	os.Exit(m.Run())
}

func typeIs(e ast.Expr, pkgs ...string) bool {
	found := false
	if e == nil {
		return false
	}
	ast.Inspect(e, func(n ast.Node) bool {
		for _, p := range pkgs {
			if _, ok := selects(n, p); ok {
				found = true
			}
		}
		return true
	})
	return found
}
