package ipv6_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// listener is a host on Ethernet that reports its groups.
type listener struct {
	*testnet.Wired
	*testnet.Port
	t *testing.T
}

func newListener(t *testing.T, o stack.NICOptions, addresses ...string) *listener {
	x := &listener{Wired: testnet.Wire(t, stack.Options{}), t: t}
	x.Port = x.Wired.Port(channel.Options{Kind: stack.LinkEthernet}, o)
	x.SetGroupOptions(stack.GroupOptions{})
	for _, a := range addresses {
		require.NoError(t, x.AddAddress(netip.MustParsePrefix(a)))
	}
	return x
}

// mld returns the messages that were sent within d, in the order of their sending.
func (x *listener) mld(d time.Duration) []string {
	x.Clock.Advance(d)
	said := []string{}
	for p := x.Next(); p != nil; p = x.Next() {
		b := make([]byte, p.Len())
		p.CopyTo(b)
		link := p.Link.Dst
		p.Release()
		h, drop := header.ParseIPv6(b)
		if drop != tcpip.DropNone || h.NextHeader() != header.ProtocolHopByHop {
			continue
		}
		var c header.IPv6Chain
		require.Equal(x.t, tcpip.DropNone, h.WalkExt(&c))
		require.True(x.t, c.RouterAlert.Present && c.RouterAlert.Value == 0)
		require.EqualValues(x.t, 1, h.HopLimit())
		require.Equal(x.t, header.MulticastLinkAddr(h.Dst()), link)
		icmp, drop := header.ParseICMPv6(h[c.Offset:])
		require.Equal(x.t, tcpip.DropNone, drop)
		require.True(x.t, icmp.ChecksumValid(h.Src(), h.Dst()))
		m, drop := header.ParseMLD(icmp)
		require.Equal(x.t, tcpip.DropNone, drop)
		s := h.Src().String() + " > " + h.Dst().String()
		if m.Type() != header.ICMPv6MLDv2Report {
			said = append(said, s+map[header.ICMPv6Type]string{header.ICMPv6MLDv1Report: " v1 ", header.ICMPv6MLDv1Done: " done "}[m.Type()]+m.Group().String())
			continue
		}
		for r := range m.Records().All() {
			s += " " + r.Type.String() + " " + r.Group.String()
		}
		said = append(said, s)
	}
	return said
}

// alert is a hop-by-hop header with a router alert of multicast listener discovery.
var alert = []byte{58, 0, 5, 2, 0, 0, 1, 0}

// hear makes a message arrive as routers send it.
func (x *listener) hear(src, dst string, m []byte) { x.hearWith(src, dst, 1, alert, m) }

func (x *listener) hearWith(src, dst string, hops uint8, options, m []byte) {
	header.ICMPv6(m).UpdateChecksum(addr(src), addr(dst))
	f := header.IPv6Fields{Src: addr(src), Dst: addr(dst), HopLimit: hops, NextHeader: header.ProtocolHopByHop}
	if options == nil {
		f.NextHeader = icmp
	}
	x.InjectFrame(header.EtherTypeIPv6, stack.LinkPart{Type: stack.PacketMulticast}, testnet.IPv6(f, append(options[:len(options):len(options)], m...)))
}

func query(version uint8, group string, response time.Duration) []byte {
	return header.AppendMLDQuery(nil, &header.MulticastQuery{Version: version, Group: addr(group), MaxResponse: response, Robustness: 1}, nil)
}

// RFC 3810 §5.2.13, §6: the groups of addresses are reported, from :: until there is a link-local address, and then
// again.
func TestMLDAndDetection(t *testing.T) {
	x := newListener(t, stack.NICOptions{DAD: tcpip.Set(1)}, "fe80::1/64")
	require.Equal(t, []string{":: > ff02::16 TO_EX ff02::1:ff00:1"}, x.mld(0))
	said := x.mld(10 * time.Second)
	require.Equal(t, []string{":: > ff02::16 TO_EX ff02::1:ff00:1", "fe80::1 > ff02::16 TO_EX ff02::1:ff00:1", "fe80::1 > ff02::16 TO_EX ff02::1:ff00:1"}, said)
	require.NoError(t, x.JoinGroup(addr("ff05::9")))
	require.Equal(t, []string{"fe80::1 > ff02::16 TO_EX ff05::9"}, x.mld(0))
	x.mld(time.Second)
	require.NoError(t, x.RemoveAddress(addr("fe80::1")))
	require.Equal(t, []string{":: > ff02::16 TO_IN ff02::1:ff00:1"}, x.mld(0))
}

// RFC 3810 §6.2: queries are heard from this link alone.
func TestMLDQuery(t *testing.T) {
	x := newListener(t, stack.NICOptions{}, "fe80::1/64")
	require.NoError(t, x.JoinGroup(addr("ff05::9")))
	x.mld(time.Minute)
	q := func() []byte { return query(2, "::", time.Second) }
	for name, c := range map[string]struct {
		do   func()
		drop tcpip.Drop
	}{
		"hop limit":       {func() { x.hearWith("fe80::2", "ff02::1", 2, alert, q()) }, tcpip.DropBadHopLimit},
		"no router alert": {func() { x.hearWith("fe80::2", "ff02::1", 1, nil, q()) }, tcpip.DropGroupInvalid},
		"another alert":   {func() { x.hearWith("fe80::2", "ff02::1", 1, []byte{58, 0, 5, 2, 0, 1, 1, 0}, q()) }, tcpip.DropGroupInvalid},
		"source":          {func() { x.hear("fd00::2", "ff02::1", q()) }, tcpip.DropGroupInvalid},
		"no source":       {func() { x.hear("::", "ff02::1", q()) }, tcpip.DropGroupInvalid},
		"cut":             {func() { x.hear("fe80::2", "ff02::1", q()[:26]) }, tcpip.DropBadLength},
	} {
		before := x.Drops(c.drop)
		c.do()
		require.Equal(t, before+1, x.Drops(c.drop), name)
		require.Empty(t, x.mld(time.Minute), name)
	}
	x.hear("fe80::2", "ff02::1", q())
	require.Equal(t, []string{"fe80::1 > ff02::16 IS_EX ff05::9 IS_EX ff02::1:ff00:1"}, x.mld(time.Second))
	x.hear("fe80::2", "ff05::9", query(2, "ff05::9", time.Second))
	require.Equal(t, []string{"fe80::1 > ff02::16 IS_EX ff05::9"}, x.mld(time.Second))
	require.Zero(t, x.Clock.Next())
}

// RFC 2710 §4: with a router of version 1, and another listener that says it first.
func TestMLDv1(t *testing.T) {
	x := newListener(t, stack.NICOptions{}, "fe80::1/64")
	require.NoError(t, x.JoinGroup(addr("ff05::9")))
	x.mld(time.Minute)
	report := func() []byte { return header.AppendMLDv1(nil, header.ICMPv6MLDv1Report, addr("ff05::9")) }
	x.hear("fe80::2", "ff05::9", query(1, "ff05::9", time.Second))
	require.Equal(t, []string{"fe80::1 > ff05::9 v1 ff05::9"}, x.mld(time.Second))
	x.hear("fe80::2", "ff05::9", query(1, "ff05::9", time.Second))
	x.hear("fe80::9", "ff05::9", report())
	require.Empty(t, x.mld(time.Second))
	x.hear("fd00::9", "ff05::9", report())
	require.Equal(t, 1, x.Drops(tcpip.DropGroupInvalid))
	require.NoError(t, x.LeaveGroup(addr("ff05::9")))
	require.Empty(t, x.mld(time.Second), "another has reported last")
	require.NoError(t, x.JoinGroup(addr("ff05::a")))
	require.Equal(t, []string{"fe80::1 > ff05::a v1 ff05::a"}, x.mld(0))
	require.NoError(t, x.LeaveGroup(addr("ff05::a")))
	require.Equal(t, []string{"fe80::1 > ff02::2 done ff05::a"}, x.mld(0))
}

// The NIC's filter decides before anybody is asked; multicast listener discovery itself passes.
func TestGroupFilter(t *testing.T) {
	b := newBench(t, stack.Options{}, stack.NICOptions{})
	group := addr("ff05::9")
	only := tcpip.SourceFilter{Sources: []netip.Addr{addr("fd00::7")}}
	require.NoError(t, b.ChangeGroup(group, tcpip.SourceFilter{}, only))
	b.Inject(datagram(addr("fd00::7"), group, 8))
	require.Len(t, b.udp.Take(), 1)
	b.dropped(tcpip.DropMulticastSource, func() { b.Inject(datagram(addr("fd00::8"), group, 8)) })
	b.dropped(tcpip.DropMulticastSource, func() { b.Inject(echo(addr("fd00::8"), group, 8)) })
	b.Inject(echo(addr("fd00::7"), group, 8))
	require.Len(t, b.Sent(), 1)
	m := query(2, "ff05::9", time.Second)
	header.ICMPv6(m).UpdateChecksum(addr("fe80::2"), group)
	f := header.IPv6Fields{Src: addr("fe80::2"), Dst: group, HopLimit: 1, NextHeader: header.ProtocolHopByHop}
	b.Inject(testnet.IPv6(f, append(alert[:8:8], m...)))
	require.EqualValues(t, 1, b.Wired.Counters().Icmp6.InGroupMembQueries.Value())
	require.NoError(t, b.ChangeGroup(group, only, tcpip.SourceFilter{Mode: tcpip.FilterExclude}))
	b.Inject(datagram(addr("fd00::8"), group, 8))
	require.Len(t, b.udp.Take(), 1)
}
