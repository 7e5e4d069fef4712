package packetdrill

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// textTools are the programs that scripts put between a counter and a comparison.
func textTools() map[string]builtin {
	return map[string]builtin{
		"cut": shCut, "tr": shTranslate, "wc": shCount, "sort": shSort, "uniq": shUniq, "seq": shSequence, "expr": shExpr, "tee": shTee,
		"xargs": shArguments, "basename": shBasename, "dirname": shDirname, "read": shRead, "sed": shSed, "awk": shAwk, "gawk": shAwk, "mawk": shAwk,
		"date": shDate, "uname": shUname, "rev": shRev, "tac": shTac, "nproc": shNproc,
	}
}

// operands parts a program's arguments: the flags whose letters are in with take what follows. Of long options and flags
// that are not in known either there is no meaning.
func operands(args []string, known, with string) (flags map[byte]string, rest []string) {
	flags = map[byte]string{}
	for i := 1; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			return flags, append(rest, args[i+1:]...)
		case len(a) < 2 || a[0] != '-' || isDigit(a[1]):
			rest = append(rest, a)
			continue
		}
		for j := 1; j < len(a); j++ {
			c := a[j]
			switch {
			case strings.IndexByte(with, c) >= 0:
				v := a[j+1:]
				if v == "" && i+1 < len(args) {
					i++
					v = args[i]
				}
				flags[c], j = v, len(a)
			case strings.IndexByte(known, c) >= 0:
				flags[c] = ""
			default:
				panic(skipped(args[0] + " " + a + " has no meaning here"))
			}
		}
	}
	return flags, rest
}

// inputs is what the files hold that are named, or the input if there are none. ok is false if one is not there.
func (s *shell) inputs(files []string, in string) (text string, ok bool) {
	if len(files) == 0 {
		return in, true
	}
	var b strings.Builder
	for _, f := range files {
		one := in
		if f != "-" {
			if one, ok = s.read(f); !ok {
				return "", false
			}
		}
		b.WriteString(one)
	}
	return b.String(), true
}

// linesOf are the lines of a text, without their ends.
func linesOf(text string) (list []string) {
	for line := range strings.Lines(text) {
		list = append(list, strings.TrimSuffix(line, "\n"))
	}
	return list
}

// shCut is cut with -d, -f, -c, -b and -s.
func shCut(s *shell, args []string, in string, out *strings.Builder) int {
	flags, files := operands(args, "s", "dfcb")
	text, ok := s.inputs(files, in)
	if !ok {
		return 1
	}
	list, fields := flags['f']
	delimiter, given := flags['d']
	if !given {
		delimiter = "\t"
	}
	if !fields {
		list, delimiter = flags['c']+flags['b'], ""
	}
	wanted := numberRanges(list)
	_, only := flags['s']
	for _, line := range linesOf(text) {
		if fields && !strings.Contains(line, delimiter) {
			if !only {
				out.WriteString(line + "\n")
			}
			continue
		}
		var kept []string
		for i, part := range strings.Split(line, delimiter) {
			if wanted(i + 1) {
				kept = append(kept, part)
			}
		}
		out.WriteString(strings.Join(kept, delimiter) + "\n")
	}
	return 0
}

// numberRanges reads a list such as 1,3-5,7- and reports what is in it.
func numberRanges(list string) func(int) bool {
	return func(n int) bool {
		for part := range strings.SplitSeq(list, ",") {
			low, high, span := strings.Cut(part, "-")
			a, errA := strconv.Atoi(cmp.Or(low, "1"))
			b, errB := strconv.Atoi(cmp.Or(high, strconv.Itoa(1<<30)))
			if !span {
				b, errB = a, errA
			}
			if errA != nil || errB != nil {
				panic(skipped("cut with " + list + " has no meaning here"))
			}
			if a <= n && n <= b {
				return true
			}
		}
		return false
	}
}

// escapes are those of printf and tr.
var escapes = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\\`, `\`, `\0`, "\x00")

// characters is a set of tr: ranges and a few classes.
func characters(set string) (list []rune) {
	set = strings.NewReplacer("[:digit:]", "0-9", "[:lower:]", "a-z", "[:upper:]", "A-Z", "[:alpha:]", "A-Za-z", "[:alnum:]", "A-Za-z0-9",
		"[:space:]", " \t\n\r", "[:blank:]", " \t").Replace(escapes.Replace(set))
	runes := []rune(set)
	for i := 0; i < len(runes); i++ {
		if i+2 < len(runes) && runes[i+1] == '-' && runes[i] <= runes[i+2] && runes[i+2] < 256 {
			for c := runes[i]; c <= runes[i+2]; c++ {
				list = append(list, c)
			}
			i += 2
			continue
		}
		list = append(list, runes[i])
	}
	return list
}

// shTranslate is tr with -d, -s and -c.
func shTranslate(_ *shell, args []string, in string, out *strings.Builder) int {
	flags, sets := operands(args, "dscC", "")
	_, drop := flags['d']
	_, squeeze := flags['s']
	_, not := flags['c']
	if _, upper := flags['C']; upper {
		not = true
	}
	if len(sets) == 0 {
		return 1
	}
	from := characters(sets[0])
	to := from[:0:0]
	if len(sets) > 1 {
		to = characters(sets[1])
	}
	last := rune(-1)
	for _, c := range in {
		i := slices.Index(from, c)
		found := (i >= 0) != not
		switch {
		case found && drop:
			continue
		case found && len(to) > 0:
			c = to[min(max(i, 0), len(to)-1)]
			if not {
				c = to[len(to)-1]
			}
		}
		if found && squeeze && c == last {
			continue
		}
		last = -1
		if found {
			last = c
		}
		out.WriteRune(c)
	}
	return 0
}

// shCount is wc.
func shCount(s *shell, args []string, in string, out *strings.Builder) int {
	flags, files := operands(args, "lwcm", "")
	text, ok := s.inputs(files, in)
	if !ok {
		return 1
	}
	var list []string
	for _, k := range []struct {
		flag byte
		n    int
	}{{'l', strings.Count(text, "\n")}, {'w', len(strings.Fields(text))}, {'c', len(text)}} {
		if _, wanted := flags[k.flag]; wanted || len(flags) == 0 {
			list = append(list, strconv.Itoa(k.n))
		}
	}
	out.WriteString(strings.Join(append(list, files...), " ") + "\n")
	return 0
}

// shSort is sort with -n, -r, -u and -k.
func shSort(s *shell, args []string, in string, out *strings.Builder) int {
	flags, files := operands(args, "nru", "k")
	text, ok := s.inputs(files, in)
	if !ok {
		return 1
	}
	_, numbers := flags['n']
	_, back := flags['r']
	_, once := flags['u']
	key, keyed := flags['k']
	column, _ := strconv.Atoi(strings.TrimRight(strings.Split(key, ",")[0], "nr"))
	numbers, back = numbers || strings.Contains(key, "n"), back || strings.Contains(key, "r")
	of := func(line string) string {
		if f := strings.Fields(line); keyed && column > 0 && column <= len(f) {
			return strings.Join(f[column-1:], " ")
		}
		return line
	}
	lines := linesOf(text)
	slices.SortStableFunc(lines, func(a, b string) int {
		n := strings.Compare(of(a), of(b))
		if numbers {
			n = cmp.Compare(awkNumber(of(a)), awkNumber(of(b)))
		}
		if back {
			n = -n
		}
		return n
	})
	if once {
		lines = slices.Compact(lines)
	}
	for _, l := range lines {
		out.WriteString(l + "\n")
	}
	return 0
}

// shUniq is uniq with -c, -d and -u.
func shUniq(s *shell, args []string, in string, out *strings.Builder) int {
	flags, files := operands(args, "cdu", "")
	text, ok := s.inputs(files, in)
	if !ok {
		return 1
	}
	_, count := flags['c']
	_, double := flags['d']
	_, single := flags['u']
	lines := linesOf(text)
	for i := 0; i < len(lines); {
		n := 1
		for i+n < len(lines) && lines[i+n] == lines[i] {
			n++
		}
		switch {
		case double && n == 1 || single && n > 1:
		case count:
			fmt.Fprintf(out, "%7d %s\n", n, lines[i])
		default:
			out.WriteString(lines[i] + "\n")
		}
		i += n
	}
	return 0
}

// shSequence is seq with whole numbers.
func shSequence(_ *shell, args []string, _ string, out *strings.Builder) int {
	flags, words := operands(args, "w", "s")
	n := []int{1, 1, 1} // first, step, last
	for i, w := range words {
		v, err := strconv.Atoi(w)
		if err != nil || i > 2 {
			panic(skipped("seq " + strings.Join(words, " ") + " has no meaning here"))
		}
		switch {
		case i == len(words)-1:
			n[2] = v
		default:
			n[i] = v
		}
	}
	if n[1] == 0 || (n[2]-n[0])/n[1] > maxSteps {
		panic(skipped("seq does not end"))
	}
	end, given := flags['s']
	if !given {
		end = "\n"
	}
	var list []string
	for v := n[0]; n[1] > 0 && v <= n[2] || n[1] < 0 && v >= n[2]; v += n[1] {
		list = append(list, strconv.Itoa(v))
	}
	if len(list) > 0 {
		out.WriteString(strings.Join(list, end) + "\n")
	}
	return 0
}

// shExpr is expr with numbers, comparisons and the matching of a beginning.
func shExpr(s *shell, args []string, _ string, out *strings.Builder) int {
	v, rest := s.exprOr(args[1:])
	if len(rest) > 0 {
		panic(skipped("expr " + strings.Join(args[1:], " ") + " has no meaning here"))
	}
	out.WriteString(v + "\n")
	if v == "" || v == "0" {
		return 1
	}
	return 0
}

// exprLevels are the operators of expr, the weakest first.
var exprLevels = [][]string{{"|"}, {"&"}, {"=", "==", "!=", "<", "<=", ">", ">="}, {"+", "-"}, {"*", "/", "%"}, {":"}}

func (s *shell) exprOr(a []string) (string, []string) { return s.exprLevel(a, 0) }

func (s *shell) exprLevel(a []string, level int) (v string, rest []string) {
	if level == len(exprLevels) {
		switch {
		case len(a) == 0:
			panic(skipped("expr has nothing to compute"))
		case a[0] == "length" && len(a) > 1:
			return strconv.Itoa(len(a[1])), a[2:]
		case a[0] == "(":
			if s.depth++; s.depth > maxDepth {
				panic(skipped("expr nests too deep"))
			}
			v, rest = s.exprOr(a[1:])
			s.depth--
			if len(rest) == 0 {
				panic(skipped("expr has a bracket that is not closed"))
			}
			return v, rest[1:]
		}
		return a[0], a[1:]
	}
	v, rest = s.exprLevel(a, level+1)
	for len(rest) > 1 && slices.Contains(exprLevels[level], rest[0]) {
		op := rest[0]
		var w string
		w, rest = s.exprLevel(rest[1:], level+1)
		v = exprApply(v, op, w)
	}
	return v, rest
}

// exprApply computes one operation.
func exprApply(v, op, w string) string {
	truth := map[bool]string{true: "1", false: "0"}
	x, errX := strconv.ParseInt(v, 10, 64)
	y, errY := strconv.ParseInt(w, 10, 64)
	n := cmp.Compare(x, y)
	if errX != nil || errY != nil {
		n = strings.Compare(v, w)
	}
	switch op {
	case "|":
		if v != "" && v != "0" {
			return v
		}
		return w
	case "&":
		if v != "" && v != "0" && w != "" && w != "0" {
			return v
		}
		return "0"
	case "=", "==":
		return truth[n == 0]
	case "!=":
		return truth[n != 0]
	case "<":
		return truth[n < 0]
	case "<=":
		return truth[n <= 0]
	case ">":
		return truth[n > 0]
	case ">=":
		return truth[n >= 0]
	case ":":
		m := compilePattern("^(?:" + basicPattern(w) + ")").FindStringSubmatch(v)
		switch {
		case len(m) > 1:
			return m[1]
		case len(m) == 1:
			return strconv.Itoa(len(m[0]))
		case strings.Contains(w, `\(`):
			return ""
		}
		return "0"
	}
	if errX != nil || errY != nil || y == 0 && (op == "/" || op == "%") {
		panic(skipped("expr " + v + " " + op + " " + w + " has no meaning here"))
	}
	return strconv.FormatInt(map[string]func() int64{
		"+": func() int64 { return x + y }, "-": func() int64 { return x - y }, "*": func() int64 { return x * y },
		"/": func() int64 { return x / y }, "%": func() int64 { return x % y },
	}[op](), 10)
}

func shTee(s *shell, args []string, in string, out *strings.Builder) int {
	flags, files := operands(args, "ai", "")
	_, more := flags['a']
	out.WriteString(in)
	for _, f := range files {
		if !s.write(f, in, more) {
			return 1
		}
	}
	return 0
}

// shArguments is xargs with -n and -I.
func shArguments(s *shell, args []string, in string, out *strings.Builder) int {
	per, place, i := 0, "", 1
	for ; i < len(args) && strings.HasPrefix(args[i], "-"); i++ {
		switch a := args[i]; {
		case a == "-r":
		case a == "-n" && i+1 < len(args):
			i++
			per, _ = strconv.Atoi(args[i])
		case strings.HasPrefix(a, "-n"):
			per, _ = strconv.Atoi(a[2:])
		case a == "-I" && i+1 < len(args):
			i++
			place = args[i]
		default:
			panic(skipped("xargs " + a + " has no meaning here"))
		}
	}
	command := args[i:]
	if len(command) == 0 {
		command = []string{"echo"}
	}
	status := 0
	run := func(words []string) {
		if s.run(words, "", out) != 0 {
			status = 123
		}
	}
	if place != "" {
		for _, line := range linesOf(in) {
			var words []string
			for _, w := range command {
				words = append(words, strings.ReplaceAll(w, place, line))
			}
			run(words)
		}
		return status
	}
	for part := range slices.Chunk(strings.Fields(in), cmp.Or(max(per, 0), 1<<20)) {
		run(append(slices.Clone(command), part...))
	}
	return status
}

func shBasename(_ *shell, args []string, _ string, out *strings.Builder) int {
	if len(args) < 2 {
		return 1
	}
	name := path.Base(args[1])
	if len(args) > 2 && name != args[2] {
		name = strings.TrimSuffix(name, args[2])
	}
	out.WriteString(name + "\n")
	return 0
}

func shDirname(_ *shell, args []string, _ string, out *strings.Builder) int {
	if len(args) < 2 {
		return 1
	}
	out.WriteString(path.Dir(args[1]) + "\n")
	return 0
}

// shRead takes the next line of the input into variables. Commands that have the same input go on behind it.
func shRead(s *shell, args []string, in string, _ *strings.Builder) int {
	_, names := operands(args, "r", "")
	u := s.unread
	if u.text != in {
		u.text, u.at = in, 0
	}
	line, rest, more := strings.Cut(in[min(u.at, len(in)):], "\n")
	u.at = len(in) - len(rest)
	for i, name := range names {
		line = strings.TrimLeft(line, " \t")
		v := strings.TrimRight(line, " \t")
		if n := strings.IndexAny(line, " \t"); i < len(names)-1 && n >= 0 {
			v, line = line[:n], line[n:]
		} else if i < len(names)-1 {
			line = ""
		}
		s.vars[name] = v
	}
	if !more {
		return 1
	}
	return 0
}

// shDate is of virtual time: it counts from the beginning of the clock.
func shDate(_ *shell, args []string, _ string, out *strings.Builder) int {
	if len(args) == 2 && (args[1] == "+%s" || args[1] == "+%s%N" || args[1] == "+%N") {
		out.WriteString("0\n")
		return 0
	}
	panic(skipped("date has no meaning here but with +%s"))
}

// shUname tells of the kernel that this stack is compared with.
func shUname(_ *shell, args []string, _ string, out *strings.Builder) int {
	if len(args) == 2 && args[1] == "-r" {
		out.WriteString("6.18.0\n")
		return 0
	}
	out.WriteString("Linux\n")
	return 0
}

func shNproc(_ *shell, _ []string, _ string, out *strings.Builder) int {
	out.WriteString("1\n")
	return 0
}

func shTac(s *shell, args []string, in string, out *strings.Builder) int {
	text, ok := s.inputs(args[1:], in)
	lines := linesOf(text)
	slices.Reverse(lines)
	for _, l := range lines {
		out.WriteString(l + "\n")
	}
	return map[bool]int{true: 0, false: 1}[ok]
}

func shRev(s *shell, args []string, in string, out *strings.Builder) int {
	text, ok := s.inputs(args[1:], in)
	for _, l := range linesOf(text) {
		runes := []rune(l)
		slices.Reverse(runes)
		out.WriteString(string(runes) + "\n")
	}
	return map[bool]int{true: 0, false: 1}[ok]
}
