package udp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
)

// Whether the link carries super-segments or not, and whether the receiver takes them joined or not, the bytes are the
// same and so are the borders between datagrams.
func TestSegments(t *testing.T) {
	for what, o := range map[string]pipe.Options{"whole": {}, "cut": {NoChecksum: true, NoGSO: true}} {
		for _, family := range families {
			for _, join := range []int{0, 1} {
				t.Run(fmt.Sprintf("%s/%s/join %d", what, name(family), join), func(t *testing.T) {
					n := testnet.New(t, testnet.Options{Pipe: o}, udp.New)
					server, client := bound(t, n.B, family, 7), open(t, n.A, family)
					set(t, server, tcpip.UDP_GRO, join)
					set(t, client, tcpip.UDP_SEGMENT, 1000)
					all := strings.Repeat("0123456789", 1234)
					send(t, client, all, to(n.B.Addr(family), 7))
					for got := ""; got != all; {
						b, r := read(t, server)
						require.True(t, strings.HasPrefix(all[len(got):], b))
						if r.SegmentBy == 0 {
							require.Len(t, b, min(1000, len(all)-len(got)))
						} else {
							require.Equal(t, 1000, r.SegmentBy)
							require.Equal(t, 1, join)
						}
						got += b
					}
					wantNothing(t, server)
				})
			}
		}
	}
}

// The bounds of Linux: 128 datagrams, each of which fits the MTU and has a checksum.
func TestSegmentLimits(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		client := open(t, n.A, family)
		headers := 28
		if family == header.EtherTypeIPv6 {
			headers = 48
		}
		for _, c := range []struct {
			size, by int
			err      error
		}{{1280, 10, nil}, {1281, 10, tcpip.ErrInvalid}, {3000, 1500 - headers, nil}, {3000, 1501 - headers, tcpip.ErrMessageSize}, {10, 9000, nil}, {70000, 1000, tcpip.ErrMessageSize}} {
			o := to(n.B.Addr(family), 7)
			o.Control = tcpip.Control{Has: tcpip.HasSegmentBy, SegmentBy: uint16(c.by)}
			_, err := client.Write(make([]byte, c.size), o)
			require.Equal(t, c.err, err, "%d by %d", c.size, c.by)
		}
		set(t, client, tcpip.SO_NO_CHECK, 1)
		set(t, client, tcpip.UDP_NO_CHECK6_TX, 1)
		set(t, client, tcpip.UDP_SEGMENT, 10)
		_, err := client.Write(make([]byte, 20), to(n.B.Addr(family), 7))
		require.Equal(t, tcpip.ErrInvalid, err)
		require.Zero(t, client.Unsent())
	})
}

// RFC 6935: a datagram over IPv6 without a checksum is for those alone who ask for it.
func TestNoChecksum6(t *testing.T) {
	n := testnet.New(t, testnet.Options{Pipe: pipe.Options{NoChecksum: true}}, udp.New)
	server, client := bound(t, n.B, header.EtherTypeIPv6, 7), open(t, n.A, header.EtherTypeIPv6)
	set(t, client, tcpip.UDP_NO_CHECK6_TX, 1)
	send(t, client, "x", to(n.B.V6, 7))
	wantNothing(t, server)
	require.Equal(t, 1, n.B.Drops(tcpip.DropBadChecksum))
	require.EqualValues(t, 1, n.B.Counters().Udp6.InCsumErrors.Value())
	set(t, server, tcpip.UDP_NO_CHECK6_RX, 1)
	send(t, client, "y", to(n.B.V6, 7))
	got, _ := read(t, server)
	require.Equal(t, "y", got)
	send(t, client, "z", to(n.B.V6, 8))
	require.Equal(t, 2, n.B.Drops(tcpip.DropBadChecksum), "nobody is told that the port is closed")
}
