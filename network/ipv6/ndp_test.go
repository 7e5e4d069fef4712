package ipv6_test

import (
	"fmt"
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

var (
	ourMAC   = tcpip.LinkAddr{2, 0, 0, 0, 0, 1}
	peerMAC  = tcpip.LinkAddr{2, 0, 0, 0, 0, 2}
	otherMAC = tcpip.LinkAddr{2, 0, 0, 0, 0, 3}
	noMAC    = tcpip.LinkAddr{}
	nobody   = netip.IPv6Unspecified()
	usGroup  = header.SolicitedNode(us)
)

// newEthernet is newBench over Ethernet, with its announcements taken.
func newEthernet(t *testing.T, n stack.NICOptions) *bench {
	b := &bench{udp: testnet.NewSink(udp), t: t}
	b.Wired = testnet.Wire(t, stack.Options{}, b.udp.New)
	b.Port = b.Wired.Port(channel.Options{Kind: stack.LinkEthernet, Address: ourMAC}, n, "fd00::1/64", "fe80::1/64")
	if n.DAD.Or(0) == 0 {
		require.Equal(t, []string{announcement("fd00::1", ""), announcement("fe80::1", "")}, b.Sent())
	}
	return b
}

func announcement(a, router string) string {
	return fmt.Sprintf("33:33:00:00:00:01 IP6 %s > ff02::1: hlim 255, ICMP6 neighbor advertisement, tgt is %s, flags %sO, at %v, length 32", a, a, router, ourMAC)
}

// ndp injects a message of neighbour discovery.
func (b *bench) ndp(src, dst netip.Addr, m []byte) {
	header.ICMPv6(m).UpdateChecksum(src, dst)
	b.Inject(testnet.IPv6(header.IPv6Fields{Src: src, Dst: dst, HopLimit: 255, NextHeader: icmp}, m))
}

// ns and na are a solicitation and an advertisement, with a link address unless that is zero.
func ns(target netip.Addr, from tcpip.LinkAddr) []byte {
	m := header.AppendNDPNS(nil, target)
	if !from.IsZero() {
		m = header.AppendNDPLinkAddr(m, header.NDPSourceLinkAddr, from)
	}
	return m
}

func na(target netip.Addr, flags header.NDPNAFlags, at tcpip.LinkAddr) []byte {
	m := header.AppendNDPNA(nil, target, flags)
	if !at.IsZero() {
		m = header.AppendNDPLinkAddr(m, header.NDPTargetLinkAddr, at)
	}
	return m
}

// state returns what is known of a, "" if nothing.
func (b *bench) state(a netip.Addr) string {
	for _, n := range b.Neighbours() {
		if n.Addr == a {
			s := fmt.Sprint(n.Link, " ", n.State)
			if n.Router {
				s += " router"
			}
			return s
		}
	}
	return ""
}

// RFC 4861 §7.2.3, §7.2.4.
func TestSolicitation(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{})
	answer := "02:00:00:00:00:02 IP6 fd00::1 > fd00::2: hlim 255, ICMP6 neighbor advertisement, tgt is fd00::1, flags SO, at 02:00:00:00:00:01, length 32"
	b.ndp(peer, usGroup, ns(us, peerMAC))
	require.Equal(t, []string{answer}, b.Sent())
	require.Equal(t, "02:00:00:00:00:02 STALE", b.state(peer))
	b.ndp(peer, us, ns(us, noMAC)) // a probe of reachability: we know where to answer
	require.Equal(t, []string{answer}, b.Sent())
	b.ndp(nobody, usGroup, ns(us, noMAC)) // somebody detects duplicates
	require.Equal(t, []string{announcement("fd00::1", "")}, b.Sent())
	b.SetForwarding(true)
	b.ndp(nobody, usGroup, ns(us, noMAC))
	require.Equal(t, []string{announcement("fd00::1", "R")}, b.Sent())
	stranger := addr("fd00::99:0:1") // of the same group
	b.dropped(tcpip.DropNotForUs, func() { b.ndp(peer, usGroup, ns(stranger, peerMAC)) })
	require.Empty(t, b.Sent())
}

// RFC 4861 §7.1, RFC 6980, BEHAVIOUR F9.
func TestInvalidSolicitations(t *testing.T) {
	good := ns(us, peerMAC)
	for _, c := range []struct {
		name     string
		src, dst netip.Addr
		hops     uint8
		m        []byte
		why      tcpip.Drop
	}{
		{"hop limit", peer, usGroup, 254, good, tcpip.DropBadHopLimit},
		{"code", peer, usGroup, 255, append([]byte{135, 1}, good[2:]...), tcpip.DropNDPInvalid},
		{"short", peer, usGroup, 255, good[:20], tcpip.DropShort},
		{"for a group", peer, usGroup, 255, ns(usGroup, peerMAC), tcpip.DropNDPInvalid},
		{"option of length 0", peer, usGroup, 255, append(good[:24:24], 1, 0, 0, 0, 0, 0, 0, 0), tcpip.DropNDPInvalid},
		{"no option to a group", peer, usGroup, 255, ns(us, noMAC), tcpip.DropNDPInvalid},
		{"a group's link address", peer, usGroup, 255, ns(us, tcpip.LinkAddr{0x33, 0x33, 0, 0, 0, 1}), tcpip.DropNDPInvalid},
		{"option of nobody", nobody, usGroup, 255, good, tcpip.DropNDPInvalid},
		{"nobody to unicast", nobody, us, 255, ns(us, noMAC), tcpip.DropNDPInvalid},
		{"nobody to all", nobody, allNodes, 255, ns(us, noMAC), tcpip.DropNDPInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newEthernet(t, stack.NICOptions{})
			m := append([]byte(nil), c.m...)
			header.ICMPv6(m).UpdateChecksum(c.src, c.dst)
			p := testnet.IPv6(header.IPv6Fields{Src: c.src, Dst: c.dst, HopLimit: c.hops, NextHeader: icmp}, m)
			b.dropped(c.why, func() { b.Inject(p) })
			require.Empty(t, b.Sent())
			require.Empty(t, b.Neighbours())
		})
	}
	b := newEthernet(t, stack.NICOptions{})
	header.ICMPv6(good).UpdateChecksum(peer, us)
	p := testnet.IPv6(header.IPv6Fields{Src: peer, Dst: us, HopLimit: 255, NextHeader: icmp}, good)
	b.dropped(tcpip.DropNDPInvalid, func() { b.Inject(piece(p, 40, 0, 32, false)) })
	b.Inject(piece(p, 40, 0, 16, true))
	b.dropped(tcpip.DropNDPInvalid, func() { b.Inject(piece(p, 40, 16, 16, false)) })
	require.Empty(t, b.Neighbours())
}

func TestResolve(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{})
	require.Equal(t, tcpip.OK, b.send(peer, 4, stack.SendOptions{}))
	require.Equal(t, []string{
		"33:33:ff:00:00:02 IP6 fd00::1 > ff02::1:ff00:2: hlim 255, ICMP6 neighbor solicitation, who has fd00::2, at 02:00:00:00:00:01, length 32",
	}, b.Sent())
	b.ndp(peer, us, na(peer, header.NDPSolicited|header.NDPOverride|header.NDPRouter, peerMAC))
	require.Equal(t, []string{"02:00:00:00:00:02 IP6 fd00::1 > fd00::2: UDP 1000 > 2000, length 12"}, b.Sent())
	require.Equal(t, "02:00:00:00:00:02 REACHABLE router", b.state(peer))
}

// BEHAVIOUR E3.
func TestUnsolicitedAdvertisement(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{})
	b.ndp(peer, allNodes, na(peer, header.NDPOverride, peerMAC))
	require.Empty(t, b.state(peer), "nobody asked")
	b.ndp(peer, usGroup, ns(us, peerMAC))
	b.Sent()
	b.ndp(peer, allNodes, na(peer, header.NDPOverride, otherMAC))
	require.Equal(t, "02:00:00:00:00:03 STALE", b.state(peer))
	require.Equal(t, tcpip.OK, b.send(peer, 4, stack.SendOptions{}))
	require.Equal(t, []string{"02:00:00:00:00:03 IP6 fd00::1 > fd00::2: UDP 1000 > 2000, length 12"}, b.Sent())
}

func TestInvalidAdvertisements(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{})
	b.ndp(peer, usGroup, ns(us, peerMAC))
	b.Sent()
	b.dropped(tcpip.DropNDPInvalid, func() { b.ndp(peer, allNodes, na(peer, header.NDPSolicited|header.NDPOverride, otherMAC)) })
	b.dropped(tcpip.DropNDPInvalid, func() { b.ndp(peer, us, na(allNodes, header.NDPOverride, otherMAC)) })
	b.dropped(tcpip.DropNDPInvalid, func() { b.ndp(peer, us, na(peer, header.NDPOverride, tcpip.BroadcastLinkAddr())) })
	b.dropped(tcpip.DropDuplicateAddr, func() { b.ndp(peer, us, na(us, header.NDPOverride, otherMAC)) })
	require.Equal(t, "02:00:00:00:00:02 STALE", b.state(peer))
}

// Without Discover routers are configured, and redirects not followed.
func TestRouterMessages(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{})
	router := addr("fe80::ff")
	b.dropped(tcpip.DropUnknownType, func() { b.ndp(router, allNodes, header.AppendNDPRA(nil, &header.NDPRAFields{})) })
	b.dropped(tcpip.DropUnknownType, func() { b.ndp(router, us, header.AppendNDPRS(nil)) })
	b.dropped(tcpip.DropUnknownType, func() { b.ndp(router, us, header.AppendNDPRedirect(nil, router, far)) })
	require.EqualValues(t, 1, b.Wired.Counters().Icmp6.InRedirects.Value())
}

// probes returns the probes of duplicate address detection in what was sent.
func (b *bench) probes() (n int) {
	for _, line := range b.Sent() {
		if line == "33:33:ff:00:00:01 IP6 :: > ff02::1:ff00:1: hlim 255, ICMP6 neighbor solicitation, who has fd00::1, nonce of 6, length 32" {
			n++
		}
	}
	return n
}

func (b *bench) addressState(a netip.Addr) stack.AddressState {
	st, ok := b.AddressState(a)
	require.True(b.t, ok)
	return st
}

// RFC 4862 §5.4.
func TestDetection(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{DAD: tcpip.Set(2)})
	require.Equal(t, stack.AddressTentative, b.addressState(us))
	b.dropped(tcpip.DropDuplicateAddr, func() { b.Inject(datagram(peer, us, 8)) })
	b.dropped(tcpip.DropDuplicateAddr, func() { b.Inject(echo(peer, us, 8)) })
	b.Clock.Advance(time.Second) // the random delay
	b.dropped(tcpip.DropDuplicateAddr, func() { b.ndp(peer, usGroup, ns(us, peerMAC)) })
	b.Clock.Advance(time.Second)
	require.Equal(t, 2, b.probes())
	require.Equal(t, stack.AddressTentative, b.addressState(us))
	b.Clock.Advance(time.Second)
	require.Equal(t, stack.AddressPreferred, b.addressState(us))
	require.Contains(t, b.Sent(), announcement("fd00::1", ""))
	b.Inject(datagram(peer, us, 8))
	require.Len(t, b.udp.Take(), 1)
	require.Zero(t, b.Clock.Next())
}

func TestDuplicate(t *testing.T) {
	for name, hear := range map[string]func(b *bench){
		"advertisement": func(b *bench) { b.ndp(peer, allNodes, na(us, header.NDPOverride, peerMAC)) },
		"probe":         func(b *bench) { b.ndp(nobody, usGroup, ns(us, noMAC)) },
		"probe with a nonce": func(b *bench) {
			b.ndp(nobody, usGroup, header.AppendNDPNonce(ns(us, noMAC), [6]byte{1}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newEthernet(t, stack.NICOptions{DAD: tcpip.Set(1)})
			b.Clock.Advance(time.Second)
			b.dropped(tcpip.DropDuplicateAddr, func() { hear(b) })
			require.Equal(t, stack.AddressDuplicated, b.addressState(us))
			b.Clock.Advance(time.Minute)
			require.Equal(t, stack.AddressDuplicated, b.addressState(us))
			require.Equal(t, stack.AddressPreferred, b.addressState(local), "the other one is ours")
			b.Sent()
			b.dropped(tcpip.DropDuplicateAddr, func() { b.ndp(peer, usGroup, ns(us, peerMAC)) })
			require.Empty(t, b.Sent(), "it is not ours to answer for")
		})
	}
}

// RFC 7527: a link that echoes our probe makes no duplicate.
func TestDetectionLooped(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{DAD: tcpip.Set(1)})
	for range 8 {
		b.Clock.Advance(500 * time.Millisecond)
		for q := b.Next(); q != nil; q = b.Next() {
			p := make([]byte, q.Len())
			q.CopyTo(p)
			q.Release()
			b.Inject(p)
		}
	}
	b.Clock.Advance(10 * time.Second)
	require.Equal(t, stack.AddressPreferred, b.addressState(us))
}

// Detection waits for the link, and begins again with it.
func TestDetectionAndLink(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{DAD: tcpip.Set(1), Down: true})
	b.Clock.Advance(time.Minute)
	require.Zero(t, b.probes())
	require.Equal(t, stack.AddressTentative, b.addressState(us))
	b.SetUp(true)
	b.Clock.Advance(1500 * time.Millisecond)
	b.SetUp(false)
	b.SetUp(true)
	b.Clock.Advance(2 * time.Second)
	require.Equal(t, stack.AddressPreferred, b.addressState(us))
	require.NoError(t, b.AddAddress(netip.MustParsePrefix("fd00::5/64")))
	require.NoError(t, b.RemoveAddress(addr("fd00::5")))
	require.Zero(t, b.Wired.Drops(tcpip.DropDuplicateAddr))
	b.Clock.Advance(5 * time.Second)
	_, ok := b.AddressState(addr("fd00::5"))
	require.False(t, ok)
}

// On a link without addresses there is nobody to ask.
func TestNoDetection(t *testing.T) {
	w := testnet.Wire(t, stack.Options{})
	p := w.Port(channel.Options{}, stack.NICOptions{DAD: tcpip.Set(1)}, "fd00::1/64")
	st, _ := p.AddressState(us)
	require.Equal(t, stack.AddressPreferred, st)
	require.Empty(t, p.Sent())
}

func TestSolicitSource(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{})
	r := b.Wired.Network(header.EtherTypeIPv6).(stack.LinkResolver)
	solicit := func(source netip.Addr, to tcpip.LinkAddr) []string {
		w := b.Wired.Begin()
		r.Solicit(w, b.NIC, peer, source, to)
		w.End()
		return b.Sent()
	}
	line := "IP6 %s > %s: hlim 255, ICMP6 neighbor solicitation, who has fd00::2, at 02:00:00:00:00:01, length 32"
	require.Equal(t, []string{"33:33:ff:00:00:02 " + fmt.Sprintf(line, "fd00::1", "ff02::1:ff00:2")}, solicit(us, noMAC))
	require.Equal(t, []string{"02:00:00:00:00:02 " + fmt.Sprintf(line, "fd00::1", "fd00::2")}, solicit(us, peerMAC))
	require.Equal(t, []string{"33:33:ff:00:00:02 " + fmt.Sprintf(line, "fe80::1", "ff02::1:ff00:2")}, solicit(far, noMAC))
	require.NoError(t, b.RemoveAddress(local))
	require.Equal(t, []string{"33:33:ff:00:00:02 " + fmt.Sprintf(line, "fd00::1", "ff02::1:ff00:2")}, solicit(netip.Addr{}, noMAC))
	require.NoError(t, b.RemoveAddress(us))
	require.Empty(t, solicit(netip.Addr{}, noMAC), "nobody cannot ask")
}

// BEHAVIOUR F11: when nothing can leave, answers are dropped, and counted; without memory too.
func TestSolicitationFlood(t *testing.T) {
	b := &bench{Wired: testnet.Wire(t, stack.Options{}), t: t}
	b.Port = b.Wired.Port(channel.Options{Kind: stack.LinkEthernet, Address: ourMAC, Capacity: 1}, stack.NICOptions{}, "fd00::1/64")
	for range 1200 {
		b.ndp(peer, usGroup, ns(us, peerMAC))
	}
	require.Equal(t, 200, b.Drops(tcpip.DropQueueFull))
	require.Len(t, b.Neighbours(), 1)
}

// Who asks us alone need not say where it is: if we do not know, we ask back (RFC 4861 §7.2.4).
func TestSolicitationUnknownNeighbour(t *testing.T) {
	b := newEthernet(t, stack.NICOptions{})
	b.ndp(peer, us, ns(us, noMAC))
	require.Equal(t, []string{
		"33:33:ff:00:00:02 IP6 fd00::1 > ff02::1:ff00:2: hlim 255, ICMP6 neighbor solicitation, who has fd00::2, at 02:00:00:00:00:01, length 32",
	}, b.Sent())
	b.ndp(peer, us, na(peer, header.NDPSolicited|header.NDPOverride, peerMAC))
	require.Equal(t, []string{
		"02:00:00:00:00:02 IP6 fd00::1 > fd00::2: hlim 255, ICMP6 neighbor advertisement, tgt is fd00::1, flags SO, at 02:00:00:00:00:01, length 32",
	}, b.Sent())
	b.ndp(far, us, ns(us, noMAC))
	require.Equal(t, 1, b.Drops(tcpip.DropNoRoute))
}
