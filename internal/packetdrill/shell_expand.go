package packetdrill

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

// text expands a word to one string.
func (s *shell) text(w shWord) string {
	var b strings.Builder
	for i := range w {
		b.WriteString(s.part(&w[i]))
	}
	return b.String()
}

// fields expands words to the strings that they are: what was not quoted is cut at white space.
func (s *shell) fields(words []shWord) (list []string) {
	for _, w := range words {
		if len(w) == 1 && w[0].kind == '$' && w[0].text == "@" {
			list = append(list, s.args[1:]...)
			continue
		}
		field, there := "", false
		for i := range w {
			v := s.part(&w[i])
			if w[i].quoted || w[i].kind == 't' {
				field, there = field+v, true
				continue
			}
			for j, f := range regexp.MustCompile(`[ \t\n]+`).Split(v, -1) {
				if j > 0 && (there || field != "") {
					list = append(list, field)
					field, there = "", false
				}
				if f != "" {
					field, there = field+f, true
				}
			}
		}
		if there {
			list = append(list, field)
		}
	}
	return list
}

func (s *shell) part(p *shPart) string {
	switch p.kind {
	case 't':
		return p.text
	case 'c':
		var b strings.Builder
		c := s.child()
		s.status, s.substituted = c.program(p.text, "", &b), true
		return strings.TrimRight(b.String(), "\n")
	case 'a':
		return s.arithmetic(p.text)
	}
	return s.variable(p.text)
}

func (s *shell) value(name string) (string, bool) {
	switch name {
	case "?":
		return strconv.Itoa(s.status), true
	case "#":
		return strconv.Itoa(len(s.args) - 1), true
	case "@", "*":
		return strings.Join(s.args[1:], " "), true
	case "$", "!":
		return shellPID, true
	}
	if n, err := strconv.Atoi(name); err == nil {
		if n >= 0 && n < len(s.args) {
			return s.args[n], true
		}
		return "", false
	}
	v, ok := s.vars[name]
	return v, ok
}

// variable expands what stands in ${}.
func (s *shell) variable(t string) string {
	if len(t) > 1 && t[0] == '#' {
		v, _ := s.value(t[1:])
		return strconv.Itoa(len(v))
	}
	n := 0
	for n < len(t) && (isLetter(t[n]) || isDigit(t[n])) {
		n++
	}
	if n == 0 && t != "" {
		n = 1
	}
	v, ok := s.value(t[:n])
	if n == len(t) {
		return v
	}
	op := strings.TrimPrefix(t[n:], ":")
	if len(op) < len(t[n:]) {
		ok = ok && v != ""
	}
	alternative := func() string { return s.text((&shParser{src: op[1:]}).word()) }
	switch op[:1] {
	case "-":
		if ok {
			return v
		}
		return alternative()
	case "=":
		if !ok {
			v = alternative()
			s.vars[t[:n]] = v
		}
		return v
	case "+":
		if ok {
			return alternative()
		}
		return ""
	}
	rest := t[n:]
	switch op := rest[0]; op {
	case '%', '#':
		rest = rest[1:]
		longest := strings.HasPrefix(rest, string(op))
		return trimPattern(v, s.text((&shParser{src: strings.TrimPrefix(rest, string(op))}).word()), op == '%', longest)
	case '/':
		old, with, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
		return strings.Replace(v, old, with, map[bool]int{true: -1, false: 1}[strings.HasPrefix(rest, "//")])
	}
	panic(skipped("${" + t + "} has no meaning here"))
}

// trimPattern takes off the beginning or end of v that matches a pattern, the shortest or the longest.
func trimPattern(v, pattern string, end, longest bool) string {
	found, rest := false, v
	for n := 0; n <= len(v) && (longest || !found); n++ {
		part, left := v[:n], v[n:]
		if end {
			part, left = v[len(v)-n:], v[:len(v)-n]
		}
		// A star of the shell's matches slashes, too.
		if ok, _ := path.Match(strings.ReplaceAll(pattern, "/", "\x01"), strings.ReplaceAll(part, "/", "\x01")); ok {
			found, rest = true, left
		}
	}
	return rest
}

// arithmetic computes $(( )): variables, numbers and operators as in C.
func (s *shell) arithmetic(text string) (v string) {
	env := &Env{Lookup: func(name string) (any, bool) {
		v, _ := s.value(name)
		n, _ := strconv.ParseInt(strings.TrimSpace(v), 0, 64)
		return n, true
	}}
	defer func() {
		if e := recover(); e != nil {
			if _, ok := e.(evalError); !ok {
				panic(e)
			}
			panic(skipped("$((" + text + ")) has no meaning here"))
		}
	}()
	text = strings.ReplaceAll(text, "$", "")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "&&", " and "), "||", " or ")
	e := &evaluator{env: env, toks: evalTokens(strings.ReplaceAll(text, "/", "//"))}
	n := integer(e.expr())
	e.end()
	return strconv.FormatInt(n, 10)
}
