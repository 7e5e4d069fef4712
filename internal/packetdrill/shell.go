package packetdrill

import (
	"slices"
	"strings"
)

// The shell of this file's neighbours runs the commands of scripts where there is no /bin/sh in the network: lists,
// pipes, redirections, variables, if, for, while, case and functions of POSIX's shell. What it does not know makes the
// script be skipped.

// shItem is a pipeline of a list, with what joins it to the one before: "&&", "||", or nothing.
type shItem struct {
	join string
	not  bool
	pipe []shCommand
}

// shCommand is a command of a pipeline.
type shCommand struct {
	kind     shKind
	assigns  []shAssign
	words    []shWord // shSimple: all; shFor: the values; shCase: the subject
	redirect []shRedirect
	name     string // of a variable or function
	cond     []shItem
	body     []shItem
	other    []shItem   // else
	cases    []shBranch // of case
}

type shKind uint8

const (
	shSimple shKind = iota
	shGroup         // { }
	shSubshell
	shIf
	shFor
	shWhile
	shUntil
	shCase
	shFunction
)

type shBranch struct {
	patterns []shWord
	body     []shItem
}

type shAssign struct {
	name  string
	value shWord
}

type shRedirect struct {
	fd     int
	append bool
	input  bool
	here   bool // the file is the text itself
	same   int  // >&same; -1: a file
	file   shWord
}

// shWord is text and what is put in the place of expansions.
type shWord []shPart

type shPart struct {
	kind   byte // t: text; $: a variable, text as in ${}; c: a command; a: arithmetic
	text   string
	quoted bool
}

// shParser reads a program.
type shParser struct {
	src   string
	pos   int
	depth int
}

// parseShell reads a program. What it cannot read is an error of type skipped.
func parseShell(text string) (list []shItem, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(skipped)
			if !ok {
				panic(r)
			}
			list, err = nil, s
		}
	}()
	p := &shParser{src: text}
	list = p.list()
	if p.pos < len(p.src) {
		p.fail()
	}
	return list, nil
}

func (p *shParser) fail() {
	line, _, _ := strings.Cut(p.src[min(p.pos, len(p.src)):], "\n")
	panic(skipped("a command's notation has no meaning here: " + line))
}

// blank skips spaces, and comments at the beginning of a word.
func (p *shParser) blank() {
	for p.pos < len(p.src) {
		switch rest := p.src[p.pos:]; {
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r':
			p.pos++
		case strings.HasPrefix(rest, "\\\n"):
			p.pos += 2
		case rest[0] == '#':
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				p.pos += n
			} else {
				p.pos = len(p.src)
			}
		default:
			return
		}
	}
}

// separators skips what is between commands.
func (p *shParser) separators() {
	for {
		p.blank()
		if p.pos < len(p.src) && (p.src[p.pos] == '\n' || p.src[p.pos] == ';' && !p.ahead(";;")) {
			p.pos++
			continue
		}
		return
	}
}

func (p *shParser) ahead(s string) bool { return strings.HasPrefix(p.src[p.pos:], s) }

func (p *shParser) accept(s string) bool {
	if p.ahead(s) {
		p.pos += len(s)
		return true
	}
	return false
}

// reserved is the reserved word that is next, if there is one.
func (p *shParser) reserved() string {
	n := p.pos
	for n < len(p.src) && isLetter(p.src[n]) {
		n++
	}
	if w := p.src[p.pos:n]; n == len(p.src) || strings.IndexByte(" \t\n;)&|", p.src[n]) >= 0 {
		return w
	}
	return ""
}

func (p *shParser) keyword(w string) {
	p.separators()
	if p.reserved() != w {
		p.fail()
	}
	p.pos += len(w)
}

var shEnds = []string{"then", "else", "elif", "fi", "do", "done", "esac"}

// list reads commands until something that ends a list.
func (p *shParser) list() (list []shItem) {
	if p.depth++; p.depth > maxDepth {
		p.fail()
	}
	defer func() { p.depth-- }()
	join := ""
	for {
		p.separators()
		if p.pos >= len(p.src) || p.ahead(")") || p.ahead("}") || p.ahead(";;") || slices.Contains(shEnds, p.reserved()) {
			if join != "" {
				p.fail()
			}
			return list
		}
		item := shItem{join: join}
		for {
			if p.accept("! ") {
				item.not = !item.not
				p.blank()
				continue
			}
			item.pipe = append(item.pipe, p.command())
			p.blank()
			if p.ahead("||") || !p.accept("|") {
				break
			}
			p.separators()
		}
		list = append(list, item)
		switch join = ""; {
		case p.accept("&&"):
			join = "&&"
		case p.accept("||"):
			join = "||"
		case p.ahead("&"):
			p.fail()
		}
	}
}

// command reads one command.
func (p *shParser) command() (c shCommand) {
	p.blank()
	switch w := p.reserved(); {
	case p.accept("{ "), p.accept("{\n"):
		c.kind, c.body = shGroup, p.list()
		if !p.accept("}") {
			p.fail()
		}
	case p.accept("("):
		c.kind, c.body = shSubshell, p.list()
		if !p.accept(")") {
			p.fail()
		}
	case w == "if":
		p.pos += 2
		c = p.conditional()
	case w == "while", w == "until":
		p.pos += 5
		c.kind = map[string]shKind{"while": shWhile, "until": shUntil}[w]
		c.cond = p.list()
		c.body = p.loop()
	case w == "for":
		p.pos += 3
		p.blank()
		c.kind, c.name = shFor, p.reserved()
		p.pos += len(c.name)
		p.blank()
		if p.reserved() != "in" || c.name == "" {
			p.fail()
		}
		p.pos += 2
		for p.blank(); ; p.blank() {
			v := p.word()
			if v == nil {
				break
			}
			c.words = append(c.words, v)
		}
		c.body = p.loop()
	case w == "case":
		p.pos += 4
		c = p.cases()
	case w == "function":
		p.pos += len(w)
		p.blank()
		c.kind, c.name = shFunction, p.reserved()
		p.pos += len(c.name)
		p.accept("()")
		p.separators()
		c.body = []shItem{{pipe: []shCommand{p.command()}}}
		return c
	case w == "select":
		p.fail()
	default:
		return p.simple()
	}
	for p.blank(); p.redirection(&c); p.blank() {
	}
	return c
}

func (p *shParser) loop() []shItem {
	p.keyword("do")
	body := p.list()
	p.keyword("done")
	return body
}

func (p *shParser) conditional() (c shCommand) {
	c.kind, c.cond = shIf, p.list()
	p.keyword("then")
	c.body = p.list()
	p.separators()
	switch p.reserved() {
	case "elif":
		p.pos += 4
		c.other = []shItem{{pipe: []shCommand{p.conditional()}}}
		return c
	case "else":
		p.pos += 4
		c.other = p.list()
	}
	p.keyword("fi")
	return c
}

func (p *shParser) cases() (c shCommand) {
	p.blank()
	c.kind, c.words = shCase, []shWord{p.word()}
	p.keyword("in")
	for {
		p.separators()
		if p.reserved() == "esac" {
			p.pos += 4
			return c
		}
		p.accept("(")
		var b shBranch
		for {
			p.blank()
			w := p.word()
			if w == nil {
				p.fail()
			}
			b.patterns = append(b.patterns, w)
			p.blank()
			if !p.accept("|") {
				break
			}
		}
		if !p.accept(")") {
			p.fail()
		}
		b.body = p.list()
		p.accept(";;")
		c.cases = append(c.cases, b)
	}
}

// simple reads assignments, words and redirections, or the definition of a function.
func (p *shParser) simple() (c shCommand) {
	for {
		p.blank()
		if p.redirection(&c) {
			continue
		}
		if len(c.words) == 0 {
			n := p.pos
			for n < len(p.src) && (isLetter(p.src[n]) || n > p.pos && isDigit(p.src[n])) {
				n++
			}
			if n > p.pos && strings.HasPrefix(p.src[n:], "=") {
				name := p.src[p.pos:n]
				p.pos = n + 1
				c.assigns = append(c.assigns, shAssign{name, p.word()})
				continue
			}
			if n > p.pos && strings.HasPrefix(p.src[n:], "()") {
				c.kind, c.name = shFunction, p.src[p.pos:n]
				p.pos = n + 2
				p.separators()
				c.body = []shItem{{pipe: []shCommand{p.command()}}}
				return c
			}
		}
		w := p.word()
		if w == nil {
			break
		}
		c.words = append(c.words, w)
	}
	if len(c.words)+len(c.assigns)+len(c.redirect) == 0 {
		p.fail()
	}
	return c
}

// redirection reads one, if it is next.
func (p *shParser) redirection(c *shCommand) bool {
	r := shRedirect{fd: -1, same: -1}
	n := p.pos
	switch {
	case p.ahead("&>"):
		n++
		r.fd = 12
	case n+1 < len(p.src) && isDigit(p.src[n]) && (p.src[n+1] == '>' || p.src[n+1] == '<'):
		r.fd = int(p.src[n] - '0')
		n++
	}
	rest := p.src[n:]
	switch {
	case strings.HasPrefix(rest, "<<<"):
		p.fail()
	case strings.HasPrefix(rest, "<<"):
		p.pos = n + 2
		c.redirect = append(c.redirect, shRedirect{here: true, same: -1, file: p.here()})
		return true
	case strings.HasPrefix(rest, ">>"):
		r.append = true
		n += 2
	case strings.HasPrefix(rest, ">"):
		n++
	case strings.HasPrefix(rest, "<"):
		r.input = true
		n++
	default:
		return false
	}
	p.pos = n
	if r.fd < 0 {
		r.fd = 1
	}
	if p.accept("&") {
		if p.pos >= len(p.src) || !isDigit(p.src[p.pos]) {
			p.fail()
		}
		r.same = int(p.src[p.pos] - '0')
		p.pos++
	} else {
		p.blank()
		if r.file = p.word(); r.file == nil {
			p.fail()
		}
	}
	c.redirect = append(c.redirect, r)
	return true
}
