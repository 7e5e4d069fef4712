package packetdrill

import (
	"errors"
	"fmt"
	"math"
	"strconv"
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

// evaluator computes an expression while it reads it; what is not needed is read with off set.
type evaluator struct {
	env   *Env
	toks  []evalToken
	at    int
	off   int
	depth int
}

func (e *evaluator) peek() evalToken { return e.toks[e.at] }
func (e *evaluator) done() bool      { return e.peek().kind == 0 }

func (e *evaluator) end() {
	if !e.done() {
		evalFail("unexpected %q", e.peek().text)
	}
}

func (e *evaluator) accept(op string) bool {
	if t := e.peek(); t.kind == 'o' && t.text == op {
		e.at++
		return true
	}
	return false
}

func (e *evaluator) word(words ...string) bool {
	for _, w := range words {
		if t := e.peek(); t.kind == 'w' && t.text == w {
			e.at++
			return true
		}
	}
	return false
}

// assign runs name = value and name += value.
func (e *evaluator) assign() {
	t := e.peek()
	if t.kind != 'w' {
		evalFail("want a statement, not %q", t.text)
	}
	e.at++
	op := e.peek().text
	if e.peek().kind != 'o' || op == "==" || !strings.HasSuffix(op, "=") {
		e.at-- // an expression by itself
		e.expr()
		e.end()
		return
	}
	e.at++
	v := e.expr()
	e.end()
	if op != "=" {
		v = arith(strings.TrimSuffix(op, "="), e.name(t.text), v)
	}
	if e.env.vars == nil {
		e.env.vars = map[string]any{}
	}
	e.env.vars[t.text] = v
}

func (e *evaluator) name(n string) any {
	if v, ok := e.env.vars[n]; ok {
		return v
	}
	switch n {
	case "True", "true":
		return true
	case "False", "false":
		return false
	case "None":
		return nil
	}
	if e.off > 0 {
		return int64(0)
	}
	if e.env.Lookup != nil {
		if v, ok := e.env.Lookup(n); ok {
			return v
		}
	}
	evalFail("nothing is named %s", n)
	return nil
}

// expr reads a whole expression: or, and, not, comparisons, and what binds tighter.
func (e *evaluator) expr() any {
	if e.depth++; e.depth > maxDepth {
		evalFail("an expression nests too deep")
	}
	defer func() { e.depth-- }()
	v := e.and()
	for e.word("or") {
		if truth(v) {
			e.off++
			e.and()
			e.off--
		} else {
			v = e.and()
		}
	}
	if e.word("if") { // a if c else b
		cond := truth(e.and())
		if !e.word("else") {
			evalFail("want else")
		}
		if w := e.expr(); !cond {
			v = w
		}
	}
	return v
}

func (e *evaluator) and() any {
	v := e.not()
	for e.word("and") {
		if !truth(v) {
			e.off++
			e.not()
			e.off--
		} else {
			v = e.not()
		}
	}
	return v
}

func (e *evaluator) not() any {
	if e.word("not") {
		return !truth(e.not())
	}
	return e.comparison()
}

var comparisons = map[string]func(int) bool{
	"==": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 },
	"<": func(c int) bool { return c == -1 }, "<=": func(c int) bool { return c == -1 || c == 0 },
	">": func(c int) bool { return c == 1 }, ">=": func(c int) bool { return c == 1 || c == 0 },
}

const unordered = 2

// comparison reads a < b <= c, which holds if each pair does.
func (e *evaluator) comparison() any {
	left := e.binary(0)
	result, any := true, false
	for {
		t := e.peek()
		f := comparisons[t.text]
		if t.kind != 'o' || f == nil {
			break
		}
		e.at++
		right := e.binary(0)
		result = result && f(compareValues(left, right))
		left, any = right, true
	}
	if any {
		return result
	}
	return left
}

// levels are the binary operators, the loosest first.
var levels = [][]string{{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "//", "%"}}

func (e *evaluator) binary(level int) any {
	if level == len(levels) {
		return e.unary()
	}
	v := e.binary(level + 1)
	for {
		t := e.peek()
		if t.kind != 'o' || !contains(levels[level], t.text) {
			return v
		}
		e.at++
		w := e.binary(level + 1)
		if e.off == 0 {
			v = arith(t.text, v, w)
		}
	}
}

func contains(list []string, s string) bool {
	for _, o := range list {
		if o == s {
			return true
		}
	}
	return false
}

func (e *evaluator) unary() any {
	if e.depth++; e.depth > 4*maxDepth {
		evalFail("an expression nests too deep")
	}
	defer func() { e.depth-- }()
	switch {
	case e.accept("-"):
		return arith("-", int64(0), e.unary())
	case e.accept("+"):
		return e.unary()
	case e.accept("~"):
		return ^integer(e.unary())
	}
	v := e.primary()
	if e.accept("**") {
		return arith("**", v, e.unary())
	}
	return v
}

func (e *evaluator) primary() any {
	t := e.peek()
	e.at++
	switch {
	case t.kind == 'n':
		if v, err := strconv.ParseInt(strings.TrimRight(t.text, "LUl"), 0, 64); err == nil {
			return v
		}
		if v, err := strconv.ParseFloat(t.text, 64); err == nil {
			return v
		}
		evalFail("%q is no number", t.text)
	case t.kind == 's':
		return t.text
	case t.kind == 'w' && e.accept("("):
		return e.builtin(t.text, e.list(")"))
	case t.kind == 'w':
		return e.name(t.text)
	case t.text == "(":
		list := e.list(")")
		if len(list) == 1 && e.toks[e.at-2].text != "," {
			return list[0]
		}
		return list
	case t.text == "[":
		return e.list("]")
	}
	e.at--
	evalFail("unexpected %q", t.text)
	return nil
}

func (e *evaluator) list(end string) (list []any) {
	for !e.accept(end) {
		list = append(list, e.expr())
		if !e.accept(",") && (e.peek().text != end || e.done()) {
			evalFail("want %q", end)
		}
	}
	return list
}

// builtin calls a function of the few that scripts use.
func (e *evaluator) builtin(name string, args []any) any {
	if e.off > 0 {
		return int64(0)
	}
	if len(args) == 0 {
		evalFail("%s() of nothing", name)
	}
	switch name {
	case "abs":
		if truth(compareValues(args[0], int64(0)) == -1) {
			return arith("-", int64(0), args[0])
		}
		return args[0]
	case "int":
		return integer(args[0])
	case "float":
		return float(args[0])
	case "str":
		return text(args[0])
	case "min", "max":
		want := map[string]int{"min": -1, "max": 1}[name]
		best := args[0]
		for _, a := range args[1:] {
			if compareValues(a, best) == want {
				best = a
			}
		}
		return best
	}
	evalFail("there is no function %s", name)
	return nil
}

func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	}
	return false
}

func integer(v any) int64 {
	switch v := v.(type) {
	case bool:
		if v {
			return 1
		}
		return 0
	case int64:
		return v
	case float64:
		return int64(v)
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 0, 64); err == nil {
			return n
		}
	}
	evalFail("%s is no number", text(v))
	return 0
}

func float(v any) float64 {
	if f, ok := v.(float64); ok {
		return f
	}
	return float64(integer(v))
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case nil:
		return "None"
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// compareValues returns -1, 0 or 1, or unordered.
func compareValues(a, b any) int {
	s, ok := a.(string)
	t, ok2 := b.(string)
	switch {
	case ok && ok2:
		return strings.Compare(s, t)
	case ok != ok2 || a == nil || b == nil:
		if a == nil && b == nil {
			return 0
		}
		return unordered
	}
	if _, list := a.([]any); list {
		return unordered
	}
	_, af := a.(float64)
	_, bf := b.(float64)
	if af || bf {
		x, y := float(a), float(b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		case x == y:
			return 0
		}
		return unordered
	}
	x, y := integer(a), integer(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// arith computes a op b; % with a string on the left formats.
func arith(op string, a, b any) any {
	if s, ok := a.(string); ok {
		switch op {
		case "%":
			return format(s, b)
		case "+":
			return s + text(b)
		}
		evalFail("a string cannot %s", op)
	}
	_, af := a.(float64)
	_, bf := b.(float64)
	if af || bf || op == "/" || op == "**" {
		x, y := float(a), float(b)
		exact := !af && !bf
		switch op {
		case "+":
			return x + y
		case "-":
			return x - y
		case "*":
			return x * y
		case "/":
			if y == 0 {
				evalFail("division by zero")
			}
			if exact && integer(a)%integer(b) == 0 {
				return integer(a) / integer(b)
			}
			return x / y
		case "//":
			return math.Floor(x / y)
		case "%":
			return math.Mod(x, y)
		case "**":
			if v := math.Pow(x, y); exact && v == math.Trunc(v) && math.Abs(v) < 1<<62 {
				return int64(v)
			}
			return math.Pow(x, y)
		}
		evalFail("fractions cannot %s", op)
	}
	x, y := integer(a), integer(b)
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "|":
		return x | y
	case "&":
		return x & y
	case "^":
		return x ^ y
	case "<<", ">>":
		if y < 0 || y > 63 {
			evalFail("a shift by %d", y)
		}
		if op == "<<" {
			return x << y
		}
		return x >> y
	case "//", "%":
		if y == 0 {
			evalFail("division by zero")
		}
		q := int64(math.Floor(float64(x) / float64(y)))
		if op == "//" {
			return q
		}
		return x - q*y
	}
	evalFail("there is no operator %s", op)
	return nil
}

// format is Python's string formatting, as far as numbers and strings go.
func format(f string, arg any) string {
	args, ok := arg.([]any)
	if !ok {
		args = []any{arg}
	}
	var b strings.Builder
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b.WriteByte(f[i])
			continue
		}
		n := i + 1
		for n < len(f) && strings.IndexByte("0123456789.-+ #l", f[n]) >= 0 {
			n++
		}
		if n >= len(f) {
			evalFail("a format does not end: %q", f)
		}
		verb, flags := f[n], strings.ReplaceAll(f[i:n], "l", "")
		if len(flags) > 5 { // no value is a hundred digits wide
			evalFail("a format is too wide: %q", f)
		}
		i = n
		if verb == '%' {
			b.WriteByte('%')
			continue
		}
		if len(args) == 0 {
			evalFail("too few values for %q", f)
		}
		a := args[0]
		args = args[1:]
		switch verb {
		case 'd', 'u', 'i':
			fmt.Fprintf(&b, flags+"d", integer(a))
		case 'x', 'X', 'o', 'c':
			fmt.Fprintf(&b, flags+string(verb), integer(a))
		case 'f', 'g', 'e':
			fmt.Fprintf(&b, flags+string(verb), float(a))
		case 's', 'r':
			fmt.Fprintf(&b, flags+"s", text(a))
		default:
			evalFail("there is no format %%%c", verb)
		}
	}
	return b.String()
}
