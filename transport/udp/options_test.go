package udp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
)

// Every row of the table that UDP has is set and read back on both families; the others are refused with
// Linux's errno.
func TestOptionsRoundTrip(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	for _, family := range families {
		for _, row := range tcpip.SocketOptions {
			t.Run(name(family)+"/"+row.Name, func(t *testing.T) {
				e := open(t, n.A, family)
				if family == header.EtherTypeIPv4 && row.ID.Level() == tcpip.IPPROTO_IPV6 {
					require.Equal(t, tcpip.ErrNoProtocolOption, e.SetOption(row.ID, 1))
					_, err := e.Option(row.ID)
					require.Equal(t, tcpip.ErrNotSupported, err)
					return
				}
				if row.On&tcpip.KindUDP == 0 {
					require.Equal(t, tcpip.ErrNoProtocolOption, e.SetOption(row.ID, 1))
					_, err := e.Option(row.ID)
					require.Equal(t, tcpip.ErrNoProtocolOption, err)
					return
				}
				if row.ID == tcpip.IPV6_MTU {
					return // which reads as something else: see oracle
				}
				fresh := tcpip.DefaultSocketConf()
				want := row.Get(&fresh)
				if want == -1 && defaults[row.ID] {
					want = 64 // Linux tells the default that is used
				}
				got, err := e.Option(row.ID)
				require.NoError(t, err)
				require.Equal(t, want, got, "default")

				values := []int{row.Min, row.Max, (row.Min + row.Max) / 2, 1}
				if row.Unit == "NIC" {
					values = []int{0, int(testnet.Loopback), int(testnet.Ethernet)}
				}
				if v, ok := allowed[row.ID]; ok {
					values = v
				}
				for _, v := range values {
					require.NoError(t, e.SetOption(row.ID, v), "setting %d", v)
					c := tcpip.DefaultSocketConf()
					require.Equal(t, tcpip.OK, row.Put(&c, v))
					want := row.Get(&c)
					if want == -1 && defaults[row.ID] {
						want = 64
					}
					got, err := e.Option(row.ID)
					require.NoError(t, err)
					require.Equal(t, want, got, "after setting %d", v)
				}
				if row.Unit != "bool" && row.Max < 1<<31-1 {
					require.Equal(t, tcpip.ErrInvalid, e.SetOption(row.ID, row.Max+1))
					require.Equal(t, tcpip.ErrInvalid, e.SetOption(row.ID, row.Min-1))
				}
			})
		}
	}
}

// defaults are the options that show the stack's default in place of -1.
var defaults = map[tcpip.OptionID]bool{tcpip.IP_TTL: true, tcpip.IPV6_UNICAST_HOPS: true}

// allowed are values of options that do not take every number of their range.
var allowed = map[tcpip.OptionID][]int{
	tcpip.IP_LOCAL_PORT_RANGE: {0, 2000<<16 | 1000}, tcpip.IPV6_ADDR_PREFERENCES: {1, 2},
	tcpip.SO_TIMESTAMPING: {0, int(tcpip.TimestampSent | tcpip.TimestampReport), int(tcpip.TimestampNumber)},
}

// Conditions beyond the range of a row, as measured on Linux.
func TestOptionConditions(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	e := open(t, n.A, header.EtherTypeIPv6)
	for _, c := range []struct {
		id   tcpip.OptionID
		v    int
		want error
	}{
		{tcpip.IP_TTL, 0, tcpip.ErrInvalid},
		{tcpip.IPV6_UNICAST_HOPS, 0, nil},
		{tcpip.IP_MULTICAST_IF, 77, tcpip.ErrAddrNotAvailable},
		{tcpip.IPV6_MULTICAST_IF, 77, tcpip.ErrNoDevice},
		{tcpip.IP_MTU, 1400, tcpip.ErrNoProtocolOption},
		{tcpip.SO_KEEPALIVE, 1, tcpip.ErrNoProtocolOption},
		{tcpip.Option(tcpip.SOL_SOCKET, 9999), 1, tcpip.ErrNoProtocolOption},
		{tcpip.SO_BINDTOIFINDEX, -1, tcpip.ErrInvalid},
		{tcpip.SO_BINDTOIFINDEX, int(testnet.Ethernet), nil},
		{tcpip.IP_MULTICAST_IF, int(testnet.Loopback), tcpip.ErrInvalid},
		{tcpip.IP_MULTICAST_IF, int(testnet.Ethernet), nil},
	} {
		err := e.SetOption(c.id, c.v)
		if c.want == nil {
			require.NoError(t, err)
		} else {
			require.Equal(t, c.want, err, "%d/%d = %d", c.id.Level(), c.id.Number(), c.v)
		}
	}
}

// SO_BINDTODEVICE limits both directions, also when it is set late.
func TestBindToNIC(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	e := bound(t, n.B, header.EtherTypeIPv4, 7)
	client := open(t, n.A, header.EtherTypeIPv4)
	set(t, e, tcpip.SO_BINDTOIFINDEX, int(testnet.Loopback))
	send(t, client, "x", to(n.B.V4, 7))
	wantNothing(t, e)
	require.Equal(t, 1, n.B.Drops(tcpip.DropNoPort))
	set(t, e, tcpip.SO_BINDTOIFINDEX, int(testnet.Ethernet))
	send(t, client, "x", to(n.B.V4, 7))
	read(t, e)
	set(t, e, tcpip.SO_BINDTOIFINDEX, 0)
	send(t, client, "x", to(n.B.V4, 7))
	read(t, e)

	named := open(t, n.B, header.EtherTypeIPv4)
	require.NoError(t, named.Bind(tcpip.FullAddress{NIC: testnet.Loopback, Port: 8}))
	require.Equal(t, tcpip.FullAddress{NIC: testnet.Loopback, Port: 8}, named.LocalAddress())
	send(t, client, "x", to(n.B.V4, 8))
	wantNothing(t, named)
}

// SO_NO_CHECK leaves the checksum out over IPv4, and a receiver takes that; IPv6 has always one.
func TestNoChecksum(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		server, client := bound(t, n.B, family, 7), open(t, n.A, family)
		set(t, client, tcpip.SO_NO_CHECK, 1)
		sent := testnet.Capture(n.A.NIC)
		send(t, client, "x", to(n.B.Addr(family), 7))
		read(t, server)
		b := sent()[0]
		if family == header.EtherTypeIPv4 {
			require.Zero(t, header.UDP(b[header.IPv4Size:]).Checksum())
		} else {
			require.NotZero(t, header.UDP(b[header.IPv6Size:]).Checksum())
		}
	})
}
