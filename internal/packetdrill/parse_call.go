package packetdrill

import "strings"

// call reads name(arguments) = result ERRNO (note).
func (p *parser) call() *Call {
	c := &Call{Name: p.take().text}
	p.expect("(")
	c.Args = p.values(")")
	p.expect("=")
	c.Result = p.value()
	if t := p.peek(); t.kind == tokWord && len(t.text) > 1 && t.text[0] == 'E' && strings.ToUpper(t.text) == t.text {
		c.Errno = p.take().text
	}
	if p.is("(") { // the message, for the reader
		for depth := 0; ; {
			switch {
			case p.peek().kind == tokEOF:
				p.unexpected("a note does not end")
			case p.accept("("):
				depth++
				continue
			case p.accept(")"):
				depth--
			default:
				p.at++
				continue
			}
			if depth == 0 {
				break
			}
		}
	}
	return c
}

// maxDepth bounds how deep values nest.
const maxDepth = 32

// values reads values up to a closing mark.
func (p *parser) values(end string) (list []Value) {
	if p.depth++; p.depth > maxDepth {
		p.unexpected("values nest too deep")
	}
	defer func() { p.depth-- }()
	for !p.accept(end) {
		list = append(list, p.value())
		if !p.accept(",") && !p.is(end) {
			p.unexpected("want , or " + end)
		}
	}
	return list
}

// value reads one value: operands joined by operators, from the left.
func (p *parser) value() Value {
	v := p.operand()
	for {
		op := ""
		switch {
		case p.peek().line != p.tokens[p.at-1].line: // the time of the next event may begin with an operator
		case p.is("|"), p.is("&"), p.is("+"), p.is("-"), p.is("*"), p.is("/"), p.is("^"):
			op = p.take().text
		case p.is("<") && p.peek2().text == "<", p.is(">") && p.peek2().text == ">":
			op = p.take().text
			p.take()
		}
		if op == "" {
			return v
		}
		if v.Kind != Expr || v.Str == "" {
			v = Value{Kind: Expr, List: []Value{v}, Line: v.Line}
		}
		v.Str += op
		v.List = append(v.List, p.operand())
	}
}

func (p *parser) operand() Value {
	t := p.peek()
	v := Value{Line: t.line}
	switch {
	case p.accept("..."):
		v.Kind = Ellipsis
	case p.accept("*"):
		v.Kind = Star
	case p.is("-") || t.kind == tokNumber && !strings.Contains(t.text, "."):
		v.Kind, v.Int = Number, int64(p.number(64))
	case t.kind == tokNumber: // a fraction: only as text
		v.Kind, v.Str = String, p.take().text
	case t.kind == tokString:
		v.Kind, v.Str = String, p.take().text
		for p.peek().kind == tokString { // as in C
			v.Str += p.take().text
		}
	case p.accept("~"):
		return Value{Kind: FuncCall, Str: "~", List: []Value{p.operand()}, Line: t.line}
	case p.accept("("):
		if list := p.values(")"); len(list) == 1 {
			return list[0]
		}
		p.unexpected("want one value in brackets")
	case p.accept("["):
		v.Kind, v.List = Array, p.values("]")
	case p.accept("{"):
		v.Kind, v.Fields = Struct, p.fields()
	case t.kind == tokWord && p.peek2().text == "(" && p.peek2().kind == tokPunct:
		v.Kind, v.Str = FuncCall, p.take().text
		p.expect("(")
		v.List = p.values(")")
	case t.kind == tokWord:
		v.Kind, v.Str = Symbol, p.take().text
	default:
		p.unexpected("want a value")
	}
	return v
}

// fields reads the fields of a struct.
func (p *parser) fields() (list []Field) {
	if p.depth++; p.depth > maxDepth {
		p.unexpected("values nest too deep")
	}
	defer func() { p.depth-- }()
	for !p.accept("}") {
		var f Field
		v := p.value()
		switch {
		case p.is("=") && v.Kind == Symbol:
			f.Name = v.Str
		case p.is("=") && v.Kind == FuncCall && len(v.List) == 1:
			f.Name, f.Size = v.Str, &v.List[0]
		case p.is("="):
			p.unexpected("want the name of a field before")
		default:
			f.Value = v
		}
		if p.accept("=") {
			f.Value = p.value()
		}
		list = append(list, f)
		if !p.accept(",") && !p.is("}") {
			p.unexpected("want , or }")
		}
	}
	return list
}
