package packetdrill

import (
	"fmt"
	"strings"
)

// token is one word of a script.
type token struct {
	kind tokenKind
	text string
	line int
	// spaced: white space or a comment came before it
	spaced   bool
	from, to int // in the text; the same for what a definition puts in its place
}

type tokenKind uint8

const (
	tokEOF     tokenKind = iota
	tokWord              // letters, digits, _ and . within
	tokNumber            // digits, with a fraction or as 0x
	tokString            // "..." with its escapes resolved
	tokCommand           // `...`
	tokCode              // %{ ... }%
	tokPunct             // anything else: one character, or ...
)

// SyntaxError is a place that cannot be read.
type SyntaxError struct {
	Name string
	Line int
	What string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.What) }

// lexer cuts a script into tokens.
type lexer struct {
	name string
	src  string
	pos  int
	line int
}

func (l *lexer) fail(line int, format string, args ...any) {
	panic(&SyntaxError{l.name, line, fmt.Sprintf(format, args...)})
}

// space skips white space and comments and reports whether there were any.
func (l *lexer) space() bool {
	from := l.pos
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch c := rest[0]; {
		case c == '\n':
			l.line++
			l.pos++
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			l.pos++
		case strings.HasPrefix(rest, "//"), c == '#':
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.pos += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest, "*/")
			if n < 0 {
				l.fail(l.line, "a comment does not end")
			}
			l.line += strings.Count(rest[:n], "\n")
			l.pos += n + 2
		default:
			return l.pos > from
		}
	}
	return l.pos > from
}

// next returns the next token.
func (l *lexer) next() (t token) {
	spaced := l.space()
	t = token{line: l.line, spaced: spaced, from: l.pos}
	defer func() { t.to = l.pos }()
	if l.pos >= len(l.src) {
		return t
	}
	rest := l.src[l.pos:]
	take := func(k tokenKind, n int) token {
		t.kind, t.text = k, rest[:n]
		l.line += strings.Count(rest[:n], "\n")
		l.pos += n
		return t
	}
	c := rest[0]
	switch {
	case c == '`':
		n := strings.IndexByte(rest[1:], '`')
		if n < 0 {
			l.fail(l.line, "a command does not end")
		}
		t = take(tokCommand, n+2)
		t.text = t.text[1 : n+1]
		return t
	case strings.HasPrefix(rest, "%{"):
		n := strings.Index(rest, "}%")
		if n < 0 {
			l.fail(l.line, "a code block does not end")
		}
		t = take(tokCode, n+2)
		t.text = t.text[2:n]
		return t
	case c == '"':
		return l.quoted(t, rest)
	case strings.HasPrefix(rest, "..."):
		return take(tokPunct, 3)
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return take(tokNumber, numberLength(rest))
	case isLetter(c):
		n := 1
		for n < len(rest) && (isLetter(rest[n]) || isDigit(rest[n]) ||
			// a hyphen or dot within a word, as in tcp-fastopen or S.
			(rest[n] == '-' && n+1 < len(rest) && isLetter(rest[n+1]))) {
			n++
		}
		return take(tokWord, n)
	}
	return take(tokPunct, 1)
}

// quoted reads a string with C's escapes.
func (l *lexer) quoted(t token, rest string) token {
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; c {
		case '"':
			t.kind, t.text = tokString, b.String()
			l.line += strings.Count(rest[:i+1], "\n")
			l.pos += i + 1
			return t
		case '\\':
			i++
			if i >= len(rest) {
				break
			}
			switch e := rest[i]; e {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			case '0':
				b.WriteByte(0)
			case 'x':
				v, n := byte(0), 0
				for n < 2 && i+1 < len(rest) && hexDigit(rest[i+1]) >= 0 {
					v = v<<4 | byte(hexDigit(rest[i+1]))
					i++
					n++
				}
				b.WriteByte(v)
			default:
				b.WriteByte(e)
			}
		default:
			b.WriteByte(c)
		}
	}
	l.fail(t.line, "a string does not end")
	return t
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// numberLength returns how long the number at the front of s is. Letters that follow belong to it, so that an
// option's hexadecimal bytes are one token.
func numberLength(s string) int {
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		n := 2
		for n < len(s) && hexDigit(s[n]) >= 0 {
			n++
		}
		return n
	}
	n := 0
	for n < len(s) && (isDigit(s[n]) || isLetter(s[n])) {
		n++
	}
	if n < len(s) && s[n] == '.' && !strings.HasPrefix(s[n:], "..") {
		n++
		for n < len(s) && isDigit(s[n]) {
			n++
		}
	}
	return n
}
