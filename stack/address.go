package stack

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Address is one address of a NIC.
type Address struct {
	Prefix netip.Prefix // the address itself, and how many of its bits name the network
	State  AddressState
	// Temporary says that it is one of RFC 8981: for connections that begin here, not to be found by.
	Temporary bool
	Leased    bool // it lasts as long as somebody says, a router for one
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

var addressStates = [...]string{
	AddressPreferred: "preferred", AddressDeprecated: "deprecated", AddressTentative: "tentative", AddressDuplicated: "duplicated",
}

// String returns the state's name in RFC 4862, in lower case.
func (st AddressState) String() string {
	if int(st) < len(addressStates) {
		return addressStates[st]
	}
	return "unknown"
}

// usable reports whether packets may be sent from and received by an address in this state.
func (st AddressState) usable() bool { return st <= AddressDeprecated }

// AddressOptions change AddAddress.
type AddressOptions struct {
	NoPrefixRoute bool // do not add the route to the prefix
	NoDAD         bool // usable at once
	Deprecated    bool
	Temporary     bool // see Address
	Leased        bool // see Address
}

// localAddress is one address of one NIC. It is never changed, only replaced.
type localAddress struct {
	nic       *NIC
	addr      netip.Addr
	prefix    netip.Prefix // masked
	broadcast netip.Addr   // IPv4: the subnet's; zero if it has none
	state     AddressState
	temporary bool   // RFC 8981
	leased    bool   // lasts as long as somebody says
	route     bool   // brings the route to its prefix
	order     uint64 // of its addition, among routes and addresses
}

func (a *localAddress) address() Address {
	return Address{netip.PrefixFrom(a.addr, a.prefix.Bits()), a.state, a.temporary, a.leased}
}

func (a *localAddress) loopback() bool { return a.nic.Info().Kind == LinkLoopback }

// addressTable is an immutable set of addresses; the methods that change it build another.
type addressTable struct {
	all   []*localAddress // in the order of addition
	byNIC map[*NIC][]*localAddress
	index map[netip.Addr][]*localAddress
	// ranges are the IPv4 networks of loopback NICs, all of whose addresses are ours, as on Linux.
	ranges []*localAddress
	// broadcasts are the IPv4 addresses of subnets.
	broadcasts map[netip.Addr][]*localAddress
}

// set replaces the table by one of the given addresses.
func (t *addressTable) set(all []*localAddress) {
	n := addressTable{
		all: all, byNIC: make(map[*NIC][]*localAddress),
		index: make(map[netip.Addr][]*localAddress, len(all)), broadcasts: make(map[netip.Addr][]*localAddress),
	}
	for _, a := range all {
		n.byNIC[a.nic] = append(n.byNIC[a.nic], a)
		n.index[a.addr] = append(n.index[a.addr], a)
		if a.broadcast.IsValid() {
			n.broadcasts[a.broadcast] = append(n.broadcasts[a.broadcast], a)
		}
		if a.addr.Is4() && a.prefix.Bits() < 32 && a.loopback() {
			n.ranges = append(n.ranges, a)
		}
	}
	*t = n
}

func (t *addressTable) forget(n *NIC) {
	t.set(slices.DeleteFunc(slices.Clone(t.all), func(a *localAddress) bool { return a.nic == n }))
}

// dropPrefixRoute makes n's addresses in the prefix do without the route to it.
func (t *addressTable) dropPrefixRoute(n *NIC, prefix netip.Prefix) {
	all := slices.Clone(t.all)
	for i, a := range all {
		if a.nic == n && a.prefix == prefix {
			l := *a
			l.route = false
			all[i] = &l
		}
	}
	t.set(all)
}

// on returns the NIC's own entry for a, nil if it has none.
func (t *addressTable) on(n *NIC, a netip.Addr) *localAddress {
	for _, l := range t.index[a] {
		if l.nic == n {
			return l
		}
	}
	return nil
}

// find returns the entry for a, one in use before others, and one of the given NIC (nil: of none) before
// those. Any address of a loopback NIC's IPv4 network counts.
func (t *addressTable) find(a netip.Addr, n *NIC) *localAddress {
	var best *localAddress
	for _, l := range t.index[a] {
		switch {
		case best == nil, l.state.usable() && !best.state.usable():
			best = l
		case l.nic == n && l.state.usable() == best.state.usable():
			best = l
		}
	}
	if best == nil && a.Is4() {
		for _, l := range t.ranges {
			if l.prefix.Contains(a) && a != l.broadcast {
				return l
			}
		}
	}
	return best
}

// AddAddress gives the NIC an address: p is the address with the length of its network's prefix. The
// network becomes reachable through the NIC unless the prefix is a single address. An IPv6 address is
// tentative first where the NIC has duplicate address detection.
//
// Errors: ErrExists if the NIC has the address, ErrInvalid if it cannot be a station's or is a
// loopback address on another kind of NIC, ErrTooMany, ErrClosed after Remove.
func (n *NIC) AddAddress(p netip.Prefix) error { return n.AddAddressWith(p, AddressOptions{}) }

// AddAddressWith is AddAddress with options.
func (n *NIC) AddAddressWith(p netip.Prefix, o AddressOptions) error {
	a := p.Addr()
	if !p.IsValid() || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a == limitedBroadcast ||
		a.IsLoopback() && n.Info().Kind != LinkLoopback {
		return tcpip.ErrInvalid
	}
	l := &localAddress{nic: n, addr: a, prefix: p.Masked(), temporary: o.Temporary, leased: o.Leased, route: !o.NoPrefixRoute && !p.IsSingleIP()}
	if a.Is4() && p.Bits() < 31 {
		l.broadcast = lastAddr(l.prefix)
	}
	switch {
	case a.Is6() && n.DADProbes() > 0 && !o.NoDAD:
		l.state = AddressTentative
	case o.Deprecated:
		l.state = AddressDeprecated
	}
	s := n.stack
	s.mu.Lock()
	err := s.change(func(c *config) error {
		if n.removed.Load() || s.closed.Load() {
			return tcpip.ErrClosed
		}
		if c.addresses.on(n, a) != nil {
			return tcpip.ErrExists
		}
		if len(c.addresses.byNIC[n]) >= s.limits.Addresses {
			return tcpip.ErrTooMany
		}
		c.order++
		l.order = c.order
		c.addresses.set(append(slices.Clip(c.addresses.all), l))
		c.connect(n, l.prefix)
		return nil
	})
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if a.Is6() && n.Info().Kind == LinkEthernet { // where it is asked for; elsewhere Linux is not in the group either
		_ = n.JoinGroup(header.SolicitedNode(a)) // counted: two addresses can share it
	}
	if ip := s.internetOf(a); ip != nil {
		w := s.Begin()
		ip.AddressAdded(w, n, a)
		w.End()
	}
	return nil
}

// RemoveAddress takes an address from the NIC, with the route to its prefix and the routes that prefer
// it as their source.
//
// Errors: ErrAddrNotAvailable if the NIC does not have it.
func (n *NIC) RemoveAddress(a netip.Addr) error {
	s := n.stack
	s.mu.Lock()
	err := s.change(func(c *config) error {
		l := c.addresses.on(n, a)
		if l == nil {
			return tcpip.ErrAddrNotAvailable
		}
		c.addresses.set(slices.DeleteFunc(slices.Clone(c.addresses.all), func(m *localAddress) bool { return m == l }))
		if c.addresses.find(a, nil) == nil {
			c.routes.forgetSource(a)
		}
		c.connect(n, l.prefix)
		return nil
	})
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if a.Is6() && n.Info().Kind == LinkEthernet {
		_ = n.LeaveGroup(header.SolicitedNode(a))
	}
	if ip := s.internetOf(a); ip != nil {
		w := s.Begin()
		ip.AddressRemoved(w, n, a)
		w.End()
	}
	return nil
}

// SetAddressState changes the state of an address, and reports false if the NIC does not have it.
func (n *NIC) SetAddressState(a netip.Addr, st AddressState) bool {
	s := n.stack
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change(func(c *config) error {
		old := c.addresses.on(n, a)
		if old == nil {
			return tcpip.ErrAddrNotAvailable
		}
		l := *old
		l.state = st
		all := slices.Clone(c.addresses.all)
		all[slices.Index(all, old)] = &l
		c.addresses.set(all)
		return nil
	}) == nil
}

// AddressState returns the state of an address, and false if the NIC itself does not have it.
func (n *NIC) AddressState(a netip.Addr) (AddressState, bool) {
	l := n.stack.conf.Load().addresses.on(n, a)
	if l == nil {
		return 0, false
	}
	return l.state, true
}

// Addresses returns the NIC's addresses in the order in which they were added.
func (n *NIC) Addresses() []Address {
	var list []Address
	for _, l := range n.stack.conf.Load().addresses.byNIC[n] {
		list = append(list, l.address())
	}
	return list
}

// AllAddresses walks the addresses of all NICs, in the order in which they were added, as they are at one time.
func (s *Stack) AllAddresses() iter.Seq2[*NIC, Address] {
	return func(yield func(*NIC, Address) bool) {
		for _, l := range s.conf.Load().addresses.all {
			if !yield(l.nic, l.address()) {
				return
			}
		}
	}
}

// LocalAddress reports whether a is an address of the stack, on which NIC, and in which state. Every
// address of a loopback NIC's IPv4 network is one, as on Linux.
func (s *Stack) LocalAddress(a netip.Addr) (n *NIC, st AddressState, ok bool) {
	l := s.conf.Load().addresses.find(a, nil)
	if l == nil {
		return nil, 0, false
	}
	return l.nic, l.state, true
}

// PrimaryAddress returns the NIC's first address of the family, a link-local one if asked for and one of
// wider scope otherwise; a preferred one if there is any, else a deprecated one. It returns the zero Addr
// if the NIC has none.
func (n *NIC) PrimaryAddress(v6, linkLocal bool) netip.Addr {
	var second netip.Addr
	for _, l := range n.stack.conf.Load().addresses.byNIC[n] {
		if l.addr.Is6() != v6 || l.addr.IsLinkLocalUnicast() != linkLocal || !l.state.usable() {
			continue
		}
		if l.state == AddressPreferred {
			return l.addr
		}
		if !second.IsValid() {
			second = l.addr
		}
	}
	return second
}

// internetOf returns the protocol that a belongs to, nil if the stack lacks it.
func (s *Stack) internetOf(a netip.Addr) InternetProtocol { return s.Internet(etherTypeOf(a)) }

func etherTypeOf(a netip.Addr) header.EtherType {
	if a.Is4() {
		return header.EtherTypeIPv4
	}
	return header.EtherTypeIPv6
}

// lastAddr returns the last address of an IPv4 network.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}
