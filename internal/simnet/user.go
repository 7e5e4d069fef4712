package simnet

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Closing is how a User ends its side.
type Closing int

// The ways.
const (
	CloseAfterEOF     Closing = iota // finish writing, read to the end, close
	CloseAfterWriting                // close as soon as everything is written; the stack sends the rest
	CloseMidway                      // close with data unread and unwritten
	AbortMidway                      // reset
	NumClosings
)

// Plan is what a User does.
type Plan struct {
	Send    int // bytes to write
	Closing Closing
	Midway  int           // bytes received and written together after which CloseMidway and AbortMidway act
	Pause   time.Duration // after each Read, so that the window fills; 0: read what is there
	Chunk   int           // most bytes per call
}

// User drives one end of a TCP connection and checks what it receives: the n-th byte of a stream has a
// value that only n decides.
type User struct {
	Plan     Plan
	Written  int
	Received int
	EOF      bool  // the peer has finished
	Err      error // what the connection failed with
	Bad      error // a broken promise
	Closed   bool

	net     *Net
	ep      stack.Endpoint
	rand    *rand.Rand
	waiter  *waiter.Waiter
	buf     []byte
	pausing bool
	busy    bool // in pump
	again   bool // an event came meanwhile
	ended   bool // Shutdown(Write) is done
}

func pattern(i int) byte { return byte(i*31 + i>>7 + i>>15) }

// Use makes a User of ep, which may still be connecting.
func (n *Net) Use(ep stack.Endpoint, p Plan) *User {
	if p.Chunk <= 0 {
		p.Chunk = 64 << 10
	}
	u := &User{Plan: p, net: n, ep: ep, rand: rand.New(rand.NewPCG(n.Rand.Uint64(), 1)), buf: make([]byte, p.Chunk)}
	u.waiter = waiter.NewFunc(waiter.All, func(waiter.Events) { u.pump() })
	ep.Waiters().Register(u.waiter)
	n.Clock.AfterFunc(0, u.pump)
	return u
}

// Finished reports whether the user has closed its endpoint.
func (u *User) Finished() bool { return u.Closed }

// Endpoint returns the endpoint.
func (u *User) Endpoint() stack.Endpoint { return u.ep }

// pump does whatever can be done without waiting. Its own calls into the endpoint may raise events: those
// make it go round again instead of starting it inside itself.
func (u *User) pump() {
	u.again = true
	if u.busy {
		return
	}
	u.busy = true
	defer func() { u.busy = false }()
	for progress := true; (progress || u.again) && !u.Closed; {
		u.again = false
		progress = u.write()
		if !u.pausing && !u.Closed {
			progress = u.read() || progress
		}
		u.maybeClose()
	}
}

func (u *User) write() bool {
	if u.Err != nil || u.Written == u.Plan.Send {
		if !u.ended && u.Err == nil && u.Plan.Closing == CloseAfterEOF {
			switch err := u.ep.Shutdown(tcpip.ShutdownWrite); err {
			case nil:
				u.ended = true
			case tcpip.ErrNotConnected: // still connecting: try again on the next event
			default:
				u.fail(err)
			}
		}
		return false
	}
	n := min(1+u.rand.IntN(u.Plan.Chunk), u.Plan.Send-u.Written)
	for i := range n {
		u.buf[i] = pattern(u.Written + i)
	}
	took, err := u.ep.Write(u.buf[:n], tcpip.WriteOptions{})
	u.Written += took
	if err != nil && err != tcpip.ErrWouldBlock && err != tcpip.ErrNotConnected {
		u.fail(err)
	}
	return err == nil && took > 0
}

func (u *User) read() bool {
	if u.EOF || u.Err != nil {
		return false
	}
	r, err := u.ep.Read(u.buf[:1+u.rand.IntN(u.Plan.Chunk)], tcpip.ReadOptions{})
	switch {
	case err == tcpip.ErrWouldBlock || err == tcpip.ErrNotConnected:
		return false
	case err != nil:
		u.fail(err)
		return false
	case r.Count == 0:
		u.EOF = true
		return true
	}
	for i, b := range u.buf[:r.Count] {
		if b != pattern(u.Received+i) {
			u.Bad = fmt.Errorf("byte %d is %#x instead of %#x", u.Received+i, b, pattern(u.Received+i))
			u.close()
			return false
		}
	}
	u.Received += r.Count
	if u.Plan.Pause > 0 {
		u.pausing = true
		u.net.Clock.AfterFunc(u.Plan.Pause, func() {
			u.pausing = false
			u.pump()
		})
		return false
	}
	return true
}

func (u *User) fail(err error) {
	u.Err = err
	if u.ep.Readiness(waiter.HangUp)&waiter.HangUp != 0 {
		u.close()
	}
}

func (u *User) maybeClose() {
	if u.Closed {
		return
	}
	midway := u.Received+u.Written >= u.Plan.Midway
	switch {
	case u.Err != nil:
		u.close()
	case u.Plan.Closing == CloseAfterEOF && u.ended && u.EOF,
		u.Plan.Closing == CloseAfterWriting && u.Written == u.Plan.Send && u.EOF,
		u.Plan.Closing == CloseMidway && midway:
		u.close()
	case u.Plan.Closing == AbortMidway && midway:
		_ = u.ep.SetOption(tcpip.SO_LINGER, 0)
		u.close()
	}
}

func (u *User) close() {
	if u.Closed {
		return
	}
	u.Closed = true
	u.ep.Waiters().Unregister(u.waiter)
	u.ep.Close()
}
