package packetdrill

import "strings"

// word reads a word; nil if there is none here.
func (p *shParser) word() (w shWord) {
	text := func(s string, quoted bool) {
		if n := len(w); n > 0 && w[n-1].kind == 't' && w[n-1].quoted == quoted {
			w[n-1].text += s
			return
		}
		w = append(w, shPart{'t', s, quoted})
	}
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case strings.IndexByte(" \t\r\n;&|<>()", c) >= 0:
			return w
		case c == '\\' && p.pos+1 < len(p.src):
			text(p.src[p.pos+1:p.pos+2], true)
			p.pos += 2
		case c == '\'':
			n := strings.IndexByte(p.src[p.pos+1:], '\'')
			if n < 0 {
				p.fail()
			}
			text(p.src[p.pos+1:p.pos+1+n], true)
			p.pos += n + 2
		case c == '"':
			p.pos++
			text("", true)
			p.quoted(&w)
		case c == '$', c == '`':
			w = append(w, p.expansion(false))
		default:
			text(p.src[p.pos:p.pos+1], false)
			p.pos++
		}
	}
	return w
}

// quoted reads what is in double quotes, to their end.
func (p *shParser) quoted(w *shWord) {
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case c == '"':
			p.pos++
			return
		case c == '$', c == '`':
			*w = append(*w, p.expansion(true))
			continue
		case c == '\\' && p.pos+1 < len(p.src) && strings.IndexByte("$`\"\\\n", p.src[p.pos+1]) >= 0:
			p.pos++
			c = p.src[p.pos]
		}
		*w = append(*w, shPart{'t', string(c), true})
		p.pos++
	}
	p.fail()
}

// expansion reads $x, ${x}, $(x), $((x)) or `x`.
func (p *shParser) expansion(quoted bool) shPart {
	rest := p.src[p.pos:]
	switch {
	case strings.HasPrefix(rest, "$(("):
		n := closing(rest[1:])
		if n < 4 || rest[n-1:n+1] != "))" {
			p.fail()
		}
		p.pos += n + 1
		return shPart{'a', rest[3 : n-1], quoted}
	case strings.HasPrefix(rest, "$("):
		n := closing(rest[1:])
		if n < 0 {
			p.fail()
		}
		p.pos += n + 1
		return shPart{'c', rest[2:n], quoted}
	case strings.HasPrefix(rest, "${"):
		n := strings.IndexByte(rest, '}')
		if n < 0 {
			p.fail()
		}
		p.pos += n + 1
		return shPart{'$', rest[2:n], quoted}
	case rest[0] == '`':
		n := strings.IndexByte(rest[1:], '`')
		if n < 0 {
			p.fail()
		}
		p.pos += n + 2
		return shPart{'c', rest[1 : n+1], quoted}
	}
	n := 1
	for n < len(rest) && (isLetter(rest[n]) || n > 1 && isDigit(rest[n])) {
		n++
	}
	if n == 1 && len(rest) > 1 && strings.IndexByte("0123456789@*#?$!", rest[1]) >= 0 {
		n = 2
	}
	p.pos += n
	if n == 1 {
		return shPart{'t', "$", true}
	}
	return shPart{'$', rest[1:n], quoted}
}

// closing returns where the bracket that s begins with is closed, counted from one character before s; negative if
// nowhere.
func closing(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// here reads the word behind <<, and takes the lines that follow the current one out of the program, up to the one that
// is that word. Unless it is quoted, variables and commands in them are put in their places.
func (p *shParser) here() shWord {
	tabs := p.accept("-")
	p.blank()
	end, plain := "", false
	for _, part := range p.word() {
		end, plain = end+part.text, plain || part.quoted
	}
	n := strings.IndexByte(p.src[p.pos:], '\n')
	if end == "" || n < 0 {
		p.fail()
	}
	n += p.pos + 1
	var text strings.Builder
	for rest := p.src[n:]; ; {
		if rest == "" {
			p.fail()
		}
		line, more, _ := strings.Cut(rest, "\n")
		if tabs {
			line = strings.TrimLeft(line, "\t")
		}
		if rest = more; line == end {
			p.src = p.src[:n] + rest
			break
		}
		text.WriteString(line + "\n")
	}
	if plain {
		return shWord{{'t', text.String(), true}}
	}
	var w shWord
	inner := &shParser{src: text.String()}
	for inner.pos < len(inner.src) {
		c := inner.src[inner.pos]
		switch {
		case c == '$' || c == '`':
			w = append(w, inner.expansion(true))
			continue
		case c == '\\' && inner.pos+1 < len(inner.src) && strings.IndexByte("$`\\", inner.src[inner.pos+1]) >= 0:
			inner.pos++
			c = inner.src[inner.pos]
		}
		w = append(w, shPart{'t', string(c), true})
		inner.pos++
	}
	return w
}
