package udp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

// icmpCase is an ICMP error and what Linux makes of it: the errno, and whether a connected socket without
// IP_RECVERR hears of it. Measured.
type icmpCase struct {
	typ, code uint8
	err       tcpip.Error
	hard      bool
}

var icmpCases = map[header.EtherType][]icmpCase{
	header.EtherTypeIPv4: {
		{3, 0, tcpip.ErrNetUnreachable, false},
		{3, 1, tcpip.ErrHostUnreachable, false},
		{3, 2, tcpip.ErrNoProtocolOption, true},
		{3, 3, tcpip.ErrConnRefused, true},
		{3, 5, tcpip.ErrNotSupported, false},
		{3, 6, tcpip.ErrNetUnreachable, true},
		{3, 9, tcpip.ErrNetUnreachable, true},
		{3, 10, tcpip.ErrHostUnreachable, true},
		{3, 13, tcpip.ErrHostUnreachable, true},
		{11, 0, tcpip.ErrHostUnreachable, false},
		{12, 0, tcpip.ErrProtocol, true},
	},
	header.EtherTypeIPv6: {
		{1, 0, tcpip.ErrNetUnreachable, false},
		{1, 1, tcpip.ErrAccess, true},
		{1, 2, tcpip.ErrHostUnreachable, false},
		{1, 3, tcpip.ErrHostUnreachable, false},
		{1, 4, tcpip.ErrConnRefused, true},
		{1, 5, tcpip.ErrAccess, true},
		{1, 6, tcpip.ErrAccess, true},
		{3, 0, tcpip.ErrHostUnreachable, false},
		{4, 0, tcpip.ErrProtocol, true},
		{4, 1, tcpip.ErrProtocol, true},
	},
}

func recverr(family header.EtherType) tcpip.OptionID {
	if family == header.EtherTypeIPv6 {
		return tcpip.IPV6_RECVERR
	}
	return tcpip.IP_RECVERR
}

func TestICMPErrors(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		peer := n.B.Addr(family)
		bound(t, n.B, family, 9)
		sent := testnet.Capture(n.A.NIC)
		origin := tcpip.OriginICMP
		if family == header.EtherTypeIPv6 {
			origin = tcpip.OriginICMP6
		}
		for _, connected := range []bool{false, true} {
			for _, queued := range []bool{false, true} {
				e := open(t, n.A, family)
				if connected {
					require.NoError(t, e.Connect(at(peer, 9)))
				}
				if queued {
					set(t, e, recverr(family), 1)
				}
				send(t, e, "hello", to(peer, 9))
				quoted := sent()[0]
				for _, c := range icmpCases[family] {
					n.A.Inject(testnet.ICMPError(quoted, peer, c.typ, c.code, 0))
					if queued {
						b := make([]byte, 100)
						r, err := e.Read(b, tcpip.ReadOptions{Flags: tcpip.ReadError})
						require.NoError(t, err, "type %d code %d", c.typ, c.code)
						require.Equal(t, tcpip.ErrorReport{Err: c.err, Origin: origin, Type: c.typ, Code: c.code, Offender: peer}, r.Control.Err)
						require.Equal(t, "hello", string(b[:r.Count]))
						require.Equal(t, at(peer, 9), r.From)
						require.NoError(t, e.LastError(), "reading the last entry clears SO_ERROR")
					} else if connected && c.hard {
						require.Equal(t, c.err, e.LastError(), "type %d code %d", c.typ, c.code)
					} else {
						require.NoError(t, e.LastError(), "type %d code %d", c.typ, c.code)
					}
				}
				e.Close()
			}
		}
		// A flow that nobody has any more.
		n.A.Inject(testnet.ICMPError(sentOnce(t, n, family, sent), peer, icmpCases[family][0].typ, 0, 0))
		require.Equal(t, 1, n.A.Drops(tcpip.DropICMPNoFlow))
	})
}

func sentOnce(t *testing.T, n *testnet.Net, family header.EtherType, sent func() [][]byte) []byte {
	e := open(t, n.A, family)
	send(t, e, "hello", to(n.B.Addr(family), 9))
	e.Close()
	return sent()[0]
}

// The order in which the queue and SO_ERROR tell of two errors; measured.
func TestErrorQueueOrder(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	bound(t, n.B, header.EtherTypeIPv4, 9)
	sent := testnet.Capture(n.A.NIC)
	two := func() *udp.Endpoint {
		e := open(t, n.A, header.EtherTypeIPv4)
		set(t, e, tcpip.IP_RECVERR, 1)
		require.NoError(t, e.Connect(at(n.B.V4, 9)))
		send(t, e, "hello", tcpip.WriteOptions{})
		q := sent()[0]
		n.A.Inject(testnet.ICMPError(q, n.B.V4, 3, 3, 0))
		n.A.Inject(testnet.ICMPError(q, n.B.V4, 3, 1, 0))
		return e
	}
	next := func(e *udp.Endpoint, flags tcpip.ReadFlags) tcpip.Error {
		r, err := e.Read(nil, tcpip.ReadOptions{Flags: tcpip.ReadError | flags})
		require.NoError(t, err)
		return r.Control.Err.Err
	}
	const errorAndRoom = waiter.Error | waiter.Writable

	e := two()
	require.Equal(t, errorAndRoom, e.Readiness(waiter.All))
	require.Equal(t, tcpip.ErrConnRefused, next(e, tcpip.ReadPeek), "which takes it, too")
	require.Equal(t, errorAndRoom, e.Readiness(waiter.All))
	_, err := e.Read(nil, tcpip.ReadOptions{})
	require.Equal(t, tcpip.ErrHostUnreachable, err, "SO_ERROR of the entry that is left")
	require.Equal(t, errorAndRoom, e.Readiness(waiter.All))
	require.Equal(t, tcpip.ErrHostUnreachable, next(e, 0))
	require.Equal(t, waiter.Writable, e.Readiness(waiter.All))

	e = two()
	require.Equal(t, tcpip.ErrHostUnreachable, e.LastError())
	require.Equal(t, tcpip.ErrConnRefused, next(e, 0))
	require.Equal(t, tcpip.ErrHostUnreachable, e.LastError())
	require.Equal(t, tcpip.ErrHostUnreachable, next(e, 0))
	require.NoError(t, e.LastError())

	e = two()
	set(t, e, tcpip.IP_RECVERR, 0)
	_, err = e.Read(nil, tcpip.ReadOptions{Flags: tcpip.ReadError})
	require.Equal(t, tcpip.ErrWouldBlock, err, "the queue went with the option")
	require.Equal(t, tcpip.ErrHostUnreachable, e.LastError(), "SO_ERROR did not")
}

// An error comes before the datagrams that arrived earlier, once.
func TestErrorBeforeData(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server := bound(t, n.B, header.EtherTypeIPv4, 9)
	e := open(t, n.A, header.EtherTypeIPv4)
	require.NoError(t, e.Connect(at(n.B.V4, 9)))
	send(t, e, "x", tcpip.WriteOptions{})
	_, r := read(t, server)
	send(t, server, "data", tcpip.WriteOptions{To: r.From})
	server.Close()
	send(t, e, "x", tcpip.WriteOptions{})
	_, err := e.Read(nil, tcpip.ReadOptions{})
	require.Equal(t, tcpip.ErrConnRefused, err)
	b, _ := read(t, e)
	require.Equal(t, "data", b)
}

// The error queue is bounded by the receive buffer.
func TestErrorQueueBounded(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	bound(t, n.B, header.EtherTypeIPv4, 9)
	sent := testnet.Capture(n.A.NIC)
	e := open(t, n.A, header.EtherTypeIPv4)
	set(t, e, tcpip.IP_RECVERR, 1)
	set(t, e, tcpip.SO_RCVBUF, 10000)
	send(t, e, "hello", to(n.B.V4, 9))
	q := sent()[0]
	for range 1000 {
		n.A.Inject(testnet.ICMPError(q, n.B.V4, 3, 1, 0))
	}
	require.LessOrEqual(t, n.A.Slabs.Live(), int64(20000))
	require.NotZero(t, n.A.Counters().Udp.RcvbufErrors.Value())
	count := 0
	for {
		if _, err := e.Read(nil, tcpip.ReadOptions{Flags: tcpip.ReadError}); err != nil {
			break
		}
		count++
	}
	require.Equal(t, 20000/832, count) // as on Linux
}
