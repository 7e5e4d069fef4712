package transport

import (
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// HandleOptions bound what a handler of other people's flows may be asked at once. Every field is of use with its zero
// value.
//
// A handler is called off the path of packets, on goroutines that live only while something waits for it. It may block,
// though others then wait behind it once as many as Handlers do. Under a manual clock it is called by
// whoever moves the clock and must not block.
type HandleOptions struct {
	// NIC is the only one whose arrivals are handled; 0 is any.
	NIC tcpip.NICID
	// Max bounds the flows that hold memory of the stack's on a stranger's account: unset means 4096 SYNs that are
	// unanswered or in their handshake, or 16384 UDP flows, or 256 messages that wait for their handler.
	Max tcpip.Opt[int]
	// MaxPerSource is the part of them that one source may have, an IPv4 address or an IPv6 network of 64 bits;
	// unset means a quarter.
	MaxPerSource tcpip.Opt[int]
	// Timeout is how long a SYN waits for its answer, or a UDP flow may be idle; unset means 30 s for either.
	Timeout tcpip.Opt[time.Duration]
	// Handlers bounds the calls of the handler that run at once; unset means 16.
	Handlers tcpip.Opt[int]
	// Refused, if not nil, is told of what the bounds have kept out, off the path of packets, one call at a time. In a
	// flood it is not told of each: see Refusal.Missed.
	Refused func(Refusal)
	// Panicked, if not nil, is given what a handler has panicked with, and the goroutine's stack; what it was asked about
	// is dropped. If it is nil, the panic takes its course and ends the program.
	Panicked func(value any, stack []byte)
}

// Refusal says what the bounds of a handler have kept out.
type Refusal struct {
	Src, Dst netip.AddrPort
	NIC      tcpip.NICID
	Source   bool   // the source has had its part; otherwise all is taken
	Missed   uint64 // refusals before this one that nobody was told of
}

// HandleStats counts what a handler has seen.
type HandleStats struct {
	Open     int    // flows that count against Max now
	Waiting  int    // of them wait for a call of the handler
	Handled  uint64 // flows, or messages, that were taken for the handler
	Accepted uint64
	Rejected uint64
	Dropped  uint64 // by the handler, by a panic of it, or because the handler's owner was closed
	Expired  uint64 // unanswered until the timeout, or idle
	Absorbed uint64 // packets of a flow that waits for its answer and could not be kept
	Panics   uint64

	RefusedTotal, RefusedSource uint64 // kept out by Max, by MaxPerSource
}

// Rejection is what a peer is told of a flow that is not wanted.
type Rejection uint8

// The rejections.
const (
	RejectReset      Rejection = iota // TCP: a RST; for other protocols the same as RejectPort
	RejectPort                        // ICMP: port unreachable
	RejectHost                        // ICMP: host unreachable
	RejectNet                         // ICMP: network unreachable
	RejectProtocol                    // ICMP: protocol unreachable
	RejectProhibited                  // ICMP: administratively prohibited
	RejectHopLimit                    // ICMP: the hop limit was exceeded in transit
	numRejections
)

var rejections = [numRejections]stack.ICMPErrorKind{
	RejectReset: stack.ICMPPortUnreachable, RejectPort: stack.ICMPPortUnreachable, RejectHost: stack.ICMPHostUnreachable,
	RejectNet: stack.ICMPNetUnreachable, RejectProtocol: stack.ICMPProtoUnreachable, RejectProhibited: stack.ICMPProhibited,
	RejectHopLimit: stack.ICMPHopLimit,
}

// Quote is what must be kept of a packet to answer it with an ICMP error later: its headers, and a little more.
type Quote struct {
	bytes      []byte // from the network header on
	network    int    // length of the network header
	src, dst   netip.Addr
	local      netip.Addr
	proto      header.Protocol
	tos        uint8
	nic        *stack.NIC
	netProto   header.EtherType
	homed      bool
	linkedType stack.PacketType
}

// QuoteOf copies what an ICMP error about p needs: the network header and up to n bytes behind it. It borrows p.
func QuoteOf(p *stack.Packet, n int) Quote {
	size := p.NetworkLen() + min(n, p.TransportLen())
	q := Quote{
		bytes: make([]byte, 0, size), network: p.NetworkLen(), src: p.Src, dst: p.Dst, local: p.Local, proto: p.Proto,
		tos: p.TOS, nic: p.NIC, netProto: p.EtherType, homed: p.Homed, linkedType: p.Link.Type,
	}
	front := p.Network()
	q.bytes = append(q.bytes, front[:min(size, len(front))]...)
	for _, d := range p.Data() {
		q.bytes = append(q.bytes, d.Bytes()[:min(size-len(q.bytes), d.Len())]...)
	}
	return q
}

// packet makes a packet of what was kept, nil if nothing was or memory is short.
func (q *Quote) packet(s *stack.Stack) *stack.Packet {
	if len(q.bytes) == 0 {
		return nil
	}
	p := s.NewPacketCopy(q.bytes)
	if p == nil {
		return nil
	}
	p.SetNetwork(q.network)
	p.Src, p.Dst, p.Local, p.Proto, p.TOS, p.NIC, p.EtherType = q.src, q.dst, q.local, q.proto, q.tos, q.nic, q.netProto
	p.Homed, p.Link.Type, p.At = q.homed, q.linkedType, s.Now()
	return p
}

// Reject answers the packet with an ICMP error, where the rules and the limits allow one.
func (q *Quote) Reject(w *stack.Work, s *stack.Stack, r Rejection) {
	if p := q.packet(s); p != nil {
		r.Answer(w, s, p)
		p.Release()
	}
}

// Drop counts the packet, which has been released, as dropped.
func (q *Quote) Drop(s *stack.Stack, d tcpip.Drop) {
	if p := q.packet(s); p != nil {
		p.Drop(d)
		return
	}
	s.Lose(nil, d)
}

// Answer answers p with an ICMP error, where the rules and the limits allow one. It borrows p.
func (r Rejection) Answer(w *stack.Work, s *stack.Stack, p *stack.Packet) {
	if ip := s.Internet(p.EtherType); ip != nil && r < numRejections {
		ip.SendError(w, p, rejections[r], 0)
	}
}
