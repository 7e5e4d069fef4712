package stack

import (
	"net/netip"
	"strconv"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// NICOptions configure a NIC. The zero value is a NIC that is up, named after its number, without addresses.
type NICOptions struct {
	ID          tcpip.NICID // 0: the next free number
	Name        string      // "": "nic" and the number
	MTU         tcpip.Opt[int]
	Down        bool
	Promiscuous bool            // accept packets to any destination
	Spoofing    bool            // send packets from any source
	Forwarding  tcpip.Opt[bool] // forward packets that arrive here; unset: the stack's
	StrictHost  bool            // accept only this NIC's own addresses, instead of any of the stack's
	ReversePath ReversePath     // check of sources (RFC 3704)
	Addresses   []netip.Prefix  // as for AddAddress
	DAD         tcpip.Opt[int]  // IPv6 duplicate address detection: probes; unset: 1 on Ethernet; 0: off
	Groups      GroupOptions    // how groups are reported
}

// ReversePath is a check of the source of received packets (RFC 3704), with the numbers of rp_filter.
type ReversePath uint8

// The checks.
const (
	ReversePathOff    ReversePath = iota
	ReversePathStrict             // the best route to the source leaves through the NIC that it came in by
	ReversePathLoose              // there is a route to the source
)

// NIC is a network interface of a stack over one link. Its methods are safe for concurrent use.
type NIC struct {
	stack *Stack
	id    tcpip.NICID
	name  string
	link  Link

	info    atomic.Pointer[LinkInfo] // as the link last described itself
	options NICOptions               // constant after AddNIC, but for what has a field below
	mtu     atomic.Int32             // 0: the link's
	mtu6    atomic.Int32             // 0: as mtu
	hops6   atomic.Uint32            // 0: the stack's
	up      atomic.Bool              // set by the user
	removed atomic.Bool

	promiscuous, spoofing, forwarding, strict atomic.Bool
	reversePath                               atomic.Uint32

	queues     []*txQueue
	neighbours neighbours
	groups     groups

	groupOptions atomic.Pointer[GroupOptions] // nil: those of options

	taps     atomic.Pointer[[]*Tap]
	observer DropObserver

	overheard atomic.Int32 // how many packet sockets want everybody's frames
	counters  NICCounters
}

// AddNIC attaches link to the stack.
//
// Errors: ErrInvalid, with the option's name, ErrExists if the ID or the name is taken, ErrTooMany, ErrClosed, and what the link's Attach
// returns.
func (s *Stack) AddNIC(link Link, o NICOptions) (*NIC, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, tcpip.ErrClosed
	}
	info := link.Info()
	n := &NIC{stack: s, link: link, options: o}
	n.info.Store(&info)
	n.mtu.Store(int32(o.MTU.Or(0)))
	n.up.Store(!o.Down)
	n.promiscuous.Store(o.Promiscuous)
	n.spoofing.Store(o.Spoofing)
	n.forwarding.Store(o.Forwarding.Or(s.options.Forwarding.Or(false)))
	n.strict.Store(o.StrictHost)
	n.reversePath.Store(uint32(o.ReversePath))
	n.observer, _ = link.(DropObserver)
	count := max(info.Queues, 1)
	if s.manual {
		count = 1
	}
	for i := range count {
		n.queues = append(n.queues, &txQueue{nic: n, index: i})
	}
	n.neighbours.init(n)
	n.groups.limit = s.limits.Groups

	s.mu.Lock()
	err := s.change(func(c *config) error {
		if s.closed.Load() {
			return tcpip.ErrClosed
		}
		n.id = o.ID
		if n.id == 0 {
			n.id = 1
			for _, m := range c.nics {
				n.id = max(n.id, m.id+1)
			}
		}
		n.name = o.Name
		if n.name == "" {
			n.name = "nic" + strconv.Itoa(int(n.id))
		}
		if n.id < 0 {
			return tcpip.ErrInvalid
		}
		if len(c.nics) >= s.limits.NICs {
			return tcpip.ErrTooMany
		}
		for _, m := range c.nics {
			if m.id == n.id || m.name == n.name {
				return tcpip.ErrExists
			}
		}
		c.nics = append(c.nics, n)
		return nil
	})
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := link.Attach((*receiver)(n)); err != nil {
		n.removed.Store(true)
		n.forget(false)
		return nil, err
	}
	if n.removed.Load() { // by Close, meanwhile
		link.Close()
		return nil, tcpip.ErrClosed
	}
	for _, a := range o.Addresses {
		if err := n.AddAddress(a); err != nil {
			n.Remove()
			return nil, err
		}
	}
	return n, nil
}

// NICs returns the stack's NICs in the order in which they were added.
func (s *Stack) NICs() []*NIC { return s.conf.Load().nics }

// NIC returns the NIC with the given number, nil if there is none.
func (s *Stack) NIC(id tcpip.NICID) *NIC {
	for _, n := range s.conf.Load().nics {
		if n.id == id {
			return n
		}
	}
	return nil
}

// ID returns the NIC's number.
func (n *NIC) ID() tcpip.NICID { return n.id }

// Name returns the NIC's name.
func (n *NIC) Name() string { return n.name }

// Stack returns the stack that the NIC belongs to.
func (n *NIC) Stack() *Stack { return n.stack }

// Link returns the link below.
func (n *NIC) Link() Link { return n.link }

// Info returns the link's description, as of its last change.
func (n *NIC) Info() *LinkInfo { return n.info.Load() }

// Counters returns the NIC's counters.
func (n *NIC) Counters() *NICCounters { return &n.counters }

// MTU returns the bytes of the largest packet on the wire.
func (n *NIC) MTU() int {
	mtu := n.info.Load().MTU
	if own := int(n.mtu.Load()); own != 0 && own < mtu {
		return own
	}
	return mtu
}

// SetMTU lowers the MTU below the link's; 0 gives the link's back. Routes take it up at once.
//
// Errors: ErrInvalid below 68 bytes (RFC 791).
func (n *NIC) SetMTU(mtu int) error {
	if mtu != 0 && mtu < 68 {
		return tcpip.ErrInvalid
	}
	if n.mtu.Swap(int32(mtu)) != int32(mtu) {
		n.stack.invalidate()
		n.tellChanged()
	}
	return nil
}

// SetIPv6MTU lowers the MTU for IPv6 alone, as a router's advertisement does (RFC 4861 §6.3.4); 0 undoes it.
//
// Errors: ErrInvalid below 1280 bytes (RFC 8200 §5).
func (n *NIC) SetIPv6MTU(mtu int) error {
	if mtu != 0 && mtu < header.IPv6MinMTU {
		return tcpip.ErrInvalid
	}
	if n.mtu6.Swap(int32(mtu)) != int32(mtu) {
		n.stack.invalidate()
	}
	return nil
}

// SetIPv6HopLimit sets the hop limit of IPv6 packets that leave here and for which nobody has chosen one, as a
// router's advertisement does (RFC 4861 §6.3.4); 0 means the stack's.
func (n *NIC) SetIPv6HopLimit(hops uint8) { n.hops6.Store(uint32(hops)) }

// mtuTo returns the MTU for packets to a destination.
func (n *NIC) mtuTo(dst netip.Addr) int {
	mtu := n.MTU()
	if own := int(n.mtu6.Load()); own != 0 && own < mtu && dst.Is6() {
		return own
	}
	return mtu
}

// Up reports whether the NIC and its link are up.
func (n *NIC) Up() bool { return n.up.Load() && n.info.Load().Up }

// SetUp turns the NIC on or off. While it is off, everything sent or received is dropped.
func (n *NIC) SetUp(up bool) {
	if n.up.Swap(up) == up {
		return
	}
	w := n.stack.Begin()
	n.changed(w)
	w.End()
}

// Promiscuous reports whether packets to any destination are accepted as ours.
func (n *NIC) Promiscuous() bool { return n.promiscuous.Load() }

// SetPromiscuous sets it.
func (n *NIC) SetPromiscuous(on bool) { n.promiscuous.Store(on) }

// AddPromiscuous adds to the number of packet sockets that want frames to other stations too (PACKET_MR_PROMISC). It
// changes nothing of what protocols accept; watchers are shown whatever the link hands up.
func (n *NIC) AddPromiscuous(by int) { n.overheard.Add(int32(by)) }

// Overheard returns that number: a link that leaves out frames to others hands them up while it is not 0.
func (n *NIC) Overheard() int { return int(n.overheard.Load()) }

// Spoofing reports whether endpoints may send from any source address.
func (n *NIC) Spoofing() bool { return n.spoofing.Load() }

// SetSpoofing sets it.
func (n *NIC) SetSpoofing(on bool) {
	n.spoofing.Store(on)
	n.stack.invalidate()
}

// Forwarding reports whether packets that arrive here for others are forwarded.
func (n *NIC) Forwarding() bool { return n.forwarding.Load() }

// SetForwarding sets it.
func (n *NIC) SetForwarding(on bool) {
	if n.forwarding.Swap(on) == on {
		return
	}
	w := n.stack.Begin()
	for _, p := range n.stack.networks {
		if f, ok := p.(ForwardingWatcher); ok {
			f.Forwarding(w, n, on)
		}
	}
	w.End()
}

// StrictHost reports whether only this NIC's own addresses are accepted here (the strong host model).
func (n *NIC) StrictHost() bool { return n.strict.Load() }

// SetStrictHost sets it.
func (n *NIC) SetStrictHost(on bool) { n.strict.Store(on) }

// ReversePath returns the check of sources.
func (n *NIC) ReversePath() ReversePath { return ReversePath(n.reversePath.Load()) }

// SetReversePath sets it.
func (n *NIC) SetReversePath(r ReversePath) { n.reversePath.Store(uint32(r)) }

// DADProbes returns how many probes duplicate address detection sends; 0 means that it is off.
func (n *NIC) DADProbes() int {
	probes := 0
	if n.Info().Kind == LinkEthernet {
		probes = 1
	}
	return n.options.DAD.Or(probes)
}

// changed brings what depends on the NIC's state up to date.
func (n *NIC) changed(w *Work) {
	n.stack.invalidate()
	up := n.Up()
	n.tellChanged()
	n.watchChanged(w, up)
	if !up {
		n.neighbours.flush(w)
		for _, q := range n.queues {
			q.drain(w, tcpip.DropLinkDown)
		}
	}
	for _, p := range n.stack.networks {
		if ip, ok := p.(InternetProtocol); ok {
			ip.LinkUp(w, n, up)
		}
	}
}

// tellChanged tells that the NIC is not what it was.
func (n *NIC) tellChanged() {
	if !n.removed.Load() {
		n.stack.tell(Event{Kind: EventNICChanged, NIC: n.state()})
	}
}

// Remove detaches and closes the link and forgets the NIC, its addresses and its routes.
func (n *NIC) Remove() {
	w := n.stack.Begin()
	n.remove(w)
	w.End()
}

func (n *NIC) remove(w *Work) {
	if n.removed.Swap(true) {
		return
	}
	n.up.Store(false)
	n.forget(true)
	n.changed(w)
	for _, q := range n.queues {
		q.close(w, tcpip.DropLinkDown)
	}
	n.link.Close()
}

// Enqueue hands p, complete but for the link's header, to the transmit queue of its flow. It reports
// false, and p remains the caller's, if the queue is full; a NIC that is down drops p.
func (n *NIC) Enqueue(w *Work, p *Packet) bool {
	p.NIC = n
	if !n.Up() {
		w.Drop(p, tcpip.DropLinkDown)
		return true
	}
	q := n.queues[0]
	if len(n.queues) > 1 {
		q = n.queues[p.Hash%uint32(len(n.queues))]
	}
	return q.enqueue(w, p)
}

// Drop counts a packet as discarded for the given reason, tells the observers and releases it.
func (p *Packet) Drop(d tcpip.Drop) {
	s := p.stack
	if n := p.NIC; n != nil {
		s = n.stack
		if n.observer != nil {
			n.observer.ObserveDrop(p, d)
		}
		n.tap(TapDrop, p, d)
	}
	s.dropped(p, d)
	p.Release()
}
