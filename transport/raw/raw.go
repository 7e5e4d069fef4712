// Package raw has raw endpoints: Linux's sockets of type SOCK_RAW. Each is shown every packet of its IP protocol that
// is for this host, beside the protocol's transport, if there is one: IPv4 with the network header, IPv6
// without (RFC 3542 §3). What it writes is the payload of an IP packet, or, with IP_HDRINCL, the whole packet.
//
// An endpoint is of one family. Bind limits it to packets to one address, Connect to those from one, and
// SO_BINDTOIFINDEX to those that arrive on one NIC; the ports of addresses mean nothing, but that the local
// address's is the protocol. Disconnecting ends its receiving for good, as on Linux.
package raw

import (
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// Endpoint is one raw socket.
type Endpoint struct{ transport.Datagram }

// protocolRaw stands in a shape for whichever protocol an endpoint is of.
const protocolRaw header.Protocol = 255

var (
	shape4 = transport.Shape{Kind: tcpip.KindRaw, Proto4: protocolRaw, Corks: true, Share: true, MIB: mib}
	shape6 = transport.Shape{Kind: tcpip.KindRaw, Proto6: protocolRaw, Corks: true, Share: true, MIB: mib}
)

// mib has no counters of its own: the network protocols' count.
func mib(*stack.Counters, bool) transport.MIB { return transport.MIB{} }

// protocol is what raw endpoints of one stack share.
type protocol struct {
	v4, v6  *transport.Protocol
	closed  atomic.Bool
	handler atomic.Pointer[Handler] // of packets that nobody wants; nil: there is none
}

// New makes the raw endpoints of a stack. It is a stack.NewRaw.
func New(s *stack.Stack) stack.RawProtocol {
	return &protocol{v4: transport.NewProtocol(s, &shape4), v6: transport.NewProtocol(s, &shape6)}
}

// NewEndpoint makes an Endpoint.
//
// Errors: ErrProtocolNotSupported for a family that is not IPv4 or IPv6, ErrNoBuffers if the protocol has too many raw
// endpoints, ErrClosed.
func (r *protocol) NewEndpoint(number uint16, netProto header.EtherType) (stack.Endpoint, error) {
	p := r.v4
	if netProto == header.EtherTypeIPv6 {
		p = r.v6
	}
	e := new(Endpoint)
	if err := e.InitRaw(p, e, netProto, number); err != tcpip.OK {
		return nil, err
	}
	return e, nil
}

// Close closes every endpoint and ends the handling of flows.
func (r *protocol) Close(w *stack.Work) {
	r.closed.Store(true)
	if h := r.handler.Load(); h != nil {
		h.Close()
	}
	r.v4.Close(w)
	r.v6.Close(w)
}

// Deliver drops p: the demux does not know raw endpoints. It takes p.
func (e *Endpoint) Deliver(_ *stack.Work, p *stack.Packet) { p.Drop(tcpip.DropUnknownType) }
