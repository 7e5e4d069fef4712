package packetdrill

import (
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/seed963a8790/netstack/header"
)

// packet reads a line with a packet, from its direction on.
func (p *parser) packet() *Packet {
	k := &Packet{Inbound: p.take().text == "<"}
	for p.encapsulation(k) {
	}
	for p.is("[") || p.is("(") {
		p.ipInfo(k)
	}
	p.segment(k)
	return k
}

// segment reads what is in the IP packet.
func (p *parser) segment(k *Packet) {
	if p.peek().kind == tokNumber && p.peek2().text == ">" { // 53 > 8080:
		k.SrcPort = uint16(p.number(16))
		p.expect(">")
		k.DstPort = uint16(p.number(16))
		p.expect(":")
	}
	switch {
	case p.word("udp"):
		p.expect("(")
		k.UDP = &UDP{Length: int(p.number(16))}
		p.expect(")")
	case p.word("icmp"), p.word("icmpv6"):
		k.ICMP = p.icmp()
	default:
		k.TCP = p.tcp()
	}
}

// encapsulation reads an outer header, if there is one.
func (p *parser) encapsulation(k *Packet) bool {
	e := Encapsulation{Kind: p.peek().text}
	switch {
	case p.word("ipv4", "ipv6"):
		e.Src = p.address()
		p.expect(">")
		e.Dst = p.address()
	case p.word("gre"):
		for !p.is(":") && p.peek().kind != tokEOF {
			p.take()
		}
	case p.word("mpls"):
		for p.accept("(") {
			for !p.accept(")") {
				if p.peek().kind == tokEOF {
					p.unexpected("want )")
				}
				if p.word("label") {
					e.Labels = append(e.Labels, uint32(p.number(20)))
					continue
				}
				p.take()
			}
			p.accept(",")
		}
	default:
		return false
	}
	p.accept(":")
	k.Outer = append(k.Outer, e)
	return true
}

// address takes an IP address, perhaps with a colon behind it.
func (p *parser) address() netip.Addr {
	line := p.peek().line
	a, err := netip.ParseAddr(strings.TrimSuffix(p.adjacent(), ":"))
	if err != nil {
		p.fail(line, "%v", err)
	}
	return a
}

// ecnNames are the names of the ECN field.
var ecnNames = map[string]ECN{"noecn": NoECN, "ect1": ECT1, "ect0": ECT0, "ce": CE, "ect01": ECT01, "ecn": ECNCapable}

// ipInfo reads [ect0], (tos 0x10), (flowlabel 0x7) and the like.
func (p *parser) ipInfo(k *Packet) {
	end := ""
	switch {
	case p.accept("["):
		end = "]"
	case p.accept("("):
		end = ")"
	default:
		return
	}
	for !p.accept(end) {
		t := p.peek()
		ecn, ok := ecnNames[t.text]
		switch {
		case ok && t.kind == tokWord:
			p.take()
			k.IP.ECN = &ecn
		case p.word("tos", "TOS", "class"):
			p.accept("=")
			v := uint8(p.number(8))
			k.IP.TOS = &v
		case p.word("flowlabel", "FLOWLABEL"):
			p.accept("=")
			v := uint32(p.number(20))
			k.IP.FlowLabel = &v
		case p.word("ttl", "TTL", "hlim"):
			p.accept("=")
			v := uint8(p.number(8))
			k.IP.TTL = &v
		default:
			p.unexpected("want something about the IP header")
		}
		p.accept(",")
	}
}

// tcpFlags are the letters of flags; digits are the ACE count.
var tcpFlags = map[byte]header.TCPFlags{
	'F': header.FIN, 'S': header.SYN, 'R': header.RST, 'P': header.PSH, '.': header.ACK,
	'U': header.URG, 'E': header.ECE, 'W': header.CWR, 'A': header.AE,
}

// tcp reads flags, sequence numbers and the rest of a segment.
func (p *parser) tcp() *TCP {
	t := &TCP{}
	line := p.peek().line
	if text := p.adjacent(); text != "-" {
		for i := range len(text) {
			c := text[i]
			f, ok := tcpFlags[c]
			switch {
			case ok:
				t.Flags |= f
			case '0' <= c && c <= '7' && t.Accurate == nil:
				v := c - '0'
				t.Accurate = &v
			default:
				p.fail(line, "%q are no TCP flags", text)
			}
		}
	}
	if p.peek().kind == tokNumber {
		t.Seq = uint32(p.number(32))
		if p.accept(":") {
			t.End = uint32(p.number(32))
			p.expect("(")
			t.Length = int(p.number(17))
			p.expect(")")
			if t.Seq+uint32(t.Length) != t.End {
				p.fail(line, "%d:%d is not %d bytes", t.Seq, t.End, t.Length)
			}
		} else {
			t.End = t.Seq
		}
	}
	if p.word("ack") {
		t.HasAck, t.Ack = true, uint32(p.number(32))
	}
	if p.word("win") {
		v := uint32(p.number(30)) // what was sent is compared after scaling
		t.Window = &v
	}
	if p.word("urg") {
		t.Urgent = uint16(p.number(16))
	}
	if p.is("<") && (p.peek().line == p.tokens[p.at-1].line || optionNames[p.peek2().text]) {
		p.tcpOptions(t)
	}
	return t
}

// optionNames are what options begin with that stand on a line of their own, where flags would be those of the next packet.
var optionNames = map[string]bool{
	"...": true, "eol": true, "nop": true, "mss": true, "wscale": true, "sackOK": true, "sack": true, "TS": true, "FO": true, "FOEXP": true, "md5": true,
}

// tcpOptions reads <mss 1460,sackOK,...>.
func (p *parser) tcpOptions(t *TCP) {
	p.expect("<")
	t.HasOptions = true
	if p.accept("...") {
		t.AnyOptions = true
		p.expect(">")
		return
	}
	for !p.accept(">") {
		if len(t.Options) > 40 {
			p.unexpected("too many options")
		}
		t.Options = append(t.Options, p.tcpOption())
		if !p.accept(",") && !p.is(">") {
			p.unexpected("want , or >")
		}
	}
}

// The kinds of options that the language names.
const (
	kindEOL       = 0
	kindNOP       = 1
	kindMSS       = 2
	kindWScale    = 3
	kindSACKOK    = 4
	kindSACK      = 5
	kindTimestamp = 8
	kindMD5       = 19
	kindFastOpen  = 34
	kindAccECN0   = 172
	kindAccECN1   = 174
	kindExp       = 254
)

func (p *parser) tcpOption() TCPOption {
	name := p.peek().text
	o := TCPOption{Name: name}
	switch {
	case p.word("eol", "EOL"):
		o.Kind = kindEOL
	case p.word("nop"):
		o.Kind = kindNOP
	case p.word("mss"):
		o.Kind, o.Value = kindMSS, uint32(p.number(16))
	case p.word("wscale"):
		o.Kind, o.Value = kindWScale, uint32(p.number(8))
	case p.word("sackOK"):
		o.Kind = kindSACKOK
	case p.word("sack"):
		o.Kind = kindSACK
		for p.peek().kind == tokNumber {
			b := SACKBlock{Left: uint32(p.number(32))}
			p.expect(":")
			b.Right = uint32(p.number(32))
			o.Blocks = append(o.Blocks, b)
		}
	case p.word("TS"):
		o.Kind = kindTimestamp
		if !p.word("val") {
			p.unexpected("want val")
		}
		o.Val = p.timestamp()
		if !p.word("ecr") {
			p.unexpected("want ecr")
		}
		o.Ecr = p.timestamp()
	case p.word("FO"):
		o.Kind, o.Data = kindFastOpen, p.hex()
	case p.word("FOEXP"):
		o.Kind, o.Data = kindExp, append([]byte{0xf9, 0x89}, p.hex()...)
	case p.word("md5"):
		o.Kind = kindMD5
		if p.word("valid", "invalid") {
			o.Name = "md5 " + p.tokens[p.at-1].text
		} else {
			o.Data = p.hex()
		}
	case p.word("ECN", "AccECN", "accecn", "exp-accecn"):
		p.accurate(&o)
	default:
		p.generic(&o)
	}
	return o
}

// accurate reads an AccECN option: its order and byte counters, such as e1b 1 ceb 0 e0b 1.
func (p *parser) accurate(o *TCPOption) {
	o.Kind = kindAccECN1
	for first := true; ; first = false {
		t := p.peek()
		if !p.word("e0b", "ceb", "e1b") {
			return
		}
		if first && t.text == "e0b" {
			o.Kind = kindAccECN0
		}
		v := p.number(24)
		o.Data = append(o.Data, byte(v>>16), byte(v>>8), byte(v))
	}
}

// generic reads any option as numbers and bytes: kind 253 len 4 val 0x1234, or 253:1234.
func (p *parser) generic(o *TCPOption) {
	p.word("kind", "gen", "generic")
	o.Name = "generic"
	o.Kind = uint8(p.number(8))
	o.Length = -1
	if p.word("len", "length") {
		o.Length = int(p.number(8))
	}
	if p.accept(":") || p.word("val", "data") || p.peek().kind == tokNumber {
		o.Data = p.hex()
	}
}

// timestamp takes a number, or something that stands for any.
func (p *parser) timestamp() TimestampValue {
	if p.accept("...") || p.accept("*") || p.accept(".") {
		return TimestampValue{Any: true}
	}
	return TimestampValue{Value: uint32(p.number(32))}
}

// hex takes bytes in hexadecimal; there may be none.
func (p *parser) hex() []byte {
	t := p.peek()
	if t.kind != tokNumber && t.kind != tokWord {
		return nil
	}
	text := strings.TrimPrefix(p.take().text, "0x")
	for !p.peek().spaced && (p.peek().kind == tokNumber || p.peek().kind == tokWord) {
		text += p.take().text // 12ab.. may come as several words
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) > 38 {
		p.fail(t.line, "want bytes in hexadecimal, not %q", text)
	}
	return b
}

// icmp reads a message.
func (p *parser) icmp() *ICMP {
	m := &ICMP{Type: p.peek().text}
	if p.take().kind != tokWord {
		p.at--
		p.unexpected("want a type of ICMP message")
	}
	if t := p.peek(); t.kind == tokWord && t.text != "mtu" && t.text != "id" && t.text != "seq" && t.line == p.tokens[p.at-1].line {
		m.Code = p.take().text
	}
	for more := true; more; {
		switch {
		case p.word("mtu"):
			m.MTU, m.HasMTU = uint32(p.number(32)), true
		case p.word("id"):
			m.ID = uint16(p.number(16))
		case p.word("seq"):
			m.Seq = uint16(p.number(16))
		case p.accept("("):
			m.Length = int(p.number(16))
			p.expect(")")
		default:
			more = false
		}
		if more {
			p.accept(",")
		}
	}
	if p.accept("[") {
		m.About = &Packet{}
		if p.peek().kind == tokNumber && p.peek2().text == ":" { // sequence numbers alone
			m.About.TCP = p.quotedTCP()
		} else {
			p.segment(m.About)
		}
		p.expect("]")
	}
	if p.word("mtu") {
		m.MTU, m.HasMTU = uint32(p.number(32)), true
	}
	return m
}

// quotedTCP reads the sequence numbers of a quoted segment, which has no flags.
func (p *parser) quotedTCP() *TCP {
	t := &TCP{Seq: uint32(p.number(32))}
	p.expect(":")
	t.End = uint32(p.number(32))
	p.expect("(")
	t.Length = int(p.number(17))
	p.expect(")")
	return t
}
