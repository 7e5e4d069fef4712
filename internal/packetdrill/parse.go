package packetdrill

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse reads a script. name is for messages. defines replace words, as -D does.
//
// Errors: *SyntaxError.
func Parse(name, text string, defines map[string]string) (s *Script, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*SyntaxError)
			if !ok {
				panic(r)
			}
			s, err = nil, e
		}
	}()
	s = &Script{Name: name}
	l := &lexer{name: name, src: text, line: 1}
	l.options(s)
	defines = s.defines(defines)
	p := &parser{lexer: l, script: s}
	for {
		t := l.next()
		if v, ok := defines[t.text]; ok && t.kind == tokWord {
			p.define(t, v)
			continue
		}
		p.tokens = append(p.tokens, t)
		if t.kind == tokEOF {
			break
		}
	}
	p.parse()
	return s, nil
}

// options takes the lines --name=value at the top.
func (l *lexer) options(s *Script) {
	for {
		l.space()
		rest := l.src[l.pos:]
		if !strings.HasPrefix(rest, "--") {
			return
		}
		line, _, _ := strings.Cut(rest, "\n")
		l.pos += len(line)
		for _, comment := range []string{"//", "#"} {
			line, _, _ = strings.Cut(line, comment)
		}
		line = strings.TrimSpace(line)
		for line != "" {
			word := line[2:]
			if line = ""; strings.Contains(word, " --") {
				at := strings.Index(word, " --")
				word, line = word[:at], word[at+1:]
			}
			at := strings.IndexAny(word, "= \t")
			name, value := strings.TrimSpace(word), ""
			if at >= 0 {
				name, value = word[:at], strings.Trim(word[at+1:], " \t=\"")
			}
			if name == "" {
				l.fail(l.line, "an option without a name")
			}
			s.Options = append(s.Options, Option{name, value, l.line})
		}
	}
}

// defines adds the names that the script itself defines, which come before those of the command line.
func (s *Script) defines(given map[string]string) map[string]string {
	all := maps.Clone(given)
	for _, o := range s.Options {
		if name, value, ok := strings.Cut(o.Value, "="); ok && (o.Name == "define" || o.Name == "D") {
			if all == nil {
				all = map[string]string{}
			}
			all[strings.TrimSpace(name)] = strings.Trim(value, "\"")
		}
	}
	return all
}

// parser reads events from tokens.
type parser struct {
	*lexer
	script *Script
	tokens []token
	at     int
	depth  int // of values
}

// define puts the tokens of a definition in the place of a word.
func (p *parser) define(t token, v string) {
	l := &lexer{name: p.name, src: v, line: t.line}
	for i := 0; ; i++ {
		d := l.next()
		if d.kind == tokEOF {
			return
		}
		d.line, d.from, d.to = t.line, t.from, t.to
		if i == 0 {
			d.spaced = t.spaced
		}
		p.tokens = append(p.tokens, d)
	}
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) peek2() token { return p.tokens[min(p.at+1, len(p.tokens)-1)] }

func (p *parser) take() token {
	t := p.tokens[p.at]
	if t.kind != tokEOF {
		p.at++
	}
	return t
}

// is reports whether the next token is this punctuation.
func (p *parser) is(s string) bool { return p.peek().kind == tokPunct && p.peek().text == s }

// accept takes this punctuation if it is next.
func (p *parser) accept(s string) bool {
	if p.is(s) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(s string) {
	if !p.accept(s) {
		p.unexpected("want " + strconv.Quote(s))
	}
}

func (p *parser) word(words ...string) bool {
	if t := p.peek(); t.kind == tokWord && slices.Contains(words, t.text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) unexpected(what string) {
	t := p.peek()
	text := t.text
	if t.kind == tokEOF {
		text = "the end"
	}
	p.fail(t.line, "%s, not %q", what, text)
}

// number takes an integer.
func (p *parser) number(bits int) uint64 {
	negative := p.accept("-")
	t := p.peek()
	v, err := strconv.ParseUint(t.text, 0, 64)
	if t.kind == tokNumber && err != nil && !strings.HasPrefix(t.text, "0x") {
		v, err = strconv.ParseUint(strings.TrimLeft(t.text, "0"), 10, 64) // 0100 is a hundred
	}
	if t.kind != tokNumber || err != nil || bits < 64 && v>>bits != 0 {
		p.unexpected("want a number of " + strconv.Itoa(bits) + " bits")
	}
	p.at++
	if negative {
		v = -v
	}
	return v
}

// parse reads everything.
func (p *parser) parse() {
	s := p.script
	for p.peek().kind == tokCommand {
		s.Init = append(s.Init, p.take().text)
	}
	for p.peek().kind != tokEOF {
		s.Events = append(s.Events, p.event())
	}
	// Commands behind the last event and without a time of their own clean up.
	for n := len(s.Events); n > 0; n-- {
		e := &s.Events[n-1]
		if e.Command == "" || !e.Time.untimed {
			break
		}
		s.Cleanup = slices.Insert(s.Cleanup, 0, e.Command)
		s.Events = s.Events[:n-1]
	}
	if len(s.Events) == 0 && len(s.Init) == 0 {
		p.fail(p.line, "nothing happens")
	}
	for i := range s.Events {
		s.Events[i].Time.untimed = false
	}
}

// event reads one event. One without a time happens at the time of the one before.
func (p *parser) event() Event {
	e := Event{Line: p.peek().line}
	e.Time = p.time()
	switch t := p.peek(); {
	case t.kind == tokCommand:
		e.Command = p.take().text
	case t.kind == tokCode:
		e.Code = p.take().text
	case p.is("<"), p.is(">"):
		e.Packet = p.packet()
	case t.kind == tokWord:
		e.Call = p.call()
	default:
		p.unexpected("want a packet, a call, a command or code")
	}
	if e.Time.Blocking && e.Call == nil {
		p.fail(e.Line, "only calls take time")
	}
	return e
}

// time reads when an event happens.
func (p *parser) time() (t Time) {
	if p.accept("*") {
		return Time{Kind: AnyTime}
	}
	if !p.is("+") && p.peek().kind != tokNumber {
		t.Kind = Relative
		t.untimed = true
		return t
	}
	if p.accept("+") {
		t.Kind = Relative
	}
	t.At = p.seconds()
	switch {
	case p.accept("~"):
		p.accept("+")
		t.Until = p.seconds()
		t.Kind += AbsoluteRange - Absolute
		if t.Until < t.At {
			p.unexpected("the range ends before it begins")
		}
	case p.accept("..."):
		p.accept("+")
		t.Blocking, t.End = true, p.seconds()
	}
	return t
}

// seconds takes a time in seconds, to the microsecond.
func (p *parser) seconds() time.Duration {
	t := p.peek()
	if t.kind != tokNumber {
		p.unexpected("want a time in seconds")
	}
	v, err := strconv.ParseFloat(t.text, 64)
	if err != nil || v > 1e6 {
		p.unexpected("want a time in seconds")
	}
	p.at++
	return time.Duration(v*1e6+0.5) * time.Microsecond
}

// adjacent takes the tokens that follow one another without space and returns their text.
func (p *parser) adjacent() string {
	first := p.take()
	from, to := first.from, first.to
	for !p.peek().spaced && p.peek().kind != tokEOF {
		to = p.take().to
	}
	return p.src[from:to]
}
