package packetdrill

import (
	"errors"
	"fmt"
	"strings"
)

// Env is what the code of a script works with: names that are looked up, and those that it assigns. Values are
// int64, float64, string, bool and []any.
type Env struct {
	Lookup func(name string) (any, bool)
	Print  func(string)
	vars   map[string]any
}

// errAssert is an assertion that does not hold.
var errAssert = errors.New("assertion failed")

// Exec runs the statements of a %{ }% block: assert, print, assignments and one-line if, in Python's notation.
//
// Errors: an assertion that does not hold, and code that cannot be run.
func (env *Env) Exec(code string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(evalError)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	for _, line := range statements(code) {
		if err := env.statement(line); err != nil {
			return err
		}
	}
	return nil
}

type evalError string

func (e evalError) Error() string { return string(e) }

func evalFail(format string, args ...any) { panic(evalError(fmt.Sprintf(format, args...))) }

// statements cuts code at line ends and semicolons outside strings and brackets, and joins lines that go on.
func statements(code string) (list []string) {
	var b strings.Builder
	depth, quote := 0, byte(0)
	end := func() {
		if s := strings.TrimSpace(b.String()); s != "" {
			list = append(list, s)
		}
		b.Reset()
	}
	for i := 0; i < len(code); i++ {
		c := code[i]
		switch {
		case quote != 0:
			if c == '\\' && i+1 < len(code) {
				b.WriteByte(c)
				i++
				c = code[i]
			} else if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '#':
			for i+1 < len(code) && code[i+1] != '\n' {
				i++
			}
			continue
		case c == '\\' && i+1 < len(code) && code[i+1] == '\n':
			i++
			continue
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case (c == '\n' || c == ';') && depth <= 0:
			end()
			continue
		}
		b.WriteByte(c)
	}
	end()
	return list
}

// statement runs one statement.
func (env *Env) statement(s string) error {
	e := &evaluator{env: env, toks: evalTokens(s)}
	switch {
	case e.word("assert"):
		cond := e.expr()
		msg := ""
		if e.accept(",") {
			msg = ": " + text(e.expr())
		}
		e.end()
		if !truth(cond) {
			return fmt.Errorf("%w: %s%s", errAssert, strings.TrimPrefix(s, "assert "), msg)
		}
	case e.word("print"):
		var parts []string
		for !e.done() {
			parts = append(parts, text(e.expr()))
			if !e.accept(",") {
				break
			}
		}
		e.end()
		if env.Print != nil {
			env.Print(strings.Join(parts, " "))
		}
	case e.word("if"):
		cond := e.expr()
		if !e.accept(":") {
			evalFail("want : in %q", s)
		}
		if truth(cond) {
			return env.statement(s[e.toks[e.at].at:])
		}
	case e.word("pass", "import"):
	default:
		e.assign()
	}
	return nil
}

// evalToken is a word, number, string or operator of code.
type evalToken struct {
	kind byte // w, n, s, o; 0 at the end
	text string
	at   int
}

// operators, the longest first.
var operators = []string{"**=", "//=", "<<=", ">>=", "==", "!=", "<=", ">=", "<<", ">>", "**", "//", "+=", "-=", "*=", "/=", "|=", "&="}

func evalTokens(s string) (list []evalToken) {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
			continue
		case isLetter(c):
			n := i
			for n < len(s) && (isLetter(s[n]) || isDigit(s[n])) {
				n++
			}
			list = append(list, evalToken{'w', s[i:n], i})
			i = n
			continue
		case isDigit(c) || c == '.' && i+1 < len(s) && isDigit(s[i+1]):
			n := i
			for n < len(s) && (isLetter(s[n]) || isDigit(s[n]) || s[n] == '.') {
				n++
			}
			list = append(list, evalToken{'n', s[i:n], i})
			i = n
			continue
		case c == '\'' || c == '"':
			n := i + 1
			var b strings.Builder
			for n < len(s) && s[n] != c {
				if s[n] == '\\' && n+1 < len(s) {
					n++
					if s[n] == 'n' {
						b.WriteByte('\n')
						n++
						continue
					}
				}
				b.WriteByte(s[n])
				n++
			}
			if n >= len(s) {
				evalFail("a string does not end: %s", s)
			}
			list = append(list, evalToken{'s', b.String(), i})
			i = n + 1
			continue
		}
		op := s[i : i+1]
		for _, o := range operators {
			if strings.HasPrefix(s[i:], o) {
				op = o
				break
			}
		}
		list = append(list, evalToken{'o', op, i})
		i += len(op)
	}
	return append(list, evalToken{0, "", len(s)})
}
