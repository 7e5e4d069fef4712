package stack

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// BEHAVIOUR F2, UDP: each port is as likely as every other.
func TestBindChoosesAtRandom(t *testing.T) {
	f := newFixture(t)
	var sum float64
	var eighths [8]int
	const draws = 4000
	for range draws {
		b := claimOf("v4", nil)
		b.Port = 0
		require.Equal(t, tcpip.OK, f.Demux.Bind(b))
		require.GreaterOrEqual(t, b.Port, uint16(firstEphemeral))
		require.LessOrEqual(t, b.Port, uint16(lastEphemeral))
		sum += float64(b.Port)
		eighths[int(b.Port-firstEphemeral)*8/(lastEphemeral-firstEphemeral+1)]++
	}
	require.InDelta(t, (firstEphemeral+lastEphemeral)/2, sum/draws, 700)
	for _, n := range eighths {
		require.InDelta(t, draws/8, n, draws/40)
	}
}

func TestBindUsesEveryPort(t *testing.T) {
	f := newFixture(t)
	require.Equal(t, tcpip.ErrInvalid, f.SetPortRange(2, 1))
	require.Equal(t, tcpip.ErrInvalid, f.SetPortRange(0, 1))
	require.NoError(t, f.SetPortRange(65000, 65535))
	all := make(map[uint16]bool)
	for range 536 {
		b := claimOf("v4 reuse", nil)
		b.Port = 0
		require.Equal(t, tcpip.OK, f.Demux.Bind(b))
		all[b.Port] = true
	}
	require.Len(t, all, 536, "nobody shares while there is a free one")
	b := claimOf("v4", nil)
	b.Port = 0
	require.Equal(t, tcpip.ErrAddrInUse, f.Demux.Bind(b))
	require.Zero(t, b.Port)
	b.ReuseAddr = true
	require.Equal(t, tcpip.OK, f.Demux.Bind(b), "but then those who allow it")
	first, last := f.PortRange()
	require.Equal(t, []uint16{65000, 65535}, []uint16{first, last})
}

// BEHAVIOUR F2, TCP: the double hash of RFC 6056 §3.3.4.
func TestConnectPort(t *testing.T) {
	f := newFixture(t)
	d := &f.Demux
	to := func(remote string) FlowID {
		return FlowID{header.ProtocolTCP, netip.AddrPortFrom(addr("10.0.0.1"), 0), netip.MustParseAddrPort(remote)}
	}
	connect := func(id FlowID) uint16 {
		t.Helper()
		p, err := d.ConnectPort(id, &named{}, 0)
		require.Equal(t, tcpip.OK, err)
		return p
	}
	a := connect(to("10.0.0.2:80"))
	require.NotNil(t, d.Lookup(flow(header.ProtocolTCP, netip.AddrPortFrom(addr("10.0.0.1"), a).String()+" 10.0.0.2:80")))
	require.Equal(t, a+1, connect(to("10.0.0.2:80")), "one destination: in sequence")
	require.NotEqual(t, a, connect(to("10.0.0.2:81")), "another: somewhere else")

	require.NoError(t, f.SetPortRange(50000, 50003))
	bound := claimOf("tcp v4 on=10.9.9.9", nil)
	bound.Port = 50002
	require.Equal(t, tcpip.OK, d.Bind(bound))
	used := make(map[uint16]bool)
	for range 3 {
		used[connect(to("10.0.0.3:80"))] = true
	}
	require.Equal(t, map[uint16]bool{50000: true, 50001: true, 50003: true}, used, "not what somebody has bound")
	_, err := d.ConnectPort(to("10.0.0.3:80"), &named{}, 0)
	require.Equal(t, tcpip.ErrNoPort, err)
	connect(to("10.0.0.4:80")) // another remote end: the ports are free for it
}

// The same chance gives the same ports.
func TestPortsDeterministic(t *testing.T) {
	run := func() (list []uint16) {
		f := newFixture(t)
		for i := range 100 {
			b := claimOf("v4", nil)
			b.Port = 0
			f.Demux.Bind(b)
			p, _ := f.Demux.ConnectPort(FlowID{header.ProtocolTCP, netip.MustParseAddrPort("10.0.0.1:0"),
				netip.AddrPortFrom(addr("10.0.0.2"), uint16(i%7))}, &named{}, 0)
			list = append(list, b.Port, p)
		}
		return list
	}
	require.Equal(t, run(), run())
}

// A span that is asked for is cut to the stack's range, and one that lies outside counts for nothing.
func TestPortsWithin(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, f.SetPortRange(40000, 50000))
	for _, c := range []struct{ low, high, first, last uint16 }{
		{0, 0, 40000, 50000}, {41000, 42000, 41000, 42000}, {41000, 41000, 41000, 41000}, {41000, 0, 41000, 50000},
		{0, 42000, 40000, 42000}, {1, 42000, 40000, 42000}, {41000, 65535, 41000, 50000}, {60000, 65535, 40000, 50000},
		{1, 2, 40000, 50000}, {50000, 50000, 50000, 50000},
	} {
		first, n := f.ports.within(uint32(c.high)<<16 | uint32(c.low))
		require.Equal(t, []uint16{c.first, c.last}, []uint16{first, first + uint16(n-1)}, "%d to %d", c.low, c.high)
	}
	id := FlowID{Proto: header.ProtocolTCP, Local: netip.MustParseAddrPort("10.0.0.1:0"), Remote: netip.MustParseAddrPort("10.0.0.2:80")}
	seen := map[uint16]bool{}
	for range 3 {
		port, err := f.Demux.ConnectPort(id, &named{}, 41002<<16|41000)
		require.Equal(t, tcpip.OK, err)
		seen[port] = true
	}
	require.Equal(t, map[uint16]bool{41000: true, 41001: true, 41002: true}, seen)
	_, err := f.Demux.ConnectPort(id, &named{}, 41002<<16|41000)
	require.Equal(t, tcpip.ErrNoPort, err)
}
