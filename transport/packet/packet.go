// Package packet has the endpoints of packet sockets (Linux's AF_PACKET, packet(7)): they see the packets of NICs
// before the network protocols do, and those that are about to leave, and send packets past the protocols.
//
// A Raw endpoint sees and writes the link's header, a Cooked one has it described by an Address. Links of bare packets
// (TUN) have no header; a loopback is shown with Ethernet's, all zero, as on Linux.
//
// An endpoint hears of nothing before it has a protocol, an EtherType or All. With another than All it hears of what is
// received only. Besides reading, it can have a ring: memory that it shares with its user (Ring).
package packet

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Mode says what of a packet the user sees.
type Mode uint8

// The modes.
const (
	Raw    Mode = iota // with the link's header (SOCK_RAW)
	Cooked             // without (SOCK_DGRAM)
)

// All stands for every EtherType (ETH_P_ALL).
const All header.EtherType = 0x0003

// Address is a struct sockaddr_ll: where an endpoint is bound, whence a packet came, whither one is sent.
type Address struct {
	NIC       tcpip.NICID
	EtherType header.EtherType
	Hardware  uint16 // ARPHRD_*; received only
	Type      stack.PacketType
	Link      tcpip.LinkAddr // received: the sender's; sending with Cooked: the destination
	LinkLen   int            // bytes of Link that are one: 6, or 0 on a link without addresses
}

// Endpoint is one packet socket. It is safe for concurrent use.
type Endpoint struct {
	stack   *stack.Stack
	mode    Mode
	waiters waiter.Queue
	filter  stack.SocketFilter
	queue   queue
	err     atomic.Uint32 // SO_ERROR: a tcpip.Error

	mu       sync.Mutex // guards what follows; held while sending, never while calling out
	conf     tcpip.SocketConf
	options  Conf
	nic      tcpip.NICID // bound to; 0: all
	proto    header.EtherType
	watching bool
	members  []membership
	closed   bool

	// What receiving reads without mu.
	flags  atomic.Uint32
	fanout atomic.Pointer[fanoutGroup]

	rolled, unrolled atomic.Uint64 // see RolloverStatistics

	sent, sendLimit atomic.Int64 // bytes charged and not yet completed, and their limit
	finished        atomic.Bool
	done            chan struct{} // closed when a closed endpoint has left
}

// New makes an endpoint that hears of proto's packets on all NICs at once, of none if that is 0.
//
// Errors: ErrTooMany, ErrClosed after the stack's Close.
func New(s *stack.Stack, mode Mode, proto header.EtherType) (*Endpoint, error) {
	if s.Full() {
		return nil, tcpip.ErrTooMany
	}
	e := &Endpoint{stack: s, mode: mode, conf: s.SocketConf(), done: make(chan struct{})}
	tcpip.Defaults(Options, &e.options)
	e.apply()
	s.Register(e)
	e.mu.Lock()
	err := e.listen(0, proto)
	e.mu.Unlock()
	if err != tcpip.OK {
		s.Unregister(e)
		return nil, err
	}
	return e, nil
}

// Stack returns the stack that the endpoint belongs to.
func (e *Endpoint) Stack() *stack.Stack { return e.stack }

// Waiters is the queue that is told when Readiness may have grown.
func (e *Endpoint) Waiters() *waiter.Queue { return &e.waiters }

// SocketFilter is the endpoint's BPF program. It sees what the user would see of a packet.
func (e *Endpoint) SocketFilter() *stack.SocketFilter { return &e.filter }

// BindLink makes the endpoint hear of an EtherType, 0 for the one it has, on one NIC, 0 for all. What is queued stays.
//
// Errors: ErrNoDevice if there is no such NIC, ErrInvalid in a fanout group, ErrClosed. On a NIC that is down it
// succeeds, but ErrNetDown is pending then.
func (e *Endpoint) BindLink(a Address) error {
	w := e.stack.Begin()
	e.mu.Lock()
	err, down := e.bind(a), false
	if err == tcpip.OK && a.NIC != 0 {
		n := e.stack.NIC(a.NIC)
		down = n == nil || !n.Up()
	}
	e.mu.Unlock()
	if down {
		e.fail(w, tcpip.ErrNetDown)
	}
	w.End()
	return err.Err()
}

func (e *Endpoint) bind(a Address) tcpip.Error {
	switch {
	case e.closed:
		return tcpip.ErrClosed
	case e.fanout.Load() != nil:
		return tcpip.ErrInvalid
	case a.NIC != 0 && e.stack.NIC(a.NIC) == nil:
		return tcpip.ErrNoDevice
	}
	if a.EtherType == 0 {
		a.EtherType = e.proto
	}
	return e.listen(a.NIC, a.EtherType)
}

// listen makes the stack show what is asked for. mu is held.
func (e *Endpoint) listen(nic tcpip.NICID, proto header.EtherType) tcpip.Error {
	var v *stack.Watch
	if proto != 0 {
		v = &stack.Watch{NIC: nic, EtherType: proto, Watcher: e}
		if proto == All {
			v.EtherType = 0
		}
	}
	if v != nil || e.watching {
		if err := e.stack.SetWatch(e, v); err != tcpip.OK {
			return err
		}
	}
	e.nic, e.proto, e.watching = nic, proto, v != nil
	return tcpip.OK
}

// Bound returns what the endpoint is bound to, with what the NIC's link is like.
func (e *Endpoint) Bound() Address {
	e.mu.Lock()
	a := Address{NIC: e.nic, EtherType: e.proto}
	e.mu.Unlock()
	if n := e.stack.NIC(a.NIC); n != nil {
		a.Hardware = n.HardwareType()
		a.Link, a.LinkLen = n.Info().Address, linkAddrLen(n)
	}
	return a
}

// linkAddrLen returns the bytes of an address on a NIC's link.
func linkAddrLen(n *stack.NIC) int {
	if n.LinkHeaderLen() == 0 {
		return 0
	}
	return len(tcpip.LinkAddr{})
}

// Bind is BindLink with an Address of the NIC and, as EtherType, the Port.
func (e *Endpoint) Bind(a tcpip.FullAddress) error {
	return e.BindLink(Address{NIC: a.NIC, EtherType: header.EtherType(a.Port)})
}

// LocalAddress returns the NIC and, as Port, the EtherType that the endpoint is bound to.
func (e *Endpoint) LocalAddress() tcpip.FullAddress {
	a := e.Bound()
	return tcpip.FullAddress{NIC: a.NIC, Port: uint16(a.EtherType)}
}

// RemoteAddress returns the zero FullAddress.
func (e *Endpoint) RemoteAddress() tcpip.FullAddress { return tcpip.FullAddress{} }

// Connect is not for packets: ErrNotSupported.
func (e *Endpoint) Connect(tcpip.FullAddress) error { return tcpip.ErrNotSupported }

// Listen is not for packets: ErrNotSupported.
func (e *Endpoint) Listen(int) error { return tcpip.ErrNotSupported }

// Accept is not for packets: ErrNotSupported.
func (e *Endpoint) Accept() (tcpip.Endpoint, error) { return nil, tcpip.ErrNotSupported }

// Shutdown is not for packets: ErrNotSupported.
func (e *Endpoint) Shutdown(tcpip.Shutdown) error { return tcpip.ErrNotSupported }

// Readiness returns those conditions of mask, and of waiter.Always, that hold now.
func (e *Endpoint) Readiness(mask waiter.Events) waiter.Events {
	var ev waiter.Events
	if e.queue.readable() {
		ev |= waiter.Readable
	}
	if 2*e.sent.Load() < e.sendLimit.Load() {
		ev |= waiter.Writable
	}
	if e.err.Load() != 0 {
		ev |= waiter.Error
	}
	return ev & (mask | waiter.Always)
}

// LastError returns the pending error and clears it (SO_ERROR).
func (e *Endpoint) LastError() error { return e.takeError().Err() }

func (e *Endpoint) takeError() tcpip.Error {
	if e.err.Load() == 0 {
		return tcpip.OK
	}
	return tcpip.Error(e.err.Swap(0))
}

func (e *Endpoint) fail(w *stack.Work, err tcpip.Error) {
	e.err.Store(uint32(err))
	w.Wake(e.stack, &e.waiters, waiter.Error)
}

// WatchEnds makes ErrNetDown pending when the NIC that the endpoint is bound to goes down; it hears of it again once
// that is up.
func (e *Endpoint) WatchEnds(w *stack.Work, _ *stack.NIC, up bool) {
	if !up {
		e.fail(w, tcpip.ErrNetDown)
	}
}

// Close gives the endpoint up, its memberships, its ring and what it has queued. What was sent goes on its way.
func (e *Endpoint) Close() {
	w := e.stack.Begin()
	e.CloseWatch(w)
	w.End()
}

// CloseWatch is Close within a frame.
func (e *Endpoint) CloseWatch(w *stack.Work) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.closed = true
	watching := e.watching
	e.leaveFanout()
	members := e.members
	e.members = nil
	e.mu.Unlock()
	if watching {
		e.stack.SetWatch(e, nil)
	}
	for i := range members {
		members[i].undo(e.stack)
	}
	e.queue.close()
	w.Wake(e.stack, &e.waiters, waiter.All)
	if e.sent.Add(-1) < 0 { // the endpoint's own share, so that the last completion or this ends it
		e.finish()
	}
}

func (e *Endpoint) finish() {
	if e.finished.Swap(true) {
		return
	}
	e.stack.Unregister(e)
	close(e.done)
}

// Wait returns when a closed endpoint has left the stack, or with ctx's error.
func (e *Endpoint) Wait(ctx context.Context) error {
	select {
	case <-e.done:
		return nil
	default:
	}
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Completed gives the room of packets back that have left. It is called by the frame that sent them.
func (e *Endpoint) Completed(w *stack.Work, charge int) {
	left := e.sent.Add(-int64(charge))
	limit := e.sendLimit.Load()
	if 2*left < limit && 2*(left+int64(charge)) >= limit {
		w.Wake(e.stack, &e.waiters, waiter.Writable)
	}
	if left < 0 {
		e.finish()
	}
}
