// Package gonet is the stack's face for Go programs: net.Conn, net.Listener and net.PacketConn over
// endpoints, with the methods that users of *net.TCPConn and *net.UDPConn expect.
//
//	d := gonet.Dialer{Stack: s}
//	conn, err := d.DialContext(ctx, "tcp", "192.0.2.1:80")
//
//	l, err := (&gonet.ListenConfig{Stack: s}).Listen(ctx, "tcp", ":80")
//
// Errors are *net.OpError, as in package net: errors.Is finds net.ErrClosed, os.ErrDeadlineExceeded,
// the errors of package context, tcpip.Error and syscall.Errno in them. Deadlines and timeouts run on
// the stack's clock; under a manual clock a blocked call waits until somebody else moves it.
package gonet

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// conn is what all kinds of connections share: an endpoint, and for each direction a deadline and a
// place to wait. Its methods are safe for concurrent use.
type conn struct {
	ep            stack.Endpoint
	network       string // "tcp", "udp"
	local, remote tcpip.FullAddress
	closed        atomic.Bool
	in, out       direction
}

// direction is one of the two directions of a conn.
type direction struct {
	turn    sync.Mutex                    // held by the one call that waits
	waiter  atomic.Pointer[waiter.Waiter] // made and registered when somebody first waits
	expired atomic.Bool                   // the deadline has passed

	mu       sync.Mutex // guards what follows
	deadline tcpip.Time // zero: none
	armed    tcpip.Time // when the timer fires; zero: it does not
	timer    tcpip.Timer
}

func (c *conn) init(ep stack.Endpoint, network string) {
	c.ep, c.network = ep, network
	if a, ok := ep.(interface {
		Addresses() (local, remote tcpip.FullAddress)
	}); ok { // in one frame
		c.local, c.remote = a.Addresses()
		return
	}
	c.local, c.remote = ep.LocalAddress(), ep.RemoteAddress()
}

// Endpoint returns the endpoint below, for the options that have no method here. It remains c's.
func (c *conn) Endpoint() stack.Endpoint { return c.ep }

// check returns why no operation may be begun or continued in d.
func (c *conn) check(d *direction) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	if d.expired.Load() {
		return timeoutError{}
	}
	return nil
}

// wait returns when it may be worth while to try again what ended in ErrWouldBlock; the caller holds
// d.turn, and calls check before it tries. The waiter stays registered once it was needed: that saves
// two rounds of the queue's lock for every call that blocks.
func (c *conn) wait(d *direction, mask waiter.Events) {
	if w := d.waiter.Load(); w != nil {
		<-w.C()
		return
	}
	w := waiter.NewChannel(mask)
	d.waiter.Store(w)
	c.ep.Waiters().Register(w)
}

// wake makes the call that waits, if any, look up.
func (d *direction) wake() {
	if w := d.waiter.Load(); w != nil {
		w.Signal()
	}
}

// close ends both directions and gives the endpoint up. It reports false if that was done before.
func (c *conn) close() bool {
	if c.closed.Swap(true) {
		return false
	}
	c.ep.Close()
	for _, d := range [...]*direction{&c.in, &c.out} {
		d.mu.Lock()
		d.disarm()
		d.mu.Unlock()
		d.wake()
	}
	return true
}

// Close closes the connection. Blocked calls return with net.ErrClosed.
func (c *conn) Close() error {
	if !c.close() {
		return c.fail("close", net.ErrClosed)
	}
	return nil
}

// SetDeadline sets both deadlines; the zero time means none.
func (c *conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.in, &c.out) }

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on, those that are blocked too.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.in) }

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded from t on, those that are blocked too.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.out) }

func (c *conn) setDeadlines(t time.Time, ds ...*direction) error {
	if c.closed.Load() {
		return c.fail("set", net.ErrClosed)
	}
	clock := c.ep.Stack().Clock()
	var at tcpip.Time
	if !t.IsZero() {
		now := clock.Now()
		at = max(now.Add(min(t.Sub(clock.Wall(now)), farthest)), 1)
	}
	for _, d := range ds {
		d.setDeadline(clock, at)
	}
	if c.closed.Load() { // meanwhile: leave no timer behind
		for _, d := range ds {
			d.setDeadline(clock, 0)
		}
	}
	return nil
}

// farthest is as far away as a deadline can be: beyond lies the end of what a tcpip.Time can say.
const farthest = 100 * 365 * 24 * time.Hour

func (d *direction) setDeadline(clock tcpip.Clock, at tcpip.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deadline = at
	now := clock.Now()
	expired := at != 0 && at <= now
	d.expired.Store(expired)
	switch {
	case expired:
		d.disarm()
		d.wake()
	case at == 0:
		d.disarm()
	case d.armed == 0 || at < d.armed: // a timer that fires earlier will set itself anew
		d.arm(clock, now)
	}
}

func (d *direction) arm(clock tcpip.Clock, now tcpip.Time) {
	d.armed = d.deadline
	if d.timer == nil {
		d.timer = clock.AfterFunc(d.deadline.Sub(now), func() { d.fire(clock) })
		return
	}
	d.timer.Reset(d.deadline.Sub(now))
}

func (d *direction) disarm() {
	d.armed, d.deadline = 0, 0
	if d.timer != nil {
		d.timer.Stop()
	}
}

// fire looks at the deadline as it is now; the timer may have been set for an earlier one.
func (d *direction) fire(clock tcpip.Clock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed = 0
	if d.deadline == 0 {
		return
	}
	if now := clock.Now(); d.deadline > now {
		d.arm(clock, now)
		return
	}
	d.expired.Store(true)
	d.wake()
}

// SetReadBuffer sets the limit of the receive queue, in bytes (SO_RCVBUF). It ends automatic tuning.
func (c *conn) SetReadBuffer(bytes int) error { return c.setOption(tcpip.SO_RCVBUF, bytes) }

// SetWriteBuffer sets the limit of the send queue, in bytes (SO_SNDBUF). It ends automatic tuning.
func (c *conn) SetWriteBuffer(bytes int) error { return c.setOption(tcpip.SO_SNDBUF, bytes) }

func (c *conn) setOption(id tcpip.OptionID, v int) error {
	if c.closed.Load() {
		return c.fail("set", net.ErrClosed)
	}
	if err := c.ep.SetOption(id, v); err != nil {
		return c.fail("set", err)
	}
	return nil
}

func number(on bool) int {
	if on {
		return 1
	}
	return 0
}
