package udp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
)

// SO_REUSEPORT shares flows among the members of a group: each flow stays with one, all get some.
func TestReusePort(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		const members, flows = 4, 200
		var group [members]*udp.Endpoint
		for i := range group {
			group[i] = open(t, n.B, family)
			set(t, group[i], tcpip.SO_REUSEPORT, 1)
			require.NoError(t, group[i].Bind(tcpip.FullAddress{Port: 7}))
		}
		require.Equal(t, tcpip.ErrAddrInUse, open(t, n.B, family).Bind(tcpip.FullAddress{Port: 7}))
		owner := map[uint16]int{}
		var got [members]int
		clients := make([]*udp.Endpoint, flows)
		for i := range clients {
			clients[i] = open(t, n.A, family)
		}
		for range 3 {
			for _, c := range clients {
				send(t, c, "x", to(n.B.Addr(family), 7))
				port := c.LocalAddress().Port
				for i, e := range group {
					if _, err := e.Read(nil, tcpip.ReadOptions{}); err == nil {
						got[i]++
						if was, ok := owner[port]; ok {
							require.Equal(t, was, i, "a flow changed hands")
						}
						owner[port] = i
					}
				}
			}
		}
		require.Len(t, owner, flows)
		for i := range got {
			require.Greater(t, got[i], 3*flows/members/3, "member %d gets far too little: %v", i, got)
		}
	})
}

// Without SO_REUSEADDR a port is taken once per address and family; what is more exact wins.
func TestPortConflicts(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	bind := func(family header.EtherType, a string) error {
		local := tcpip.FullAddress{Port: 7}
		if a != "" {
			local.Addr = addr(a)
		}
		return open(t, n.A, family).Bind(local)
	}
	v4, v6 := header.EtherTypeIPv4, header.EtherTypeIPv6
	require.NoError(t, bind(v4, "10.0.0.1"))
	require.Equal(t, tcpip.ErrAddrInUse, bind(v4, "10.0.0.1"))
	require.Equal(t, tcpip.ErrAddrInUse, bind(v4, ""))
	require.Equal(t, tcpip.ErrAddrInUse, bind(v6, ""), "of both families")
	require.NoError(t, bind(v4, "127.0.0.1"))
	require.NoError(t, bind(v6, "fd00::1"))
	require.Equal(t, tcpip.ErrAddrInUse, bind(v6, "10.0.0.1"))

	// The exact address beats the wildcard, the connected endpoint beats both.
	any, exact, connected := open(t, n.B, v4), open(t, n.B, v4), open(t, n.B, v4)
	client := bound(t, n.A, v4, 9)
	for _, e := range []*udp.Endpoint{any, exact, connected} {
		set(t, e, tcpip.SO_REUSEADDR, 1)
	}
	require.NoError(t, any.Bind(tcpip.FullAddress{Port: 8}))
	send(t, client, "x", to(n.B.V4, 8))
	read(t, any)
	require.NoError(t, exact.Bind(at(n.B.V4, 8)))
	send(t, client, "x", to(n.B.V4, 8))
	read(t, exact)
	require.NoError(t, connected.Bind(at(n.B.V4, 8)))
	require.NoError(t, connected.Connect(at(n.A.V4, 9)))
	send(t, client, "x", to(n.B.V4, 8))
	read(t, connected)
	connected.Close()
	send(t, client, "x", to(n.B.V4, 8))
	read(t, exact)
}

// RFC 6056 §3.3.1: ephemeral ports are chosen at random, and none twice while it is taken.
func TestEphemeralPorts(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	seen := map[uint16]bool{}
	inOrder := 0
	last := uint16(0)
	for range 500 {
		e := bound(t, n.A, header.EtherTypeIPv4, 0)
		port := e.LocalAddress().Port
		require.NotZero(t, port)
		require.False(t, seen[port])
		seen[port] = true
		if port == last+1 {
			inOrder++
		}
		last = port
	}
	require.Less(t, inOrder, 10)
}
