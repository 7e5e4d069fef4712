package packetdrill

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// shell runs programs. Files outside the scripts' directories and /proc are kept in memory.
type shell struct {
	host        *shellHost
	vars        map[string]string
	funcs       map[string][]shItem
	args        []string // $0, $1 ...
	dir         string
	strict      bool // set -e
	shared      bool // within a file that scripts have in common
	loops       int  // within so many
	tested      int  // within a condition, where set -e does not count
	status      int
	substituted bool // a command has run in the words of the one that is being expanded
	steps       *int
	unread      *reading // how far read has got
	depth       int
	errors      *strings.Builder
}

// reading is an input of which lines have been read.
type reading struct {
	text string
	at   int
}

// shellHost is what commands read and change.
type shellHost struct {
	get func(name string) (value string, err error) // a setting; errors are skipped, or that it cannot be
	set func(name, value string) error
	// background takes a setting that is one of many that scripts have in common, and so not what a script is about:
	// where it cannot be followed the stack stays as it is, and the script's packets decide.
	background func(name, value string) error
	proc       func(path string) (text string, ok bool) // a file of /proc/net
	tools      map[string]builtin
	files      map[string]string // what commands have written
}

// maxSteps bounds the commands of a program, and shellPID is $PPID.
const (
	maxSteps = 20000
	shellPID = "4711"
)

// shExit ends a program, shReturn a function.
type (
	shExit   int
	shReturn int
	shLoop   string // break and continue
)

// Run runs a program in a directory and returns its status and what it wrote to its error output.
//
// Errors: skipped.
func (h *shellHost) Run(dir, text string) (status int, stderr string, err error) {
	return h.runTo(dir, text, new(strings.Builder))
}

// runTo is Run with the program's output.
func (h *shellHost) runTo(dir, text string, out *strings.Builder) (status int, stderr string, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(skipped)
			if !ok {
				panic(r)
			}
			err = s
		}
	}()
	var errs strings.Builder
	s := &shell{
		host: h, vars: map[string]string{"PPID": shellPID, "PWD": dir, "HOME": "/root", "IFS": " \t\n"}, funcs: map[string][]shItem{},
		args: []string{"sh"}, dir: dir, steps: new(int), unread: new(reading), errors: &errs,
	}
	status = s.program(text, "", out)
	return status, errs.String(), nil
}

// assign sets a setting.
func (s *shell) assign(name, value string) error {
	if s.shared {
		return s.host.background(name, value)
	}
	return s.host.set(name, value)
}

// program runs a text to its end or exit.
func (s *shell) program(text, in string, out *strings.Builder) (status int) {
	list, err := parseShell(text)
	if err != nil {
		panic(err)
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(shExit)
			if !ok {
				panic(r)
			}
			status = int(e)
		}
	}()
	return s.list(list, in, out)
}

// child is a shell that begins as this one is, and leaves it alone.
func (s *shell) child() *shell {
	c := *s
	c.vars, c.funcs = maps.Clone(s.vars), maps.Clone(s.funcs)
	c.loops = 0
	if c.depth++; c.depth > maxDepth {
		panic(skipped("commands nest too deep"))
	}
	return &c
}

func (s *shell) list(list []shItem, in string, out *strings.Builder) int {
	for i := range list {
		item := &list[i]
		if item.join == "&&" && s.status != 0 || item.join == "||" && s.status == 0 {
			continue
		}
		tested := item.not || i+1 < len(list) && list[i+1].join != ""
		if tested {
			s.tested++
		}
		s.status = s.pipe(item.pipe, in, out)
		if tested {
			s.tested--
		}
		if item.not {
			s.status = map[bool]int{true: 1, false: 0}[s.status == 0]
		}
		if s.status != 0 && s.strict && s.tested == 0 && !tested {
			panic(shExit(s.status))
		}
	}
	return s.status
}

func (s *shell) pipe(pipe []shCommand, in string, out *strings.Builder) int {
	if len(pipe) == 1 {
		return s.command(&pipe[0], in, out)
	}
	status := 0
	for i := range pipe {
		var b strings.Builder
		to := &b
		if i == len(pipe)-1 {
			to = out
		}
		c := s.child()
		status = c.sub(func() int { return c.command(&pipe[i], in, to) })
		in = b.String()
	}
	return status
}

// sub runs f and takes an exit for its status.
func (s *shell) sub(f func() int) (status int) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(shExit)
			if !ok {
				panic(r)
			}
			status = int(e)
		}
	}()
	return f()
}

// condition runs a list whose failing does not end the program.
func (s *shell) condition(list []shItem, in string, out *strings.Builder) bool {
	s.tested++
	defer func() { s.tested-- }()
	s.status = 0
	return s.list(list, in, out) == 0
}

func (s *shell) command(c *shCommand, in string, out *strings.Builder) int {
	if *s.steps++; *s.steps > maxSteps {
		panic(skipped("a command does not end"))
	}
	if len(c.redirect) > 0 {
		return s.redirected(c, in, out)
	}
	if c.kind == shSimple {
		return s.simple(c, in, out)
	}
	s.status = 0
	switch c.kind {
	case shGroup:
		return s.list(c.body, in, out)
	case shSubshell:
		sub := s.child()
		return sub.sub(func() int { return sub.list(c.body, in, out) })
	case shIf:
		if s.condition(c.cond, in, out) {
			s.status = 0
			return s.list(c.body, in, out)
		}
		s.status = 0
		return s.list(c.other, in, out)
	case shFor:
		for _, v := range s.fields(c.words) {
			if s.vars[c.name] = v; s.turn(c.body, in, out) {
				break
			}
		}
		return s.status
	case shWhile, shUntil:
		for s.condition(c.cond, in, out) == (c.kind == shWhile) {
			if s.status = 0; s.turn(c.body, in, out) {
				break
			}
		}
		s.status = 0
		return 0
	case shCase:
		subject := s.text(c.words[0])
		for _, b := range c.cases {
			for _, p := range b.patterns {
				if ok, err := path.Match(s.text(p), subject); ok && err == nil {
					return s.list(b.body, in, out)
				}
			}
		}
		return 0
	case shFunction:
		s.funcs[c.name] = c.body
	}
	return 0
}

// turn runs the body of a loop once, and reports whether that ends the loop.
func (s *shell) turn(body []shItem, in string, out *strings.Builder) (ends bool) {
	s.loops++
	tested := s.tested
	defer func() {
		s.loops--
		if r := recover(); r != nil {
			how, ok := r.(shLoop)
			if !ok {
				panic(r)
			}
			s.tested, s.status, ends = tested, 0, how == "break"
		}
	}()
	s.list(body, in, out)
	return false
}

// simple assigns, and runs a program if there is one.
func (s *shell) simple(c *shCommand, in string, out *strings.Builder) int {
	s.substituted = false
	words := s.fields(c.words)
	for _, a := range c.assigns {
		s.vars[a.name] = s.text(a.value)
	}
	if len(words) == 0 {
		if !s.substituted {
			s.status = 0
		}
		return s.status
	}
	s.status = s.run(words, in, out)
	return s.status
}

// redirected runs a command with its files in place.
func (s *shell) redirected(c *shCommand, in string, out *strings.Builder) int {
	bare := *c
	bare.redirect = nil
	var b, errs strings.Builder
	to, complain := out, s.errors
	var target string
	more := false
	for _, r := range c.redirect {
		switch {
		case r.here:
			in = s.text(r.file)
		case r.input:
			text, ok := s.read(s.text(r.file))
			if !ok {
				return 1
			}
			in = text
		case r.same == 1 && r.fd == 2:
			complain = to
		case r.same == 2 && r.fd == 1:
			to = complain
		case r.same >= 0:
		default:
			name := s.text(r.file)
			if r.fd == 2 || r.fd == 12 {
				complain = &errs
			}
			if r.fd == 1 || r.fd == 12 {
				to, target, more = &b, name, r.append
			}
		}
	}
	old := s.errors
	s.errors = complain
	status := 0
	if bare.kind != shSimple || len(bare.words)+len(bare.assigns) > 0 {
		status = s.command(&bare, in, to)
	}
	s.errors = old
	if target != "" && !s.write(target, b.String(), more) {
		return 1
	}
	return status
}

// procName is the name of the setting behind a path, "" if there is none.
func procName(p string) string {
	for prefix, to := range map[string]string{"/proc/sys/": "", "/sys/module/": "module/"} {
		if rest, ok := strings.CutPrefix(p, prefix); ok {
			return to + rest
		}
	}
	return ""
}

// settingName is the name with dots, as the table has it.
func settingName(s string) string {
	if strings.Contains(s, "/") {
		// net/ipv4/conf/eth0.1/x would swap them; no script has such.
		return strings.ReplaceAll(s, "/", ".")
	}
	return s
}

func (s *shell) absolute(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(s.dir, name)
}

// read returns a file: a setting, one of /proc/net, one that was written, or one of the script's own.
func (s *shell) read(name string) (string, bool) {
	p := s.absolute(name)
	if p == "/dev/null" {
		return "", true
	}
	if setting := procName(p); setting != "" {
		v, err := s.host.get(settingName(setting))
		if skip, ok := err.(skipped); ok {
			panic(skip)
		}
		return v + "\n", err == nil
	}
	if text, ok := s.host.files[p]; ok {
		return text, true
	}
	if strings.HasPrefix(p, "/proc/") || strings.HasPrefix(p, "/sys/") {
		if text, ok := s.host.proc(p); ok {
			return text, true
		}
		panic(skipped("the file " + p + " has no meaning here"))
	}
	b, err := os.ReadFile(p)
	if err != nil || len(b) > 1<<20 {
		s.complain("%s: no such file", name)
		return "", false
	}
	return string(b), true
}

func (s *shell) write(name, text string, more bool) bool {
	p := s.absolute(name)
	if strings.HasPrefix(p, "/dev/") {
		return true
	}
	if setting := procName(p); setting != "" {
		err := s.assign(settingName(setting), strings.TrimSpace(text))
		if skip, ok := err.(skipped); ok {
			panic(skip)
		}
		return err == nil
	}
	if strings.HasPrefix(p, "/proc/") || strings.HasPrefix(p, "/sys/") {
		panic(skipped("the file " + p + " has no meaning here"))
	}
	if more {
		text = s.host.files[p] + text
	}
	if len(text) > 1<<20 || len(s.host.files) > 256 {
		panic(skipped("commands write too much"))
	}
	s.host.files[p] = text
	return true
}

func (s *shell) complain(format string, args ...any) {
	s.errors.WriteString(formatText(format, args...) + "\n")
}

// run runs a program by its name and arguments.
func (s *shell) run(words []string, in string, out *strings.Builder) int {
	name := words[0]
	if body, ok := s.funcs[name]; ok {
		old := s.args
		s.args = append([]string{old[0]}, words[1:]...)
		defer func() { s.args = old }()
		return s.function(body, in, out)
	}
	if f, ok := s.host.tools[path.Base(name)]; ok && (!strings.Contains(name, "/") || strings.Contains(name, "bin/")) {
		return f(s, words, in, out)
	}
	if strings.Contains(name, "/") {
		return s.file(words, in, out)
	}
	panic(skipped("the command " + name + " has no meaning here"))
}

func (s *shell) function(body []shItem, in string, out *strings.Builder) (status int) {
	if s.depth++; s.depth > maxDepth {
		panic(skipped("commands nest too deep"))
	}
	defer func() {
		s.depth--
		if r := recover(); r != nil {
			e, ok := r.(shReturn)
			if !ok {
				panic(r)
			}
			status = int(e)
		}
	}()
	return s.list(body, in, out)
}

// file runs a program of the scripts: one of the shell, or one that by its name sets settings.
func (s *shell) file(words []string, in string, out *strings.Builder) int {
	p := s.absolute(words[0])
	text, ok := s.host.files[p]
	if !ok {
		b, err := os.ReadFile(p)
		if err != nil {
			s.complain("%s: not found", words[0])
			return 127
		}
		text = string(b)
	}
	first, _, _ := strings.Cut(text, "\n")
	switch {
	case !strings.HasPrefix(first, "#!") || strings.HasSuffix(strings.Fields(first + " x")[0], "sh") || strings.Contains(first, "sh"):
		c := s.child()
		c.shared = !strings.HasPrefix(p, "/tmp/sysctl_restore")
		c.args, c.strict, c.tested = words, strings.Contains(first, "sh -e"), 0
		c.status = 0
		return c.program(text, in, out)
	case strings.Contains(path.Base(p), "sysctl"):
		return s.helper(words[1:])
	}
	panic(skipped("the program " + words[0] + " has no meaning here"))
}

// helper does what programs do that take PATH=VALUE: it sets settings, and leaves a program that restores them.
func (s *shell) helper(args []string) int {
	restore := "#!/bin/sh\n"
	for _, a := range args {
		p, value, ok := strings.Cut(a, "=")
		name := procName(p)
		if name == "" && !strings.HasPrefix(p, "/") && strings.Contains(p, ".") {
			name = p
		}
		if !ok || name == "" {
			panic(skipped("a program takes " + a + ", which has no meaning here"))
		}
		name = settingName(name)
		old, err := s.host.get(name)
		if err == nil {
			err = s.host.set(name, value)
		}
		if skip, is := err.(skipped); is {
			panic(skip)
		}
		if err != nil {
			s.complain("%s: %v", a, err)
			return 1
		}
		restore += "sysctl -q -w " + name + "=\"" + old + "\"\n"
	}
	s.host.files["/tmp/sysctl_restore_"+shellPID+".sh"] = restore
	return 0
}
