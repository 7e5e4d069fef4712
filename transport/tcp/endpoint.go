package tcp

import (
	"context"
	"net/netip"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Endpoint is a TCP socket: unconnected, listening, or one end of a connection. All methods are safe
// for concurrent use, and none but Wait blocks.
type Endpoint struct {
	lock lock

	proto *Protocol
	v6    bool // made for IPv6; speaks IPv4 too unless IPV6_V6ONLY is set

	// All that follows, up to the atomics, is under the lock.
	phase   phase
	running bool // the machine runs: the connection is neither unopened nor over
	entered bool // id is in the demux
	opened  bool // the machine was initialised
	closed  bool // by the user
	orphan  bool // counted among the closed that still send
	gone    bool // has left the stack

	established bool        // the handshake was completed
	done        bool        // the peer's end has been received: reads end there, whatever comes later
	fixedPort   bool        // the user has chosen the port, which then outlives connections
	fixedAddr   bool        // and the address
	claimed     atomic.Bool // a user has accepted the connection, which the machine hears of with the next segment
	stale       bool        // the path's MTU has changed, and the next write is to see to it
	draining    bool        // the protocol's Drain waits for it
	df          bool        // set Don't Fragment
	pathless    bool        // what the path depends on has changed since something was sent
	deferred    bool        // connected as far as the user knows: the SYN waits for the first write
	shut        tcpip.Shutdown

	err     tcpip.Error // pending, for SO_ERROR and the next call
	tcb     tcb.TCB
	opts    *endpointOptions // never changed, but replaced
	id      stack.FlowID
	scope   tcpip.NICID // of a link-local peer or address
	hash    uint32
	route   *stack.Route
	mtu     int       // of packets along route, bytes
	began   Beginning // never changed
	binding *stack.Binding

	pathAt      tcpip.Time // when the path was last looked up
	confirmedAt tcpip.Time // when the neighbour was last confirmed
	retryAt     tcpip.Time // when to poll again after a refusal; zero: not

	timer  tcpip.Timer
	armed  tcpip.Time // when the timer fires; zero: it is not set
	seldom *seldom
	fast   *fastChild // began with fast open on a listener; nil for nearly all, and never changed

	// Read and written without the lock.
	below        atomic.Int64 // bytes in transmit queues
	refused      atomic.Int64 // bytes that were refused, whose completion is still to be reported
	waitBelow    atomic.Bool  // a completion is waited for
	backlogLimit atomic.Int32 // slab bytes
	device       atomic.Int32 // the NIC that segments must come by; 0: any
	ready        atomic.Uint32
	listener     atomic.Pointer[listener]
	filter       atomic.Pointer[stack.SocketFilter] // nil: never had one
	waiters      waiter.Queue
}

// seldom is what few endpoints need; the others do without its bytes.
type seldom struct {
	stamps   *stamps           // time stamps and completions; nil: there never were any
	secret   []byte            // TCP_MD5SIG: what is shared with the peer
	savedSyn []byte            // TCP_SAVED_SYN
	reports  []report          // for IP_RECVERR, oldest first
	reported int               // what they are charged against the receive buffer, bytes
	done     chan struct{}     // closed when the endpoint has left the stack; nil if nobody waits
	strays   stack.PacketList  // for the demux, once the lock is given up
	address  tcpip.FullAddress // bound to, without a port (IP_BIND_ADDRESS_NO_PORT)
	label    uint32            // the flow label of what is sent over IPv6; 0: the stack's

	unacked, notSent int               // what SIOCOUTQ and SIOCOUTQNSD show of a socket that was disconnected
	group            *stack.ReuseGroup // made by AttachReuse before binding
}

// rarely returns e.seldom, made on first use.
func (e *Endpoint) rarely() *seldom {
	if e.seldom == nil {
		e.seldom = new(seldom)
	}
	return e.seldom
}

// Stack returns the stack that the endpoint belongs to.
func (e *Endpoint) Stack() *stack.Stack { return e.proto.stack }

// Waiters is the queue that is told when Readiness may have grown.
func (e *Endpoint) Waiters() *waiter.Queue { return &e.waiters }

// Bind sets the local address, as bind(2) (RFC 9293 §3.9.1.1, MUST-43). Port 0 is an ephemeral port, which lasts as long as the next connection
// or listener; one that the user has chosen lasts until Close.
//
// Errors: ErrInvalid if e is bound already, ErrAddressFamily for an address of the other family,
// ErrAddrNotAvailable for one that is not ours (unless IP_FREEBIND or IP_TRANSPARENT), ErrAddrInUse.
func (e *Endpoint) Bind(local tcpip.FullAddress) error {
	w := e.begin()
	err := e.bind(local)
	e.end(w)
	return err.Err()
}

func (e *Endpoint) bind(local tcpip.FullAddress) tcpip.Error {
	b, err := e.bindingOf(local)
	if err != tcpip.OK {
		return err
	}
	if e.opts.sock.BindNoPort && b.Local.IsValid() && b.Port == 0 {
		e.rarely().address, e.fixedAddr, e.scope = local, true, b.NIC
		e.id = stack.FlowID{Proto: header.ProtocolTCP, Local: netip.AddrPortFrom(b.Local, 0)}
		return tcpip.OK
	}
	if err = e.place(b); err == tcpip.ErrAddrInUse { // then one that was connected has no address any more, as on Linux
		e.id.Local = netip.AddrPortFrom(netip.Addr{}, e.id.Local.Port())
	}
	return err
}

// place claims the port of b, or one that is free.
func (e *Endpoint) place(b *stack.Binding) tcpip.Error {
	fixed := b.Port != 0
	if err := e.proto.stack.Demux.Bind(b); err != tcpip.OK {
		return err
	}
	e.binding, e.scope = b, b.NIC
	e.fixedPort, e.fixedAddr = fixed, b.Local.IsValid()
	e.id = stack.FlowID{Proto: header.ProtocolTCP, Local: netip.AddrPortFrom(b.Local, b.Port)}
	if !e.v6 { // which goes on showing the path MTU of a connection that is over, as on Linux
		e.route = nil
	}
	return tcpip.OK
}

// unplaced returns the address that the endpoint was bound to without a port, zero if there is none.
func (e *Endpoint) unplaced() tcpip.FullAddress {
	if e.binding != nil || e.seldom == nil {
		return tcpip.FullAddress{}
	}
	return e.seldom.address
}

// limitedBroadcast means every host on the link.
var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// bindingOf returns what a local address means, if it may be bound.
func (e *Endpoint) bindingOf(local tcpip.FullAddress) (*stack.Binding, tcpip.Error) {
	if e.closed {
		return nil, tcpip.ErrClosed
	}
	if e.binding != nil || e.state() != tcb.StateClosed {
		return nil, tcpip.ErrInvalid
	}
	a := local.Addr.Unmap()
	v4, v6 := !e.v6 || !e.opts.sock.V6Only, e.v6
	switch {
	case !a.IsValid():
	case a.Is4() && e.v6 && e.opts.sock.V6Only:
		return nil, tcpip.ErrInvalid
	case a.Is6() && !e.v6:
		return nil, tcpip.ErrAddressFamily
	case a.Is4():
		v6 = false
	case !a.IsUnspecified():
		v4 = false
	}
	if a.IsValid() && a.IsUnspecified() {
		a = netip.Addr{}
	}
	nic := e.opts.sock.BoundNIC
	if e.v6 && local.Addr.IsValid() && local.Addr != netip.IPv6Unspecified() && nic != 0 && e.proto.stack.NIC(nic) == nil {
		return nil, tcpip.ErrNoDevice
	}
	if a.IsValid() {
		if a.IsLinkLocalUnicast() && a.Is6() {
			if nic == 0 {
				nic = local.NIC
			}
			if nic == 0 {
				return nil, tcpip.ErrInvalid
			}
		}
		// A group or a broadcast address may be had, as on Linux, and is good for nothing.
		many := a.Is4() && (a.IsMulticast() || a == limitedBroadcast || e.proto.stack.DirectedBroadcast(a))
		who, _, ours := e.proto.stack.LocalAddress(a)
		elsewhere := ours && a == netip.IPv6Loopback() && nic != 0 && who.ID() != nic // which is of one device only
		if elsewhere || !ours && !many && !e.anySource() {
			return nil, tcpip.ErrAddrNotAvailable
		}
	}
	return &stack.Binding{
		Proto: header.ProtocolTCP, V4: v4, V6: v6, Local: a, Port: local.Port, NIC: nic,
		ReuseAddr: e.opts.sock.ReuseAddr, ReusePort: e.opts.sock.ReusePort, Receiver: e,
		Ports: uint32(e.opts.sock.PortRange), Group: e.reuseGroup(),
	}, tcpip.OK
}

// Shares says what e's options allow others. The lock is held, or e is not known to anybody yet.
func (e *Endpoint) Shares() (addr, port bool) { return e.opts.sock.ReuseAddr, e.opts.sock.ReusePort }

// anySource reports whether e may have an address that the stack lacks.
func (e *Endpoint) anySource() bool { return e.opts.sock.FreeBind || e.opts.sock.Transparent }

// Close gives the endpoint up and returns at once. What is queued is still sent, and then FIN; unread
// data or SO_LINGER with zero make it a reset, as on Linux. A listener resets the connections that nobody
// has accepted and forgets those that are half open.
func (e *Endpoint) Close() {
	w := e.begin()
	if e.closed {
		e.end(w)
		return
	}
	queue := e.close(w)
	e.unlock(w)
	abandonAll(w, queue)
	w.End()
}

// close is Close with the lock held; it returns what a listener had not accepted.
func (e *Endpoint) close(w *stack.Work) []*Endpoint {
	e.closed = true
	var queue []*Endpoint
	if e.listener.Load() != nil {
		queue = e.unlisten()
	}
	if e.running {
		if n := e.proto.orphans.Add(1); n > e.proto.config.Load().orphanMax {
			e.proto.counters.TcpExt.TCPAbortOnMemory.Inc()
			e.tcb.Abort(e.lock.now)
		}
		e.orphan = true
	}
	if e.opened {
		e.tcb.Close(e.lock.now)
	}
	if e.seldom != nil {
		e.seldom.reports, e.seldom.reported = nil, 0
	}
	e.ready.Store(uint32(closedReadiness)) // the last to be published
	w.Wake(e.proto.stack, &e.waiters, waiter.All)
	return queue
}

// closedReadiness is what Readiness shows of a closed endpoint: no call has to wait any more.
const closedReadiness = waiter.Readable | waiter.Writable | waiter.HangUp | waiter.ReadHangUp

// Abort is Close with a RST (RFC 9293 §3.10.5).
func (e *Endpoint) Abort() {
	w := e.begin()
	e.abandon(w)
	w.End()
}

// abandon closes e with a RST and gives up the lock, which is held.
func (e *Endpoint) abandon(w *stack.Work) {
	if e.opened {
		e.tcb.Abort(e.lock.now)
	}
	var queue []*Endpoint
	if !e.closed {
		queue = e.close(w)
	}
	e.unlock(w)
	abandonAll(w, queue)
}

// abandonAll resets the connections that a listener leaves. No lock is held.
func abandonAll(w *stack.Work, queue []*Endpoint) {
	for _, c := range queue {
		c.lock.enter(c.proto.clock)
		c.abandon(w)
	}
}

// Wait returns when the closed endpoint has left the stack, or with ctx's error.
func (e *Endpoint) Wait(ctx context.Context) error {
	w := e.begin()
	gone := e.gone
	var done chan struct{}
	if !gone {
		if done = e.rarely().done; done == nil {
			done = make(chan struct{})
			e.seldom.done = done
		}
	}
	e.end(w)
	if gone {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// LocalAddress returns the local end, zero where it is not set.
func (e *Endpoint) LocalAddress() tcpip.FullAddress {
	local, _ := e.Addresses()
	return local
}

// Beginning is what is known of the packet with which a peer has completed a handshake.
type Beginning struct {
	NIC   tcpip.NICID // that it came by
	V4    bool
	TTL   uint8 // or the hop limit
	Class uint8 // TOS or traffic class
}

// Began returns how a connection that was accepted has begun, zero for any other endpoint.
func (e *Endpoint) Began() Beginning { return e.began }

// RemoteAddress returns the peer, zero while there is none.
func (e *Endpoint) RemoteAddress() tcpip.FullAddress {
	_, remote := e.Addresses()
	return remote
}

// Addresses returns both ends at once, as LocalAddress and RemoteAddress do.
func (e *Endpoint) Addresses() (local, remote tcpip.FullAddress) {
	w := e.begin()
	local = tcpip.FullAddress{NIC: e.scope, Addr: e.id.Local.Addr(), Port: e.id.Local.Port()}
	remote = tcpip.FullAddress{Addr: e.id.Remote.Addr(), Port: e.id.Remote.Port()}
	if remote.Addr.IsValid() {
		remote.NIC = e.scope
	}
	e.end(w)
	return local, remote
}

// LastError returns the pending error and clears it (SO_ERROR), or else what ICMP has said of a connection that
// goes on. (RFC 9293 §3.9.1.8, MUST-47)
func (e *Endpoint) LastError() error {
	w := e.begin()
	err := e.lastError()
	e.end(w)
	return err.Err()
}

func (e *Endpoint) lastError() tcpip.Error {
	err := e.takeError()
	if err == tcpip.OK && e.running {
		err = e.tcb.SoftError()
	}
	return err
}

func (e *Endpoint) takeError() tcpip.Error {
	err := e.err
	e.err = tcpip.OK
	return err
}
