package stack

import (
	"github.com/seed963a8790/netstack/header"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Protocols are what Options passes to New: functions that make a protocol for one stack. They run in
// the order given, after the stack itself is complete.
type (
	// NewNetwork makes a network protocol.
	NewNetwork func(s *Stack) NetworkProtocol
	// NewTransport makes a transport protocol.
	NewTransport func(s *Stack) TransportProtocol
)

// NetworkProtocol is what a stack dispatches received packets to by EtherType: ARP, IPv4, IPv6.
type NetworkProtocol interface {
	EtherType() header.EtherType

	// Receive takes a packet whose front begins with the protocol's header. It drops it, delivers it
	// (Stack.DeliverTransport), forwards it or answers it. No lock is held.
	Receive(w *Work, nic *NIC, p *Packet)

	// Close stops timers and empties tables. Nothing is called afterwards.
	Close()
}

// InternetProtocol is a NetworkProtocol that carries transports: IPv4, IPv6.
type InternetProtocol interface {
	NetworkProtocol

	// Send puts the network header in front of p, whose front begins with the transport header, and
	// sends it along r, in fragments where needed and allowed. It takes p in every case. It may be called
	// with the sender's endpoint locked, and calls nothing of the sender's.
	//
	// Errors: ErrMessageSize if p is larger than o.MTU and may not be fragmented, ErrNoBuffers if the
	// transmit queue refused it, ErrNetDown, ErrPermission if the filter refused it.
	Send(w *Work, r *Route, p *Packet, o *SendOptions) tcpip.Error

	// SendError answers p, which arrived here, with an ICMP error where the rules allow one. It borrows p.
	SendError(w *Work, p *Packet, e ICMPErrorKind, mtu int)

	// AnswerEcho answers p, an echo request that arrived here. It takes p.
	AnswerEcho(w *Work, p *Packet)

	// HeaderLen is the length of the header that Send adds when nothing special is asked for, bytes.
	HeaderLen() int

	// AddressAdded, AddressRemoved and LinkUp follow the NIC's life, for duplicate address detection,
	// announcements and the groups that belong to an address. No lock is held.
	AddressAdded(w *Work, nic *NIC, a netip.Addr)
	AddressRemoved(w *Work, nic *NIC, a netip.Addr)
	LinkUp(w *Work, nic *NIC, up bool)
}

// NeighbourWatcher is a network protocol that wants to know which stations answer: its routers may be among them.
type NeighbourWatcher interface {
	// NeighbourReachable tells that a has been resolved, or has not answered and is given up. No lock is held.
	NeighbourReachable(w *Work, nic *NIC, a netip.Addr, ok bool)
}

// ForwardingWatcher is a network protocol for which a NIC that forwards is another: it is a router's then.
type ForwardingWatcher interface {
	// Forwarding tells that the NIC has begun or ceased to forward. No lock is held.
	Forwarding(w *Work, nic *NIC, on bool)
}

// LinkResolver asks for link addresses: ARP for IPv4, neighbour discovery for IPv6.
type LinkResolver interface {
	// Resolves returns the EtherType of the network protocol whose addresses it resolves.
	Resolves() header.EtherType
	// Solicit asks for target's link address, of the station to if that is not zero, else of
	// everybody. source is one of the NIC's addresses, zero if it has none.
	Solicit(w *Work, nic *NIC, target, source netip.Addr, to tcpip.LinkAddr)
}

// SendOptions is what a transport decides about the network header of one packet.
type SendOptions struct {
	Proto     header.Protocol
	TTL       uint8
	TOS       uint8
	DF        bool                     // IPv4: set the Don't Fragment bit; IPv6: never fragment
	MTU       int                      // bytes of the largest packet (of a super-segment: of each of its segments); 0: the route's
	Options   []byte                   // IPv4 options, padded to 4 bytes; borrowed
	FlowLabel uint32                   // IPv6; 0: made from the flow's hash
	Built     func(w *Work, p *Packet) // sees the packet, its network header in front, before it is fragmented or queued; it borrows p
	NoLoop    bool                     // do not give a multicast or broadcast packet to this stack's own members
	// HeaderIncluded says that the packet's front begins with the sender's own network header; of the rest
	// only MTU and NoLoop count. IPv4 fills in length and checksum, and identification and source where they
	// are 0; IPv6 nothing.
	HeaderIncluded bool
	Extensions     *header.IPv6Sent // IPv6: headers behind the first; borrowed
	Final          netip.Addr       // where Extensions with a routing header go in the end
	NoFlowLabel    bool             // IPv6: where FlowLabel is 0, send none
	Summed         bool             // IPv4: the checksum is computed at once, and so those on this host can check it
	NoHops         bool             // a hop limit of 0 is meant over IPv6, and not the default
	HostOnly       bool             // an IPv4 multicast or broadcast packet goes to this stack's own members alone (hop limit 0)
}

// TransportProtocol is what the network protocols deliver to, by IP protocol number.
type TransportProtocol interface {
	// Number is the IP protocol number. A protocol of both families with two numbers (ICMP) is two
	// TransportProtocols.
	Number() header.Protocol

	// Receive takes a packet whose transport header begins at Packet.Transport, addressed to us. It
	// validates it and delivers it to an endpoint, answers it or drops it. No lock is held.
	Receive(w *Work, p *Packet)

	// ReceiveError tells of an ICMP error about a packet of ours. It borrows e. No lock is held.
	ReceiveError(w *Work, e *ICMPError)

	// NewEndpoint makes an endpoint. netProto is the EtherType of IPv4 or IPv6; an endpoint for IPv6
	// speaks IPv4 too unless IPV6_V6ONLY is set.
	NewEndpoint(netProto header.EtherType) (Endpoint, error)

	// Close resets every endpoint and stops timers.
	Close(w *Work)
}

// EchoTaker is a transport protocol that may want to answer echo requests itself.
type EchoTaker interface {
	// TakeEcho takes p, an echo request, validated, to a unicast address that is taken for ours, or reports that it does not
	// want it; p is then the caller's still. No lock is held.
	TakeEcho(w *Work, p *Packet) bool
}

// Endpoint is a tcpip.Endpoint with its waiters.
type Endpoint interface {
	tcpip.Endpoint

	// Readiness returns those conditions of mask, and of waiter.Always, that hold now.
	Readiness(mask waiter.Events) waiter.Events
	// Waiters is the queue that is told when Readiness may have grown.
	Waiters() *waiter.Queue
	// Stack returns the stack that the endpoint belongs to.
	Stack() *Stack
}

// Receiving is an endpoint, or a small record in its place, that the demux hands packets to.
type Receiving interface {
	// Deliver takes a packet whose headers have been validated. No lock is held.
	Deliver(w *Work, p *Packet)
	// DeliverError tells of an ICMP error about a packet sent from here. It borrows e. No lock is held.
	DeliverError(w *Work, e *ICMPError)
}

// Sharing is a Receiving that allows others to bind to its local port while it stands in the demux: those that have
// SO_REUSEADDR, or SO_REUSEPORT, as it has. It is asked when it is inserted and by Reshare; what takes its place
// later inherits the answer.
type Sharing interface {
	Shares() (addr, port bool)
}

// ICMPErrorKind says what an ICMP error is about, whichever version it is sent in.
type ICMPErrorKind uint8

// The kinds.
const (
	ICMPNetUnreachable ICMPErrorKind = iota
	ICMPHostUnreachable
	ICMPProtoUnreachable
	ICMPPortUnreachable
	ICMPProhibited        // administratively
	ICMPTooBig            // with the MTU
	ICMPHopLimit          // in transit
	ICMPReassemblyTimeout // the first fragment was there, others never came
	ICMPParameter         // with the offset of the bad byte as mtu
	ICMPParameterOption   // unrecognised IPv6 option
	ICMPParameterHeader   // unrecognised IPv6 next header
	ICMPNotice            // received: a source quench or a redirect, which only a ping wants to see
)

// ICMPError is an ICMP error that arrived about a packet that we sent, checked as far as the network
// layer can.
type ICMPError struct {
	Kind     ICMPErrorKind
	Err      tcpip.Error // what the program sees
	Hard     bool        // as Linux divides them: fatal for a connection attempt, reported without IP_RECVERR on UDP
	Origin   tcpip.ErrorOrigin
	Type     uint8
	Code     uint8
	MTU      int // ICMPTooBig: after validation; ICMPParameter and its kin: the offset of the bad byte
	Offender netip.Addr
	NIC      *NIC
	// Hops is what IP_MINTTL is compared with, as on Linux: the TTL of the quoted packet, over IPv6 the hop limit of
	// the message. 0 if no message told of the error.
	Hops uint8

	// The quoted packet: ours, so Local is its source.
	Proto         header.Protocol
	Local, Remote netip.AddrPort
	Quoted        []byte  // from the transport header on; at least 8 bytes; borrowed
	QuotedPacket  []byte  // the same from the network header on; borrowed
	Packet        *Packet // the message that told of it, its header at Transport; nil if none did; borrowed
}

// Filter is the one filter point of a stack. It sees every packet of IPv4 and IPv6 once per direction.
type Filter interface {
	// Filter decides about p, which it borrows and must not change. dir is In before local delivery or
	// forwarding, Out before the packet goes to its NIC. No lock may be needed: it can run with an
	// endpoint locked.
	Filter(dir Direction, nic *NIC, p *Packet) Verdict
}

// Direction is a packet's direction as the stack sees it.
type Direction uint8

// The directions.
const (
	In Direction = iota
	Out
)

// Verdict is a filter's decision.
type Verdict uint8

// The verdicts.
const (
	Accept Verdict = iota
	Discard
)
