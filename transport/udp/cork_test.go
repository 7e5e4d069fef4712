package udp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

func following(o tcpip.WriteOptions) tcpip.WriteOptions {
	o.Flags |= tcpip.WriteMore
	return o
}

// Several writes make one datagram, of every size, and it goes where the first said.
func TestCork(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		server, other, client := bound(t, n.B, family, 7), bound(t, n.B, family, 8), open(t, n.A, family)
		for _, parts := range []int{1, 2, 7, 200} {
			want := ""
			for i := range parts {
				part := strings.Repeat(string(rune('a'+i%26)), 1+i*i%300)
				want += part
				o := to(n.B.Addr(family), 8)
				if i == 0 {
					o = to(n.B.Addr(family), 7)
				}
				if i < parts-1 {
					o = following(o)
				}
				wantNothing(t, server)
				send(t, client, part, o)
			}
			got, _ := read(t, server)
			require.Equal(t, want, got)
		}
		wantNothing(t, other)

		set(t, client, tcpip.UDP_CORK, 1)
		send(t, client, "one ", to(n.B.Addr(family), 7))
		send(t, client, "two", tcpip.WriteOptions{})
		wantNothing(t, server)
		set(t, client, tcpip.UDP_CORK, 0)
		got, _ := read(t, server)
		require.Equal(t, "one two", got)
	})
}

// What is collected counts against SO_SNDBUF, and is given back if it does not leave: when it becomes too large, and
// when the endpoint is closed.
func TestCorkGivesBack(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		client := open(t, n.A, family)
		o := following(to(n.B.Addr(family), 7))
		send(t, client, string(make([]byte, 40000)), o)
		require.GreaterOrEqual(t, client.Unsent(), 40000)
		_, err := client.Write(make([]byte, 40000), o)
		require.Equal(t, tcpip.ErrMessageSize, err)
		require.Zero(t, client.Unsent())
		require.Zero(t, n.A.Slabs.Live())

		send(t, client, string(make([]byte, 1000)), o)
		client.Close()
		require.Zero(t, n.A.Slabs.Live())
	})
}

// A corked datagram that has no room in the send buffer is lost whole, as on Linux.
func TestCorkSendBuffer(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	client := open(t, n.A, header.EtherTypeIPv4)
	set(t, client, tcpip.SO_SNDBUF, 0)
	o := following(to(n.B.V4, 7))
	send(t, client, string(make([]byte, 5000)), o)
	require.Zero(t, client.Readiness(waiter.Writable))
	_, err := client.Write([]byte("x"), o)
	require.Equal(t, tcpip.ErrWouldBlock, err)
	require.Zero(t, client.Unsent())
	require.Equal(t, waiter.Writable, client.Readiness(waiter.Writable))
}

// The way of a corked datagram may be gone when it is to leave.
func TestCorkWithoutRoute(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server, client := bound(t, n.B, header.EtherTypeIPv4, 7), open(t, n.A, header.EtherTypeIPv4)
	send(t, client, "one ", following(to(n.B.V4, 7)))
	n.A.NIC.SetUp(false)
	_, err := client.Write([]byte("two"), tcpip.WriteOptions{})
	require.Equal(t, tcpip.ErrNetUnreachable, err)
	n.A.NIC.SetUp(true)
	send(t, client, "three", to(n.B.V4, 7))
	got, _ := read(t, server)
	require.Equal(t, "three", got)
}
