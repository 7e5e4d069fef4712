package tcp

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// fastKeyABCD is a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4, as packet scripts customarily have it.
var fastKeyABCD = FastOpenKey{0xa1, 0xa1, 0xa1, 0xa1, 0xb2, 0xb2, 0xb2, 0xb2, 0xc3, 0xc3, 0xc3, 0xc3, 0xd4, 0xd4, 0xd4, 0xd4}

// The cookies that the kernel gives under the same keys.
func TestFastOpenCookie(t *testing.T) {
	for _, c := range []struct {
		key            FastOpenKey
		client, server string
		want           string
	}{
		{fastKeyABCD, "192.0.2.1", "192.168.0.1", "3021b9d889017eeb"},
		{FastOpenKey{}, "192.0.2.1", "192.168.0.1", "b7c12350a90dc8f5"},
		{fastKeyABCD, "fd3d:fa7b:d17d::1", "fd3d:a0b:17d6::1", "c1d1e9742a47a9bc"},
		{FastOpenKey{}, "fd3d:fa7b:d17d::1", "fd3d:a0b:17d6::1", "82af1a8f9a205c34"},
		{fastKeyABCD, "2001:db8::1", "fd3d:fa7b:d17d::1", "e7041978eab92f14"},
	} {
		got := c.key.cookie(netip.MustParseAddr(c.client), netip.MustParseAddr(c.server))
		require.Equal(t, c.want, hex.EncodeToString(got.Bytes()))
	}
}

// fastListener listens on host A with room for limit connections in their handshake.
func fastListener(t *testing.T, mode FastOpenMode, limit int) (*wire, *Endpoint) {
	x := newWire(t, Options{FastOpen: tcpip.Set(mode)})
	l := endpointOf(t, x.s, 0)
	require.NoError(t, l.Bind(tcpip.FullAddress{Port: 80}))
	require.NoError(t, l.SetOption(TCP_FASTOPEN, limit))
	require.NoError(t, l.Listen(10))
	return x, l
}

// RFC 7413 §5.1: so many may be in their handshake. The next goes the ordinary way.
func TestFastOpenQueue(t *testing.T) {
	x, l := fastListener(t, FastOpenServer|FastOpenServerNoCookie, 2)
	c := &x.s.Counters().TcpExt
	syn := func(port uint16) traced {
		x.send(port, header.SYN, 100, 0, header.TCPOptions{}, "hello")
		return x.only()
	}
	first := syn(1001)
	require.Equal(t, uint32(106), uint32(first.h.Ack))
	require.Equal(t, uint32(106), uint32(syn(1002).h.Ack))
	require.Equal(t, uint32(101), uint32(syn(1003).h.Ack), "the queue is full")
	require.EqualValues(t, 1, c.TCPFastOpenListenOverflow.Value())
	require.EqualValues(t, 2, c.TCPFastOpenPassive.Value())

	a, err := l.Accept()
	require.NoError(t, err)
	require.Equal(t, "hello", string(readAll(t, a.(*Endpoint), 10)))
	x.send(1001, header.ACK, 106, first.h.Seq+1, header.TCPOptions{}, "")
	require.Equal(t, uint32(106), uint32(syn(1004).h.Ack), "the first is through")

	// What is accepted and then reset counts for a minute; what nobody has accepted does not.
	b, err := l.Accept()
	require.NoError(t, err)
	x.send(1002, header.RST, 106, 0, header.TCPOptions{}, "")
	require.Equal(t, tcb.StateClosed, b.(*Endpoint).State())
	require.Equal(t, uint32(101), uint32(syn(1005).h.Ack))
	x.send(1004, header.RST, 106, 0, header.TCPOptions{}, "")
	require.Equal(t, uint32(106), uint32(syn(1006).h.Ack))
	require.Equal(t, uint32(101), uint32(syn(1007).h.Ack))
	x.clock.Advance(2 * time.Second)
	x.drain()
	x.clock.Advance(fastOpenPenalty)
	x.drain()
	require.Equal(t, uint32(106), uint32(syn(1008).h.Ack))
	for _, e := range []tcpip.Endpoint{a, b} {
		e.(*Endpoint).Close()
	}
	l.Close()
}

// The bound and the penalty are the listener's: closing it frees what waits.
func TestFastOpenListenerCloses(t *testing.T) {
	x, l := fastListener(t, FastOpenServer|FastOpenServerNoCookie, 5)
	x.send(1001, header.SYN, 100, 0, header.TCPOptions{}, "hello")
	x.only()
	l.Close()
	require.Equal(t, header.RST|header.ACK, x.only().h.Flags)
}

// fastHosts are two hosts, the second of which listens with fast open.
func fastHosts(t *testing.T) (*hosts, *Endpoint) {
	h := newHosts(t, Options{FastOpen: tcpip.Set(FastOpenClient)}, Options{FastOpen: tcpip.Set(FastOpenServer)})
	l := endpointOf(t, h.b, 0)
	require.NoError(t, l.SetOption(TCP_FASTOPEN, 10))
	require.NoError(t, l.Bind(tcpip.FullAddress{Port: 80}))
	require.NoError(t, l.Listen(10))
	return h, l
}

// Two of our own: the first connection fetches a cookie, the second sends with its SYN, and the user of
// TCP_FASTOPEN_CONNECT need not know.
func TestFastOpenPair(t *testing.T) {
	h, l := fastHosts(t)
	to := tcpip.FullAddress{Addr: addrB[0], Port: 80}
	var all []*Endpoint
	for i := range 3 {
		c := endpointOf(t, h.a, 0)
		switch i {
		case 0:
			_, err := c.ConnectWrite(to, []byte("zero"), tcpip.WriteOptions{})
			require.ErrorIs(t, err, tcpip.ErrInProgress)
			h.clock.Settle()
			write(t, c, "zero")
		case 1:
			n, err := c.ConnectWrite(to, []byte("once"), tcpip.WriteOptions{})
			require.NoError(t, err)
			require.Equal(t, 4, n)
		case 2:
			require.NoError(t, c.SetOption(TCP_FASTOPEN_CONNECT, 1))
			require.NoError(t, c.Connect(to))
			require.Equal(t, waiter.Writable, c.Readiness(waiter.Writable|waiter.Readable))
			h.clock.Settle()
			require.Equal(t, waiter.Events(0), l.Readiness(waiter.Readable), "the SYN waits")
			write(t, c, "more")
		}
		h.clock.Settle()
		s, err := l.Accept()
		require.NoError(t, err)
		require.Equal(t, []string{"zero", "once", "more"}[i], string(readAll(t, s.(*Endpoint), 10)))
		all = append(all, c, s.(*Endpoint))
	}
	a, b := &h.a.Counters().TcpExt, &h.b.Counters().TcpExt
	require.EqualValues(t, 2, a.TCPFastOpenActive.Value())
	require.EqualValues(t, 0, a.TCPFastOpenActiveFail.Value())
	require.EqualValues(t, 1, b.TCPFastOpenCookieReqd.Value())
	require.EqualValues(t, 2, b.TCPFastOpenPassive.Value())
	for _, e := range append(all, l) {
		e.Close()
	}
}

// The cache is bounded, and the oldest goes first.
func TestFastOpenCacheBound(t *testing.T) {
	var f fastOpens
	r := tcb.FastResult{HasCookie: true, Cookie: tcb.NewFastCookie([]byte("abcd")), MSS: 1000}
	peer := func(i int) fastPeer {
		return fastPeer{addrA[0], netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})}
	}
	for i := range fastCacheMax + 1 {
		f.learn(peer(i), &r)
	}
	require.Len(t, f.cache, fastCacheMax)
	require.Len(t, f.order, fastCacheMax)
	require.False(t, f.plan(peer(0), false, 0).data)
	require.Equal(t, fastPlan{cookie: r.Cookie, option: true, data: true, mss: 1000}, f.plan(peer(1), false, 0))
	require.Equal(t, fastPlan{data: true, mss: 1000}, f.plan(peer(1), true, 0))
}

// The pause after data was swallowed doubles, up to 64 times.
func TestFastOpenBlackhole(t *testing.T) {
	x := newWire(t, Options{FastOpen: tcpip.Set(FastOpenClient | FastOpenClientNoCookie), FastOpenBlackhole: tcpip.Set(time.Hour)})
	f := &protocolOf(x.s).fastOpen
	now := tcpip.Time(1)
	for i := range 10 {
		f.suspect(now)
		pause := time.Hour << min(i, maxBlackholeDoublings)
		require.True(t, f.plan(fastPeer{}, false, now.Add(pause-1)).off)
		require.False(t, f.plan(fastPeer{}, false, now.Add(pause)).off)
	}
	require.EqualValues(t, 10, x.s.Counters().TcpExt.TCPFastOpenBlackhole.Value())
}
