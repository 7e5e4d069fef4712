package tcp

import (
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/siphash"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// FastOpenMode says what of TCP Fast Open (RFC 7413) a stack does, with the bits of net.ipv4.tcp_fastopen.
type FastOpenMode uint32

// The bits.
const (
	FastOpenClient         FastOpenMode = 0x1   // connections may be opened with data, where a cookie is known
	FastOpenServer         FastOpenMode = 0x2   // listeners with TCP_FASTOPEN take it
	FastOpenClientNoCookie FastOpenMode = 0x4   // data goes with every SYN, and no option
	FastOpenServerNoCookie FastOpenMode = 0x200 // data is taken from every SYN
	FastOpenAllListeners   FastOpenMode = 0x400 // listeners need no TCP_FASTOPEN: the backlog counts
)

// TCP Fast Open's options by their Linux numbers (tcp(7)). TCP_FASTOPEN_KEY is set by SetFastOpenKeys.
const (
	TCP_FASTOPEN           tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 23
	TCP_FASTOPEN_CONNECT   tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 30
	TCP_FASTOPEN_KEY       tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 33
	TCP_FASTOPEN_NO_COOKIE tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 34
)

// fastOpenRows are the options of TCP Fast Open whose value is a number.
var fastOpenRows = []tcpip.OptionRow[settings]{
	number(TCP_FASTOPEN, "TCP_FASTOPEN", "", tcpip.Range{Max: math.MaxInt32}, 0,
		func(c *settings) int { return c.fastOpen }, func(c *settings, v int) { c.fastOpen = min(v, maxBacklog) },
		"On a listener: how many connections may have begun with data in the SYN, and still wait for the end of their handshake (RFC 7413); 0 means that there is no fast open."),
	number(TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT", "", tcpip.Range{Max: 1}, 0,
		func(c *settings) int { return boolToInt(c.fastConnect) }, func(c *settings, v int) { c.fastConnect = v != 0 },
		"Connect at once and let the SYN go with the first write, if a cookie of the peer is known; otherwise ask for one."),
	number(TCP_FASTOPEN_NO_COOKIE, "TCP_FASTOPEN_NO_COOKIE", "", tcpip.Range{Max: 1}, 0,
		func(c *settings) int { return boolToInt(c.fastNoCookie) }, func(c *settings, v int) { c.fastNoCookie = v != 0 },
		"Send and take data with the SYN without a cookie, where both sides know each other."),
}

// mayFastOpen reports why an option of TCP Fast Open cannot be set. The value is in range.
func (e *Endpoint) mayFastOpen(id tcpip.OptionID) tcpip.Error {
	state := e.state()
	switch {
	case id == TCP_FASTOPEN_CONNECT && e.proto.fastOpen.mode()&FastOpenClient == 0:
		return tcpip.ErrNotSupported
	case id == TCP_FASTOPEN_CONNECT && state == tcb.StateListen,
		state != tcb.StateClosed && state != tcb.StateListen:
		return tcpip.ErrInvalid
	}
	if id == TCP_FASTOPEN {
		e.proto.fastOpen.ensureKeys()
	}
	return tcpip.OK
}

// FastOpenKey is a secret that cookies are made with.
type FastOpenKey [16]byte

// FastOpenKeys are the keys of a listener or a stack: the first makes the cookies, those of the second are honoured,
// too, so that keys can be changed.
type FastOpenKeys struct {
	Primary FastOpenKey
	Backup  tcpip.Opt[FastOpenKey]
}

// cookie returns the cookie of a client for a server's address as Linux computes it: SipHash-2-4 over both.
func (k FastOpenKey) cookie(client, server netip.Addr) tcb.FastCookie {
	key := [2]uint64{binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])}
	var b [8]byte
	var sum uint64
	if client.Is4() {
		c, s := client.As4(), server.As4()
		sum = siphash.Sum(key, uint64(binary.LittleEndian.Uint32(c[:]))|uint64(binary.LittleEndian.Uint32(s[:]))<<32)
	} else {
		c, s := client.As16(), server.As16()
		word := binary.LittleEndian.Uint64
		sum = siphash.Sum(key, word(c[:8]), word(c[8:]), word(s[:8]), word(s[8:]))
	}
	binary.LittleEndian.PutUint64(b[:], sum)
	return tcb.NewFastCookie(b[:])
}

// SetFastOpenKeys sets the keys of a listener (TCP_FASTOPEN_KEY), which otherwise has the stack's.
func (e *Endpoint) SetFastOpenKeys(k FastOpenKeys) error {
	w := e.begin()
	o := *e.opts
	o.conf.fastKeys = &k
	e.configure(&o)
	e.end(w)
	return nil
}

// FastOpenKeys returns the keys that SetFastOpenKeys has set; the stack's are not shown, as on Linux.
func (e *Endpoint) FastOpenKeys() (k FastOpenKeys, ok bool) {
	w := e.begin()
	keys := e.opts.conf.fastKeys
	e.end(w)
	if keys == nil {
		return k, false
	}
	return *keys, true
}

// configure takes the settings of the stack.
func (f *fastOpens) configure(o *Options) {
	f.bits.Store(uint32(o.FastOpen.Or(FastOpenClient)))
	f.blackhole.Store(int64(o.FastOpenBlackhole.Or(0)))
	if k, ok := o.FastOpenKeys.Get(); ok {
		f.keys.Store(&k)
	}
}

// mode returns the bits that hold.
func (f *fastOpens) mode() FastOpenMode { return FastOpenMode(f.bits.Load()) }

// ensureKeys makes random keys, unless there are some.
func (f *fastOpens) ensureKeys() {
	if f.keys.Load() != nil {
		return
	}
	var k FastOpenKeys
	f.proto.stack.Random().Read(k.Primary[:])
	f.keys.CompareAndSwap(nil, &k)
}

// answerFast decides what a SYN with the option or data gets (RFC 7413 §4.2.2): whether the connection is the user's
// at once, and the cookie that goes with the SYN-ACK.
func (l *listener) answerFast(p *stack.Packet, s *tcb.Segment, o *endpointOptions, id stack.FlowID) (child bool, cookie *tcb.FastCookie) {
	t := l.proto
	c := &t.counters.TcpExt
	mode := t.fastOpen.mode()
	option := &s.Options
	if option.HasFastOpen && len(option.FastOpen) == 0 {
		c.TCPFastOpenCookieReqd.Inc()
	}
	if mode&FastOpenServer == 0 || s.Len == 0 && !option.HasFastOpen || !l.fastRoom(o, p.At) {
		return false, nil
	}
	if mode&FastOpenServerNoCookie != 0 || o.conf.fastNoCookie {
		return true, nil
	}
	if !option.HasFastOpen {
		return false, nil
	}
	keys := o.conf.fastKeys
	if keys == nil {
		t.fastOpen.ensureKeys()
		keys = t.fastOpen.keys.Load()
	}
	fresh := keys.Primary.cookie(id.Remote.Addr(), id.Local.Addr())
	fresh.Experimental = option.FastOpenExperimental
	backup, has := keys.Backup.Get()
	switch {
	case len(option.FastOpen) == 0:
	case string(option.FastOpen) == string(fresh.Bytes()):
		return true, nil
	case has:
		if old := backup.cookie(id.Remote.Addr(), id.Local.Addr()); string(option.FastOpen) == string(old.Bytes()) {
			c.TCPFastOpenPassiveAltKey.Inc()
			return true, &fresh
		}
		fallthrough
	default:
		c.TCPFastOpenPassiveFail.Inc()
	}
	return false, &fresh
}

// fastRoom reports whether another connection may begin with fast open. Those that a peer has reset before their
// handshake was over count for a minute: whoever sends SYNs under foreign names gains nothing by it.
func (l *listener) fastRoom(o *endpointOptions, now tcpip.Time) bool {
	limit := o.conf.fastOpen
	if limit == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fast < limit {
		return true
	}
	if len(l.fastReset) == 0 || now < l.fastReset[0] {
		l.proto.counters.TcpExt.TCPFastOpenListenOverflow.Inc()
		return false
	}
	l.fastReset = l.fastReset[1:]
	l.fast--
	return true
}

// fastChild ties a connection whose handshake is not over to its listener. Its fields are under the listener's lock.
type fastChild struct {
	listener *listener
	accepted bool
	over     bool
}

// resolve takes the connection off the listener's count; reset says that the peer has ended it by a RST.
func (f *fastChild) resolve(now tcpip.Time, reset bool) {
	l := f.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.over {
		return
	}
	f.over = true
	if reset && f.accepted && !l.closed {
		l.fastReset = append(l.fastReset, now.Add(fastOpenPenalty))
		return
	}
	l.fast--
}

// openFast gives the connection that a SYN begins to the user, with the SYN's data.
func (l *listener) openFast(w *stack.Work, q *tcb.Request, s *tcb.Segment, b *birth, cookie *tcb.FastCookie) {
	t := l.proto
	e := l.child(b)
	e.fast = &fastChild{listener: l}
	l.mu.Lock()
	l.fast++
	l.mu.Unlock()
	q.EstablishFast(e.lock.now, s, &e.tcb, &e.opts.conf.Conf, cookie)
	e.opened, e.running = true, true
	if e.opts.headers != nil {
		e.reroute()
	}
	e.entered = t.stack.Demux.Insert(b.id, e) == tcpip.OK
	e.running = e.entered // or else the flow is another's, who is not to get a RST
	alive := e.entered && l.push(e)
	if alive {
		t.counters.TcpExt.TCPFastOpenPassive.Inc()
		t.counters.Tcp.PassiveOpens.Inc()
		w.Wake(t.stack, &l.e.waiters, waiter.Readable)
	} else {
		e.fast.resolve(e.lock.now, false)
	}
	e.finish(w, alive)
}
