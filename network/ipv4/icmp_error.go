package ipv4

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// sentAs is how the kinds of errors are sent.
var sentAs = [...]struct {
	icmp header.ICMPv4Type
	code header.ICMPv4Code
}{
	stack.ICMPNetUnreachable:    {header.ICMPv4Unreachable, header.ICMPv4NetUnreachable},
	stack.ICMPHostUnreachable:   {header.ICMPv4Unreachable, header.ICMPv4HostUnreachable},
	stack.ICMPProtoUnreachable:  {header.ICMPv4Unreachable, header.ICMPv4ProtocolUnreachable},
	stack.ICMPPortUnreachable:   {header.ICMPv4Unreachable, header.ICMPv4PortUnreachable},
	stack.ICMPProhibited:        {header.ICMPv4Unreachable, header.ICMPv4AdminProhibited},
	stack.ICMPTooBig:            {header.ICMPv4Unreachable, header.ICMPv4FragmentationNeeded},
	stack.ICMPHopLimit:          {header.ICMPv4TimeExceeded, header.ICMPv4TTLExceeded},
	stack.ICMPReassemblyTimeout: {header.ICMPv4TimeExceeded, header.ICMPv4ReassemblyExceeded},
	stack.ICMPParameter:         {header.ICMPv4ParameterProblem, header.ICMPv4PointerIndicates},
	stack.ICMPParameterOption:   {header.ICMPv4ParameterProblem, header.ICMPv4PointerIndicates},
	stack.ICMPParameterHeader:   {header.ICMPv4Unreachable, header.ICMPv4ProtocolUnreachable},
}

const (
	// maxError is the length of an error, header included (RFC 1812 §4.3.2.3).
	maxError = 576
	// errorHeadroom is what a link's header and ours take in front of an error.
	errorHeadroom = 64
	// precedenceInternetControl is the precedence of errors (RFC 1812 §4.3.2.5).
	precedenceInternetControl = 0xc0
)

// SendError answers p with an ICMP error, if RFC 1122 §3.2.2 and RFC 1812 §4.3.2 allow it and the limits
// do (stack.InternetProtocol). The error comes from the address of ours that p was for, if it was for us.
func (ip *Protocol) SendError(w *stack.Work, p *stack.Packet, e stack.ICMPErrorKind, mtu int) {
	if int(e) >= len(sentAs) || !ip.mayAnswer(p) {
		return
	}
	c := &ip.stack.Counters().Icmp
	// Linux limits everything but what path MTU discovery needs, and nothing inside the host.
	if e != stack.ICMPTooBig && !p.Inside() &&
		!ip.limiter.Allow(p.Src, &c.OutRateLimitGlobal, &c.OutRateLimitHost) {
		return
	}
	q := stack.RouteQuery{Destination: p.Src}
	if p.Local.IsValid() && p.Local == p.Dst {
		q.Source, q.AnySource = p.Local, true
	}
	r, err := ip.stack.FindRoute(q)
	if err != tcpip.OK || r.Broadcast || r.Multicast {
		return
	}
	o := stack.SendOptions{Proto: header.ProtocolICMPv4, TOS: p.TOS&0x1e | precedenceInternetControl}
	if p.NetworkLen() > header.IPv4Size && e != stack.ICMPParameter {
		var ok bool
		if o.Options, ok = header.EchoIPv4Options(header.IPv4(p.Network())); !ok {
			return
		}
	}
	m := ip.quote(p, min(maxError, r.MTU())-header.IPv4Size-header.ICMPv4Size)
	if m == nil {
		return
	}
	row := sentAs[e]
	f := header.ICMPv4Fields{Type: row.icmp, Code: row.code}
	switch row.icmp {
	case header.ICMPv4Unreachable:
		c.OutDestUnreachs.Inc()
		if e == stack.ICMPTooBig {
			f.Rest = uint32(uint16(mtu))
		}
	case header.ICMPv4TimeExceeded:
		c.OutTimeExcds.Inc()
	case header.ICMPv4ParameterProblem:
		c.OutParmProbs.Inc()
		f.Rest = header.ICMPv4RestPointer(uint8(mtu))
	}
	c.OutMsgs.Inc()
	ip.stack.Counters().IcmpMsgOutType[f.Type].Inc()
	f.Encode(m.Prepend(header.ICMPv4Size))
	header.ICMPv4(m.Front()).UpdateChecksum()
	ip.Send(w, r, m, &o)
}

// quote returns a packet with the first n bytes of p from its network header on, nil if memory is short.
func (ip *Protocol) quote(p *stack.Packet, n int) *stack.Packet {
	n = min(n, p.NetworkLen()+p.TransportLen())
	b, ok := ip.stack.Slabs.Get(errorHeadroom + n)
	if !ok {
		return nil
	}
	b.Reserve(errorHeadroom)
	front := p.Network()
	b.Append(front[:min(n, len(front))])
	for _, d := range p.Data() {
		b.Append(d.Bytes()[:min(n-b.Len(), d.Len())])
	}
	return ip.stack.NewPacketFrom(b)
}

// mayAnswer reports whether an error about p may be sent at all: not about an error, not about what was
// sent to many, not about a later fragment, not to a source that is no host (RFC 1122 §3.2.2; BEHAVIOUR F4).
func (ip *Protocol) mayAnswer(p *stack.Packet) bool {
	if !p.HasTransport() || p.Looped || p.Astray || p.Link.Type != stack.PacketHost && !p.Forwarded {
		return false
	}
	h := header.IPv4(p.Network())
	if h.FragmentOffset() != 0 || p.Dst.IsMulticast() || !answerable(p) {
		return false
	}
	if p.NIC.Classify(p.Dst) == stack.DestinationBroadcast {
		return false
	}
	if h.Protocol() != header.ProtocolICMPv4 {
		return true
	}
	var b [header.IPv4MaxSize + 1]byte
	at := p.NetworkLen()
	m := shared.Peek(p, b[:])
	return len(m) > at && isQuery(header.ICMPv4Type(m[at]))
}

// isQuery reports whether a message is surely no error: what is unknown may be one.
func isQuery(t header.ICMPv4Type) bool { return t <= header.ICMPv4TimestampReply+4 && !t.IsError() }

// answerable reports whether p's source is the address of one host.
func answerable(p *stack.Packet) bool {
	b := p.Src.As4()
	a := number(b[:])
	switch {
	case isZeroNet(a), isMulticast(a), isClassE(a), a == broadcastAddr,
		isLoopback(a) && !p.Inside():
		return false
	}
	return p.NIC.Classify(p.Src) != stack.DestinationBroadcast
}
