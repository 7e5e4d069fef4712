package ipv4_test

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

func newListener(t *testing.T, addresses ...string) *listener {
	x := &listener{Wired: testnet.Wire(t, stack.Options{}), t: t}
	x.Port = x.Wired.Port(channel.Options{Kind: stack.LinkEthernet}, stack.NICOptions{}, addresses...)
	x.SetGroupOptions(stack.GroupOptions{})
	x.Packets()
	return x
}

// igmp returns the messages that were sent within d: where to, from whom and what.
func (x *listener) igmp(d time.Duration) []string {
	x.Clock.Advance(d)
	said := []string{}
	for p := x.Next(); p != nil; p = x.Next() {
		b := make([]byte, p.Len())
		p.CopyTo(b)
		link := p.Link.Dst
		p.Release()
		h, drop := header.ParseIPv4(b)
		if drop != tcpip.DropNone || h.Protocol() != header.ProtocolIGMP {
			continue
		}
		require.Equal(x.t, header.MulticastLinkAddr(h.Dst()), link)
		require.Equal(x.t, []byte{0x94, 4, 0, 0}, []byte(h.Options()), "router alert (RFC 2113)")
		require.True(x.t, h.TTL() == 1 && h.TOS() == 0xc0 && h.ChecksumValid())
		m, drop := header.ParseIGMP(h.Payload())
		require.Equal(x.t, tcpip.DropNone, drop)
		require.True(x.t, m.ChecksumValid())
		s := h.Src().String() + " > " + h.Dst().String()
		if m.Type() != header.IGMPv3Report {
			said = append(said, s+map[header.IGMPType]string{header.IGMPv1Report: " v1 ", header.IGMPv2Report: " v2 ", header.IGMPv2Leave: " leave "}[m.Type()]+m.Group().String())
			continue
		}
		for r := range m.Records().All() {
			s += " " + r.Type.String() + " " + r.Group.String()
			for a := range r.Sources.All() {
				s += " " + a.String()
			}
		}
		said = append(said, s)
	}
	return said
}

// hear makes a message arrive in a frame to all of its group.
func (x *listener) hear(src, dst string, m []byte) {
	b := testnet.IPv4(header.IPv4Fields{Src: addr(src), Dst: addr(dst), TTL: 1, Protocol: header.ProtocolIGMP}, m)
	x.InjectFrame(header.EtherTypeIPv4, stack.LinkPart{Type: stack.PacketMulticast}, b)
}

func query(version uint8, group string, response time.Duration) []byte {
	return header.AppendIGMPQuery(nil, &header.MulticastQuery{Version: version, Group: addr(group), MaxResponse: response, Robustness: 1}, nil)
}

// RFC 3376 §4: what reports look like, and when they are sent.
func TestIGMP(t *testing.T) {
	x := newListener(t, "10.0.0.1/24")
	require.NoError(t, x.JoinGroup(addr("239.1.2.3")))
	require.Equal(t, []string{"10.0.0.1 > 224.0.0.22 TO_EX 239.1.2.3"}, x.igmp(0))
	require.Equal(t, []string{"10.0.0.1 > 224.0.0.22 TO_EX 239.1.2.3"}, x.igmp(time.Second))
	require.NoError(t, x.JoinGroup(addr("239.1.2.3")), "counted")
	require.NoError(t, x.JoinGroup(addr("224.0.0.1")))
	require.Empty(t, x.igmp(time.Minute))
	f := tcpip.SourceFilter{Sources: []netip.Addr{addr("10.0.0.9")}}
	require.NoError(t, x.ChangeGroup(addr("239.9.9.9"), tcpip.SourceFilter{}, f))
	require.Equal(t, []string{"10.0.0.1 > 224.0.0.22 ALLOW 239.9.9.9 10.0.0.9"}, x.igmp(0))
	x.hear("10.0.0.2", "224.0.0.1", query(3, "0.0.0.0", time.Second))
	require.Len(t, x.igmp(time.Second), 2, "the answer, and the change once more")
	require.NoError(t, x.LeaveGroup(addr("239.1.2.3")))
	require.Empty(t, x.igmp(time.Second))
	require.NoError(t, x.LeaveGroup(addr("239.1.2.3")))
	require.Equal(t, []string{"10.0.0.1 > 224.0.0.22 TO_IN 239.1.2.3"}, x.igmp(time.Second), "the querier's robustness is 1")
	require.Zero(t, x.Clock.Next(), "an idle host has no timer")
	require.EqualValues(t, 1, x.Wired.Counters().Igmp.InQueries.Value())
}

// Without an address a host reports from none, and a querier may ask from none (RFC 4541 §2.1.1).
func TestIGMPWithoutAddress(t *testing.T) {
	x := newListener(t)
	require.NoError(t, x.JoinGroup(addr("239.1.2.3")))
	require.Equal(t, []string{"0.0.0.0 > 224.0.0.22 TO_EX 239.1.2.3"}, x.igmp(0))
	x.igmp(time.Minute)
	x.hear("0.0.0.0", "224.0.0.1", query(3, "0.0.0.0", time.Second))
	require.Equal(t, []string{"0.0.0.0 > 224.0.0.22 IS_EX 239.1.2.3"}, x.igmp(time.Second))
	x.hear("0.0.0.0", "239.1.2.3", query(3, "239.1.2.3", time.Second))
	require.Equal(t, []string{"0.0.0.0 > 224.0.0.22 IS_EX 239.1.2.3"}, x.igmp(time.Second))
}

// RFC 2236 §3: with an old querier one report per link is enough, if it was there for all to hear.
func TestIGMPSuppression(t *testing.T) {
	x := newListener(t, "10.0.0.1/24")
	require.NoError(t, x.JoinGroup(addr("239.1.2.3")))
	x.igmp(time.Minute)
	report := header.AppendIGMP(nil, header.IGMPv2Report, addr("239.1.2.3"))
	x.hear("10.0.0.2", "224.0.0.1", query(2, "0.0.0.0", 10*time.Second))
	x.Inject(testnet.IPv4(header.IPv4Fields{Src: addr("10.0.0.9"), Dst: addr("239.1.2.3"), TTL: 1, Protocol: header.ProtocolIGMP}, report))
	require.Equal(t, []string{"10.0.0.1 > 239.1.2.3 v2 239.1.2.3"}, x.igmp(10*time.Second), "for this host alone")
	x.hear("10.0.0.2", "224.0.0.1", query(2, "0.0.0.0", 10*time.Second))
	x.hear("10.0.0.9", "239.1.2.3", report)
	require.Empty(t, x.igmp(10*time.Second))
	require.NoError(t, x.LeaveGroup(addr("239.1.2.3")))
	require.Empty(t, x.igmp(10*time.Second), "another has reported last")
	require.NoError(t, x.JoinGroup(addr("239.1.2.3")))
	require.Equal(t, []string{"10.0.0.1 > 239.1.2.3 v2 239.1.2.3"}, x.igmp(0))
	require.NoError(t, x.LeaveGroup(addr("239.1.2.3")))
	require.Equal(t, []string{"10.0.0.1 > 224.0.0.2 leave 239.1.2.3"}, x.igmp(0))
}

// Groups are reported anew when the link comes back, and not at all where that is turned off.
func TestIGMPLink(t *testing.T) {
	x := newListener(t, "10.0.0.1/24")
	require.NoError(t, x.JoinGroup(addr("239.1.2.3")))
	x.igmp(0)
	x.SetUp(false)
	require.NoError(t, x.JoinGroup(addr("239.1.2.4")))
	require.Empty(t, x.igmp(time.Minute))
	x.SetUp(true)
	require.Equal(t, []string{"10.0.0.1 > 224.0.0.22 TO_EX 239.1.2.3 TO_EX 239.1.2.4"}, x.igmp(0))
	x.SetGroupOptions(stack.GroupOptions{IGMPVersion: tcpip.Set(1)})
	x.hear("10.0.0.2", "239.1.2.3", query(3, "239.1.2.3", time.Second))
	require.Len(t, x.igmp(10*time.Second), 2)
	x.SetGroupOptions(stack.GroupOptions{Silent: true})
	x.hear("10.0.0.2", "224.0.0.1", query(3, "0.0.0.0", time.Second))
	require.NoError(t, x.LeaveGroup(addr("239.1.2.3")))
	require.Empty(t, x.igmp(time.Minute))
	x.SetGroupOptions(stack.GroupOptions{})
	require.Equal(t, []string{"10.0.0.1 > 224.0.0.22 TO_EX 239.1.2.4"}, x.igmp(0))
	x.NIC.Remove()
	require.Zero(t, x.Clock.Next())
}

// What is no good message is counted with its reason.
func TestIGMPInvalid(t *testing.T) {
	x := newListener(t, "10.0.0.1/24")
	require.NoError(t, x.JoinGroup(addr("239.1.2.3")))
	x.igmp(time.Minute)
	bad := query(3, "0.0.0.0", time.Second)
	bad[2]++
	for _, c := range []struct {
		m    []byte
		drop tcpip.Drop
	}{
		{bad, tcpip.DropBadChecksum},
		{nil, tcpip.DropBadChecksum},
		{[]byte{0xff, 0xff, 0, 0}, tcpip.DropShort},
		{[]byte{0x11, 0, 0xee, 0xff, 0, 0, 0, 0, 0, 0}, tcpip.DropBadLength},
		{header.AppendIGMP(nil, 0x99, addr("239.1.2.3")), tcpip.DropUnknownType},
	} {
		before := x.Drops(c.drop)
		x.hear("10.0.0.2", "224.0.0.1", c.m)
		require.Equal(t, before+1, x.Drops(c.drop), "%x", c.m)
	}
	require.Empty(t, x.igmp(time.Minute))
}

// The NIC's filter decides before anybody is asked; IGMP itself passes.
func TestGroupFilter(t *testing.T) {
	sink := testnet.NewSink(header.ProtocolUDP)
	w := testnet.Wire(t, stack.Options{}, sink.New)
	p := w.Port(channel.Options{}, stack.NICOptions{}, "10.0.0.1/24")
	group := addr("239.1.2.3")
	from := func(src string) int {
		p.Inject(testnet.IPv4(header.IPv4Fields{Src: addr(src), Dst: group, Protocol: header.ProtocolUDP}, make([]byte, 8)))
		return len(sink.Take())
	}
	only := tcpip.SourceFilter{Sources: []netip.Addr{addr("10.0.0.7")}}
	but := tcpip.SourceFilter{Mode: tcpip.FilterExclude, Sources: []netip.Addr{addr("10.0.0.8")}}
	require.NoError(t, p.ChangeGroup(group, tcpip.SourceFilter{}, only))
	require.Equal(t, 1, from("10.0.0.7"))
	require.Equal(t, 0, from("10.0.0.8"))
	require.Equal(t, 1, w.Drops(tcpip.DropMulticastSource))
	require.NoError(t, p.ChangeGroup(group, tcpip.SourceFilter{}, but))
	require.Equal(t, 1, from("10.0.0.7"))
	require.Equal(t, 1, from("10.0.0.9"))
	require.Equal(t, 0, from("10.0.0.8"))
	require.NoError(t, p.JoinGroup(group))
	require.Equal(t, 1, from("10.0.0.8"))
	require.NoError(t, p.LeaveGroup(group))
	require.NoError(t, p.ChangeGroup(group, but, tcpip.SourceFilter{}))
	require.Equal(t, tcpip.ErrAddrNotAvailable, p.LeaveGroup(group), "it was not joined by anybody like that")
	require.NoError(t, p.ChangeGroup(group, only, tcpip.SourceFilter{}))
	require.Equal(t, tcpip.SourceFilter{}, p.GroupFilter(group))
	require.False(t, p.InGroup(group))
}
