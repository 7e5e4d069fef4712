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
}

var (
	any4      = netip.IPv4Unspecified()
	any6      = netip.IPv6Unspecified()
	loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	loopback6 = netip.IPv6Loopback()
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// Bind sets the local address. The zero Addr means every address of every family that the endpoint
// speaks, 0.0.0.0 and :: those of one; port 0 means an ephemeral port, chosen at random (RFC 6056 §3.3.1). A
// group or a broadcast address limits what is received; it is never a source. A NIC limits the endpoint to it.
//
// Errors: ErrInvalid if it is bound already, if a link-local group lacks its NIC, or if the address is
// IPv4 and the endpoint keeps to IPv6; ErrAddrNotAvailable if the stack does not have the address and
// neither IP_FREEBIND nor IP_TRANSPARENT is set; ErrAddrInUse, ErrAddressFamily, ErrNoDevice, ErrClosed.
func (d *Datagram) Bind(local tcpip.FullAddress) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bind(local).Err()
}

func (d *Datagram) bind(local tcpip.FullAddress) tcpip.Error {
	if d.closed {
		return tcpip.ErrClosed
	}
	if d.claim.bound {
		return tcpip.ErrInvalid
	}
	addr := plain(local.Addr)
	c := claim{wanted: local}
	b := stack.Binding{
		V4:        !d.v6 || !d.conf.V6Only,
		V6:        d.v6,
		Port:      local.Port,
		NIC:       d.conf.BoundNIC,
		ReuseAddr: d.conf.ReuseAddr || d.proto.shape.Share,
		ReusePort: d.conf.ReusePort,
		Proto:     d.proto.number(d.v6),
		Receiver:  d.outer,
	}
	if local.NIC != 0 {
		if d.proto.stack.NIC(local.NIC) == nil {
			return tcpip.ErrNoDevice
		}
		if b.NIC != 0 && b.NIC != local.NIC {
			return tcpip.ErrInvalid
		}
		b.NIC = local.NIC
	}
	if addr.IsValid() {
		if err := d.speaks(addr); err != tcpip.OK {
			if d.v6 {
				err = tcpip.ErrInvalid
			}
			return err
		}
		// :: means every address of both families, 0.0.0.0 those of IPv4.
		b.V4, b.V6 = addr.Is4() || addr == any6 && b.V4, addr.Is6()
		if !addr.IsUnspecified() {
			source, err := d.owns(addr, b.NIC)
			if err != tcpip.OK {
				return err
			}
			b.Local, c.source, c.fixed = addr, source, source.IsValid()
		}
	}
	c.binding, c.base = b, b
	was := d.claim
	d.claim = c
	if err := d.proto.stack.Demux.Bind(&d.claim.binding); err != tcpip.OK {
		d.claim = was
		return err
	}
	d.claim.bound = true
	return tcpip.OK
}

// autobind binds an endpoint that is used without having been bound, as far as the user has not said.
func (d *Datagram) autobind() tcpip.Error {
	if d.claim.bound {
		return tcpip.OK
	}
	return d.bind(d.claim.wanted)
}

// owns says whether addr can be bound and returns what is then sent from: addr itself if it is a
// unicast address, else whatever the route says.
func (d *Datagram) owns(addr netip.Addr, nic tcpip.NICID) (source netip.Addr, err tcpip.Error) {
	switch {
	case addr.IsMulticast():
		if needsZone(addr) && nic == 0 {
			return netip.Addr{}, tcpip.ErrInvalid
		}
		return netip.Addr{}, tcpip.OK
	case addr == broadcast:
		return netip.Addr{}, tcpip.OK
	}
	_, state, ok := d.proto.stack.LocalAddress(addr)
	if ok && (state == stack.AddressPreferred || state == stack.AddressDeprecated) {
		return addr, tcpip.OK
	}
	for _, n := range d.proto.stack.NICs() {
		if n.Classify(addr) == stack.DestinationBroadcast {
			return netip.Addr{}, tcpip.OK
		}
	}
	if d.conf.FreeBind || d.conf.Transparent {
		return addr, tcpip.OK
	}
	return netip.Addr{}, tcpip.ErrAddrNotAvailable
}

// speaks says whether the endpoint can deal with addresses of addr's family.
func (d *Datagram) speaks(addr netip.Addr) tcpip.Error {
	switch {
	case addr.Is6() && !d.v6:
		return tcpip.ErrAddressFamily
	case addr.Is4() && d.v6 && d.proto.shape.Proto4 == 0:
		return tcpip.ErrInvalid
	case addr.Is4() && d.v6 && d.conf.V6Only:
		return tcpip.ErrNetUnreachable
	}
	return tcpip.OK
}

// Connect sets whom to send to and, where the protocol has ports, whom alone to receive from. It chooses
// the local address if that is open, and binds a port. It takes effect at once. The zero FullAddress undoes
// it, and gives up what Bind was not asked for.
//
// Errors: ErrNetUnreachable and others if there is no route, ErrAccess if the address is a broadcast and
// SO_BROADCAST is off, ErrAddressFamily, ErrInvalid if a link-local address lacks its NIC, ErrAddrInUse,
// ErrClosed.
func (d *Datagram) Connect(remote tcpip.FullAddress) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return tcpip.ErrClosed
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
	if remote.Addr.Is6() && remote.Addr.IsLinkLocalUnicast() && remote.NIC == 0 && d.claim.base.NIC == 0 && d.conf.BoundNIC == 0 {
		return tcpip.ErrInvalid
	}
	q, err := d.query(remote)
	if err != tcpip.OK {
		return err
	}
	r, err := d.route(q, remote)
	if err != tcpip.OK {
		return err
	}
	if r.Broadcast && !d.conf.Broadcast {
		return tcpip.ErrAccess
	}
	b := &d.claim.binding
	err = d.proto.stack.Demux.Rebind(b, func(b *stack.Binding) {
		b.V4, b.V6 = remote.Addr.Is4(), remote.Addr.Is6()
		if !b.Local.IsValid() || b.Local.Is4() != r.Local.Is4() {
			b.Local = r.Local
		}
		if d.proto.shape.RemotePort {
			b.Remote = remote.AddrPort()
		}
		if b.NIC == 0 {
			b.NIC = zoneOf(remote)
		}
	})
	if err != tcpip.OK {
		return err
	}
	if !d.claim.fixed {
		d.claim.source = r.Local
	}
	d.peer, d.cache = remote, cache{}
	d.connected.Store(true)
	return tcpip.OK
}

// disconnect undoes connect.
func (d *Datagram) disconnect() tcpip.Error {
	if d.peer == (tcpip.FullAddress{}) {
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
	base := d.claim.base
	return d.proto.stack.Demux.Rebind(&d.claim.binding, func(b *stack.Binding) {
		b.V4, b.V6, b.Local, b.Remote, b.NIC = base.V4, base.V6, base.Local, netip.AddrPort{}, base.NIC
		if d.conf.BoundNIC != 0 {
			b.NIC = d.conf.BoundNIC
		}
	})
}

// release gives the claim on the port up.
func (d *Datagram) release() {
	if d.claim.bound {
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
