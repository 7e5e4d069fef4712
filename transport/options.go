package transport

import (
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// SetOption sets an option of tcpip.SocketOptions. Endpoints for IPv6 have those of IPv4 too, for the
// IPv4 packets that they send and receive.
//
// Errors: ErrNoProtocolOption if the endpoint lacks the option or it can only be read, ErrInvalid for a
// value out of range or an option that comes too late, ErrNoDevice and ErrAddrNotAvailable for a NIC that
// is not there, ErrAddrInUse if sharing was refused by others, ErrClosed.
func (d *Datagram) SetOption(id tcpip.OptionID, v int) error {
	w := d.proto.stack.Begin()
	d.mu.Lock()
	err := d.setOption(w, id, v)
	d.mu.Unlock()
	if err == tcpip.OK {
		w.Wake(d.proto.stack, &d.waiters, d.Readiness(waiter.Writable)) // more room, perhaps
	}
	w.End()
	return err.Err()
}

func (d *Datagram) setOption(w *stack.Work, id tcpip.OptionID, v int) tcpip.Error {
	if d.closed {
		return tcpip.ErrClosed
	}
	row := d.find(id)
	if row == nil {
		return tcpip.ErrNoProtocolOption
	}
	if check := checks[id]; check != nil {
		if err := check(d, v); err != tcpip.OK {
			return err
		}
	}
	was := d.conf
	if err := row.Put(&d.conf, v); err != tcpip.OK {
		return err
	}
	if err := d.reclaim(&was); err != tcpip.OK {
		d.conf = was
		return err
	}
	d.pathless = d.pathless || tcpip.TurnsPath(id, v, &was, &d.conf)
	d.apply()
	if effect := effects[id]; effect != nil {
		return effect(d, w, v)
	}
	if was.ReceiveError4 && !d.conf.ReceiveError4 || was.ReceiveError6 && !d.conf.ReceiveError6 {
		d.queue.purgeErrors(d.proto)
	}
	return tcpip.OK
}

// find returns the row of an option that the endpoint has.
func (d *Datagram) find(id tcpip.OptionID) *tcpip.OptionRow[tcpip.SocketConf] {
	if id.Level() == tcpip.IPPROTO_IPV6 && !d.v6 {
		return nil
	}
	return tcpip.FindOption(tcpip.SocketOptions, id, d.proto.shape.Kind)
}

// checks are the conditions of Linux that a row's range cannot express.
var checks = map[tcpip.OptionID]func(*Datagram, int) tcpip.Error{
	tcpip.IPV6_V6ONLY: func(d *Datagram, _ int) tcpip.Error {
		if d.claim.bound || d.proto.shape.Proto4 == 0 {
			return tcpip.ErrInvalid
		}
		return tcpip.OK
	},
	tcpip.IP_ROUTER_ALERT: func(d *Datagram, v int) tcpip.Error {
		switch { // as measured on Linux
		case d.raw.number == protocolRaw:
			return tcpip.ErrInvalid
		case v != 0 && d.conf.RouterAlert:
			return tcpip.ErrAddrInUse
		case v == 0 && !d.conf.RouterAlert:
			return tcpip.ErrNoBuffers
		}
		return tcpip.OK
	},
	tcpip.IPV6_CHECKSUM: func(_ *Datagram, v int) tcpip.Error {
		if v > 0 && v%2 != 0 {
			return tcpip.ErrInvalid
		}
		return tcpip.OK
	},
	tcpip.SO_TIMESTAMPING:       checkTimestamping,
	tcpip.IP_MULTICAST_IF:       func(d *Datagram, v int) tcpip.Error { return d.hasNIC(v, tcpip.ErrAddrNotAvailable) },
	tcpip.IPV6_MULTICAST_IF:     func(d *Datagram, v int) tcpip.Error { return d.hasNIC(v, tcpip.ErrNoDevice) },
	tcpip.IP_UNICAST_IF:         func(d *Datagram, v int) tcpip.Error { return d.hasNIC(v, tcpip.ErrAddrNotAvailable) },
	tcpip.IPV6_UNICAST_IF:       func(d *Datagram, v int) tcpip.Error { return d.hasNIC(v, tcpip.ErrAddrNotAvailable) },
	tcpip.IP_LOCAL_PORT_RANGE:   func(_ *Datagram, v int) tcpip.Error { return tcpip.CheckPortRange(v) },
	tcpip.IPV6_ADDR_PREFERENCES: func(_ *Datagram, v int) tcpip.Error { return tcpip.CheckPreferences(v) },
}

// stampsArrivals are the flags of SO_TIMESTAMPING that together make a read tell when the datagram arrived.
const stampsArrivals = tcpip.TimestampReceive | tcpip.TimestampReport

// checkTimestamping refuses what Linux refuses, and the clock of a network card.
func checkTimestamping(d *Datagram, v int) tcpip.Error {
	f := tcpip.TimestampFlags(v)
	switch {
	case v < 0 || f&^tcpip.TimestampFlagsAll != 0,
		f&tcpip.TimestampNumberTCP != 0 && f&tcpip.TimestampNumber == 0,
		f&tcpip.TimestampStats != 0 && f&tcpip.TimestampOnly == 0:
		return tcpip.ErrInvalid
	case f&tcpip.TimestampPHC != 0 && d.conf.BoundNIC != 0: // which has no clock of that number
		return tcpip.ErrInvalid
	case f&tcpip.TimestampPHC != 0:
		return tcpip.ErrNotSupported
	}
	if f&tcpip.TimestampNumber != 0 && d.conf.Timestamping&tcpip.TimestampNumber == 0 {
		d.nextStamp = 0
	}
	return tcpip.OK
}

// effects are what setting an option does at once.
var effects = map[tcpip.OptionID]func(*Datagram, *stack.Work, int) tcpip.Error{
	tcpip.UDP_CORK: func(d *Datagram, w *stack.Work, v int) tcpip.Error {
		if v != 0 {
			return tcpip.OK
		}
		return d.push(w)
	},
	tcpip.SO_PEEK_OFF: func(d *Datagram, _ *stack.Work, v int) tcpip.Error {
		d.queue.setPeekOffset(v)
		return tcpip.OK
	},
}

// hasNIC checks a NIC for multicast: 0, or one that is there and that the endpoint may use.
func (d *Datagram) hasNIC(v int, missing tcpip.Error) tcpip.Error {
	switch nic := tcpip.NICID(v); {
	case v < 0 || v != 0 && d.proto.stack.NIC(nic) == nil:
		return missing
	case v != 0 && d.conf.BoundNIC != 0 && d.conf.BoundNIC != nic:
		return tcpip.ErrInvalid
	}
	return tcpip.OK
}

// reclaim brings the demux up to date with the options that it goes by.
func (d *Datagram) reclaim(was *tcpip.SocketConf) tcpip.Error {
	c := &d.conf
	if c.ReuseAddr == was.ReuseAddr && c.ReusePort == was.ReusePort && c.BoundNIC == was.BoundNIC {
		return tcpip.OK
	}
	if !d.claim.bound {
		return tcpip.OK
	}
	return d.rebind(func(b *stack.Binding) {
		b.ReuseAddr, b.ReusePort = c.ReuseAddr, c.ReusePort
		if c.BoundNIC != was.BoundNIC {
			b.NIC = c.BoundNIC
		}
	})
}

// Option returns the value of an option of tcpip.SocketOptions, and of these, which can only be read:
// IP_MTU and IPV6_MTU, the path MTU towards the peer in bytes. A TTL that follows the stack's default is
// returned as that.
//
// Errors: ErrNoProtocolOption, ErrNotSupported for an option of IPv6 on an endpoint for IPv4, as on Linux;
// ErrNotConnected for the path MTU of an endpoint without a peer.
func (d *Datagram) Option(id tcpip.OptionID) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, err := d.option(id)
	return v, err.Err()
}

func (d *Datagram) option(id tcpip.OptionID) (int, tcpip.Error) {
	if id.Level() == tcpip.IPPROTO_IPV6 && !d.v6 {
		return 0, tcpip.ErrNotSupported
	}
	if id == tcpip.IP_MTU || id == tcpip.IPV6_MTU {
		return d.pathMTU()
	}
	if id == tcpip.SO_PEEK_OFF && d.find(id) != nil {
		return d.queue.peekOffset(), tcpip.OK
	}
	row := d.find(id)
	if row == nil {
		return 0, tcpip.ErrNoProtocolOption
	}
	v := row.Get(&d.conf)
	switch {
	case v < 0 && id == tcpip.IP_TTL:
		v = int(d.proto.stack.DefaultTTL())
	case v < 0 && id == tcpip.IPV6_UNICAST_HOPS:
		v = int(d.proto.stack.HopsTo(d.peer))
	}
	return v, tcpip.OK
}

// pathMTU is what is known of the path to the peer, whether or not the endpoint makes use of it.
func (d *Datagram) pathMTU() (int, tcpip.Error) {
	if d.peer == (tcpip.FullAddress{}) || d.pathless {
		return 0, tcpip.ErrNotConnected
	}
	q, err := d.query(d.peer)
	if err != tcpip.OK {
		return 0, err
	}
	r, err := d.route(q, d.peer)
	if err != tcpip.OK {
		return 0, err
	}
	mtu, _ := r.PathMTU()
	return mtu, tcpip.OK
}

// Flags are the options that delivery and reading go by, packed so that they are read without the lock.
const (
	flagInfo4 uint64 = 1 << iota
	flagInfo6
	flagTTL
	flagHops
	flagTOS
	flagClass
	flagTimestamp
	flagErrors4
	flagErrors6
	flagJoin
	flagNoChecksum6
	flagDrops
	flagMark
	flagPriority
	flagExtensions4
	flagExtensions6
	flagStamping    // SO_TIMESTAMPING of what is received
	flagStampReport // SO_TIMESTAMPING: tell

	modeShift4 = 56 // where the PMTUModes are
	modeShift6 = 60
)

func flagsOf(c *tcpip.SocketConf) (f uint64) {
	for _, o := range [...]struct {
		on   bool
		flag uint64
	}{
		{c.ReceivePacketInfo4, flagInfo4}, {c.ReceivePacketInfo6, flagInfo6}, {c.ReceiveTTL, flagTTL}, {c.ReceiveHops, flagHops},
		{c.ReceiveTOS, flagTOS}, {c.ReceiveClass, flagClass}, {c.ReceiveTimestamp, flagTimestamp},
		{c.ReceiveError4, flagErrors4}, {c.ReceiveError6, flagErrors6},
		{c.Join, flagJoin}, {c.AcceptNoChecksum6, flagNoChecksum6}, {c.ReceiveDrops, flagDrops}, {c.ReceiveMark, flagMark},
		{c.ReceiveExtensions4, flagExtensions4}, {c.ReceiveExtensions6, flagExtensions6},
		{c.ReceivePriority, flagPriority}, {c.Timestamping&tcpip.TimestampReport != 0, flagStampReport},
		{c.Timestamping&stampsArrivals == stampsArrivals, flagStamping},
	} {
		if o.on {
			f |= o.flag
		}
	}
	return f | flagsOfIP(&c.IPConf) | uint64(c.PMTU4)<<modeShift4 | uint64(c.PMTU6)<<modeShift6
}

// apply tells the parts of the endpoint that do not look at conf what it says.
func (d *Datagram) apply() {
	d.flags.Store(flagsOf(&d.conf))
	d.sendLimit.Store(int64(d.conf.SendBuffer))
	d.queue.configure(&d.conf)
	if d.raw != nil {
		d.raw.configure(&d.conf)
	}
}

// modeFor returns how path MTUs towards a are treated.
func (d *Datagram) modeFor(a netip.Addr) tcpip.PMTUMode {
	shift := modeShift4
	if a.Is6() {
		shift = modeShift6
	}
	return tcpip.PMTUMode(d.flags.Load() >> shift & 7)
}

// reportsErrors says whether errors about packets to a go to the error queue.
func (d *Datagram) reportsErrors(a netip.Addr) bool {
	if a.Is6() {
		return d.flags.Load()&flagErrors6 != 0
	}
	return d.flags.Load()&flagErrors4 != 0
}
