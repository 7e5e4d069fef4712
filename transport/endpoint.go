package transport

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Outer is the endpoint that a Datagram is embedded in.
type Outer interface {
	stack.Endpoint
	stack.Receiving
}

// Datagram is the endpoint of a datagram protocol but for Deliver, which its Outer adds. Init makes it
// ready. It is safe for concurrent use.
type Datagram struct {
	proto   *Protocol
	outer   Outer
	v6      bool // made for IPv6: speaks IPv4 too unless IPV6_V6ONLY
	waiters waiter.Queue
	queue   queue
	raw     *raw // nil: this is no raw endpoint

	mu                  sync.Mutex
	conf                tcpip.SocketConf
	born                tcpip.Time      // when it was made
	passed              stack.FlowCount // sent
	claim               claim
	peer                tcpip.FullAddress // connected to; zero if not
	cache               cache
	pathless            bool   // what the peer's path depends on has changed since it was looked for
	nextStamp, nextZero uint32 // the numbers of the next packet with a time, and of the next WriteZeroCopy
	wish                *wish  // of the packet being sent
	tag                 tag
	corked              *cork // the datagram in the making; nil: there is none
	shut                tcpip.Shutdown
	closed              bool
	groups              Memberships
	groupSource         netip.Addr        // of sent IPv4 multicast, if nothing else says; zero: the route's
	headers             *sentHeaders      // nil: there is nothing about them
	sendConf            stack.SendOptions // of the packet being sent; here so that it need not be allocated

	// What the delivering side reads without mu.
	flags     atomic.Uint64 // see flagsOf
	connected atomic.Bool
	err       atomic.Uint32 // SO_ERROR: a tcpip.Error
	arrival   atomic.Int64  // of the datagram that was read last, a tcpip.Time; 0: none, -1: nobody has asked
	filter    stack.SocketFilter

	group *stack.ReuseGroup // made by AttachReuse before binding; under mu

	// Sending: bytes charged and not yet completed, and their limit.
	sent, sendLimit atomic.Int64

	closing  atomic.Bool
	finished atomic.Bool
	done     chan struct{} // closed when a closed endpoint has left

	prev, next *Datagram // in proto's list
}

// Init makes d, embedded in outer, an endpoint of p for the family of netProto.
//
// Errors: ErrProtocolNotSupported if the protocol does not speak that family, ErrClosed after the
// protocol's Close, ErrTooMany if the stack has all the endpoints that it may.
func (d *Datagram) Init(p *Protocol, outer Outer, netProto header.EtherType) tcpip.Error {
	d.proto, d.outer = p, outer
	d.v6 = netProto == header.EtherTypeIPv6
	if p.number(d.v6) == 0 || !d.v6 && netProto != header.EtherTypeIPv4 {
		return tcpip.ErrProtocolNotSupported
	}
	if p.stack.Full() {
		return tcpip.ErrTooMany
	}
	d.conf = p.stack.SocketConf()
	d.born = p.stack.Now()
	d.conf.V6Only = d.v6 && p.shape.Proto4 == 0
	d.conf.ReuseAddr = p.shape.Share
	d.queue.peekAt = d.conf.PeekOffset
	d.arrival.Store(-1)
	d.done = make(chan struct{})
	d.apply()
	p.stack.Register(outer) // before Close can find it
	if !p.enter(d) {
		p.stack.Unregister(outer)
		return tcpip.ErrClosed
	}
	return tcpip.OK
}

// Stack returns the stack that the endpoint belongs to.
func (d *Datagram) Stack() *stack.Stack { return d.proto.stack }

// Waiters is the queue that is told when Readiness may have grown.
func (d *Datagram) Waiters() *waiter.Queue { return &d.waiters }

// Readiness returns those conditions of mask, and of waiter.Always, that hold now. As on Linux an
// endpoint is writable while less than half of its send buffer is in use.
func (d *Datagram) Readiness(mask waiter.Events) waiter.Events {
	ev := d.queue.readiness()
	if 2*d.sent.Load() < d.sendLimit.Load() {
		ev |= waiter.Writable
	}
	if d.err.Load() != 0 {
		ev |= waiter.Error
	}
	return ev & (mask | waiter.Always)
}

// Listen is not for datagrams: ErrNotSupported.
func (d *Datagram) Listen(int) error { return tcpip.ErrNotSupported }

// Accept is not for datagrams: ErrNotSupported.
func (d *Datagram) Accept() (tcpip.Endpoint, error) { return nil, tcpip.ErrNotSupported }

// LocalAddress returns the address and port that the endpoint is bound to. The address is zero while it
// is any; Connect chooses one.
func (d *Datagram) LocalAddress() tcpip.FullAddress {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.claim.bound {
		return tcpip.FullAddress{NIC: d.claim.wanted.NIC, Addr: plain(d.claim.wanted.Addr)}
	}
	b := &d.claim.binding
	addr := b.Local
	if d.claim.shown.IsValid() {
		addr = d.claim.shown
	}
	return tcpip.FullAddress{NIC: b.NIC, Addr: addr, Port: b.Port}
}

// RemoteAddress returns the address that the endpoint is connected to, zero if it is not.
func (d *Datagram) RemoteAddress() tcpip.FullAddress {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peer
}

// Shutdown ends one direction or both: writes then fail with ErrPipe, and reads report the end, with 0
// bytes from nobody, when the queue is empty.
//
// Errors: ErrNotConnected if the endpoint is not connected, although, as on Linux, the directions end all
// the same. ErrInvalid for no direction, ErrClosed after Close.
func (d *Datagram) Shutdown(dir tcpip.Shutdown) error {
	if dir == 0 || dir&^(tcpip.ShutdownRead|tcpip.ShutdownWrite) != 0 {
		return tcpip.ErrInvalid
	}
	w := d.proto.stack.Begin()
	d.mu.Lock()
	err := tcpip.OK
	switch {
	case d.closed:
		err = tcpip.ErrClosed
	case !d.connected.Load():
		err = tcpip.ErrNotConnected
	}
	if !d.closed {
		d.shut |= dir
		d.queue.shutdown(d.shut)
	}
	d.mu.Unlock()
	w.Wake(d.proto.stack, &d.waiters, waiter.All)
	w.End()
	return err.Err()
}

// Close gives the endpoint up: its port, its groups and what it has queued. What was sent goes on its way.
func (d *Datagram) Close() {
	w := d.proto.stack.Begin()
	d.close(w)
	w.End()
}

func (d *Datagram) close(w *stack.Work) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	d.closed = true
	d.uncork(w)
	d.release()
	if d.raw != nil {
		d.leaveRaw()
	}
	d.connected.Store(false)
	d.peer, d.cache = tcpip.FullAddress{}, cache{}
	groups := d.groups
	d.groups = Memberships{}
	d.mu.Unlock()

	groups.LeaveAll()
	d.queue.close(d.proto)
	d.proto.leave(d)
	w.Wake(d.proto.stack, &d.waiters, waiter.All)
	d.closing.Store(true)
	if d.sent.Load() == 0 {
		d.finish()
	}
}

// finish ends a closed endpoint, once nothing that it has sent is on its way any more.
func (d *Datagram) finish() {
	if d.finished.Swap(true) {
		return
	}
	d.proto.stack.Unregister(d.outer)
	close(d.done)
}

// Wait returns when a closed endpoint has left the stack: every packet that it sent was taken by a link,
// or dropped, and everything that it held is given back. It returns ctx's error if that comes first.
func (d *Datagram) Wait(ctx context.Context) error {
	select {
	case <-d.done:
		return nil
	default:
	}
	select {
	case <-d.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// LastError returns the pending error and clears it (SO_ERROR).
func (d *Datagram) LastError() error { return d.takeError().Err() }

// takeError is LastError for use inside. It costs nothing while there is no error.
func (d *Datagram) takeError() tcpip.Error {
	if d.err.Load() == 0 {
		return tcpip.OK
	}
	return tcpip.Error(d.err.Swap(0))
}
