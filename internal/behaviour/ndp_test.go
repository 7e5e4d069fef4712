package behaviour

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Neighbour discovery, and ARP as far as it is in the same danger.
func TestF9(t *testing.T) {
	m := families[1]
	allNodes := addr("ff02::1")
	messages := map[string]struct {
		dst netip.Addr
		m   []byte
	}{
		"solicitation":         {header.SolicitedNode(m.us), solicit(m.us, otherMAC)},
		"advertisement":        {m.us, advertise(m.peer, header.NDPSolicited|header.NDPOverride, otherMAC)},
		"announcement":         {allNodes, advertise(m.peer, header.NDPOverride, otherMAC)},
		"router advertisement": {allNodes, header.AppendNDPLinkAddr(header.AppendNDPRA(nil, &header.NDPRAFields{RouterLifetime: time.Hour}), header.NDPSourceLinkAddr, otherMAC)},
		"redirect":             {m.us, header.AppendNDPLinkAddr(header.AppendNDPRedirect(nil, m.other, m.peer), header.NDPTargetLinkAddr, otherMAC)},
	}
	// forged lets a message, changed, arrive and checks that it was dropped and changed nothing.
	forged := func(t *testing.T, why tcpip.Drop, change func(b []byte) [][]byte) {
		for name, c := range messages {
			t.Run(name, func(t *testing.T) {
				v := ethernet(t)
				v.resolveOnDemand(m, peerMAC)
				before := v.nic.Neighbours()
				b := slices.Clone(c.m)
				header.ICMPv6(b).UpdateChecksum(m.peer, c.dst)
				whole := testnet.IPv6(header.IPv6Fields{Src: m.peer, Dst: c.dst, HopLimit: 255, NextHeader: header.ProtocolICMPv6}, b)
				v.dropped(1, why, func() {
					for _, q := range change(whole) {
						v.nic.Inject(q)
					}
				})
				require.Equal(t, before, v.nic.Neighbours())
				require.Empty(t, v.nic.Sent())
			})
		}
	}
	t.Run("hop limit", func(t *testing.T) {
		for _, hops := range []byte{254, 64, 1, 0} {
			forged(t, tcpip.DropBadHopLimit, func(b []byte) [][]byte {
				b[7] = hops
				return [][]byte{b}
			})
		}
	})
	t.Run("fragmented", func(t *testing.T) { // RFC 6980 §5
		hops := func(all ...[]byte) [][]byte {
			for _, b := range all {
				b[7] = 255
			}
			return all
		}
		forged(t, tcpip.DropNDPInvalid, func(b []byte) [][]byte { return hops(cut(b, 9, 16)...) })
		forged(t, tcpip.DropNDPInvalid, func(b []byte) [][]byte { return hops(cut(b, 9, 1000)...) }) // an atomic one
	})

	// crowd is the i-th neighbour on the link.
	crowd := func(m family, i int) netip.Addr {
		b := m.us.AsSlice()
		b[len(b)-3], b[len(b)-2], b[len(b)-1] = byte(1+i>>16), byte(i>>8), byte(i)
		a, _ := netip.AddrFromSlice(b)
		return a
	}
	wide := func(t *testing.T) *victim { // a link with room for a crowd
		v := ethernet(t)
		require.NoError(t, v.nic.AddAddress(prefix("10.1.0.1/8")))
		v.nic.Packets()
		return v
	}
	forFamilies(t, func(t *testing.T, m family) {
		const good = 200
		setup := func(t *testing.T) (*victim, []netip.Addr) {
			v := wide(t)
			e := v.endpoint(header.ProtocolUDP, m.v6)
			var list []netip.Addr
			for i := range good {
				a := crowd(m, 1<<17+i)
				list = append(list, a)
				_, err := e.Write([]byte("x"), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: a, Port: 9}})
				require.NoError(t, err)
				v.resolve(m, a, peerMAC)
			}
			v.nic.Packets()
			return v, list
		}
		check := func(t *testing.T, v *victim, list []netip.Addr) {
			t.Helper()
			known := map[netip.Addr]stack.NeighbourState{}
			for _, n := range v.nic.Neighbours() {
				known[n.Addr] = n.State
			}
			require.LessOrEqual(t, len(known), 2*1024)
			for _, a := range list {
				require.Equal(t, stack.NeighbourReachable, known[a])
			}
		}
		t.Run("our own scan", func(t *testing.T) { // RFC 6583
			v, list := setup(t)
			e := v.endpoint(header.ProtocolUDP, m.v6)
			require.NoError(t, e.SetOption(tcpip.SO_SNDBUF, 16<<20))
			for i := range 6000 {
				_, err := e.Write([]byte("x"), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: crowd(m, i), Port: 9}})
				require.NoError(t, err)
				v.nic.Packets()
				require.LessOrEqual(t, v.LivePackets(), int64(1024))
			}
			check(t, v, list)
			// A newcomer is still resolved.
			_, err := e.Write([]byte("x"), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: m.other, Port: 9}})
			require.NoError(t, err)
			v.resolve(m, m.other, otherMAC)
			require.Equal(t, otherMAC.String()+" REACHABLE", state(v.nic.NIC, m.other))
			v.nic.Packets()
		})
		t.Run("a scan from outside", func(t *testing.T) {
			v, list := setup(t)
			in := v.Port(channel.Options{}, stack.NICOptions{Forwarding: tcpip.Set(true)}, "192.168.9.1/24", "fd09::1/64")
			from := at("192.168.9.2:9")
			if m.v6 {
				from = at("[fd09::2]:9")
			}
			for i := range 6000 {
				in.Inject(datagram(from, netip.AddrPortFrom(crowd(m, i), 7), 8))
				v.nic.Packets()
				in.Packets()
				require.LessOrEqual(t, v.LivePackets(), int64(1024))
			}
			check(t, v, list)
		})
		t.Run("a crowd that asks for us", func(t *testing.T) {
			v, list := setup(t)
			for i := range 6000 {
				if m.v6 {
					ndp(v.nic, crowd(m, i), header.SolicitedNode(m.us), solicit(m.us, otherMAC))
				} else {
					arpRequest(v.nic, crowd(m, i), otherMAC, m.us)
				}
				v.nic.Packets()
			}
			check(t, v, list)
		})
		t.Run("a crowd that was not asked", func(t *testing.T) {
			v, list := setup(t)
			before := len(v.nic.Neighbours())
			for i := range 6000 {
				v.resolve(m, crowd(m, i), otherMAC)
				v.announce(m, crowd(m, i), otherMAC)
			}
			require.Len(t, v.nic.Neighbours(), before)
			check(t, v, list)
		})
		t.Run("redirects", func(t *testing.T) { // none is followed, so none from another than the first hop
			v := ethernet(t)
			v.resolveOnDemand(m, peerMAC)
			e := v.endpoint(header.ProtocolUDP, m.v6)
			require.NoError(t, e.Connect(tcpip.FullAddress{Addr: m.far, Port: 9}))
			_, err := e.Write([]byte("x"), tcpip.WriteOptions{})
			require.NoError(t, err)
			gateway, near := addr("10.0.0.254"), addr("10.0.0.254")
			if m.v6 {
				gateway, near = addr("fd00::fe"), addr("fe80::fe")
			}
			v.resolve(m, gateway, otherMAC)
			q := v.nic.Packets()
			quoted := q[len(q)-1]
			for _, from := range []netip.Addr{near, gateway, m.peer, m.other} {
				v.dropped(1, tcpip.DropUnknownType, func() {
					if m.v6 {
						b := header.AppendNDPLinkAddr(header.AppendNDPRedirect(nil, addr("fe80::2"), m.far), header.NDPTargetLinkAddr, peerMAC)
						ndp(v.nic, from, m.us, b)
						return
					}
					a := m.peer.As4()
					rest := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
					v.nic.Inject(testnet.ICMPError(quoted, from, uint8(header.ICMPv4Redirect), 1, rest))
				})
				_, err = e.Write([]byte("x"), tcpip.WriteOptions{})
				require.NoError(t, err)
				require.Equal(t, []string{otherMAC.String()}, v.frames(), "the way to a host was changed by %v", from)
			}
		})
	})
}
