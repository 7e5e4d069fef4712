package packetdrill

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// awk is the part of awk that scripts use to take fields and sums out of what programs tell: patterns with actions, BEGIN
// and END, fields, variables, arithmetic, comparisons and matches; print, printf, if, next and exit.
type awk struct {
	src    string // what is not read of the program
	vars   map[string]string
	line   string
	fields []string
	n      int // lines read
	out    *strings.Builder
	skip   bool // a branch that is not taken: it is read, and nothing happens
	depth  int
}

// awkNext and awkExit leave an action.
type (
	awkNext struct{}
	awkExit int
)

// shAwk is awk with -F and -v.
func shAwk(s *shell, args []string, in string, out *strings.Builder) (status int) {
	a := &awk{vars: map[string]string{"FS": " ", "OFS": " "}, out: out}
	i := 1
	for ; i < len(args) && strings.HasPrefix(args[i], "-"); i++ {
		flag, value := args[i][:min(2, len(args[i]))], args[i][min(2, len(args[i])):]
		if value == "" && i+1 < len(args) {
			i++
			value = args[i]
		}
		name, v, ok := strings.Cut(value, "=")
		switch {
		case flag == "-F":
			a.vars["FS"] = escapes.Replace(value)
		case flag == "-v" && ok:
			a.vars[name] = v
		default:
			panic(skipped("awk " + flag + " has no meaning here"))
		}
	}
	if i >= len(args) {
		return 2
	}
	text, ok := s.inputs(args[i+1:], in)
	if !ok {
		return 2
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(awkExit)
			if !ok {
				panic(r)
			}
			status = int(e)
		}
	}()
	a.pass(args[i], "BEGIN")
	a.guard(func() {
		for _, line := range linesOf(text) {
			a.take(line)
			a.pass(args[i], "")
		}
	})
	a.pass(args[i], "END")
	return 0
}

// guard runs f; an exit within leads to END.
func (a *awk) guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(awkExit); !ok {
				panic(r)
			}
		}
	}()
	f()
}

func (a *awk) fail() {
	panic(skipped("awk's " + strings.TrimSpace(a.src) + " has no meaning here"))
}

// take makes a line the current one.
func (a *awk) take(line string) {
	a.n++
	a.line = line
	switch fs := a.vars["FS"]; {
	case fs == " ":
		a.fields = strings.Fields(line)
	case len(fs) == 1:
		a.fields = strings.Split(line, fs)
	default:
		a.fields = compilePattern(fs).Split(line, -1)
	}
	if line == "" {
		a.fields = nil
	}
}

// pass runs the program's actions for the current line, or those of BEGIN or END.
func (a *awk) pass(program, when string) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(awkNext); !ok {
				panic(r)
			}
		}
	}()
	a.src, a.skip = program, false
	for a.space(" \t\n;"); a.src != ""; a.space(" \t\n;") {
		at := ""
		for _, w := range []string{"BEGIN", "END"} {
			if a.word(w) {
				at = w
			}
		}
		yes := at == when
		if a.space(" \t"); at == "" && !strings.HasPrefix(a.src, "{") {
			a.skip = !yes
			v := a.expr(0)
			yes = yes && awkTrue(v)
			a.skip = false
		}
		a.space(" \t")
		if strings.HasPrefix(a.src, "{") {
			a.skip = !yes
			a.block()
			a.skip = false
		} else if yes {
			a.out.WriteString(a.line + "\n")
		}
	}
}

func (a *awk) space(set string) { a.src = strings.TrimLeft(a.src, set) }

// word takes a word, if it is next.
func (a *awk) word(w string) bool {
	rest, ok := strings.CutPrefix(a.src, w)
	if !ok || rest != "" && (isLetter(rest[0]) || isDigit(rest[0])) {
		return false
	}
	a.src = rest
	return true
}

// take1 takes a text, if it is next after blanks.
func (a *awk) take1(s string) bool {
	a.space(" \t")
	rest, ok := strings.CutPrefix(a.src, s)
	if ok {
		a.src = rest
	}
	return ok
}

func (a *awk) block() {
	if !a.take1("{") {
		a.fail()
	}
	for a.space(" \t\n;"); !strings.HasPrefix(a.src, "}"); a.space(" \t\n;") {
		if a.src == "" {
			a.fail()
		}
		a.statement()
	}
	a.src = a.src[1:]
}

func (a *awk) statement() {
	if a.depth++; a.depth > maxDepth {
		panic(skipped("awk nests too deep"))
	}
	defer func() { a.depth-- }()
	a.space(" \t\n")
	switch {
	case strings.HasPrefix(a.src, "{"):
		a.block()
	case a.word("if"):
		if !a.take1("(") {
			a.fail()
		}
		yes, was := awkTrue(a.expr(0)), a.skip
		if !a.take1(")") {
			a.fail()
		}
		a.skip = was || !yes
		a.statement()
		a.skip = was
		rest := a.src
		if a.space(" \t\n;"); a.word("else") {
			a.skip = was || yes
			a.statement()
			a.skip = was
		} else {
			a.src = rest
		}
	case a.word("next"):
		if !a.skip {
			panic(awkNext{})
		}
	case a.word("exit"):
		status := 0
		if a.space(" \t"); a.src != "" && strings.IndexByte("};\n", a.src[0]) < 0 {
			status = int(awkNumber(a.expr(0)))
		}
		if !a.skip {
			panic(awkExit(status))
		}
	case a.word("printf"):
		if list := a.list(); !a.skip && len(list) > 0 {
			a.out.WriteString(awkFormat(list[0], list[1:]))
		}
	case a.word("print"):
		list := a.list()
		if len(list) == 0 {
			list = []string{a.line}
		}
		if !a.skip {
			a.out.WriteString(strings.Join(list, a.vars["OFS"]) + "\n")
		}
	default:
		a.expr(0)
	}
}

// list reads expressions with commas between them, to the end of the statement.
func (a *awk) list() (list []string) {
	for {
		if a.space(" \t"); a.src == "" || strings.IndexByte("};\n", a.src[0]) >= 0 {
			return list
		}
		list = append(list, a.expr(0))
		if !a.take1(",") {
			return list
		}
	}
}

// awkLevels are the operators between two values, the weakest first; between the third and the fourth texts are joined.
var awkLevels = [][]string{{"||"}, {"&&"}, {"==", "!=", "<=", ">=", "!~", "~", "<", ">"}, {"+", "-"}, {"*", "/", "%"}}

// awkJoin is the level of what is written side by side.
const awkJoin = 3

func (a *awk) expr(level int) string {
	if a.depth++; a.depth > 4*maxDepth {
		panic(skipped("awk nests too deep"))
	}
	defer func() { a.depth-- }()
	if level == len(awkLevels) {
		return a.value()
	}
	v := a.expr(level + 1)
	for {
		op := ""
		a.space(" \t")
		for _, o := range awkLevels[level] {
			if strings.HasPrefix(a.src, o) && !strings.HasPrefix(a.src, o+"=") && op == "" {
				op = o
			}
		}
		switch {
		case op == "" && level == awkJoin && a.src != "" && (isLetter(a.src[0]) || isDigit(a.src[0]) || strings.IndexByte("$\"(", a.src[0]) >= 0):
			v += a.expr(level + 1)
			continue
		case op == "":
			return v
		}
		a.src = a.src[len(op):]
		if a.space(" \t"); strings.HasSuffix(op, "~") && strings.HasPrefix(a.src, "/") {
			v = awkApply(v, op, a.quoted('/'))
			continue
		}
		if w := a.expr(level + 1); !a.skip {
			v = awkApply(v, op, w)
		}
	}
}

// value reads a number, a text, a pattern, a field, a variable with what is assigned to it, or brackets.
func (a *awk) value() string {
	a.space(" \t")
	switch {
	case a.src == "":
		a.fail()
	case a.take1("!"):
		return awkBool(!awkTrue(a.value()))
	case a.take1("-"):
		return awkShow(-awkNumber(a.value()))
	case a.take1("("):
		v := a.expr(0)
		if !a.take1(")") {
			a.fail()
		}
		return v
	case a.src[0] == '"':
		return escapes.Replace(a.quoted('"'))
	case a.src[0] == '/':
		return awkBool(compilePattern(a.quoted('/')).MatchString(a.line))
	case a.take1("$"):
		return a.field(int(awkNumber(a.value())))
	case isDigit(a.src[0]):
		n := 0
		for n < len(a.src) && (isDigit(a.src[n]) || a.src[n] == '.') {
			n++
		}
		v := a.src[:n]
		a.src = a.src[n:]
		return v
	case isLetter(a.src[0]):
		return a.variable()
	}
	a.fail()
	return ""
}

// quoted takes what stands between two of a sign.
func (a *awk) quoted(end byte) string {
	for i := 1; i < len(a.src); i++ {
		switch {
		case a.src[i] == '\\':
			i++
		case a.src[i] == end:
			v := a.src[1:i]
			a.src = a.src[i+1:]
			return strings.ReplaceAll(v, `\`+string(end), string(end))
		}
	}
	a.fail()
	return ""
}

func (a *awk) field(n int) string {
	switch {
	case n == 0:
		return a.line
	case n > 0 && n <= len(a.fields):
		return a.fields[n-1]
	}
	return ""
}

func (a *awk) variable() string {
	n := 0
	for n < len(a.src) && (isLetter(a.src[n]) || isDigit(a.src[n])) {
		n++
	}
	name := a.src[:n]
	a.src = a.src[n:]
	v := a.vars[name]
	switch name {
	case "NR":
		v = strconv.Itoa(a.n)
	case "NF":
		v = strconv.Itoa(len(a.fields))
	case "length", "int", "substr":
		return a.function(name)
	}
	set := func(w string) string {
		if !a.skip {
			a.vars[name] = w
		}
		return w
	}
	for _, op := range []string{"+", "-", "*", "/"} {
		if a.take1(op + "=") {
			return set(awkApply(v, op, a.expr(0)))
		}
	}
	switch {
	case a.take1("++"):
		set(awkApply(v, "+", "1"))
	case !strings.HasPrefix(strings.TrimLeft(a.src, " \t"), "==") && a.take1("="):
		return set(a.expr(0))
	}
	return v
}

// function calls length, int or substr.
func (a *awk) function(name string) string {
	list := []string{a.line}
	if a.take1("(") {
		list = list[:0]
		for !a.take1(")") {
			list = append(list, a.expr(0))
			if !a.take1(",") && !strings.HasPrefix(strings.TrimLeft(a.src, " \t"), ")") {
				a.fail()
			}
		}
	}
	switch {
	case name == "length" && len(list) == 1:
		return strconv.Itoa(len(list[0]))
	case name == "int" && len(list) == 1:
		return awkShow(math.Trunc(awkNumber(list[0])))
	case name == "substr" && len(list) > 1:
		from := min(max(int(awkNumber(list[1]))-1, 0), len(list[0]))
		n := len(list[0]) - from
		if len(list) > 2 {
			n = min(max(int(awkNumber(list[2])), 0), n)
		}
		return list[0][from : from+n]
	}
	a.fail()
	return ""
}

// awkNumber is the number that a text begins with.
func awkNumber(s string) float64 {
	s = strings.TrimLeft(s, " \t")
	for n := min(len(s), 40); n > 0; n-- {
		if v, err := strconv.ParseFloat(s[:n], 64); err == nil && strings.IndexByte("nNiI", strings.TrimLeft(s, "+-")[0]) < 0 {
			return v
		}
	}
	return 0
}

// awkShow writes a number as awk does.
func awkShow(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e16 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

func awkBool(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// awkTrue reports whether a value counts as yes: a number that is not 0, or a text that is not empty.
func awkTrue(v string) bool {
	if n, err := strconv.ParseFloat(v, 64); err == nil {
		return n != 0
	}
	return v != ""
}

// awkApply computes one operation. Values that both are numbers are compared as such.
func awkApply(v, op, w string) string {
	x, y := awkNumber(v), awkNumber(w)
	n := 0
	_, errV := strconv.ParseFloat(v, 64)
	if _, errW := strconv.ParseFloat(w, 64); (errV == nil || v == "") && (errW == nil || w == "") && v+w != "" {
		switch {
		case x < y:
			n = -1
		case x > y:
			n = 1
		}
	} else {
		n = strings.Compare(v, w)
	}
	switch op {
	case "||":
		return awkBool(awkTrue(v) || awkTrue(w))
	case "&&":
		return awkBool(awkTrue(v) && awkTrue(w))
	case "==":
		return awkBool(n == 0)
	case "!=":
		return awkBool(n != 0)
	case "<":
		return awkBool(n < 0)
	case "<=":
		return awkBool(n <= 0)
	case ">":
		return awkBool(n > 0)
	case ">=":
		return awkBool(n >= 0)
	case "~":
		return awkBool(compilePattern(w).MatchString(v))
	case "!~":
		return awkBool(!compilePattern(w).MatchString(v))
	case "+":
		return awkShow(x + y)
	case "-":
		return awkShow(x - y)
	case "*":
		return awkShow(x * y)
	}
	if y == 0 {
		panic(skipped("awk divides by zero"))
	}
	if op == "%" {
		return awkShow(math.Mod(x, y))
	}
	return awkShow(x / y)
}

// awkFormat is printf.
func awkFormat(f string, list []string) string {
	var b strings.Builder
	for i := 0; i < len(f); i++ {
		if f[i] != '%' || i+1 == len(f) {
			b.WriteByte(f[i])
			continue
		}
		n := i + 1
		for n < len(f) && strings.IndexByte("-+ 0123456789.l", f[n]) >= 0 {
			n++
		}
		if n == len(f) {
			break
		}
		verb, flags, v := f[n], strings.ReplaceAll(f[i:n], "l", ""), ""
		i = n
		if verb == '%' {
			b.WriteByte('%')
			continue
		}
		if len(list) > 0 {
			v, list = list[0], list[1:]
		}
		if len(flags) > 8 {
			panic(skipped("awk's printf with " + flags + " has no meaning here"))
		}
		switch verb {
		case 'd', 'i', 'u':
			fmt.Fprintf(&b, flags+"d", int64(awkNumber(v)))
		case 'x', 'X', 'o', 'c':
			fmt.Fprintf(&b, flags+string(verb), int64(awkNumber(v)))
		case 'f', 'g', 'e':
			fmt.Fprintf(&b, flags+string(verb), awkNumber(v))
		case 's':
			fmt.Fprintf(&b, flags+"s", v)
		default:
			panic(skipped("awk's printf with %" + string(verb) + " has no meaning here"))
		}
	}
	return b.String()
}
