package packetdrill

import (
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func formatText(format string, args ...any) string { return fmt.Sprintf(format, args...) }

type builtin = func(s *shell, args []string, in string, out *strings.Builder) int

// builtins returns the shell's own commands, and small programs that need nothing of the network.
func builtins() map[string]builtin {
	list := textTools()
	maps.Copy(list, map[string]builtin{
		":": succeed, "true": succeed, "false": fail, "echo": shEcho, "printf": shPrintf, "cat": shCat, "grep": shGrep, "egrep": shGrep,
		"fgrep": shGrep, "test": shTest, "[": shTest, "set": shSet, "exit": shLeave, "return": shBack, "break": shStop, "continue": shStop, "export": shExport, "local": shExport,
		"readonly": shExport, "cd": shCd, "shift": shShift, ".": shSource, "source": shSource, "sh": shInterpret, "bash": shInterpret,
		"dash": shInterpret, "head": shHead, "tail": shHead, "rm": shRemove, "chmod": succeed, "sync": succeed,
		"[[": shTest, "touch": shTouch, "exec": shExecute, "eval": shEval, "sudo": shExecute, "command": shExecute, "unset": shUnset, "umask": succeed,
		"which": succeed, "logger": succeed, "mkdir": succeed, "id": shID, "trap": succeed, "modprobe": succeed, "ulimit": succeed, "hash": succeed, "type": succeed, "wait": succeed, "whoami": shRoot, "hostname": shRoot,
		"nohup": shExecute, "env": shEnvironment, "timeout": shTimeout, "cp": shCopy, "ls": shList, "stat": shList, "dmesg": succeed, "lsmod": succeed, "python": shPython, "python3": shPython, "python2": shPython,
	})
	return list
}

func succeed(*shell, []string, string, *strings.Builder) int { return 0 }
func fail(*shell, []string, string, *strings.Builder) int    { return 1 }

func shEcho(_ *shell, args []string, _ string, out *strings.Builder) int {
	args = args[1:]
	end := "\n"
	for len(args) > 0 && (args[0] == "-n" || args[0] == "-e" || args[0] == "-ne") {
		if strings.Contains(args[0], "n") {
			end = ""
		}
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if strings.Contains(text, `\`) {
		text = escapes.Replace(text)
	}
	out.WriteString(text + end)
	return 0
}

func shPrintf(_ *shell, args []string, _ string, out *strings.Builder) (status int) {
	if len(args) < 2 {
		return 2
	}
	var values []any
	for _, a := range args[2:] {
		values = append(values, a)
	}
	// The format is used again for what is left.
	per := max(strings.Count(strings.ReplaceAll(args[1], "%%", ""), "%"), 1)
	if len(values) > per && strings.Contains(args[1], "%") {
		for part := range slices.Chunk(args[2:], per) {
			if status = max(status, shPrintf(nil, append(args[:2:2], part...), "", out)); status > 0 {
				return status
			}
		}
		return status
	}
	f := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`).Replace(args[1])
	defer func() {
		if e := recover(); e != nil {
			if _, ok := e.(evalError); !ok {
				panic(e)
			}
			status = 1
		}
	}()
	out.WriteString(format(f, values))
	return 0
}

func shCat(s *shell, args []string, in string, out *strings.Builder) int {
	status := 0
	if len(args) == 1 {
		out.WriteString(in)
	}
	for _, a := range args[1:] {
		if a == "-" {
			out.WriteString(in)
			continue
		}
		text, ok := s.read(a)
		if !ok {
			status = 1
		}
		out.WriteString(text)
	}
	return status
}

// shGrep is grep with -q, -v, -c, -i, -o, -w, -x, -E, -F, -e and -s.
func shGrep(s *shell, args []string, in string, out *strings.Builder) int {
	quiet, invert, count, only, fixed, word, whole := false, false, false, false, args[0] == "fgrep", false, false
	extended := args[0] == "egrep"
	pattern, given, fold := "", false, ""
	var files []string
	for i := 1; i < len(args); i++ {
		a := args[i]
		if len(a) < 2 || a[0] != '-' {
			if !given {
				pattern, given = a, true
			} else {
				files = append(files, a)
			}
			continue
		}
		for j := 1; j < len(a); j++ {
			switch a[j] {
			case 'q':
				quiet = true
			case 'v':
				invert = true
			case 'c':
				count = true
			case 'o':
				only = true
			case 'i':
				fold = "(?i)"
			case 'x':
				whole = true
			case 'w':
				word = true
			case 'F':
				fixed = true
			case 'E', 'P':
				extended = true
			case 's', 'h', 'a':
			case 'e':
				if i++; i >= len(args) {
					return 2
				}
				pattern, given = args[i], true
			default:
				panic(skipped("grep " + a + " has no meaning here"))
			}
		}
	}
	switch {
	case fixed:
		pattern = regexp.QuoteMeta(pattern)
	case !extended: // the meaning of brackets and bars is the other way round
		pattern = basicPattern(pattern)
	}
	if whole {
		pattern = `^(?:` + pattern + `)$`
	}
	if word {
		pattern = `\b(?:` + pattern + `)\b`
	}
	re, err := regexp.Compile(fold + pattern)
	if err != nil {
		panic(skipped("grep " + pattern + " has no meaning here"))
	}
	for i, f := range files {
		text, ok := s.read(f)
		if !ok {
			return 2
		}
		if i == 0 {
			in = ""
		}
		in += text
	}
	n := 0
	for line := range strings.Lines(in) {
		line = strings.TrimSuffix(line, "\n")
		if re.MatchString(line) == invert {
			continue
		}
		n++
		switch {
		case quiet || count:
		case only:
			for _, m := range re.FindAllString(line, -1) {
				out.WriteString(m + "\n")
			}
		default:
			out.WriteString(line + "\n")
		}
	}
	if count {
		fmt.Fprintln(out, n)
	}
	if n == 0 {
		return 1
	}
	return 0
}

// basicPattern turns a basic regular expression into an extended one.
func basicPattern(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '\\' && i+1 < len(p) && strings.IndexByte("(){}|+?", p[i+1]) >= 0:
			i++
			b.WriteByte(p[i])
		case c == '\\' && i+1 < len(p):
			b.WriteString(p[i : i+2])
			i++
		case strings.IndexByte("(){}|+?", c) >= 0:
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// shTest is test, [ and [[, whose comparisons are of patterns.
func shTest(s *shell, args []string, _ string, _ *strings.Builder) int {
	if open := args[0]; open != "test" {
		if args[len(args)-1] != strings.ReplaceAll(open, "[", "]") {
			return 2
		}
		if args = args[:len(args)-1]; open == "[[" && len(args) == 4 && strings.Contains("==!=~", args[2]) {
			ok := false
			if args[2] == "=~" {
				ok = compilePattern(args[3]).MatchString(args[1])
			} else if ok, _ = path.Match(args[3], args[1]); args[2] == "!=" {
				ok = !ok
			}
			return map[bool]int{true: 0, false: 1}[ok]
		}
	}
	if s.truth(args[1:]) {
		return 0
	}
	return 1
}

func (s *shell) truth(a []string) bool {
	for i, w := range a {
		if w == "-o" {
			return s.truth(a[:i]) || s.truth(a[i+1:])
		}
	}
	for i, w := range a {
		if w == "-a" && i > 0 {
			return s.truth(a[:i]) && s.truth(a[i+1:])
		}
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(strings.TrimSpace(a[i]), 10, 64)
		if err != nil {
			panic(skipped("[ ] compares " + a[i] + " with a number"))
		}
		return n
	}
	switch {
	case len(a) == 0:
		return false
	case a[0] == "!" && len(a) > 1:
		return !s.truth(a[1:])
	case len(a) == 1:
		return a[0] != ""
	case len(a) == 2:
		switch a[0] {
		case "-n":
			return a[1] != ""
		case "-z":
			return a[1] == ""
		case "-e", "-f", "-r", "-x", "-w", "-s", "-d":
			return s.exists(a[1])
		}
	case len(a) == 3:
		switch a[1] {
		case "=", "==":
			return a[0] == a[2]
		case "!=":
			return a[0] != a[2]
		case "-eq":
			return number(0) == number(2)
		case "-ne":
			return number(0) != number(2)
		case "-lt":
			return number(0) < number(2)
		case "-le":
			return number(0) <= number(2)
		case "-gt":
			return number(0) > number(2)
		case "-ge":
			return number(0) >= number(2)
		}
	}
	panic(skipped("[ " + strings.Join(a, " ") + " ] has no meaning here"))
}

func (s *shell) exists(name string) bool {
	p := s.absolute(name)
	if setting := procName(p); setting != "" {
		_, err := s.host.get(settingName(setting))
		return err == nil
	}
	if _, ok := s.host.files[p]; ok {
		return true
	}
	_, err := os.Stat(p)
	return err == nil && !strings.HasPrefix(p, "/sys/")
}

func shSet(s *shell, args []string, _ string, _ *strings.Builder) int {
	for i, a := range args[1:] {
		switch {
		case a == "--":
			s.args = append(s.args[:1:1], args[i+2:]...)
			return 0
		case strings.HasPrefix(a, "-"):
			s.strict = s.strict || strings.Contains(a, "e")
		case strings.HasPrefix(a, "+"):
			s.strict = s.strict && !strings.Contains(a, "e")
		}
	}
	return 0
}

func statusArg(s *shell, args []string) int {
	if len(args) < 2 {
		return s.status
	}
	n, _ := strconv.Atoi(args[1])
	return n
}

func shLeave(s *shell, args []string, _ string, _ *strings.Builder) int {
	panic(shExit(statusArg(s, args)))
}
func shBack(s *shell, args []string, _ string, _ *strings.Builder) int {
	if s.depth == 0 {
		panic(shExit(statusArg(s, args)))
	}
	panic(shReturn(statusArg(s, args)))
}

// shStop is break and continue.
func shStop(s *shell, args []string, _ string, _ *strings.Builder) int {
	if s.loops == 0 || len(args) > 1 && args[1] != "1" {
		panic(skipped(strings.Join(args, " ") + " has no meaning here"))
	}
	panic(shLoop(args[0]))
}

func shExport(s *shell, args []string, _ string, _ *strings.Builder) int {
	for _, a := range args[1:] {
		if name, value, ok := strings.Cut(a, "="); ok {
			s.vars[name] = value
		}
	}
	return 0
}

func shUnset(s *shell, args []string, _ string, _ *strings.Builder) int {
	for _, a := range args[1:] {
		delete(s.vars, a)
	}
	return 0
}

func shCd(s *shell, args []string, _ string, _ *strings.Builder) int {
	if len(args) > 1 {
		s.dir = s.absolute(args[1])
	}
	return 0
}

func shShift(s *shell, _ []string, _ string, _ *strings.Builder) int {
	if len(s.args) < 2 {
		return 1
	}
	s.args = append(s.args[:1:1], s.args[2:]...)
	return 0
}

func shSource(s *shell, args []string, in string, out *strings.Builder) int {
	if len(args) < 2 {
		return 2
	}
	text, ok := s.read(args[1])
	if !ok {
		return 1
	}
	if s.depth++; s.depth > maxDepth {
		panic(skipped("commands nest too deep"))
	}
	defer func() { s.depth-- }()
	list, err := parseShell(text)
	if err != nil {
		panic(err)
	}
	return s.function(list, in, out)
}

func shInterpret(s *shell, args []string, in string, out *strings.Builder) int {
	c := s.child()
	args = args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "-c" {
		c.strict = c.strict || strings.Contains(args[0], "e")
		args = args[1:]
	}
	switch {
	case len(args) > 1 && args[0] == "-c":
		c.args = append([]string{"sh"}, args[min(3, len(args)):]...)
		return c.program(args[1], in, out)
	case len(args) > 0 && args[0] != "-c":
		text, ok := s.read(args[0])
		if !ok {
			return 127
		}
		c.args = args
		return c.program(text, in, out)
	}
	panic(skipped("an interactive shell has no meaning here"))
}

// pythonWrite and pythonSystem are what one line of Python does to settings, as scripts have it.
var (
	pythonWrite  = regexp.MustCompile(`^(?:f = )?open\(['"]([^'"]+)['"], ?(?:mode=)?['"][wa]['"]\)\.write\((?:str\()?['"]?([^'"()]*)['"]?\)?\)$`)
	pythonSystem = regexp.MustCompile(`^(?:os\.system|subprocess\.(?:call|run|check_call|check_output))\(['"](.*)['"](?:, ?shell=True)?\)$`)
	pythonPrint  = regexp.MustCompile(`^print\((?:open\(['"]([^'"]+)['"]\)\.read\(\)(?:\.strip\(\))?|['"]([^'"]*)['"])\)$`)
)

// shPython is python with a program of the scripts, or with -c and a line that writes settings, runs commands or prints.
func shPython(s *shell, args []string, in string, out *strings.Builder) int {
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") {
		return s.file(args[1:], in, out)
	}
	if len(args) != 3 || args[1] != "-c" {
		panic(skipped("the command " + args[0] + " has no meaning here"))
	}
	for statement := range strings.FieldsFuncSeq(args[2], func(r rune) bool { return r == ';' || r == '\n' }) {
		statement = strings.TrimSpace(statement)
		if statement == "" || strings.HasPrefix(statement, "import ") {
			continue
		}
		if m := pythonWrite.FindStringSubmatch(statement); m != nil {
			if !s.write(m[1], m[2], false) {
				return 1
			}
		} else if m := pythonSystem.FindStringSubmatch(statement); m != nil {
			shEval(s, []string{"eval", m[1]}, in, out)
		} else if m := pythonPrint.FindStringSubmatch(statement); m != nil {
			text, ok := m[2], true
			if m[1] != "" {
				text, ok = s.read(m[1])
			}
			if out.WriteString(strings.TrimRight(text, "\n") + "\n"); !ok {
				return 1
			}
		} else {
			panic(skipped("python's " + statement + " has no meaning here"))
		}
	}
	return 0
}

func shExecute(s *shell, args []string, in string, out *strings.Builder) int {
	if len(args) < 2 {
		return 0
	}
	if args[0] == "command" && args[1] == "-v" {
		return 0
	}
	return s.run(args[1:], in, out)
}

func shEval(s *shell, args []string, in string, out *strings.Builder) int {
	list, err := parseShell(strings.Join(args[1:], " "))
	if err != nil {
		panic(err)
	}
	return s.list(list, in, out)
}

func shHead(s *shell, args []string, in string, out *strings.Builder) int {
	n := 10
	for i := 1; i < len(args); i++ {
		a := strings.TrimPrefix(args[i], "-n")
		if a == "" && i+1 < len(args) {
			i++
			a = args[i]
		}
		if v, err := strconv.Atoi(strings.TrimPrefix(a, "-")); err == nil {
			n = v
			continue
		}
		text, ok := s.read(args[i])
		if !ok {
			return 1
		}
		in = text
	}
	lines := strings.SplitAfter(strings.TrimSuffix(in, "\n"), "\n")
	if args[0] == "head" {
		lines = lines[:min(max(n, 0), len(lines))]
	} else {
		lines = lines[max(len(lines)-max(n, 0), 0):]
	}
	out.WriteString(strings.TrimSuffix(strings.Join(lines, ""), "\n") + "\n")
	return 0
}

func shTouch(s *shell, args []string, _ string, _ *strings.Builder) int {
	for _, a := range args[1:] {
		if !s.write(a, "", true) {
			return 1
		}
	}
	return 0
}

func shRemove(s *shell, args []string, _ string, _ *strings.Builder) int {
	for _, a := range args[1:] {
		delete(s.host.files, s.absolute(a))
	}
	return 0
}

func shID(_ *shell, _ []string, _ string, out *strings.Builder) int {
	out.WriteString("0\n")
	return 0
}
