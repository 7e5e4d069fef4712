package tcp

import (
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// fastOpens is what a stack knows for TCP Fast Open: its settings, and the cookies of servers.
type fastOpens struct {
	proto     *Protocol
	bits      atomic.Uint32
	keys      atomic.Pointer[FastOpenKeys] // nil until somebody needs them
	blackhole atomic.Int64                 // ns

	mu    sync.Mutex // a leaf; guards what follows
	cache map[fastPeer]*fastEntry
	order []fastPeer // oldest first
	holes int        // times in a row that SYNs with data seem to have been swallowed
	since tcpip.Time // when that was last
}

// fastPeer is what a cookie is for: it depends on both addresses.
type fastPeer struct{ local, remote netip.Addr }

// fastEntry is what is known of a server.
type fastEntry struct {
	cookie tcb.FastCookie
	mss    int
	try    fastTry
}

// fastTry is the form of the option to ask with.
type fastTry uint8

const (
	tryStandard     fastTry = iota
	tryExperimental         // the server has not answered the standard form
	tryAgain                // nor the other
)

// fastPlan is how a connection is to be opened.
type fastPlan struct {
	off    bool // as if there were no fast open
	cookie tcb.FastCookie
	option bool
	data   bool
	mss    int
}

// plan decides how a connection between two addresses is opened.
func (f *fastOpens) plan(peer fastPeer, noCookie bool, now tcpip.Time) (p fastPlan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.cache[peer]
	if e != nil {
		p.mss = e.mss
	}
	switch {
	case f.swallowed(now):
		return fastPlan{off: true}
	case noCookie || f.mode()&FastOpenClientNoCookie != 0:
		p.data = true
	case e != nil && len(e.cookie.Bytes()) > 0:
		p.cookie, p.option, p.data = e.cookie, true, true
	default:
		p.option = true
		p.cookie.Experimental = e != nil && e.try == tryExperimental
	}
	return p
}

// learn keeps what a server's SYN-ACK has said.
func (f *fastOpens) learn(peer fastPeer, r *tcb.FastResult) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.cache[peer]
	if e == nil {
		if len(f.order) == fastCacheMax {
			delete(f.cache, f.order[0])
			f.order = append(f.order[:0], f.order[1:]...)
		}
		if f.cache == nil {
			f.cache = map[fastPeer]*fastEntry{}
		}
		e = new(fastEntry)
		f.cache[peer] = e
		f.order = append(f.order, peer)
	}
	if r.MSS != 0 {
		e.mss = r.MSS
	}
	try := tryStandard
	if r.NotSupported {
		if try = tryExperimental; r.Experimental {
			try = tryAgain
		}
	}
	switch {
	case r.HasCookie:
		e.cookie = r.Cookie
	case try > e.try && len(e.cookie.Bytes()) == 0 && !e.cookie.Experimental:
		e.try = try
	}
}

// swallowed reports whether SYNs with data have been swallowed of late: the pause doubles from time to time.
func (f *fastOpens) swallowed(now tcpip.Time) bool {
	pause := time.Duration(f.blackhole.Load())
	return pause != 0 && f.holes > 0 && now.Sub(f.since) < pause<<min(f.holes-1, maxBlackholeDoublings)
}

// suspect notes that a connection with data in its SYN does not get through.
func (f *fastOpens) suspect(now tcpip.Time) {
	if f.blackhole.Load() == 0 {
		return
	}
	f.mu.Lock()
	f.holes++
	f.since = now
	f.mu.Unlock()
	f.proto.counters.TcpExt.TCPFastOpenBlackhole.Inc()
}

// cleared notes that a connection with data in its SYN has got through.
func (f *fastOpens) cleared() {
	f.mu.Lock()
	f.holes = 0
	f.mu.Unlock()
}

// fastPeer returns the addresses of the connection.
func (e *Endpoint) fastPeer() fastPeer { return fastPeer{e.id.Local.Addr(), e.id.Remote.Addr()} }

// launch starts the machine that Init has prepared: plainly, or with fast open if send says that data is at hand or
// the user has asked that the SYN waits for it. The error is ErrInProgress, or OK where the SYN waits.
func (e *Endpoint) launch(send bool) tcpip.Error {
	now := e.lock.now
	c := &e.opts.conf
	if !send && !c.fastConnect {
		e.tcb.Connect(now)
		return tcpip.ErrInProgress
	}
	p := e.proto.fastOpen.plan(e.fastPeer(), c.fastNoCookie, now)
	if p.off {
		e.tcb.Connect(now)
		return tcpip.ErrInProgress
	}
	limit := 0
	if p.data {
		limit = math.MaxUint16
	}
	e.tcb.ConnectFast(now, p.cookie, p.option, p.mss, limit)
	if e.deferred = p.data && !send; e.deferred {
		return tcpip.OK
	}
	return tcpip.ErrInProgress
}

// ConnectWrite is Connect with TCP Fast Open (RFC 7413): the SYN carries as much of b as it takes, where a cookie of
// the peer is known or none is needed, and the count of bytes is returned. It is MSG_FASTOPEN on a socket that does not
// wait. On a connection whose handshake has just ended it writes.
//
// Errors: ErrNotSupported if the stack has no fast open for clients, ErrInProgress if the SYN carries nothing, as
// where it asks for a cookie: what was not taken is to be written when the connection is there. Those of Connect.
func (e *Endpoint) ConnectWrite(remote tcpip.FullAddress, b []byte, o tcpip.WriteOptions) (int, error) {
	w := e.begin()
	n, err := e.connectWrite(w, remote, b, o.Flags)
	e.end(w)
	return n, err.Err()
}

// MayConnectWrite reports whether the stack has fast open for clients.
func (e *Endpoint) MayConnectWrite() bool { return e.proto.fastOpen.mode()&FastOpenClient != 0 }

// Deferred reports whether the SYN waits for the first write (TCP_FASTOPEN_CONNECT).
func (e *Endpoint) Deferred() bool {
	w := e.begin()
	d := e.deferred
	e.end(w)
	return d
}

func (e *Endpoint) connectWrite(w *stack.Work, remote tcpip.FullAddress, b []byte, flags tcpip.WriteFlags) (int, tcpip.Error) {
	switch {
	case e.closed:
		return 0, tcpip.ErrClosed
	case e.proto.fastOpen.mode()&FastOpenClient == 0:
		return 0, tcpip.ErrNotSupported
	case e.deferred:
		return e.writeSyn(b)
	case e.phase != phaseUnconnected || e.state() != tcb.StateClosed:
		if err := e.connect(w, remote); err != tcpip.OK {
			return 0, err
		}
		return e.write(b, flags)
	}
	if err := e.open(remote, true); err != tcpip.ErrInProgress {
		return 0, err
	}
	return e.writeSyn(b)
}

// writeSyn queues what of b goes with the SYN, which is then sent.
func (e *Endpoint) writeSyn(b []byte) (int, tcpip.Error) {
	e.deferred = false
	n := min(len(b), e.tcb.FastRoom(), e.tcb.Room())
	if n == 0 {
		return 0, tcpip.ErrInProgress
	}
	p, ok := e.proto.stack.Slabs.Get(min(n, slab.Large))
	if !ok {
		return 0, tcpip.ErrInProgress
	}
	n = p.Append(b[:n])
	if err := e.tcb.Write(e.lock.now, p); err != tcpip.OK {
		return 0, err
	}
	return n, tcpip.OK
}

// fastAnswered takes what the SYN-ACK has said.
func (e *Endpoint) fastAnswered() {
	r := e.tcb.FastResult()
	c := &e.proto.counters.TcpExt
	e.proto.fastOpen.learn(e.fastPeer(), r)
	if r.Accepted {
		c.TCPFastOpenActive.Inc()
		e.proto.fastOpen.cleared()
	}
	if r.Failed {
		c.TCPFastOpenActiveFail.Inc()
	}
}

// watchFast notes timeouts that hint at somebody on the way who swallows what begins with data: the third in a row,
// or the end of the connection before (RFC 7413 §4.1.3.1, §7.1 and Linux's reading of it).
func (e *Endpoint) watchFast(before int) {
	n := e.tcb.Retries()
	over := e.tcb.State() == tcb.StateClosed && e.tcb.Err() == tcpip.ErrTimedOut
	if !e.tcb.FastActive() || !(n == blackholeTimeouts && before == n-1 || over && n < blackholeTimeouts) {
		return
	}
	e.proto.fastOpen.suspect(e.lock.now)
	e.proto.counters.TcpExt.TCPFastOpenActiveFail.Inc()
}
