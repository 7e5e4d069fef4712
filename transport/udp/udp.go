// Package udp is the User Datagram Protocol over IPv4 and IPv6 (RFC 768, RFC 8200 §8.1): unicast,
// broadcast and multicast. Where programs can see it, it behaves as Linux does.
package udp

import (
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Endpoint is one UDP socket. An endpoint for IPv6 speaks IPv4 too unless IPV6_V6ONLY is set.
type Endpoint struct{ transport.Datagram }

// shape is UDP as the shared shell sees it.
var shape = transport.Shape{
	Kind:       tcpip.KindUDP,
	Proto4:     header.ProtocolUDP,
	Proto6:     header.ProtocolUDP,
	HeaderSize: header.UDPSize,
	RemotePort: true,
	Corks:      true,
	Encode:     encode,
	MIB: func(c *stack.Counters, v6 bool) transport.MIB {
		m := mibOf(c, v6)
		return transport.MIB{
			InDatagrams: &m.InDatagrams, OutDatagrams: &m.OutDatagrams, InErrors: &m.InErrors,
			RcvbufErrors: &m.RcvbufErrors, SndbufErrors: &m.SndbufErrors,
		}
	},
}

// mib are the counters of RFC 4113, which both families have.
type mib = struct {
	InDatagrams, NoPorts, InErrors, OutDatagrams, RcvbufErrors, SndbufErrors, InCsumErrors stack.Counter
}

func mibOf(c *stack.Counters, v6 bool) *mib {
	if v6 {
		return &c.Udp6
	}
	return &c.Udp
}

// encode writes the header of a datagram. The checksum is left to the link, which may not need one.
func encode(p *stack.Packet, flow stack.FlowID, noChecksum bool) {
	length := p.TransportLen()
	f := header.UDPFields{SrcPort: flow.Local.Port(), DstPort: flow.Remote.Port(), Length: uint16(length)}
	if !noChecksum {
		f.Checksum = header.PseudoHeader(header.ProtocolUDP, flow.Local.Addr(), flow.Remote.Addr(), length).Fold()
		p.Checksum = stack.ChecksumPartial
	}
	f.Encode(p.Transport())
}

// protocol is UDP in one stack.
type protocol struct {
	*transport.Protocol
	stack   *stack.Stack
	closed  atomic.Bool
	handler atomic.Pointer[Handler] // of flows that no endpoint wants; nil: there is none
}

// New makes UDP for a stack.
func New(s *stack.Stack) stack.TransportProtocol {
	return &protocol{Protocol: transport.NewProtocol(s, &shape), stack: s}
}

// Close closes every endpoint and ends the handling of flows.
func (u *protocol) Close(w *stack.Work) {
	u.closed.Store(true)
	if h := u.handler.Load(); h != nil {
		h.close()
	}
	u.Protocol.Close(w)
}

// Number returns 17.
func (u *protocol) Number() header.Protocol { return header.ProtocolUDP }

// NewEndpoint makes an Endpoint.
func (u *protocol) NewEndpoint(netProto header.EtherType) (stack.Endpoint, error) {
	e := new(Endpoint)
	if err := e.Init(u.Protocol, e, netProto); err != tcpip.OK {
		return nil, err
	}
	return e, nil
}

// Deliver queues a datagram that the demux found this endpoint for. It takes p.
func (e *Endpoint) Deliver(w *stack.Work, p *stack.Packet) {
	from := sender(p)
	e.Queue(w, p, from, len(p.Front())-len(p.Transport())+header.UDPSize)
}
