package packetdrill

import (
	"regexp"
	"strconv"
	"strings"
)

// compilePattern is regexp.Compile; a pattern that is none here skips the script.
func compilePattern(p string) *regexp.Regexp {
	re, err := regexp.Compile(p)
	if err != nil {
		panic(skipped("the pattern " + p + " has no meaning here"))
	}
	return re
}

// sedCommand is one of s, p, d and q, for the lines between two addresses.
type sedCommand struct {
	from, to sedAddress
	span     bool
	not      bool
	inside   bool // a range has begun
	verb     byte
	pattern  *regexp.Regexp
	with     string
	all      bool
	print    bool
	which    int // of the matches; 0: the first
}

// sedAddress is a line: by its number, the last, or by what it matches. The zero value is any.
type sedAddress struct {
	line    int
	last    bool
	pattern *regexp.Regexp
}

// shSed is sed with -n, -e, -E, -r and -i, and the commands s, p, d and q.
func shSed(s *shell, args []string, in string, out *strings.Builder) int {
	silent, extended, inPlace := false, false, false
	var programs, rest []string
	for i := 1; i < len(args); i++ {
		switch a := args[i]; a {
		case "-n", "--quiet", "--silent":
			silent = true
		case "-E", "-r":
			extended = true
		case "-i":
			inPlace = true
		case "-ne", "-e", "-nE", "-Ee", "-re":
			silent, extended = silent || strings.Contains(a, "n"), extended || strings.ContainsAny(a, "Er")
			if strings.HasSuffix(a, "e") && i+1 < len(args) {
				i++
				programs = append(programs, args[i])
			}
		default:
			if strings.HasPrefix(a, "-") && len(a) > 1 {
				panic(skipped("sed " + a + " has no meaning here"))
			}
			rest = append(rest, a)
		}
	}
	if len(programs) == 0 && len(rest) > 0 {
		programs, rest = rest[:1], rest[1:]
	}
	p := sedParser{src: strings.Join(programs, "\n"), extended: extended}
	list := p.program()
	if !inPlace {
		text, ok := s.inputs(rest, in)
		if !ok {
			return 2
		}
		sedRun(list, text, silent, out)
		return 0
	}
	for _, f := range rest {
		text, ok := s.read(f)
		if !ok {
			return 2
		}
		var b strings.Builder
		sedRun(list, text, silent, &b)
		if !s.write(f, b.String(), false) {
			return 2
		}
	}
	return 0
}

// sedParser reads a program of sed.
type sedParser struct {
	src      string
	extended bool
}

func (p *sedParser) fail() {
	panic(skipped("sed " + p.src + " has no meaning here"))
}

func (p *sedParser) program() (list []*sedCommand) {
	for {
		if p.src = strings.TrimLeft(p.src, " \t\n;"); p.src == "" {
			return list
		}
		c := new(sedCommand)
		c.from = p.address()
		if strings.HasPrefix(p.src, ",") {
			p.src = p.src[1:]
			c.to, c.span = p.address(), true
		}
		p.src = strings.TrimLeft(p.src, " ")
		if strings.HasPrefix(p.src, "!") {
			c.not, p.src = true, strings.TrimLeft(p.src[1:], " ")
		}
		if p.src == "" {
			p.fail()
		}
		c.verb, p.src = p.src[0], p.src[1:]
		switch c.verb {
		case 's':
			p.substitution(c)
		case 'p', 'd', 'q':
		default:
			p.fail()
		}
		if p.src = strings.TrimLeft(p.src, " \t"); p.src != "" && p.src[0] != ';' && p.src[0] != '\n' {
			p.fail()
		}
		list = append(list, c)
	}
}

func (p *sedParser) address() (a sedAddress) {
	n := 0
	for n < len(p.src) && isDigit(p.src[n]) {
		n++
	}
	switch {
	case n > 0:
		a.line, _ = strconv.Atoi(p.src[:n])
		p.src = p.src[n:]
	case strings.HasPrefix(p.src, "$"):
		a.last, p.src = true, p.src[1:]
	case strings.HasPrefix(p.src, "/"):
		a.pattern = p.compile(p.until('/'), false)
		p.src = p.src[1:]
	}
	return a
}

// until takes what stands between two delimiters, the first of which is next, as the second is then.
func (p *sedParser) until(end byte) string {
	var b strings.Builder
	for i := 1; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == '\\' && i+1 < len(p.src) && p.src[i+1] == end:
			i++
			b.WriteByte(end)
		case c == '\\' && i+1 < len(p.src):
			b.WriteString(p.src[i : i+2])
			i++
		case c == end:
			p.src = p.src[i:]
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	p.fail()
	return ""
}

func (p *sedParser) compile(text string, fold bool) *regexp.Regexp {
	if !p.extended {
		text = basicPattern(text)
	}
	if fold {
		text = "(?i)" + text
	}
	return compilePattern(text)
}

// substitution reads s/PATTERN/TEXT/FLAGS, with any delimiter.
func (p *sedParser) substitution(c *sedCommand) {
	if p.src == "" {
		p.fail()
	}
	end := p.src[0]
	pattern := p.until(end)
	c.with = p.until(end)
	p.src = p.src[1:]
	fold := false
	for p.src != "" && strings.IndexByte("gpiI123456789", p.src[0]) >= 0 {
		switch f := p.src[0]; f {
		case 'g':
			c.all = true
		case 'p':
			c.print = true
		case 'i', 'I':
			fold = true
		default:
			c.which = int(f-'0') - 1
		}
		p.src = p.src[1:]
	}
	c.pattern = p.compile(pattern, fold)
}

func (a *sedAddress) matches(line string, n, last int) bool {
	switch {
	case a.line > 0:
		return n == a.line
	case a.last:
		return n == last
	case a.pattern != nil:
		return a.pattern.MatchString(line)
	}
	return true
}

// applies reports whether the command is for a line.
func (c *sedCommand) applies(line string, n, last int) bool {
	in := c.from.matches(line, n, last)
	if c.span {
		switch {
		case c.inside:
			in = true
			c.inside = !(c.to.line > 0 && n >= c.to.line || c.to.line == 0 && c.to.matches(line, n, last))
		case in:
			c.inside = c.to.line == 0 || c.to.line > n
		}
	}
	return in != c.not
}

// substitute makes the replacement.
func (c *sedCommand) substitute(line string) (string, bool) {
	matches := c.pattern.FindAllStringSubmatchIndex(line, -1)
	var b strings.Builder
	at, done := 0, false
	for i, m := range matches {
		if i < c.which || i > c.which && !c.all {
			continue
		}
		b.WriteString(line[at:m[0]])
		at, done = m[1], true
		for j := 0; j < len(c.with); j++ {
			ch := c.with[j]
			group := -1
			switch {
			case ch == '&':
				group = 0
			case ch == '\\' && j+1 < len(c.with):
				j++
				switch next := c.with[j]; {
				case isDigit(next):
					group = int(next - '0')
				case next == 'n':
					b.WriteByte('\n')
				case next == 't':
					b.WriteByte('\t')
				default:
					b.WriteByte(next)
				}
			default:
				b.WriteByte(ch)
			}
			if group >= 0 && 2*group+1 < len(m) && m[2*group] >= 0 {
				b.WriteString(line[m[2*group]:m[2*group+1]])
			}
		}
	}
	return b.String() + line[at:], done
}

// sedRun runs a program over the lines of a text.
func sedRun(list []*sedCommand, text string, silent bool, out *strings.Builder) {
	lines := linesOf(text)
	for i, line := range lines {
		gone, end := false, false
		for _, c := range list {
			if gone || end || !c.applies(line, i+1, len(lines)) {
				continue
			}
			switch c.verb {
			case 's':
				var done bool
				if line, done = c.substitute(line); done && c.print {
					out.WriteString(line + "\n")
				}
			case 'p':
				out.WriteString(line + "\n")
			case 'd':
				gone = true
			case 'q':
				end = true
			}
		}
		if !silent && !gone {
			out.WriteString(line + "\n")
		}
		if end {
			return
		}
	}
}
