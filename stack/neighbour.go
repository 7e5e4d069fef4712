package stack

import (
	"iter"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/nud"
	"github.com/seed963a8790/netstack/tcpip"
)

// NeighbourState is the state of a neighbour (RFC 4861 §7.3.2).
type NeighbourState = nud.State

// The states that Neighbours reports.
const (
	NeighbourIncomplete = nud.Incomplete
	NeighbourReachable  = nud.Reachable
	NeighbourStale      = nud.Stale
	NeighbourDelay      = nud.Delay
	NeighbourProbe      = nud.Probe
	NeighbourFailed     = nud.Failed
	NeighbourPermanent  = nud.Permanent
)

// Neighbour is what is known of one station on a NIC's link.
type Neighbour struct {
	Addr   netip.Addr
	Link   tcpip.LinkAddr // zero if not known
	State  NeighbourState
	Router bool
}

// NeighbourAdvert is what an ARP message or a message of neighbour discovery says of a neighbour.
type NeighbourAdvert struct {
	Addr netip.Addr
	Link tcpip.LinkAddr // zero: not said
	// Solicited, Override and Router are the flags of an advertisement (RFC 4861 §4.4). An ARP reply to
	// us is solicited and overrides; a gratuitous ARP overrides.
	Solicited, Override, Router bool
	// Unsolicited: learnt from what the neighbour sent for reasons of its own, an ARP request to us or
	// the source of a solicitation. It alone makes an entry where there is none (RFC 4861 §7.2.3).
	Unsolicited bool
}

// neighbours are the stations on the link of one NIC, IPv4's and IPv6's.
type neighbours struct{ tables [2]neighbourTable }

func (t *neighbours) init(n *NIC) {
	t.tables[0].init(n, header.EtherTypeIPv4)
	t.tables[1].init(n, header.EtherTypeIPv6)
}

func (t *neighbours) of(a netip.Addr) *neighbourTable { return &t.tables[one(a.Is6())] }

// flush forgets all but permanent entries; the link is down.
func (t *neighbours) flush(w *Work) {
	for i := range t.tables {
		t.tables[i].flush(w)
	}
}

func (t *neighbours) count() int { return t.tables[0].count() + t.tables[1].count() }

// neighbour is one entry. Routes keep it; it says itself when it has left the table.
type neighbour struct {
	addr netip.Addr
	// published is the link address for the packet path, which reads it without a lock: see publish. It is
	// 0 while packets have to wait, so that those that have waited leave first.
	published atomic.Uint64
	confirmed atomic.Bool // Route.Confirm was called since the state began

	// Guarded by the table's mu.
	entry    nud.Entry
	class    int8 // the list of the table that it is on
	place    *neighbourPlace
	touched  tcpip.Time // when the state began
	deadline tcpip.Time // of the state
	pending  packetList
	bytes    int       // of memory that pending holds
	told     Neighbour // as subscribers know it
}

// The bits of neighbour.published beside the link address.
const (
	neighbourKnown = 1 << 48
	neighbourIdle  = 1 << 49 // STALE: the next use is to be told
)

// shown is what a program sees of the entry.
func (b *neighbour) shown() Neighbour {
	return Neighbour{b.addr, b.entry.Link(), b.entry.State(), b.entry.Router()}
}

// publish makes the entry's link address known to the packet path.
func (b *neighbour) publish() {
	link := b.entry.Link()
	if link.IsZero() {
		b.published.Store(0)
		return
	}
	v := uint64(neighbourKnown)
	for i, o := range link {
		v |= uint64(o) << (8 * i)
	}
	if b.entry.State() == nud.Stale {
		v |= neighbourIdle
	}
	b.published.Store(v)
}

// linkAddr unpacks what publish packed.
func linkAddr(v uint64) (a tcpip.LinkAddr) {
	for i := range a {
		a[i] = byte(v >> (8 * i))
	}
	return a
}

// resolve puts the next hop's link address on p and enqueues it, or leaves it with the neighbour.
func (r *Route) resolve(w *Work, p *Packet) tcpip.Error {
	b := r.cached.neighbour.Load()
	if b != nil {
		if v := b.published.Load(); v&(neighbourKnown|neighbourIdle) == neighbourKnown {
			p.Link.Dst = linkAddr(v)
			return r.NIC.output(w, p)
		}
	}
	b, err := r.NIC.neighbours.of(r.NextHop).output(w, b, r.NextHop, p)
	if b != nil {
		r.cached.neighbour.Store(b)
	}
	return err
}

// Confirm tells that the peer is reachable: forward progress was seen (RFC 4861 §7.3.1). It costs next to
// nothing and may be called with the endpoint locked.
func (r *Route) Confirm() {
	if b := r.cached.neighbour.Load(); b != nil && !b.confirmed.Load() {
		b.confirmed.Store(true)
	}
}

// Suspect tells that progress is missing, as when a connection's retransmission timer fires: the next hop is
// probed at once, and resolved afresh if it does not answer. It may be called with the endpoint locked.
func (r *Route) Suspect(w *Work) {
	if b := r.cached.neighbour.Load(); b != nil {
		r.NIC.neighbours.of(r.NextHop).suspect(w, b)
	}
}

// NeighbourHeard tells what a station on the link has said of itself; the caller has checked that it may.
func (n *NIC) NeighbourHeard(w *Work, a NeighbourAdvert) {
	if n.Info().Kind == LinkEthernet && a.Addr.IsValid() && (a.Link.IsZero() || a.Link.IsUnicast()) {
		n.neighbours.of(a.Addr).heard(w, &a)
	}
}

// SetIPv6ReachableTime sets around what the time is drawn that a confirmation of an IPv6 neighbour holds, and
// SetIPv6RetransTimer the time between solicitations, as a router's advertisement does (RFC 4861 §6.3.4). 0 means the
// default; what would make us flood the link or wait for hours is brought into bounds.
func (n *NIC) SetIPv6ReachableTime(d time.Duration) { n.neighbours.tables[1].setReachable(d) }

func (n *NIC) SetIPv6RetransTimer(d time.Duration) { n.neighbours.tables[1].setRetrans(d) }

// Neighbours returns what is known of the stations on the link, IPv4 first, in the order of their addresses.
func (n *NIC) Neighbours() []Neighbour {
	var list []Neighbour
	for i := range n.neighbours.tables {
		list = n.neighbours.tables[i].list(list)
	}
	slices.SortFunc(list, func(a, b Neighbour) int { return a.Addr.Compare(b.Addr) })
	return list
}

// AllNeighbours walks what is known of the stations on the links of all NICs, each NIC's as NIC.Neighbours has them.
func (s *Stack) AllNeighbours() iter.Seq2[*NIC, Neighbour] {
	return func(yield func(*NIC, Neighbour) bool) {
		for _, n := range s.NICs() {
			for _, b := range n.Neighbours() {
				if !yield(n, b) {
					return
				}
			}
		}
	}
}

// AddNeighbour sets the link address of a, which then neither is asked for nor changes.
//
// Errors: ErrInvalid if a or link is not a station's, ErrNotSupported on a NIC without link addresses,
// ErrTooMany.
func (n *NIC) AddNeighbour(a netip.Addr, link tcpip.LinkAddr) error {
	if n.Info().Kind != LinkEthernet {
		return tcpip.ErrNotSupported
	}
	if !a.IsValid() || a.Is4In6() || a.IsMulticast() || a.IsUnspecified() || !link.IsUnicast() {
		return tcpip.ErrInvalid
	}
	w := n.stack.Begin()
	defer w.End()
	return n.neighbours.of(a).add(w, a, link).Err()
}

// RemoveNeighbour forgets what is known of a, permanent or not; packets that wait are dropped.
//
// Errors: ErrNotFound.
func (n *NIC) RemoveNeighbour(a netip.Addr) error {
	w := n.stack.Begin()
	defer w.End()
	if !n.neighbours.of(a).drop(w, a) {
		return tcpip.ErrNotFound
	}
	return nil
}
