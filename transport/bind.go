package transport

import (
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// claim is an endpoint's place in the demux, and what of it the user asked for: disconnecting gives the
// rest up.
type claim struct {
	binding stack.Binding
	bound   bool // the demux has the binding

	wanted tcpip.FullAddress // as given to Bind; the zero one of an endpoint bound by its use
	base   stack.Binding     // as bound, before connecting
	source netip.Addr        // to send from; zero: the route's, also where binding.Local is no source
	fixed  bool              // source was given to Bind, and so its family cannot change
	leave  func()            // Adopt: the demux has somebody else's entry instead, who is told of the end; nil otherwise
	shown  netip.Addr        // the IPv6 address that Linux goes on showing after moving to an IPv4 peer
}

var (
	any4      = netip.IPv4Unspecified()
	any6      = netip.IPv6Unspecified()
	loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	loopback6 = netip.IPv6Loopback()
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	// boundToSix is what Linux takes for the IPv4 address of a raw socket that is bound to one of IPv6.
	boundToSix = netip.AddrFrom4([4]byte{127, 0, 0, 6})
)

// Bind sets the local address. The zero Addr means every address of every family that the endpoint
// speaks, 0.0.0.0 and :: those of one; port 0 means an ephemeral port, chosen at random (RFC 6056 §3.3.1). A
// group or a broadcast address limits what is received; it is never a source. A NIC limits the endpoint to it. With
// IP_BIND_ADDRESS_NO_PORT the choice of a port is left to the first use. The zero FullAddress is that use.
//
// Errors: ErrInvalid if it is bound already, if a link-local group lacks its NIC, or if the address is
// IPv4 and the endpoint keeps to IPv6; ErrAddrNotAvailable if the stack does not have the address and
// neither IP_FREEBIND nor IP_TRANSPARENT is set; ErrAddrInUse, ErrAddressFamily, ErrNoDevice, ErrClosed.
func (d *Datagram) Bind(local tcpip.FullAddress) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if local == (tcpip.FullAddress{}) {
		return d.bind(d.claim.wanted).Err()
	}
	if d.conf.BindNoPort && local.Addr.IsValid() && local.Port == 0 && d.proto.shape.RemotePort {
		c, err := d.claimOf(local)
		if err == tcpip.OK {
			d.claim = c
		}
		return err.Err()
	}
	return d.bind(local).Err()
}

func (d *Datagram) bind(local tcpip.FullAddress) tcpip.Error {
	c, err := d.claimOf(local)
	if err != tcpip.OK {
		return err
	}
	was := d.claim
	d.claim = c
	if err := d.enter(); err != tcpip.OK {
		d.claim = was
		return err
	}
	d.claim.bound = true
	return tcpip.OK
}

// claimOf returns what a local address means, if it may be bound.
func (d *Datagram) claimOf(local tcpip.FullAddress) (c claim, err tcpip.Error) {
	if d.closed {
		return c, tcpip.ErrClosed
	}
	if d.claim.bound && (d.raw == nil || d.connected.Load()) {
		return c, tcpip.ErrInvalid
	}
	addr := plain(local.Addr)
	c = claim{wanted: local}
	b := stack.Binding{
		V4:        !d.v6 || !d.conf.V6Only,
		V6:        d.v6,
		Port:      local.Port,
		NIC:       d.conf.BoundNIC,
		ReuseAddr: d.conf.ReuseAddr,
		ReusePort: d.conf.ReusePort,
		Group:     d.group,
		Proto:     d.number(d.v6),
		Receiver:  d.outer,
	}
	if d.proto.shape.RemotePort {
		b.Ports = uint32(d.conf.PortRange)
	}
	if local.NIC != 0 {
		if d.proto.stack.NIC(local.NIC) == nil {
			return c, tcpip.ErrNoDevice
		}
		if b.NIC != 0 && b.NIC != local.NIC {
			return c, tcpip.ErrInvalid
		}
		b.NIC = local.NIC
	}
	if d.v6 && addr.IsValid() && b.NIC != 0 && d.proto.stack.NIC(b.NIC) == nil {
		ping := d.proto.shape.Kind == tcpip.KindPing // which looks at the address first, and then at the NIC in any case
		if ping && addr.Is6() && !addr.IsMulticast() || !ping && addr != any6 {
			return c, tcpip.ErrNoDevice
		}
	}
	if addr.IsValid() {
		if err := d.speaks(addr); err != tcpip.OK {
			if d.v6 {
				err = tcpip.ErrInvalid
			}
			return c, err
		}
		// :: means every address of both families, 0.0.0.0 those of IPv4.
		b.V4, b.V6 = addr.Is4() || addr == any6 && b.V4, addr.Is6()
		if !addr.IsUnspecified() {
			source, err := d.owns(addr, b.NIC)
			if err != tcpip.OK {
				return c, err
			}
			b.Local, c.source, c.fixed = addr, source, source.IsValid()
		}
	}
	c.binding, c.base = b, b
	return c, tcpip.OK
}

// autobind binds an endpoint that is used without having been bound, as far as the user has not said. Without a free
// port it is ErrWouldBlock, as on Linux.
func (d *Datagram) autobind() tcpip.Error {
	if d.claim.bound {
		return tcpip.OK
	}
	if err := d.bind(d.claim.wanted); err != tcpip.ErrAddrInUse {
		return err
	}
	return tcpip.ErrWouldBlock
}

// owns says whether addr can be bound and returns what is then sent from: addr itself if it is a
// unicast address, else whatever the route says.
func (d *Datagram) owns(addr netip.Addr, nic tcpip.NICID) (source netip.Addr, err tcpip.Error) {
	unicast := d.proto.shape.Unicast
	switch {
	case needsZone(addr) && nic == 0, addr.Is6() && addr.IsMulticast() && unicast:
		return netip.Addr{}, tcpip.ErrInvalid
	case addr.IsMulticast() && !unicast, addr == broadcast && !unicast:
		return netip.Addr{}, tcpip.OK
	case addr == loopback6 && nic != 0 && d.proto.stack.NIC(nic) != nil && d.proto.stack.NIC(nic).Info().Kind != stack.LinkLoopback:
		return netip.Addr{}, tcpip.ErrAddrNotAvailable
	}
	_, state, ok := d.proto.stack.LocalAddress(addr)
	if ok && (state == stack.AddressPreferred || state == stack.AddressDeprecated) {
		return addr, tcpip.OK
	}
	many := addr.IsMulticast() || addr == broadcast || d.proto.stack.DirectedBroadcast(addr)
	switch {
	case many && !unicast:
		return netip.Addr{}, tcpip.OK
	case !many && (d.conf.FreeBind || d.conf.Transparent):
		return addr, tcpip.OK
	}
	return netip.Addr{}, tcpip.ErrAddrNotAvailable
}

// speaks says whether the endpoint can deal with addresses of addr's family.
func (d *Datagram) speaks(addr netip.Addr) tcpip.Error {
	switch {
	case addr.Is6() && !d.v6:
		return tcpip.ErrAddressFamily
	case addr.Is4() && d.v6 && d.raw != nil: // connects, but never sends or receives, as on Linux
		return tcpip.OK
	case addr.Is4() && d.v6 && d.proto.shape.Proto4 == 0:
		return tcpip.ErrInvalid
	case addr.Is4() && d.v6 && (d.conf.V6Only || d.boundTo6()):
		return tcpip.ErrNetUnreachable
	}
	return tcpip.OK
}

// boundTo6 reports whether the endpoint was bound to an address of IPv6, which keeps it from IPv4 for good, as on Linux.
func (d *Datagram) boundTo6() bool {
	a := plain(d.claim.wanted.Addr)
	return a.Is6() && !a.IsUnspecified()
}

// Connect sets whom to send to and, where the protocol has ports, whom alone to receive from. It chooses
// the local address if that is open, and binds a port. It takes effect at once. The zero FullAddress undoes
// it, and gives up what Bind was not asked for and, as on Linux, SO_BINDTOIFINDEX.
//
// Errors: ErrInvalid for the end of a flow (Adopt), ErrNetUnreachable and others if there is no route, ErrAccess if the address is a broadcast and
// SO_BROADCAST is off, ErrAddressFamily, ErrInvalid if a link-local address lacks its NIC, ErrAddrInUse,
// ErrClosed.
func (d *Datagram) Connect(remote tcpip.FullAddress) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return tcpip.ErrClosed
	}
	if d.adopted() {
		return tcpip.ErrInvalid
	}
	if remote == (tcpip.FullAddress{}) {
		return d.disconnect().Err()
	}
	return d.connect(remote).Err()
}

func (d *Datagram) connect(remote tcpip.FullAddress) tcpip.Error {
	if err := d.autobind(); err != tcpip.OK {
		return err
	}
	remote, err := d.target(remote)
	if err != tcpip.OK {
		return err
	}
	if remote.Addr.Is4() { // whatever comes of it, as on Linux
		d.pathless = true
	}
	if remote.Addr.Is6() && remote.Addr.IsLinkLocalUnicast() && remote.NIC == 0 && d.claim.base.NIC == 0 && d.conf.BoundNIC == 0 {
		return tcpip.ErrInvalid
	}
	q, err := d.query(remote)
	if err != tcpip.OK {
		return err
	}
	if q.Destination.Is6() { // IPv4 connects without regard to its source route, as measured
		d.headers.guide(&q)
	}
	r, err := d.route(q, remote)
	if err != tcpip.OK {
		return err
	}
	if d.estranged(remote.Addr) {
		return tcpip.ErrAddressFamily
	}
	if r.Broadcast && !d.conf.Broadcast {
		return tcpip.ErrAccess
	}
	err = d.rebind(func(b *stack.Binding) {
		b.V4, b.V6 = remote.Addr.Is4(), remote.Addr.Is6()
		if !b.Local.IsValid() || b.Local.Is4() != r.Local.Is4() && d.raw == nil {
			if b.Local.Is6() && !d.claim.shown.IsValid() {
				d.claim.shown = b.Local
			}
			b.Local = r.Local
		}
		switch {
		case d.proto.shape.RemotePort:
			b.Remote = remote.AddrPort()
		case d.raw != nil:
			b.Remote = netip.AddrPortFrom(remote.Addr, 0)
		}
		if b.NIC == 0 {
			b.NIC = zoneOf(remote)
		}
	})
	if err != tcpip.OK {
		return err
	}
	if !d.claim.fixed && (d.raw == nil || remote.Addr.Is6() || !d.claim.source.Is6()) { // which a raw socket keeps, as on Linux
		d.claim.source = r.Local
	}
	if needsZone(remote.Addr) && remote.NIC == 0 {
		remote.NIC = q.NIC
	}
	d.peer, d.cache, d.pathless = remote, cache{}, false
	d.redirect(q, r, remote)
	d.connected.Store(true)
	return tcpip.OK
}

// disconnect undoes connect and, as on Linux, the choice of a NIC, whether or not there was a peer.
func (d *Datagram) disconnect() tcpip.Error {
	bound := d.conf.BoundNIC != 0 || d.claim.base.NIC != 0
	d.conf.BoundNIC, d.claim.base.NIC = 0, 0
	if d.raw != nil {
		d.disconnectRaw()
		return tcpip.OK
	}
	if d.peer == (tcpip.FullAddress{}) && (!d.claim.bound || d.claim.wanted.Port != 0 && !bound) {
		return tcpip.OK
	}
	d.peer, d.cache = tcpip.FullAddress{}, cache{}
	d.connected.Store(false)
	if d.claim.wanted.Port == 0 {
		wanted := d.claim.wanted
		d.release()
		d.claim = claim{wanted: wanted}
		return tcpip.OK
	}
	if !d.claim.fixed {
		d.claim.source = netip.Addr{}
	}
	d.claim.shown = netip.Addr{}
	base := d.claim.base
	return d.rebind(func(b *stack.Binding) {
		b.V4, b.V6, b.Local, b.Remote, b.NIC = base.V4, base.V6, base.Local, netip.AddrPort{}, 0
	})
}

// release gives the claim on the port up.
func (d *Datagram) release() {
	if d.adopted() {
		d.claim.leave()
		d.claim.bound = false
	}
	if d.claim.bound && d.raw == nil {
		d.proto.stack.Demux.Unbind(&d.claim.binding)
		d.claim.bound = false
	}
}

// plain returns a as the stack uses it: unmapped and without a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// needsZone reports whether a means something different on each link (RFC 4007).
func needsZone(a netip.Addr) bool {
	return a.Is6() && (a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast())
}

// zoneOf returns the NIC of an address that means something different on each link. Of others it is
// where they were heard of, which says nothing about the way to them.
func zoneOf(a tcpip.FullAddress) tcpip.NICID {
	if needsZone(a.Addr) {
		return a.NIC
	}
	return 0
}
