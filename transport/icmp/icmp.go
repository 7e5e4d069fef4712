// Package icmp has the endpoints of ping: Linux's sockets of type SOCK_DGRAM for IPPROTO_ICMP and
// IPPROTO_ICMPV6, which send echo requests and receive the replies without privileges (RFC 792, RFC 4443).
//
// What is written and read is the whole message, from its type on. The port of the local address is the
// echo's identifier; it and the checksum are put in by the stack. The network protocols answer requests.
package icmp

import (
	"net/netip"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Endpoint is one ping socket.
type Endpoint struct{ transport.Datagram }

// family is what differs between the two protocols.
type family struct {
	shape       transport.Shape
	proto       header.Protocol
	echo, reply uint8
	extended    uint8 // an extended echo request; its reply is the next number (RFC 8335)
}

// The types of extended echo requests (RFC 8335 §2).
const (
	extended4 = 42
	extended6 = 160
)

var (
	v4 = family{
		proto: header.ProtocolICMPv4, echo: uint8(header.ICMPv4Echo), reply: uint8(header.ICMPv4EchoReply), extended: extended4,
		shape: shapeOf(transport.Shape{Proto4: header.ProtocolICMPv4, Check: check(uint8(header.ICMPv4Echo), extended4), Encode: encode4}),
	}
	v6 = family{
		proto: header.ProtocolICMPv6, echo: uint8(header.ICMPv6Echo), reply: uint8(header.ICMPv6EchoReply), extended: extended6,
		shape: shapeOf(transport.Shape{Proto6: header.ProtocolICMPv6, Check: check(uint8(header.ICMPv6Echo), extended6), Encode: encode6}),
	}
)

// shapeOf adds what the two have in common. Identifiers may be shared, as on Linux.
func shapeOf(s transport.Shape) transport.Shape {
	s.Kind, s.HeaderSize, s.UserHeader = tcpip.KindPing, header.ICMPv4Size, true
	s.Share, s.Unicast = true, true
	s.MIB = mib
	return s
}

func mib(c *stack.Counters, v6 bool) transport.MIB {
	if v6 {
		return transport.MIB{OutDatagrams: &c.Icmp6.OutEchos}
	}
	return transport.MIB{OutDatagrams: &c.Icmp.OutEchos}
}

// check lets echo requests with code 0 pass, and extended ones.
func check(echo, extended uint8) func([]byte, bool) tcpip.Error {
	return func(b []byte, _ bool) tcpip.Error {
		if len(b) < header.ICMPv4Size || b[0] != echo && b[0] != extended || b[1] != 0 {
			return tcpip.ErrInvalid
		}
		return tcpip.OK
	}
}

func encode4(p *stack.Packet, flow stack.FlowID, _ bool) {
	c, h := p.Stack().Counters(), header.ICMPv4(p.Transport())
	c.Icmp.OutMsgs.Inc()
	c.IcmpMsgOutType[h.Type()].Inc()
	h.SetID(flow.Local.Port())
	h.SetChecksum(0)
	h.SetChecksum(sum(p, checksum.Partial{}))
}

func encode6(p *stack.Packet, flow stack.FlowID, _ bool) {
	c, h := p.Stack().Counters(), header.ICMPv6(p.Transport())
	c.Icmp6.OutMsgs.Inc()
	c.Icmp6OutType[h.Type()].Inc()
	h.SetID(flow.Local.Port())
	h.SetChecksum(0)
	h.SetChecksum(sum(p, header.PseudoHeader(header.ProtocolICMPv6, flow.Local.Addr(), flow.Remote.Addr(), p.TransportLen())))
}

// sum returns the checksum of a message in pieces, which begins with the given sum.
func sum(p *stack.Packet, c checksum.Partial) uint16 {
	c = c.Add(p.Transport())
	for _, d := range p.Data() {
		c = c.Add(d.Bytes())
	}
	return c.Checksum()
}

// protocol is ICMP of one version, as far as endpoints go, in one stack.
type protocol struct {
	*transport.Protocol
	stack  *stack.Stack
	family *family

	closed  atomic.Bool
	handler atomic.Pointer[EchoHandler] // of echo requests to others; nil: there is none
}

// New4 makes the ping endpoints of IPv4 for a stack.
func New4(s *stack.Stack) stack.TransportProtocol { return newProtocol(s, &v4) }

// New6 makes the ping endpoints of IPv6 for a stack.
func New6(s *stack.Stack) stack.TransportProtocol { return newProtocol(s, &v6) }

func newProtocol(s *stack.Stack, f *family) *protocol {
	return &protocol{Protocol: transport.NewProtocol(s, &f.shape), stack: s, family: f}
}

// Number returns 1 or 58.
func (c *protocol) Number() header.Protocol { return c.family.proto }

// Close closes every endpoint and ends the handling of requests.
func (c *protocol) Close(w *stack.Work) {
	c.closed.Store(true)
	if h := c.handler.Load(); h != nil {
		h.Close()
	}
	c.Protocol.Close(w)
}

// NewEndpoint makes an Endpoint. The network protocol must be the one that the ICMP belongs to.
func (c *protocol) NewEndpoint(netProto header.EtherType) (stack.Endpoint, error) {
	e := new(Endpoint)
	if err := e.Init(c.Protocol, e, netProto); err != tcpip.OK {
		return nil, err
	}
	return e, nil
}

// Receive gives an echo reply, whose checksum the network protocol has verified or is verified here, to
// the endpoint with its identifier. Other messages are not for endpoints. It takes p.
func (c *protocol) Receive(w *stack.Work, p *stack.Packet) {
	if _, ok := transport.Front(p, header.ICMPv4Size); !ok {
		p.Drop(tcpip.DropShort)
		return
	}
	h := header.ICMPv4(p.Transport()) // an echo looks the same in both versions
	if t := uint8(h.Type()); t != c.family.reply && t != c.family.extended+1 {
		p.Drop(tcpip.DropUnknownType)
		return
	}
	if p.Checksum == stack.ChecksumUnverified {
		var start checksum.Partial
		if c.family == &v6 {
			start = header.PseudoHeader(header.ProtocolICMPv6, p.Src, p.Dst, p.TransportLen())
		}
		if sum(p, start) != 0 {
			p.Drop(tcpip.DropBadChecksum)
			return
		}
	}
	id := stack.FlowID{
		Proto: c.family.proto, Local: netip.AddrPortFrom(p.Dst, h.ID()), Remote: netip.AddrPortFrom(p.Src, 0),
	}
	r := c.stack.Demux.Find(id, p.NIC, 0)
	if r == nil {
		p.Drop(tcpip.DropNoPort)
		return
	}
	r.Deliver(w, p)
}

// Deliver queues an echo reply, header included. It takes p.
func (e *Endpoint) Deliver(w *stack.Work, p *stack.Packet) {
	e.Queue(w, p, netip.AddrPortFrom(p.Src, 0), len(p.Front())-len(p.Transport()))
}

// ReceiveError tells the endpoint that sent the quoted echo request (RFC 5927). Another message than that has
// no identifier, and so no endpoint.
func (c *protocol) ReceiveError(w *stack.Work, e *stack.ICMPError) {
	id := stack.FlowID{Proto: c.family.proto, Local: e.Local, Remote: netip.AddrPortFrom(e.Remote.Addr(), 0)}
	if e.Packet != nil { // as on Linux it is the address that heard of it
		id.Local = netip.AddrPortFrom(e.Packet.Dst, e.Local.Port())
	}
	r := c.stack.Demux.Find(id, e.NIC, 0)
	if r == nil {
		e.Drop(c.stack, tcpip.DropICMPNoFlow)
		return
	}
	r.DeliverError(w, e)
}
