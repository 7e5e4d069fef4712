package tcp

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// SetOption sets the option with the given Linux level and number.
//
// Errors: ErrNoProtocolOption for an option that TCP endpoints lack, or of IPv6 on an endpoint for
// IPv4; ErrInvalid for a value out of range, or one that cannot be changed any more.
func (e *Endpoint) SetOption(id tcpip.OptionID, v int) error {
	w := e.begin()
	err := e.setOption(id, v)
	switch {
	case err != tcpip.OK:
	case id == tcpip.SO_RCVLOWAT || id == tcpip.SO_RCVBUF:
		w.Wake(e.proto.stack, &e.waiters, waiter.Readable) // what is there may be enough now
	case id == TCP_NOTSENT_LOWAT:
		w.Wake(e.proto.stack, &e.waiters, waiter.Writable) // and so may the room
	}
	e.end(w)
	return err.Err()
}

func (e *Endpoint) setOption(id tcpip.OptionID, v int) tcpip.Error {
	if e.closed {
		return tcpip.ErrClosed
	}
	if id.Level() == tcpip.IPPROTO_IPV6 && !e.v6 {
		return tcpip.ErrNoProtocolOption
	}
	switch id {
	case TCP_WINDOW_CLAMP:
		if v == 0 && (e.running || e.phase == phaseListening) {
			return tcpip.ErrInvalid
		}
	case tcpip.IP_LOCAL_PORT_RANGE:
		if err := tcpip.CheckPortRange(v); err != tcpip.OK {
			return err
		}
	case tcpip.IPV6_ADDR_PREFERENCES:
		if err := tcpip.CheckPreferences(v); err != tcpip.OK {
			return err
		}
	case tcpip.IP_UNICAST_IF, tcpip.IPV6_UNICAST_IF:
		if v < 0 || v != 0 && e.proto.stack.NIC(tcpip.NICID(v)) == nil {
			return tcpip.ErrAddrNotAvailable
		}
	case tcpip.IPV6_V6ONLY:
		if e.binding != nil || e.running {
			return tcpip.ErrInvalid
		}
	}
	before := e.opts
	if c := e.proto.config.Load(); id == TCP_NODELAY && v != 0 && before == c.initial && !e.running {
		e.configure(c.prompt)
		return tcpip.OK
	}
	o := *before
	if row := tcpip.FindOption(EndpointOptions, id, tcpip.KindTCP); row != nil {
		if err := row.Put(&o.conf, v); err != tcpip.OK {
			return err
		}
		if id == TCP_FASTOPEN || id == TCP_FASTOPEN_CONNECT || id == TCP_FASTOPEN_NO_COOKIE {
			if err := e.mayFastOpen(id); err != tcpip.OK {
				return err
			}
		}
		if id == TCP_QUICKACK && e.opened {
			e.tcb.SetQuickAck(v != 0)
			return tcpip.OK
		}
		o.conf.Timestamps = o.conf.mode.Or(e.proto.config.Load().timestamps)
		e.configure(&o)
		switch {
		case !e.running:
		case id == TCP_NODELAY && v != 0:
			e.tcb.PushHeld(e.lock.now)
		case id == TCP_CORK && v == 0:
			e.tcb.Uncork(e.lock.now)
		}
		return tcpip.OK
	}
	row := tcpip.FindOption(tcpip.SocketOptions, id, tcpip.KindTCP)
	if row == nil {
		return tcpip.ErrNoProtocolOption
	}
	if err := row.Put(&o.sock, v); err != tcpip.OK {
		return err
	}
	if id == tcpip.SO_TIMESTAMPING {
		if err := e.checkTimestamping(v); err != tcpip.OK {
			return err
		}
	}
	switch id {
	case tcpip.IP_TOS:
		o.sock.TOS &^= ecnMask
	case tcpip.IPV6_TCLASS:
		o.sock.TrafficClass &^= ecnMask
	case tcpip.SO_RCVLOWAT:
		o.sock.ReceiveLowWater = min(o.sock.ReceiveLowWater, o.conf.ReceiveBuffer.Or(o.conf.ReceiveBufferMax)/2)
		o.conf.ReceiveLow = o.sock.ReceiveLowWater
	case tcpip.SO_SNDBUF:
		o.conf.SendBuffer = tcpip.Set(o.sock.SendBuffer)
	case tcpip.SO_RCVBUF:
		o.conf.ReceiveBuffer = tcpip.Set(o.sock.ReceiveBuffer)
	}
	o.arrivals = o.notesArrivals()
	e.configure(&o)
	if err := e.rebind(id); err != tcpip.OK {
		e.configure(before)
		return err
	}
	if id == tcpip.IP_TOS {
		v &^= ecnMask
	}
	e.pathless = e.pathless || tcpip.TurnsPath(id, v, &before.sock, &o.sock)
	return tcpip.OK
}

// configure makes o the options of e, of its machine and of what its listener accepts from now on.
func (e *Endpoint) configure(o *endpointOptions) {
	e.opts = o
	e.device.Store(int32(o.sock.BoundNIC))
	if e.running {
		e.tcb.SetConf(e.lock.now, &o.conf.Conf)
	}
	if l := e.listener.Load(); l != nil {
		l.opts.Store(o)
	}
}

// rebind brings a changed option to the demux or the route, where it acts there.
func (e *Endpoint) rebind(id tcpip.OptionID) tcpip.Error {
	sock := &e.opts.sock
	switch id {
	case tcpip.SO_REUSEADDR, tcpip.SO_REUSEPORT, tcpip.SO_BINDTOIFINDEX:
		if e.running && id == tcpip.SO_BINDTOIFINDEX && !e.reroute() {
			e.pathAt = e.lock.now.Add(-2 * pathRefresh) // nothing leaves until there is a way
		}
		if e.entered && id != tcpip.SO_BINDTOIFINDEX {
			e.proto.stack.Demux.Reshare(e.id, e)
		}
		if e.binding != nil {
			return e.proto.stack.Demux.Rebind(e.binding, func(b *stack.Binding) {
				b.ReuseAddr, b.ReusePort, b.NIC = sock.ReuseAddr, sock.ReusePort, sock.BoundNIC
			})
		}
	case tcpip.IP_MTU_DISCOVER, tcpip.IPV6_MTU_DISCOVER:
		if e.running {
			e.reroute()
		}
	}
	return tcpip.OK
}

// ecnMask is the bits of a traffic class that are ECN's, and no user's of a stream, and ect0 what says ECN-capable (RFC 3168 §5).
const (
	ecnMask = 3
	ect0    = 2
)

// Option returns the value of the option with the given Linux level and number. A TTL that follows the
// stack's default is returned as that.
//
// Errors: ErrNoProtocolOption for an option that TCP endpoints lack; ErrNotSupported for one of IPv6 on an
// endpoint for IPv4, as on Linux; ErrNotConnected for IP_MTU without a peer.
func (e *Endpoint) Option(id tcpip.OptionID) (int, error) {
	w := e.begin()
	v, err := e.option(id)
	e.end(w)
	return v, err.Err()
}

func (e *Endpoint) option(id tcpip.OptionID) (int, tcpip.Error) {
	if id.Level() == tcpip.IPPROTO_IPV6 && !e.v6 {
		return 0, tcpip.ErrNotSupported
	}
	switch id {
	case tcpip.IP_MTU, tcpip.IPV6_MTU:
		if e.route == nil || e.pathless {
			return 0, tcpip.ErrNotConnected
		}
		mtu, _ := e.route.PathMTU()
		if e.route.Remote.Is4() {
			mtu = min(mtu, header.MaxPacket)
		}
		return mtu, tcpip.OK
	case TCP_MAXSEG:
		return e.maxSegment(), tcpip.OK
	case TCP_WINDOW_CLAMP:
		if !e.opts.conf.clamped && e.opened {
			return e.tcb.WindowClamp(), tcpip.OK
		}
	case tcpip.SO_SNDBUF:
		if !e.opts.conf.SendBuffer.IsSet() && e.opened {
			return e.tcb.SendLimit(), tcpip.OK
		}
	case tcpip.SO_RCVBUF:
		switch {
		case e.opts.conf.ReceiveBuffer.IsSet():
		case e.opened:
			return e.tcb.ReceiveLimit(), tcpip.OK
		default:
			return max(e.opts.sock.ReceiveBuffer, 2*e.opts.conf.ReceiveLow), tcpip.OK
		}
	case TCP_QUICKACK:
		if e.opened {
			return boolToInt(e.tcb.QuickAck()), tcpip.OK
		}
	}
	if row := tcpip.FindOption(EndpointOptions, id, tcpip.KindTCP); row != nil {
		return row.Get(&e.opts.conf), tcpip.OK
	}
	if row := tcpip.FindOption(tcpip.SocketOptions, id, tcpip.KindTCP); row != nil {
		v := row.Get(&e.opts.sock)
		switch {
		case v < 0 && id == tcpip.IPV6_UNICAST_HOPS && e.route != nil:
			v = int(e.proto.stack.HopsTo(tcpip.FullAddress{Addr: e.id.Remote.Addr(), NIC: e.scope}))
		case v < 0 && (id == tcpip.IP_TTL || id == tcpip.IPV6_UNICAST_HOPS):
			v = int(e.proto.stack.DefaultTTL())
		}
		return v, tcpip.OK
	}
	return 0, tcpip.ErrNoProtocolOption
}

// maxSegment is what TCP_MAXSEG shows: the MSS in use, and where there is none, what was set or 536.
func (e *Endpoint) maxSegment() int {
	switch {
	case e.opts.conf.MaxSegment != 0 && !e.running:
		return e.opts.conf.MaxSegment
	case e.opened:
		return e.tcb.MSS()
	}
	return defaultMSS
}

// defaultMSS is what a peer is taken to accept that does not say (RFC 9293 §3.7.1), bytes.
const defaultMSS = 536

// SetCongestion chooses the congestion control algorithm by its name in Linux (TCP_CONGESTION).
//
// Errors: ErrNotFound for a name that is not known.
func (e *Endpoint) SetCongestion(name string) error {
	for i, n := range congestions {
		if n == name {
			w := e.begin()
			o := *e.opts
			o.conf.Congestion = Congestion(i)
			e.configure(&o)
			e.end(w)
			return nil
		}
	}
	return tcpip.ErrNotFound
}

// Congestion returns the name of the congestion control algorithm.
func (e *Endpoint) Congestion() string {
	w := e.begin()
	c := e.opts.conf.Congestion
	e.end(w)
	return congestions[c]
}

var congestions = [...]string{Cubic: "cubic", Reno: "reno", BBR: "bbr", DCTCP: "dctcp"}

// BBRInfo is what BBR says of itself (TCP_CC_INFO).
type BBRInfo = tcb.BBRInfo

// BBR returns what BBR knows of the path, and whether the connection uses it.
func (e *Endpoint) BBR() (i BBRInfo, ok bool) {
	w := e.begin()
	if e.opened {
		i, ok = e.tcb.BBR()
	}
	e.end(w)
	return i, ok
}

// DCTCPInfo is what DCTCP says of itself (TCP_CC_INFO).
type DCTCPInfo = tcb.DCTCPInfo

// DCTCP returns what DCTCP knows of the path, and whether the connection uses it.
func (e *Endpoint) DCTCP() (i DCTCPInfo, ok bool) {
	w := e.begin()
	if e.opened {
		i, ok = e.tcb.DCTCP()
	}
	e.end(w)
	return i, ok
}

// Info is what TCP_INFO says of a connection.
type Info = tcb.Info

// What Info says of accurate ECN.
type (
	MarkBytes     = tcb.MarkBytes
	AccECNOption  = tcb.AccECNOption
	AccECNFailure = tcb.AccECNFailure
)

// Info describes the connection; of an endpoint without one it says the state only.
func (e *Endpoint) Info() Info {
	w := e.begin()
	var i Info
	switch l := e.listener.Load(); {
	case l != nil:
		conf := &e.opts.conf.Conf
		i = Info{Cwnd: conf.InitialWindow, SendMSS: 1, Reordering: 3, MaxPacingRate: conf.MaxPacingRate}
		i.AcceptQueue, i.AcceptBacklog = l.waiting()
	case e.opened:
		i = e.tcb.Info(e.lock.now)
	default:
		i = tcb.UnopenedInfo(&e.opts.conf.Conf)
	}
	i.State = e.state()
	e.end(w)
	return i
}

// Timestamp returns the clock of the connection's timestamps (TCP_TIMESTAMP), ms.
func (e *Endpoint) Timestamp() uint32 {
	w := e.begin()
	v := e.tcb.TSVal(e.lock.now)
	e.end(w)
	return v
}

// setBacklogLimit follows the receive buffer with the bound of the backlog.
func (e *Endpoint) setBacklogLimit() {
	if limit := int32(e.tcb.ReceiveLimit() + backlogSlack); limit != e.backlogLimit.Load() {
		e.backlogLimit.Store(limit)
	}
}

// What Info.Options says was negotiated.
const (
	InfoTimestamps = tcb.InfoTimestamps
	InfoSACK       = tcb.InfoSACK
	InfoScaling    = tcb.InfoScaling
	InfoECN        = tcb.InfoECN
)
