package arp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/network/arp"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

var (
	us, peer, other = addr("10.0.0.1"), addr("10.0.0.2"), addr("10.0.0.3")
	ourMAC          = tcpip.LinkAddr{2, 0, 0, 0, 0, 1}
	peerMAC         = tcpip.LinkAddr{2, 0, 0, 0, 0, 2}
	otherMAC        = tcpip.LinkAddr{2, 0, 0, 0, 0, 3}
	everybody       = tcpip.BroadcastLinkAddr()
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// bench is a stack with one Ethernet NIC, 10.0.0.1/24.
type bench struct {
	*testnet.Wired
	*testnet.Port
	t testing.TB
}

func newBench(t testing.TB) *bench {
	b := &bench{Wired: testnet.Wire(t, stack.Options{}), t: t}
	b.Port = b.Wired.Port(channel.Options{Kind: stack.LinkEthernet, Address: ourMAC}, stack.NICOptions{}, "10.0.0.1/24")
	require.Equal(t, []string{"ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.1 tell 10.0.0.1"}, b.Sent(), "an announcement")
	return b
}

// message injects an ARP message, to everybody if it is a request and to us otherwise.
func (b *bench) message(op header.ARPOp, sender netip.Addr, from tcpip.LinkAddr, target netip.Addr) {
	f := header.ARPFields{Op: op, SenderAddr: sender, SenderLinkAddr: from, TargetAddr: target}
	m := append(f.Encode(make([]byte, header.ARPSize)), make([]byte, 18)...)
	link := stack.LinkPart{Src: from, Dst: ourMAC, Type: stack.PacketHost}
	if op == header.ARPRequest {
		link.Dst, link.Type = everybody, stack.PacketBroadcast
	}
	b.InjectFrame(header.EtherTypeARP, link, m)
}

// state returns what is known of a, "" if nothing.
func (b *bench) state(a netip.Addr) string {
	for _, n := range b.Neighbours() {
		if n.Addr == a {
			return fmt.Sprint(n.Link, " ", n.State)
		}
	}
	return ""
}

// ping sends a packet to a.
func (b *bench) ping(a netip.Addr) {
	r, err := b.FindRoute(stack.RouteQuery{Destination: a})
	require.Equal(b.t, tcpip.OK, err)
	p := b.Wired.NewPacket()
	p.Prepend(8)
	w := b.Wired.Begin()
	defer w.End()
	r.Net.Send(w, r, p, &stack.SendOptions{Proto: header.ProtocolSCTP})
}

// RFC 826.
func TestRequest(t *testing.T) {
	b := newBench(t)
	b.message(header.ARPRequest, peer, peerMAC, us)
	require.Equal(t, []string{"02:00:00:00:00:02 ARP 10.0.0.1 is-at 02:00:00:00:00:01"}, b.Sent())
	require.Equal(t, "02:00:00:00:00:02 STALE", b.state(peer), "who asks for us is about to talk to us")
	b.message(header.ARPRequest, peer, peerMAC, other)
	require.Empty(t, b.Sent())
	c := &b.Wired.Counters().Arp
	require.EqualValues(t, 2, c.InRequests.Value())
	require.EqualValues(t, 1, c.OutReplies.Value())
}

// RFC 5227 §2.1.1: a probe is answered and teaches nothing.
func TestProbe(t *testing.T) {
	b := newBench(t)
	b.message(header.ARPRequest, addr("0.0.0.0"), peerMAC, us)
	require.Equal(t, []string{"02:00:00:00:00:02 ARP 10.0.0.1 is-at 02:00:00:00:00:01"}, b.Sent())
	require.Empty(t, b.Neighbours())
}

func TestResolve(t *testing.T) {
	b := newBench(t)
	b.ping(peer)
	require.Equal(t, []string{"ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.2 tell 10.0.0.1"}, b.Sent())
	b.message(header.ARPReply, peer, peerMAC, us)
	require.Equal(t, []string{"02:00:00:00:00:02 IP 10.0.0.1 > 10.0.0.2: SCTP, length 8"}, b.Sent())
	require.Equal(t, "02:00:00:00:00:02 REACHABLE", b.state(peer))
	require.EqualValues(t, 1, b.Wired.Counters().Arp.InReplies.Value())
}

// BEHAVIOUR E3: a neighbour's new address is believed when it is announced, and only of those we know.
func TestGratuitous(t *testing.T) {
	for _, op := range []header.ARPOp{header.ARPRequest, header.ARPReply} {
		b := newBench(t)
		b.message(op, other, otherMAC, other)
		require.Empty(t, b.state(other), "arp_accept is 0")
		b.ping(peer)
		b.message(header.ARPReply, peer, peerMAC, us)
		b.Sent()
		b.message(op, peer, otherMAC, peer)
		require.Equal(t, "02:00:00:00:00:03 STALE", b.state(peer))
		b.ping(peer)
		require.Equal(t, []string{"02:00:00:00:00:03 IP 10.0.0.1 > 10.0.0.2: SCTP, length 8"}, b.Sent())
	}
}

// BEHAVIOUR C0: arp_ignore is 0, unless the NIC is strict.
func TestWeakHost(t *testing.T) {
	b := newBench(t)
	second := b.Wired.Port(channel.Options{Kind: stack.LinkEthernet, Address: otherMAC}, stack.NICOptions{}, "10.1.0.1/24")
	second.Sent()
	b.message(header.ARPRequest, peer, peerMAC, addr("10.1.0.1"))
	require.Equal(t, []string{"02:00:00:00:00:02 ARP 10.1.0.1 is-at 02:00:00:00:00:01"}, b.Sent())
	b.SetStrictHost(true)
	b.message(header.ARPRequest, peer, peerMAC, addr("10.1.0.1"))
	require.Empty(t, b.Sent())
}

func TestInvalid(t *testing.T) {
	for _, c := range []struct {
		name string
		op   header.ARPOp
		ip   string
		mac  tcpip.LinkAddr
		tgt  string
	}{
		{"operation", 3, "10.0.0.2", peerMAC, "10.0.0.1"},
		{"our own MAC", 1, "10.0.0.2", ourMAC, "10.0.0.1"},
		{"a group's MAC", 1, "10.0.0.2", tcpip.LinkAddr{1, 0, 0x5e, 0, 0, 1}, "10.0.0.1"},
		{"no MAC", 1, "10.0.0.2", tcpip.LinkAddr{}, "10.0.0.1"},
		{"from a group", 1, "224.0.0.1", peerMAC, "10.0.0.1"},
		{"from a broadcast", 1, "10.0.0.255", peerMAC, "10.0.0.1"},
		{"from loopback", 1, "127.0.0.1", peerMAC, "10.0.0.1"},
		{"to a group", 1, "10.0.0.2", peerMAC, "224.0.0.1"},
		{"to loopback", 1, "10.0.0.2", peerMAC, "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.message(c.op, addr(c.ip), c.mac, addr(c.tgt))
			require.Empty(t, b.Sent())
			require.Empty(t, b.Neighbours())
			require.Equal(t, 1, b.Drops(tcpip.DropARPInvalid))
		})
	}
	b := newBench(t)
	b.InjectFrame(header.EtherTypeARP, stack.LinkPart{}, make([]byte, 27))
	require.Equal(t, 1, b.Drops(tcpip.DropShort))
	b.InjectFrame(header.EtherTypeARP, stack.LinkPart{}, make([]byte, 28))
	require.Equal(t, 1, b.Drops(tcpip.DropARPInvalid), "not of IPv4 over Ethernet")
	bare := b.Wired.Port(channel.Options{}, stack.NICOptions{}, "10.2.0.1/24")
	f := header.ARPFields{Op: header.ARPRequest, SenderAddr: peer, SenderLinkAddr: peerMAC, TargetAddr: us}
	bare.InjectFrame(header.EtherTypeARP, stack.LinkPart{}, f.Encode(make([]byte, header.ARPSize)))
	require.Equal(t, 2, b.Drops(tcpip.DropARPInvalid), "a link without addresses")
}

// RFC 5227 §2.4 b: an address in conflict is defended, not more often than every ten seconds.
func TestConflict(t *testing.T) {
	b := newBench(t)
	defence := []string{"ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.1 tell 10.0.0.1"}
	b.message(header.ARPRequest, us, peerMAC, us)
	require.Equal(t, defence, b.Sent())
	b.message(header.ARPReply, us, peerMAC, peer)
	require.Empty(t, b.Sent())
	require.Equal(t, 2, b.Drops(tcpip.DropDuplicateAddr))
	b.Clock.Advance(10 * time.Second)
	b.message(header.ARPRequest, us, peerMAC, other)
	require.Equal(t, defence, b.Sent())
	require.Empty(t, b.Neighbours())
}

// BEHAVIOUR F11: however many addresses are attacked, what is sent is bounded.
func TestConflictFlood(t *testing.T) {
	b := newBench(t)
	for i := range 100 {
		require.NoError(t, b.AddAddress(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), 32)))
	}
	b.Sent()
	for i := range 100 {
		b.message(header.ARPRequest, netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), peerMAC, other)
	}
	require.Len(t, b.Sent(), 64)
	b.Clock.Advance(10 * time.Second)
	for i := range 100 {
		b.message(header.ARPRequest, netip.AddrFrom4([4]byte{10, 0, 1, byte(99 - i)}), peerMAC, other)
	}
	require.Len(t, b.Sent(), 64)
}

// BEHAVIOUR F11: when nothing can leave, answers are dropped, and counted.
func TestFlood(t *testing.T) {
	b := &bench{Wired: testnet.Wire(t, stack.Options{}), t: t}
	b.Port = b.Wired.Port(channel.Options{Kind: stack.LinkEthernet, Address: ourMAC, Capacity: 1}, stack.NICOptions{}, "10.0.0.1/24")
	for range 1200 {
		b.message(header.ARPRequest, peer, peerMAC, us)
	}
	require.Equal(t, 200, b.Drops(tcpip.DropQueueFull))
	require.Len(t, b.Neighbours(), 1)
}

// BEHAVIOUR E7: an announcement waits for the link.
func TestAnnounceOnUp(t *testing.T) {
	w := testnet.Wire(t, stack.Options{})
	p := w.Port(channel.Options{Kind: stack.LinkEthernet}, stack.NICOptions{Down: true}, "10.0.0.1/24")
	require.Empty(t, p.Sent())
	p.SetUp(true)
	require.Equal(t, []string{"ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.1 tell 10.0.0.1"}, p.Sent())
}

// A solicitation comes from an address of ours even where a route's source is not.
func TestSolicitSource(t *testing.T) {
	b := newBench(t)
	r := b.Wired.Network(header.EtherTypeARP).(stack.LinkResolver)
	for _, c := range []struct {
		source netip.Addr
		to     tcpip.LinkAddr
		want   string
	}{
		{us, tcpip.LinkAddr{}, "ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.2 tell 10.0.0.1"},
		{us, peerMAC, "02:00:00:00:00:02 ARP who-has 10.0.0.2 tell 10.0.0.1"},
		{addr("192.0.2.1"), tcpip.LinkAddr{}, "ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.2 tell 10.0.0.1"},
		{netip.Addr{}, tcpip.LinkAddr{}, "ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.2 tell 10.0.0.1"},
	} {
		w := b.Wired.Begin()
		r.Solicit(w, b.NIC, peer, c.source, c.to)
		w.End()
		require.Equal(t, []string{c.want}, b.Sent())
	}
	require.NoError(t, b.RemoveAddress(us))
	w := b.Wired.Begin()
	r.Solicit(w, b.NIC, peer, netip.Addr{}, tcpip.LinkAddr{})
	w.End()
	require.Equal(t, []string{"ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.2 tell 0.0.0.0"}, b.Sent())
	require.Equal(t, header.EtherTypeIPv4, r.Resolves())
}

func TestNoAllocations(t *testing.T) {
	b := newBench(t)
	f := header.ARPFields{Op: header.ARPRequest, SenderAddr: peer, SenderLinkAddr: peerMAC, TargetAddr: us}
	m := f.Encode(make([]byte, header.ARPSize))
	linktest.NoAllocations(t, func() {
		b.InjectFrame(header.EtherTypeARP, stack.LinkPart{Src: peerMAC, Type: stack.PacketBroadcast}, m)
		b.Next().Release()
	})
}

func FuzzReceive(f *testing.F) {
	for _, op := range []header.ARPOp{1, 2} {
		m := header.ARPFields{Op: op, SenderAddr: peer, SenderLinkAddr: peerMAC, TargetAddr: us}
		f.Add([]byte(m.Encode(make([]byte, header.ARPSize))), byte(op))
	}
	f.Fuzz(func(t *testing.T, b []byte, how byte) {
		if len(b) > 2000 {
			return
		}
		w := testnet.Wire(t, stack.Options{Networks: []stack.NewNetwork{arp.New, ipv4.New}})
		p := w.Port(channel.Options{Kind: stack.LinkEthernet, Address: ourMAC}, stack.NICOptions{}, "10.0.0.1/24")
		p.InjectFrame(header.EtherTypeARP, stack.LinkPart{Type: stack.PacketType(how & 3)}, b)
		p.InjectFrame(header.EtherTypeARP, stack.LinkPart{Type: stack.PacketType(how >> 2 & 3)}, b)
		w.Clock.Advance(100 * time.Second)
	})
}

func Example() {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{arp.New, ipv4.New}})
	defer s.Close()
	link := channel.New(channel.Options{Kind: stack.LinkEthernet, Address: ourMAC})
	_, _ = s.AddNIC(link, stack.NICOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	announcement := link.TryNext()
	fmt.Println(testnet.Dump(announcement.EtherType, announcement.Front()))
	announcement.Release()
	// Output: ARP who-has 10.0.0.1 tell 10.0.0.1
}
