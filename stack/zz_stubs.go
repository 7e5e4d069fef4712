package stack

import (
	"context"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// STUBS: signatures only; each is replaced by its implementation in a file of its own.

// --- address.go
type addressTable struct{}

func (t addressTable) clone() addressTable { return t }
func (t *addressTable) forget(n *NIC)      {}

// Address is one address of a NIC.
type Address struct {
	Prefix netip.Prefix
	State  AddressState
}

// AddressState is the state of RFC 4862 that an address is in.
type AddressState uint8

// The states.
const (
	AddressPreferred AddressState = iota
	AddressDeprecated
	AddressTentative  // under duplicate address detection: not usable yet
	AddressDuplicated // detection found another owner: not usable
)

// AddressOptions change AddAddress.
type AddressOptions struct {
	NoPrefixRoute bool // do not add the route to the prefix
	NoDAD         bool // usable at once
	Deprecated    bool
}

func (n *NIC) AddAddress(p netip.Prefix) error                                { panic("stub") }
func (n *NIC) AddAddressWith(p netip.Prefix, o AddressOptions) error          { panic("stub") }
func (n *NIC) RemoveAddress(a netip.Addr) error                               { panic("stub") }
func (n *NIC) Addresses() []Address                                           { panic("stub") }
func (n *NIC) SetAddressState(a netip.Addr, st AddressState) bool             { panic("stub") } // false if a is not the NIC's
func (s *Stack) LocalAddress(a netip.Addr) (n *NIC, st AddressState, ok bool) { panic("stub") } // is a one of the stack's?

// Destination is what a received packet's destination address means here.
type Destination uint8

const (
	DestinationOther        Destination = iota // not ours: forward or drop
	DestinationLocal                           // a unicast address of ours, weak host model, or promiscuous NIC
	DestinationBroadcast                       // limited or subnet-directed broadcast
	DestinationMulticast                       // a group that the NIC has joined
	DestinationForeignGroup                    // a group that it has not
	DestinationTentative                       // an address still under duplicate address detection
)

// Classify: weak host model, StrictHost, promiscuous, broadcast, groups.
func (n *NIC) Classify(dst netip.Addr) Destination { panic("stub") }

// LocalFor returns the address of ours that stands for dst (itself if ours and unicast; else the NIC's primary address of the family towards src).
func (n *NIC) LocalFor(dst, src netip.Addr) netip.Addr { panic("stub") }

// PrimaryAddress returns a preferred address of the family (link-local if wantLinkLocal), zero if none.
func (n *NIC) PrimaryAddress(v6, linkLocal bool) netip.Addr { panic("stub") }

// --- group.go
type groups struct{}

func (n *NIC) JoinGroup(g netip.Addr) error  { panic("stub") } // counted
func (n *NIC) LeaveGroup(g netip.Addr) error { panic("stub") }
func (n *NIC) InGroup(g netip.Addr) bool     { panic("stub") }

// --- route.go
type routeTable struct{}

func (t routeTable) clone() routeTable { return t }
func (t *routeTable) forget(n *NIC)    {}

// RouteEntry is one row of the routing table.
type RouteEntry struct {
	Destination netip.Prefix
	Gateway     netip.Addr // zero: on the link
	NIC         tcpip.NICID
	Source      netip.Addr // preferred source; zero: chosen by RFC 6724
	Metric      uint32     // the lowest wins among equal prefixes
	MTU         int        // bytes; 0: the NIC's
}

func (s *Stack) AddRoute(r RouteEntry) error    { panic("stub") }
func (s *Stack) RemoveRoute(r RouteEntry) error { panic("stub") }
func (s *Stack) Routes() []RouteEntry           { panic("stub") }

// RouteQuery asks for a route.
type RouteQuery struct {
	Destination netip.Addr
	Source      netip.Addr  // zero: to be chosen
	NIC         tcpip.NICID // 0: any
	AnySource   bool        // Source need not be ours (IP_TRANSPARENT, IP_FREEBIND, spoofing NICs)
}

// Route is the way to one destination. It is immutable and may be kept and shared while Valid.
type Route struct {
	Net           InternetProtocol
	NIC           *NIC
	Local, Remote netip.Addr
	NextHop       netip.Addr
	Loopback      bool // Remote is ours
	Broadcast     bool
	Multicast     bool
	mtu           int
	generation    uint64
	stack         *Stack
}

func (s *Stack) FindRoute(q RouteQuery) (*Route, tcpip.Error) { panic("stub") }

// Valid reports whether nothing has changed since the route was found.
func (r *Route) Valid() bool { panic("stub") }

// MTU returns the bytes of the largest packet that the first link and the route's own MTU allow.
func (r *Route) MTU() int { panic("stub") }

// PathMTU returns MTU, or what was learnt to be smaller; locked: learnt below the minimum, so do not set DF (BEHAVIOUR B8).
func (r *Route) PathMTU() (mtu int, locked bool) { panic("stub") }

// Output sends p, whose front begins with the network header, to the route's next hop: it resolves the link address and enqueues. Takes p in every case.
func (r *Route) Output(w *Work, p *Packet) tcpip.Error { panic("stub") }

// Confirm tells that the peer is reachable: forward progress was seen (RFC 4861 §7.3.1).
func (r *Route) Confirm() { panic("stub") }

// --- pmtu.go
type pmtuCache struct{}

func (c *pmtuCache) init(s *Stack) {}
func (c *pmtuCache) close()        {}

// LearnPathMTU notes a validated "too big" for dst and returns what now holds, and whether that is news.
func (s *Stack) LearnPathMTU(dst netip.Addr, mtu int) (int, bool) { panic("stub") }

// PMTUPolicy turns an endpoint's mode into DF and the MTU to send with.
func (r *Route) PMTUPolicy(m tcpip.PMTUMode) (df bool, mtu int) { panic("stub") }

// --- neighbour.go
type neighbours struct{}

func (t *neighbours) init(n *NIC)   {}
func (t *neighbours) flush(w *Work) {}

// NeighbourAdvert is what an ARP message or a neighbour advertisement says.
type NeighbourAdvert struct {
	Addr                        netip.Addr
	Link                        tcpip.LinkAddr
	Solicited, Override, Router bool
	Unsolicited                 bool // learnt from a request or solicitation: create STALE
}

// NeighbourHeard feeds the neighbour machine.
func (n *NIC) NeighbourHeard(w *Work, a NeighbourAdvert) { panic("stub") }

// --- demux.go

// FlowID names a flow as we see it.
type FlowID struct {
	Proto         header.Protocol
	Local, Remote netip.AddrPort
}

// Demux finds the endpoint of a packet.
type Demux struct{}

func (d *Demux) init(s *Stack) {}

// Insert enters r for exactly this flow; ErrAddrInUse if it is taken.
func (d *Demux) Insert(id FlowID, r Receiving) tcpip.Error { panic("stub") }

// Replace puts r in the place of old, atomically; false if old is not there.
func (d *Demux) Replace(id FlowID, old, r Receiving) bool { panic("stub") }

// Remove takes r out; false if it is not there.
func (d *Demux) Remove(id FlowID, r Receiving) bool { panic("stub") }

// Lookup returns what Insert entered.
func (d *Demux) Lookup(id FlowID) Receiving { panic("stub") }

// Binding is a claim on a local port.
type Binding struct {
	Proto                header.Protocol
	V4, V6               bool        // families it receives
	Local                netip.Addr  // zero: any
	Port                 uint16      // 0 in Bind: choose
	NIC                  tcpip.NICID // 0: any
	ReuseAddr, ReusePort bool
	Listening            bool           // TCP: takes part in lookup only while listening
	Remote               netip.AddrPort // connected datagram endpoints; zero: any
	Receiver             Receiving
}

// Bind claims b's port, choosing one if it is 0 (RFC 6056 §3.3.1 random; ErrAddrInUse if none).
func (d *Demux) Bind(b *Binding) tcpip.Error { panic("stub") }

// Rebind changes a claim in place: b's new values replace what it was bound with (connect, listen, options).
func (d *Demux) Rebind(b *Binding, change func(*Binding)) tcpip.Error { panic("stub") }

// Unbind gives the claim up.
func (d *Demux) Unbind(b *Binding) { panic("stub") }

// ConnectPort chooses an ephemeral port for a flow to remote (RFC 6056 §3.3.5 double hash) such that insert succeeds; calls Insert.
func (d *Demux) ConnectPort(id FlowID, r Receiving) (uint16, tcpip.Error) { panic("stub") }

// Find returns the best receiver for a packet of flow id that arrived on nic: the exact flow, else the best binding as Linux scores them; within a SO_REUSEPORT group by hash.
func (d *Demux) Find(id FlowID, nic *NIC, hash uint32) Receiving { panic("stub") }

// Each calls f for every binding that matches id's local port for a multicast or broadcast packet.
func (d *Demux) Each(id FlowID, nic *NIC, f func(*Binding)) { panic("stub") }

type ports struct{}

func (p *ports) init(s *Stack) {}

// --- endpoints.go: the register of live endpoints, for Close, Wait and iteration.
type endpoints struct{}

func (e *endpoints) wait(ctx context.Context) error { return nil }

// Register counts an endpoint in until Unregister; Stack.Wait waits for it.
func (s *Stack) Register(e Endpoint)   { panic("stub") }
func (s *Stack) Unregister(e Endpoint) { panic("stub") }

// --- offload.go
// merge is GRO: joins packets of one flow in a batch.
func (n *NIC) merge(batch []*Packet) []*Packet { return batch }

// fit is GSO: cuts super-segments and finishes checksums that the link cannot carry.
func (n *NIC) fit(w *Work, batch []*Packet) []*Packet { return batch }

// FlowHash returns the keyed hash of a flow for Packet.Hash.
func (s *Stack) FlowHash(id FlowID) uint32 { panic("stub") }
