package behaviour

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// arpRequest makes the NIC receive a request for target's link address.
func arpRequest(nic *testnet.Port, sender netip.Addr, from tcpip.LinkAddr, target netip.Addr) {
	arpMessage(nic, header.ARPFields{Op: header.ARPRequest, SenderAddr: sender, SenderLinkAddr: from, TargetAddr: target})
}

// arpReply makes the NIC receive a reply, sent to it alone.
func arpReply(nic *testnet.Port, sender netip.Addr, from tcpip.LinkAddr, target netip.Addr) {
	arpMessage(nic, header.ARPFields{Op: header.ARPReply, SenderAddr: sender, SenderLinkAddr: from, TargetAddr: target})
}

func arpMessage(nic *testnet.Port, f header.ARPFields) {
	link := stack.LinkPart{Src: f.SenderLinkAddr, Dst: nic.Info().Address, Type: stack.PacketHost}
	if f.Op == header.ARPRequest {
		link.Dst, link.Type = tcpip.BroadcastLinkAddr(), stack.PacketBroadcast
	}
	nic.InjectFrame(header.EtherTypeARP, link, f.Encode(make([]byte, header.ARPSize)))
}

// ndp makes the NIC receive a message of neighbour discovery.
func ndp(nic *testnet.Port, src, dst netip.Addr, m []byte) {
	header.ICMPv6(m).UpdateChecksum(src, dst)
	nic.Inject(testnet.IPv6(header.IPv6Fields{Src: src, Dst: dst, HopLimit: 255, NextHeader: header.ProtocolICMPv6}, m))
}

// solicit and advertise are messages of neighbour discovery.
func solicit(target netip.Addr, from tcpip.LinkAddr) []byte {
	return header.AppendNDPLinkAddr(header.AppendNDPNS(nil, target), header.NDPSourceLinkAddr, from)
}

func advertise(target netip.Addr, flags header.NDPNAFlags, at tcpip.LinkAddr) []byte {
	return header.AppendNDPLinkAddr(header.AppendNDPNA(nil, target, flags), header.NDPTargetLinkAddr, at)
}

// The weak host model: an address of ours is accepted on every NIC, unless that is strict, and ARP answers
// likewise.
func TestC0(t *testing.T) {
	eth0, docker0 := addr("172.16.13.13"), addr("172.17.0.1")
	container := addr("172.17.0.3")
	six0, six1 := addr("fd16::13"), addr("fd17::1")
	setup := func(t *testing.T, kind stack.LinkKind) (*victim, *testnet.Port) {
		v := plain(t)
		v.Port(channel.Options{Kind: kind}, stack.NICOptions{Name: "eth0"}, "172.16.13.13/24", "fd16::13/64", "fe80::13/64")
		docker := v.Port(channel.Options{Kind: kind}, stack.NICOptions{Name: "docker0"}, "172.17.0.1/16", "fd17::1/64", "fe80::17/64")
		docker.Packets()
		return v, docker
	}
	t.Run("UDP", func(t *testing.T) {
		v, docker := setup(t, stack.LinkIP)
		e := v.bound(header.ProtocolUDP, true, 53)
		read := func(want netip.Addr) {
			t.Helper()
			r, err := e.Read(make([]byte, 100), tcpip.ReadOptions{})
			require.NoError(t, err)
			require.Equal(t, want, r.From.Addr.Unmap())
			require.Equal(t, docker.ID(), r.From.NIC)
		}
		for _, dst := range []netip.Addr{docker0, eth0} {
			docker.Inject(datagram(netip.AddrPortFrom(container, 9), netip.AddrPortFrom(dst, 53), 8))
			read(container)
		}
		for _, dst := range []netip.Addr{six1, six0} {
			docker.Inject(datagram(at("[fd17::3]:9"), netip.AddrPortFrom(dst, 53), 8))
			read(addr("fd17::3"))
		}
		// A link-local address belongs to its link alone.
		v.dropped(1, tcpip.DropNotForUs, func() { docker.Inject(datagram(at("[fe80::3]:9"), at("[fe80::13]:53"), 8)) })
		// Strict: only the NIC's own.
		docker.SetStrictHost(true)
		docker.Inject(datagram(netip.AddrPortFrom(container, 9), netip.AddrPortFrom(docker0, 53), 8))
		read(container)
		v.dropped(2, tcpip.DropNotForUs, func() {
			docker.Inject(datagram(netip.AddrPortFrom(container, 9), netip.AddrPortFrom(eth0, 53), 8))
			docker.Inject(datagram(at("[fd17::3]:9"), netip.AddrPortFrom(six0, 53), 8))
		})
		require.Empty(t, docker.Sent())
		docker.SetStrictHost(false)
		docker.Inject(datagram(netip.AddrPortFrom(container, 9), netip.AddrPortFrom(eth0, 53), 8))
		read(container)
	})
	t.Run("TCP", func(t *testing.T) {
		v, docker := setup(t, stack.LinkIP)
		v.listening(false, 80, 4)
		syn := segment(netip.AddrPortFrom(container, 9), netip.AddrPortFrom(eth0, 80), header.TCPFields{Seq: 1, Flags: header.SYN, Window: 1000}, header.TCPOptions{}, nil)
		docker.Inject(syn)
		require.Equal(t, []string{"IP 172.16.13.13 > 172.17.0.3: DF, TCP 80 > 9, length 24"}, docker.Sent())
		docker.SetStrictHost(true)
		v.dropped(1, tcpip.DropNotForUs, func() { docker.Inject(syn) })
	})
	t.Run("ICMP", func(t *testing.T) {
		_, docker := setup(t, stack.LinkIP)
		docker.Inject(ping(container, eth0, 8))
		docker.Inject(ping(addr("fd17::3"), six0, 8))
		require.Equal(t, []string{
			"IP 172.16.13.13 > 172.17.0.3: ICMP echo reply, id 1, seq 2, length 16",
			"IP6 fd16::13 > fd17::3: ICMP6 echo reply, id 1, seq 2, length 16",
		}, docker.Sent())
	})
	t.Run("ARP", func(t *testing.T) {
		_, docker := setup(t, stack.LinkEthernet)
		for _, target := range []netip.Addr{docker0, eth0, addr("10.0.0.1")} { // arp_ignore 0
			arpRequest(docker, container, peerMAC, target)
			require.Equal(t, []string{peerMAC.String() + " ARP " + target.String() + " is-at " + docker.Info().Address.String()}, docker.Sent())
		}
		docker.SetStrictHost(true)
		arpRequest(docker, container, peerMAC, eth0)
		require.Empty(t, docker.Sent())
		arpRequest(docker, container, peerMAC, docker0)
		require.Len(t, docker.Sent(), 1)
	})
}
