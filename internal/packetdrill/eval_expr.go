package packetdrill

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

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
	e.env.assign(t.text, v)
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
	result, compared := true, false
	for {
		t := e.peek()
		if t.kind == 'w' && (t.text == "in" || t.text == "is" || t.text == "not") {
			not := e.word("is") && e.word("not") || e.word("not")
			member := e.word("in")
			right := e.binary(0)
			list, ok := right.([]any)
			holds := !ok && compareValues(left, right) == 0
			if ok && member {
				holds = slices.ContainsFunc(list, func(v any) bool { return compareValues(left, v) == 0 })
			}
			result, compared, left = result && holds != not, true, right
			continue
		}
		f := comparisons[t.text]
		if t.kind != 'o' || f == nil {
			break
		}
		e.at++
		right := e.binary(0)
		result = result && f(compareValues(left, right))
		left, compared = right, true
	}
	if compared {
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
	for e.accept("[") {
		v = element(v, e.list("]"))
	}
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
		s := t.text
		for e.peek().kind == 's' { // as in C
			s += e.peek().text
			e.at++
		}
		if e.peek().text == "." && e.toks[min(e.at+1, len(e.toks)-1)].text == "format" {
			e.at += 2
			if !e.accept("(") {
				evalFail("want (")
			}
			for _, a := range e.list(")") {
				s = strings.Replace(s, "{}", text(a), 1)
			}
		}
		return s
	case t.kind == 'f':
		return e.interpolate(t.text)
	case t.kind == 'w' && e.accept("("):
		return e.builtin(t.text, e.list(")"))
	case t.kind == 'w' && e.accept("."): // of a module
		name := e.peek().text
		e.at++
		if e.accept("(") {
			return e.builtin(name, e.list(")"))
		}
		return nil
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

// interpolate fills in the expressions of an f-string.
func (e *evaluator) interpolate(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		inner, after, ok := strings.Cut(rest, "}")
		if !ok {
			evalFail("want }")
		}
		code, layout, _ := strings.Cut(inner, ":")
		x := &evaluator{env: e.env, toks: evalTokens(code), off: e.off, depth: e.depth + 1}
		v := x.expr()
		x.end()
		if layout != "" {
			b.WriteString(format("%"+layout, v))
		} else {
			b.WriteString(text(v))
		}
		s = after
	}
}

func (e *evaluator) list(end string) (list []any) {
	for !e.accept(end) {
		if next := e.toks[min(e.at+1, len(e.toks)-1)]; e.peek().kind == 'w' && next.text == "=" { // sep=" ", for print
			e.at += 2
			e.expr()
		} else {
			list = append(list, e.expr())
		}
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
	if list, ok := args[0].([]any); ok && len(args) == 1 && len(list) > 0 && (name == "min" || name == "max") {
		args = list
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
	case "len":
		if list, ok := args[0].([]any); ok {
			return int64(len(list))
		}
		return int64(len(text(args[0])))
	case "bool":
		return truth(args[0])
	case "hex":
		return fmt.Sprintf("%#x", integer(args[0]))
	case "bin":
		return fmt.Sprintf("%#b", integer(args[0]))
	case "floor":
		return int64(math.Floor(float(args[0])))
	case "ceil":
		return int64(math.Ceil(float(args[0])))
	case "sqrt":
		return math.Sqrt(float(args[0]))
	case "pow":
		if len(args) == 2 {
			return arith("**", args[0], args[1])
		}
	case "sum", "any", "all":
		if list, ok := args[0].([]any); ok {
			return ofList(name, list)
		}
	case "round":
		return int64(math.RoundToEven(float(args[0])))
	case "range":
		return numbers(args)
	case "str", "repr":
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

// ofList is sum(), any() and all().
func ofList(name string, list []any) any {
	if name == "sum" {
		total := any(int64(0))
		for _, v := range list {
			total = arith("+", total, v)
		}
		return total
	}
	if name == "any" {
		return slices.ContainsFunc(list, truth)
	}
	return !slices.ContainsFunc(list, func(v any) bool { return !truth(v) })
}

// element is v[i].
func element(v any, index []any) any {
	list, ok := v.([]any)
	if !ok || len(index) != 1 {
		evalFail("%s has no elements", text(v))
	}
	i := integer(index[0])
	if i < 0 {
		i += int64(len(list))
	}
	if i < 0 || i >= int64(len(list)) {
		evalFail("there is no element %d", i)
	}
	return list[i]
}

// numbers is range(): from, to, step.
func numbers(args []any) (list []any) {
	from, to, step := int64(0), integer(args[0]), int64(1)
	if len(args) > 1 {
		from, to = to, integer(args[1])
	}
	if len(args) > 2 {
		step = integer(args[2])
	}
	if step == 0 || (to-from)/step > maxStatements {
		evalFail("a range is too long")
	}
	for v := from; step > 0 && v < to || step < 0 && v > to; v += step {
		list = append(list, v)
	}
	return list
}
