package packetdrill

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Env is what the code of a script works with: names that are looked up, and those that it assigns. Values are
// int64, float64, string, bool and []any.
type Env struct {
	Lookup func(name string) (any, bool)
	Print  func(string)
	vars   map[string]any
	steps  int
}

// maxStatements bounds the statements of one block of code.
const maxStatements = 100000

// errAssert is an assertion that does not hold.
var errAssert = errors.New("assertion failed")

// Exec runs the statements of a %{ }% block: assert, print, assignments, if, for and while, in Python's notation.
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
	env.steps = 0
	return env.block(statements(code))
}

type evalError string

func (e evalError) Error() string { return string(e) }

func evalFail(format string, args ...any) { panic(evalError(fmt.Sprintf(format, args...))) }

// statement is one line of code.
type statement struct {
	indent int
	text   string
}

// statements cuts code at line ends and semicolons outside strings and brackets, and joins lines that go on.
func statements(code string) (list []statement) {
	var b strings.Builder
	depth, quote, indent := 0, byte(0), 0
	fresh := true // at the beginning of a line
	end := func() {
		if s := strings.TrimSpace(b.String()); s != "" {
			list = append(list, statement{indent, s})
		}
		b.Reset()
	}
	for i := 0; i < len(code); i++ {
		c := code[i]
		if fresh {
			switch c {
			case ' ':
				indent++
				continue
			case '\t':
				indent += 8 - indent%8
				continue
			case '\n', '\r':
				indent = 0
				continue
			}
			fresh = false
		}
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
		case c == '\\' && strings.HasPrefix(code[i+1:], "\r\n"):
			i += 2
			continue
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == ';' && depth <= 0:
			end()
			continue
		case c == '\n' && depth <= 0:
			end()
			fresh, indent = true, 0
			continue
		}
		b.WriteByte(c)
	}
	end()
	// Code that begins on the line of its %{ has no indentation to go by.
	line, _, _ := strings.Cut(code, "\n")
	line, _, _ = strings.Cut(line, "#")
	if len(list) > 1 && strings.TrimSpace(line) != "" {
		list[0].indent = list[1].indent
		if strings.HasSuffix(list[0].text, ":") {
			list[0].indent--
		}
	}
	return list
}

// block runs statements, with those that belong to one before them.
func (env *Env) block(list []statement) error {
	taken := true // the if before, or one of its elifs
	for i := 0; i < len(list); i++ {
		s := list[i]
		if env.steps++; env.steps > maxStatements {
			evalFail("the code does not end")
		}
		body := i + 1
		if strings.HasSuffix(s.text, ":") {
			for body < len(list) && list[body].indent > s.indent {
				body++
			}
		}
		if body == i+1 && !strings.HasPrefix(s.text, "el") {
			if strings.HasSuffix(s.text, ":") {
				evalFail("nothing belongs to %q", s.text)
			}
			ran, err := env.statement(s.text)
			if err != nil {
				return err
			}
			taken = ran
			continue
		}
		inner := list[i+1 : body]
		e := &evaluator{env: env, toks: evalTokens(s.text)}
		run := false
		switch {
		case e.word("if"):
			run = truth(e.expr())
			taken = run
		case e.word("elif"):
			run = !taken && truth(e.expr())
			taken = taken || run
		case e.word("else"):
			run = !taken
		case e.word("while"):
			if truth(e.expr()) {
				run = true
				body = i // and once more
			}
		case e.word("for"):
			if err := env.loop(e, inner); err != nil {
				return err
			}
			e.at = len(e.toks) - 2
		default:
			evalFail("%q has no meaning here", s.text)
		}
		if !e.accept(":") {
			evalFail("want : in %q", s.text)
		}
		if run && !e.done() {
			if _, err := env.statement(s.text[e.peek().at:]); err != nil {
				return err
			}
		}
		if run {
			if err := env.block(inner); err != nil {
				return err
			}
		}
		i = body - 1
	}
	return nil
}

// loop runs a body for each value of a list.
func (env *Env) loop(e *evaluator, body []statement) error {
	name := e.peek().text
	e.at++
	if !e.word("in") {
		evalFail("want in")
	}
	values, ok := e.expr().([]any)
	if !ok {
		evalFail("for wants a list")
	}
	for _, v := range values {
		env.assign(name, v)
		if err := env.block(body); err != nil {
			return err
		}
	}
	return nil
}

func (env *Env) assign(name string, v any) {
	if env.vars == nil {
		env.vars = map[string]any{}
	}
	env.vars[name] = v
}

// statement runs one statement. taken is false for an if that does not hold.
func (env *Env) statement(s string) (taken bool, err error) {
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
			return true, fmt.Errorf("%w: %s%s", errAssert, strings.TrimPrefix(s, "assert "), msg)
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
		if !truth(cond) {
			return false, nil
		}
		return env.statement(s[e.toks[e.at].at:])
	case e.word("for"): // with its body on the line
		colon := slices.IndexFunc(e.toks, func(t evalToken) bool { return t.kind == 'o' && t.text == ":" })
		if colon < 0 {
			evalFail("want : in %q", s)
		}
		return true, env.loop(e, []statement{{0, strings.TrimSpace(s[e.toks[colon].at+1:])}})
	case e.word("pass", "import", "from"):
	default:
		e.assign()
	}
	return true, nil
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
		case c == 'f' && i+1 < len(s) && (s[i+1] == '\'' || s[i+1] == '"'):
			n := strings.IndexByte(s[i+2:], s[i+1])
			if n < 0 {
				evalFail("a string does not end: %s", s)
			}
			list = append(list, evalToken{'f', s[i+2 : i+2+n], i})
			i += n + 3
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
