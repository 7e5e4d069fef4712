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
	"github.com/seed963a8790/netstack/transport/udp"
)

// Addresses that cannot be: dropped, whatever else the NIC would take, and answered by nothing.
func TestF6(t *testing.T) {
	t.Run("martians", func(t *testing.T) {
		const own, src, dst = tcpip.DropOwnSource, tcpip.DropMartianSource, tcpip.DropMartianDestination
		for _, c := range []struct {
			what, from, to string
			why            tcpip.Drop
		}{
			{"loopback", "127.0.0.1", "10.0.0.1", src},
			{"loopback", "127.200.1.2", "10.0.0.1", src},
			{"no host", "0.0.0.0", "10.0.0.1", src},
			{"this network", "0.1.2.3", "10.0.0.1", src},
			{"group", "224.0.0.1", "10.0.0.1", src},
			{"group", "239.1.2.3", "10.0.0.1", src},
			{"limited broadcast", "255.255.255.255", "10.0.0.1", src},
			{"broadcast", "10.0.0.255", "10.0.0.1", src},
			{"reserved", "240.0.0.1", "10.0.0.1", src},
			{"own", "10.0.0.1", "10.0.0.1", own},
			{"another NIC's", "10.7.0.1", "10.0.0.1", own},
			{"another NIC's broadcast", "10.7.0.255", "10.0.0.1", src},
			{"to loopback", "10.0.0.2", "127.0.0.1", dst},
			{"to nobody", "10.0.0.2", "0.0.0.0", dst},
			{"to reserved", "10.0.0.2", "240.0.0.1", dst},
			{"to loopback's broadcast", "10.0.0.2", "127.255.255.255", dst},

			{"loopback", "::1", "fd00::1", src},
			{"group", "ff02::1", "fd00::1", src},
			{"group", "ff0e::99", "fd00::1", src},
			{"mapped", "::ffff:10.0.0.2", "fd00::1", src},
			{"own", "fd00::1", "fd00::1", own},
			{"own link-local", "fe80::1", "fd00::1", own},
			{"another NIC's", "fd07::1", "fd00::1", own},
			{"to loopback", "fd00::2", "::1", dst},
			{"to nobody", "fd00::2", "::", dst},
			{"to mapped", "fd00::2", "::ffff:10.0.0.1", dst},
			{"to a group within the host", "fd00::2", "ff01::1", dst},
			{"to a reserved scope", "fd00::2", "ff00::1", dst},
		} {
			for mode, o := range map[string]stack.NICOptions{
				"": {}, " forwarding": {Forwarding: tcpip.Set(true)}, " promiscuous": {Promiscuous: true}, " strict": {StrictHost: true},
			} {
				t.Run(c.from+" "+c.to+" "+c.what+mode, func(t *testing.T) {
					v := newVictim(t, stack.Options{}, channel.Options{}, o)
					second := v.Port(channel.Options{}, stack.NICOptions{}, "10.7.0.1/24", "fd07::1/64")
					v.bound(header.ProtocolUDP, true, 7)
					from, to := addr(c.from), addr(c.to)
					v.dropped(2, c.why, func() {
						v.nic.Inject(datagram(netip.AddrPortFrom(from, 9), netip.AddrPortFrom(to, 7), 8))
						v.nic.Inject(ping(from, to, 8))
					})
					require.Empty(t, v.nic.Sent())
					require.Empty(t, second.Sent())
				})
			}
		}
	})
	t.Run("TCP to many", func(t *testing.T) {
		for _, to := range []string{"224.0.0.1", "10.0.0.255", "255.255.255.255", "ff02::1"} {
			v := plain(t)
			v.listening(true, 80, 4)
			from := at("10.0.0.2:9")
			if addr(to).Is6() {
				from = at("[fd00::2]:9")
			}
			for _, port := range []uint16{80, 81} { // no handshake, and no RST
				for _, flags := range []header.TCPFlags{header.SYN, header.ACK, header.SYN | header.ACK} {
					v.dropped(1, tcpip.DropMartianDestination, func() {
						v.nic.Inject(segment(from, netip.AddrPortFrom(addr(to), port), header.TCPFields{Seq: 1, Flags: flags, Window: 99}, header.TCPOptions{}, nil))
					})
				}
			}
			require.Empty(t, v.nic.Sent())
		}
		forFamilies(t, func(t *testing.T, m family) { // nor to us in a frame for many
			v := plain(t)
			v.listening(true, 80, 4)
			b := segment(netip.AddrPortFrom(m.peer, 9), netip.AddrPortFrom(m.us, 80), header.TCPFields{Seq: 1, Flags: header.SYN, Window: 99}, header.TCPOptions{}, nil)
			for _, link := range []stack.PacketType{stack.PacketBroadcast, stack.PacketMulticast} {
				v.dropped(1, tcpip.DropMartianDestination, func() { v.nic.InjectFrame(m.ether, stack.LinkPart{Type: link}, b) })
			}
			require.Empty(t, v.nic.Sent())
		})
	})
	t.Run("reverse path", func(t *testing.T) {
		for _, c := range []struct{ name, us, here, there, nowhere string }{
			{"IPv4", "10.0.0.1", "10.0.0.9", "10.7.0.9", "192.0.2.1"},
			{"IPv6", "fd00::1", "fd00::9", "fd07::9", "2001:db8::1"},
		} {
			for mode, takes := range map[stack.ReversePath][3]bool{
				stack.ReversePathOff: {true, true, true}, stack.ReversePathLoose: {true, true, false}, stack.ReversePathStrict: {true, false, false},
			} {
				v := &victim{Wired: testnet.Wire(t, stack.Options{}, udp.New), t: t}
				first := v.Port(channel.Options{}, stack.NICOptions{ReversePath: mode}, "10.0.0.1/24", "fd00::1/64")
				second := v.Port(channel.Options{}, stack.NICOptions{}, "10.7.0.1/24", "fd07::1/64")
				e := v.bound(header.ProtocolUDP, true, 7)
				try := func(nic *testnet.Port, from string, want bool) {
					t.Helper()
					n := 1
					if want {
						n = 0
					}
					v.dropped(n, tcpip.DropReversePath, func() {
						nic.Inject(datagram(netip.AddrPortFrom(addr(from), 9), netip.AddrPortFrom(addr(c.us), 7), 8))
					})
					_, err := e.Read(make([]byte, 8), tcpip.ReadOptions{})
					require.Equal(t, want, err == nil, "%s from %s in mode %d", c.name, from, mode)
				}
				for i, from := range []string{c.here, c.there, c.nowhere} {
					try(first, from, takes[i])
					try(second, from, true) // each NIC has its own mode
				}
				first.SetReversePath(stack.ReversePathOff)
				second.SetReversePath(stack.ReversePathStrict)
				try(first, c.nowhere, true)
				try(second, c.there, true)
				try(second, c.here, false)
			}
		}
	})
}
