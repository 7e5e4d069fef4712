package udp_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

func nextReport(t *testing.T, e *udp.Endpoint) tcpip.Received {
	t.Helper()
	r, err := e.Read(make([]byte, 4000), tcpip.ReadOptions{Flags: tcpip.ReadError})
	require.NoError(t, err)
	require.NotZero(t, r.Control.Has&tcpip.HasError)
	return r
}

func noReport(t *testing.T, e *udp.Endpoint) {
	t.Helper()
	_, err := e.Read(nil, tcpip.ReadOptions{Flags: tcpip.ReadError})
	require.Equal(t, tcpip.ErrWouldBlock, err)
	require.Zero(t, e.Readiness(waiter.Error))
}

// Each packet tells when it came to the transmit queue and when it left, with its number, and shows itself unless that
// is not wanted. None of it is an error.
func TestTimestamping(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		client := open(t, n.A, family)
		flags := tcpip.TimestampScheduled | tcpip.TimestampSent | tcpip.TimestampReport | tcpip.TimestampNumber
		set(t, client, tcpip.SO_TIMESTAMPING, int(flags))
		n.Clock.Advance(time.Second)
		for i := range 3 {
			send(t, client, "hello", to(n.B.Addr(family), 7))
			for _, kind := range []uint32{1, 0} {
				r := nextReport(t, client)
				e := r.Control.Err
				require.Equal(t, tcpip.OriginTimestamping, e.Origin)
				require.Equal(t, kind, e.Info)
				require.EqualValues(t, i, e.Data)
				require.Equal(t, n.Clock.Now(), r.Control.Timestamp)
				require.NotZero(t, r.Control.Has&tcpip.HasTimestamping)
				require.Greater(t, r.Count, 5, "the packet with its headers")
			}
		}
		noReport(t, client)
		require.NoError(t, client.LastError())
		set(t, client, tcpip.SO_TIMESTAMPING, int(flags|tcpip.TimestampOnly))
		send(t, client, "hello", to(n.B.Addr(family), 7))
		require.Zero(t, nextReport(t, client).Total)
		require.Zero(t, nextReport(t, client).Total)
		require.Equal(t, tcpip.ErrInvalid, client.SetOption(tcpip.SO_TIMESTAMPING, 1<<19))
		require.Equal(t, tcpip.ErrNotSupported, client.SetOption(tcpip.SO_TIMESTAMPING, int(tcpip.TimestampPHC)))
	})
}

// A datagram in fragments has one time of leaving, and one that is in pieces on the error queue is given back by Close.
func TestTimestampingFragments(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		client := open(t, n.A, family)
		set(t, client, tcpip.SO_TIMESTAMPING, int(tcpip.TimestampSent|tcpip.TimestampReport))
		send(t, client, string(make([]byte, 5000)), to(n.B.Addr(family), 7))
		nextReport(t, client)
		noReport(t, client)
		send(t, client, string(make([]byte, 5000)), to(n.B.Addr(family), 7))
		client.Close()
		require.Zero(t, n.A.Slabs.Live())
	})
}

// A packet that the transmit queue refuses has not left.
func TestTimestampingRefused(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		client := open(t, n.A, family)
		set(t, client, tcpip.SO_TIMESTAMPING, int(tcpip.TimestampSent|tcpip.TimestampReport))
		n.A.NIC.SetUp(false)
		_, err := client.Write([]byte("x"), to(n.B.Addr(family), 7))
		require.Equal(t, tcpip.ErrNetUnreachable, err)
		noReport(t, client)
		require.Zero(t, client.Unsent())
	})
}

// Completions of neighbouring writes become one entry; a write that fails has no number.
func TestZeroCopy(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		client := open(t, n.A, family)
		o := to(n.B.Addr(family), 7)
		o.Flags = tcpip.WriteZeroCopy
		send(t, client, "not asked for", o)
		noReport(t, client)
		set(t, client, tcpip.SO_ZEROCOPY, 1)
		ranges := func(first, last uint32) {
			t.Helper()
			e := nextReport(t, client).Control.Err
			require.Equal(t, tcpip.ErrorReport{Origin: tcpip.OriginZeroCopy, Code: 1, Info: first, Data: last}, e)
		}
		for range 3 {
			send(t, client, "x", o)
		}
		_, err := client.Write(make([]byte, 70000), o)
		require.Equal(t, tcpip.ErrMessageSize, err)
		send(t, client, "x", o)
		ranges(0, 3)
		send(t, client, "x", following(o))
		send(t, client, "x", o)
		ranges(4, 5)
		noReport(t, client)
	})
}
