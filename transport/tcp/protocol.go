// Package tcp is the Transmission Control Protocol (RFC 9293) as endpoints of a stack: the shell
// around the machine of internal/tcb. The machine decides; the shell owns the lock, the timer, the
// packets and the waiters, listens, connects, and keeps the small records of connections that are
// half open or over.
package tcp

import (
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Protocol is TCP in one stack.
type Protocol struct {
	stack    *stack.Stack
	clock    tcpip.Clock
	counters *stack.Counters
	tallies  [tcb.NumTallies]*stack.Counter
	config   atomic.Pointer[config]

	halfOpen  halfOpens
	timeWaits timeWaits
	orphans   atomic.Int64
	drain     drain
	closed    atomic.Bool

	cookies    tcb.Cookies
	cookieSent atomic.Int64 // when the last one was sent, tcpip.Time; zero: never

	fastOpen fastOpens
	handler  atomic.Pointer[Handler] // of SYNs that no endpoint wants; nil: there is none

	resets     limiter
	challenges limiter

	scratches sync.Pool
}

func newProtocol(s *stack.Stack, o *Options) *Protocol {
	t := &Protocol{stack: s, clock: s.Clock(), counters: s.Counters()}
	s.Refuse(o.Check())
	c := o.config(s.SocketConf())
	t.config.Store(&c)
	t.tallies = tallyCounters(t.counters)
	t.cookies = tcb.NewCookies(s.Keys().Cookie)
	t.fastOpen.proto = t
	t.fastOpen.configure(o)
	t.halfOpen.init(t)
	t.timeWaits.init(t)
	t.resets.init(s.Random(), o.ResetRate.Or(resetRate))
	t.challenges.init(s.Random(), o.ChallengeRate.Or(challengeRate))
	return t
}

// Number is TCP's IP protocol number.
func (t *Protocol) Number() header.Protocol { return header.ProtocolTCP }

// NewEndpoint makes an endpoint that is neither bound nor connected.
//
// Errors: ErrClosed after the stack was closed.
func (t *Protocol) NewEndpoint(netProto header.EtherType) (stack.Endpoint, error) {
	if t.closed.Load() {
		return nil, tcpip.ErrClosed
	}
	e := &Endpoint{proto: t, v6: netProto == header.EtherTypeIPv6, opts: t.config.Load().initial}
	e.publish()
	t.stack.Register(e)
	if t.closed.Load() { // Close may have looked at the register before
		e.Close()
		return nil, tcpip.ErrClosed
	}
	return e, nil
}

// Close resets all connections, forgets those that are half open or over, and stops the timers.
func (t *Protocol) Close(w *stack.Work) {
	t.closed.Store(true)
	for _, other := range t.stack.Endpoints() {
		if e, ok := other.(*Endpoint); ok {
			e.lock.enter(t.clock)
			e.abandon(w)
		}
	}
	if h := t.handler.Load(); h != nil {
		h.close()
	}
	t.halfOpen.close(w)
	t.timeWaits.close()
}

// scratch is what a frame needs to send and must not allocate.
type scratch struct {
	out    tcb.Out
	send   stack.SendOptions
	secret []byte // that reply signs with, nil if it does not

	options header.IPv4Sent // that send refers to
}

func (t *Protocol) getScratch() *scratch {
	if s, _ := t.scratches.Get().(*scratch); s != nil {
		return s
	}
	return new(scratch)
}

func (t *Protocol) putScratch(s *scratch) {
	s.secret = nil
	t.scratches.Put(s)
}

var (
	_ stack.TransportProtocol = (*Protocol)(nil)
	_ stack.Endpoint          = (*Endpoint)(nil)
	_ stack.Receiving         = (*Endpoint)(nil)
	_ stack.Owner             = (*Endpoint)(nil)
)
