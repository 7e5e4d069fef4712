package behaviour

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/simnet"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// talk makes an endpoint that writes numbered datagrams to an address.
func (v *victim) talk(to netip.Addr) func(text string) {
	e := v.endpoint(header.ProtocolUDP, to.Is6())
	require.NoError(v.t, e.Connect(tcpip.FullAddress{Addr: to, Port: 9}))
	return func(text string) {
		v.t.Helper()
		_, err := e.Write([]byte(text), tcpip.WriteOptions{})
		require.NoError(v.t, err)
	}
}

// resolve answers for a neighbour, as one does who is asked.
func (v *victim) resolve(m family, a netip.Addr, mac tcpip.LinkAddr) {
	if m.v6 {
		ndp(v.nic, a, m.us, advertise(a, header.NDPSolicited|header.NDPOverride, mac))
		return
	}
	arpReply(v.nic, a, mac, m.us)
}

// announce makes a neighbour tell everybody where it is: a gratuitous ARP or an unsolicited advertisement.
func (v *victim) announce(m family, a netip.Addr, mac tcpip.LinkAddr) {
	if m.v6 {
		ndp(v.nic, a, addr("ff02::1"), advertise(a, header.NDPOverride, mac))
		return
	}
	arpRequest(v.nic, a, mac, a)
}

// state is what a stack knows of a neighbour, "" if nothing.
func state(nic *stack.NIC, a netip.Addr) string {
	for _, n := range nic.Neighbours() {
		if n.Addr == a {
			return fmt.Sprint(n.Link, " ", n.State)
		}
	}
	return ""
}

// frames returns for each frame that left whom it was for, and "?" behind that if it asked for a link address.
func (v *victim) frames() (all []string) {
	for _, line := range v.nic.Sent() {
		to, what, _ := strings.Cut(line, " ")
		if strings.Contains(what, "who-has") || strings.Contains(what, "who has") {
			to += "?"
		}
		all = append(all, to)
	}
	return all
}

// everybody is where a question goes whose answer is not known.
func (m family) everybody(a netip.Addr) string {
	if m.v6 {
		return header.MulticastLinkAddr(header.SolicitedNode(a)).String() + "?"
	}
	return tcpip.BroadcastLinkAddr().String() + "?"
}

// An entry follows the announcements of its station at once; who is not known teaches nothing.
func TestE3(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		v := ethernet(t)
		say := v.talk(m.peer)
		v.announce(m, m.peer, otherMAC)
		require.Empty(t, state(v.nic.NIC, m.peer))
		say("1")
		require.Equal(t, []string{m.everybody(m.peer)}, v.frames())
		v.resolve(m, m.peer, peerMAC)
		say("2")
		require.Equal(t, []string{peerMAC.String(), peerMAC.String()}, v.frames())
		v.announce(m, m.peer, otherMAC)
		say("3")
		require.Equal(t, []string{otherMAC.String()}, v.frames(), "the next packet goes to the new station")
		from, to := otherMAC, peerMAC
		for _, in := range []struct {
			after time.Duration // of use
			state string
		}{{0, " DELAY"}, {2 * time.Second, " DELAY"}, {5500 * time.Millisecond, " PROBE"}} {
			v.Clock.Advance(in.after)
			v.frames()
			require.Equal(t, from.String()+in.state, state(v.nic.NIC, m.peer))
			v.announce(m, m.peer, to)
			require.Equal(t, to.String()+" STALE", state(v.nic.NIC, m.peer))
			say("4")
			require.Equal(t, []string{to.String()}, v.frames())
			from, to = to, from
		}
		if !m.v6 { // RFC 5227 §3: an announcement may be a reply, too
			arpReply(v.nic, m.peer, otherMAC, m.peer)
			say("5")
			require.Equal(t, []string{otherMAC.String()}, v.frames())
		}
	})
	t.Run("while packets wait", func(t *testing.T) {
		forFamilies(t, func(t *testing.T, m family) {
			v := ethernet(t)
			say := v.talk(m.peer)
			say("1")
			say("2")
			v.frames()
			v.announce(m, m.peer, otherMAC) // it need not be an answer
			require.Equal(t, []string{otherMAC.String(), otherMAC.String()}, v.frames())
		})
	})
}

// Without an announcement the loss is found out by unreachability detection.
func TestE4(t *testing.T) {
	t.Run("states", func(t *testing.T) {
		forFamilies(t, func(t *testing.T, m family) {
			v := ethernet(t)
			say := v.talk(m.peer)
			say("1")
			v.resolve(m, m.peer, peerMAC)
			v.frames()
			require.Equal(t, peerMAC.String()+" REACHABLE", state(v.nic.NIC, m.peer))
			v.Clock.Advance(46 * time.Second) // 1.5 times 30 s at most (RFC 4861 §6.3.2)
			require.Equal(t, peerMAC.String()+" STALE", state(v.nic.NIC, m.peer))
			require.Empty(t, v.frames(), "an unused neighbour is not asked")
			say("2")
			require.Equal(t, peerMAC.String()+" DELAY", state(v.nic.NIC, m.peer))
			require.Equal(t, []string{peerMAC.String()}, v.frames(), "the old address serves meanwhile")
			v.Clock.Advance(4900 * time.Millisecond)
			require.Empty(t, v.frames())
			for probe := range 3 {
				v.Clock.Advance(time.Duration(100+900*min(probe, 1)) * time.Millisecond)
				require.Equal(t, peerMAC.String()+" PROBE", state(v.nic.NIC, m.peer))
				require.Equal(t, []string{peerMAC.String() + "?"}, v.frames(), "probe %d", probe)
			}
			v.Clock.Advance(time.Second)
			require.NotContains(t, state(v.nic.NIC, m.peer), peerMAC.String())
			say("3") // resolved afresh
			require.Equal(t, []string{m.everybody(m.peer)}, v.frames())
			v.resolve(m, m.peer, otherMAC)
			require.Equal(t, []string{otherMAC.String()}, v.frames())
		})
	})
	t.Run("one-way loss", func(t *testing.T) { // what the peer sends does not prove that it hears us
		forFamilies(t, func(t *testing.T, m family) {
			v := ethernet(t)
			v.resolveOnDemand(m, peerMAC)
			c := v.connected(m, 1440, true, true)
			require.Equal(t, peerMAC.String()+" REACHABLE", state(v.nic.NIC, m.peer))
			c.write(100)
			asked := 0
			for range 60 { // a stream of new data, none of which acknowledges ours
				c.send(header.ACK|header.PSH, c.seq, c.ack, []byte("data"))
				c.seq += 4
				c.tsVal += 500
				v.Clock.Advance(500 * time.Millisecond)
				_, err := c.ep.Read(make([]byte, 100), tcpip.ReadOptions{})
				require.NoError(t, err)
				for _, f := range v.frames() {
					if f == peerMAC.String()+"?" {
						asked++
					}
				}
			}
			require.GreaterOrEqual(t, asked, 3, "data from the peer was taken for progress")
			require.NotContains(t, state(v.nic.NIC, m.peer), "REACHABLE")
		})
	})
	t.Run("progress", func(t *testing.T) { // and what acknowledges new data does
		forFamilies(t, func(t *testing.T, m family) {
			v := ethernet(t)
			v.resolveOnDemand(m, peerMAC)
			c := v.connected(m, 1440, true, true)
			for range 120 {
				c.write(100)
				c.ack += 100
				c.tsVal += 1000
				c.send(header.ACK, c.seq, c.ack, nil)
				v.Clock.Advance(time.Second)
				for _, f := range v.frames() {
					require.Equal(t, peerMAC.String(), f, "a neighbour that works is asked whether it does")
				}
			}
		})
	})
	t.Run("flow", func(t *testing.T) {
		forFamilies(t, func(t *testing.T, m family) { gatewayDies(t, m) })
	})
}

// resolveOnDemand makes m.peer answer the first question for it.
func (v *victim) resolveOnDemand(m family, mac tcpip.LinkAddr) {
	say := v.talk(m.peer)
	say("who are you")
	v.resolve(m, m.peer, mac)
	v.frames()
}

// gatewayDies lets a flow run through a gateway whose place another takes in silence: same address, other MAC.
func gatewayDies(t *testing.T, m family) {
	n := simnet.New(1)
	left, right := new(hub), new(hub)
	join := func(h *simnet.Host, s *station, prefixes ...string) *stack.NIC {
		o := stack.NICOptions{DAD: tcpip.Set(0)}
		for _, p := range prefixes {
			o.Addresses = append(o.Addresses, prefix(p))
		}
		nic, err := h.AddNIC(s, o)
		require.NoError(t, err)
		return nic
	}
	client, server := n.Host("client"), n.Host("server")
	join(client, left.station(1), "10.1.0.1/24", "fd01::1/64")
	join(server, right.station(1), "10.2.0.1/24", "fd02::1/64")
	gateways := [2][2]*station{{left.station(11), right.station(11)}, {left.station(12), right.station(12)}}
	gateways[1][0].deaf, gateways[1][1].deaf = true, true // so that nobody hears its announcements
	for i, g := range gateways {
		h := n.Host(fmt.Sprint("gateway", i))
		for j, p := range [][]string{{"10.1.0.254/24", "fd01::fe/64"}, {"10.2.0.254/24", "fd02::fe/64"}} {
			join(h, g[j], p...).SetForwarding(true)
		}
	}
	for _, r := range []struct {
		h       *simnet.Host
		gateway string
	}{{client, "10.1.0.254"}, {client, "fd01::fe"}, {server, "10.2.0.254"}, {server, "fd02::fe"}} {
		dst := prefix("0.0.0.0/0")
		if addr(r.gateway).Is6() {
			dst = prefix("::/0")
		}
		require.NoError(t, r.h.AddRoute(stack.RouteEntry{Destination: dst, Gateway: addr(r.gateway)}))
	}
	l, err := server.NewEndpoint(header.ProtocolTCP, m.ether)
	require.NoError(t, err)
	require.NoError(t, l.Bind(tcpip.FullAddress{Port: 80}))
	require.NoError(t, l.Listen(4))
	c, err := client.NewEndpoint(header.ProtocolTCP, m.ether)
	require.NoError(t, err)
	to := addr("10.2.0.1")
	if m.v6 {
		to = addr("fd02::1")
	}
	require.Equal(t, tcpip.ErrInProgress, c.Connect(tcpip.FullAddress{Addr: to, Port: 80}))
	n.Run(time.Second)
	s, err := l.Accept()
	require.NoError(t, err)

	received, last, stall := 0, n.Clock.Now(), time.Duration(0)
	buf := make([]byte, 64<<10)
	s.(stack.Endpoint).Waiters().Register(waiter.NewFunc(waiter.Readable, func(waiter.Events) {
		for {
			r, err := s.Read(buf, tcpip.ReadOptions{})
			if err != nil || r.Count == 0 {
				return
			}
			now := n.Clock.Now()
			stall = max(stall, now.Sub(last))
			last = now
			received += r.Count
		}
	}))
	written := 0
	for i := range 400 { // 40 s of a chunk every 100 ms
		if i == 100 {
			gateways[0][0].deaf, gateways[0][1].deaf = true, true
			gateways[1][0].deaf, gateways[1][1].deaf = false, false
			require.Less(t, stall, 200*time.Millisecond)
		}
		k, err := c.Write(testnet.Pattern(1000), tcpip.WriteOptions{})
		if err != tcpip.ErrWouldBlock {
			require.NoError(t, err)
		}
		written += k
		n.Run(100 * time.Millisecond)
	}
	n.Run(5 * time.Second)
	require.Equal(t, written, received)
	require.Greater(t, stall, time.Second, "the gateway was never missed")
	require.Less(t, stall, 8*time.Second, "more than a few seconds")
	c.Close()
	s.Close()
	l.Close()
	n.Run(2 * time.Minute)
	require.NoError(t, n.Close())
}

// Packets wait for resolution in order and bounded; that it fails reaches who sent them.
func TestE5(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		t.Run("order", func(t *testing.T) {
			v := ethernet(t)
			say := v.talk(m.peer)
			for i := range 40 {
				say(string(rune('A' + i)))
			}
			v.nic.Packets()
			v.resolve(m, m.peer, peerMAC)
			say("last")
			all := v.nic.Packets()
			require.Len(t, all, 41)
			for i, b := range all[:40] {
				require.EqualValues(t, 'A'+i, body(b)[header.UDPSize])
			}
			require.Equal(t, "last", string(body(all[40])[header.UDPSize:]))
		})
		t.Run("bound", func(t *testing.T) {
			v := ethernet(t)
			e := v.endpoint(header.ProtocolUDP, m.v6)
			require.NoError(t, e.SetOption(tcpip.SO_SNDBUF, 4<<20))
			for i := range 2000 {
				to := tcpip.FullAddress{Addr: m.peer, Port: uint16(1 + i)}
				_, err := e.Write(make([]byte, 1000), tcpip.WriteOptions{To: to})
				require.NoError(t, err)
				require.LessOrEqual(t, v.Slabs.Live(), int64(300<<10))
			}
			waiting := int(v.LivePackets())
			v.nic.Packets()
			v.resolve(m, m.peer, peerMAC)
			all := v.nic.Packets()
			require.Equal(t, 2000, v.Drops(tcpip.DropNeighbourQueue)+len(all))
			require.Greater(t, len(all), 20)
			require.LessOrEqual(t, len(all), waiting)
			for i, b := range all { // the oldest went
				require.EqualValues(t, 2001-len(all)+i, header.UDP(body(b)).DstPort())
			}
		})
		t.Run("failure", func(t *testing.T) {
			v := ethernet(t)
			u := v.endpoint(header.ProtocolUDP, m.v6)
			recvErr := tcpip.IP_RECVERR
			if m.v6 {
				recvErr = tcpip.IPV6_RECVERR
			}
			require.NoError(t, u.SetOption(recvErr, 1))
			require.NoError(t, u.Connect(tcpip.FullAddress{Addr: m.peer, Port: 9}))
			_, err := u.Write([]byte("x"), tcpip.WriteOptions{})
			require.NoError(t, err)
			c := v.endpoint(header.ProtocolTCP, m.v6)
			require.Equal(t, tcpip.ErrInProgress, c.Connect(tcpip.FullAddress{Addr: m.other, Port: 80}))
			v.Clock.Advance(3500 * time.Millisecond)
			require.Equal(t, tcpip.ErrHostUnreachable, u.LastError())
			require.Equal(t, tcpip.ErrHostUnreachable, c.LastError())
			r, err := u.Read(make([]byte, 100), tcpip.ReadOptions{Flags: tcpip.ReadError})
			require.NoError(t, err)
			require.Equal(t, tcpip.ErrHostUnreachable, r.Control.Err.Err)
			require.NotZero(t, v.Drops(tcpip.DropNeighbourFailed))
			require.Zero(t, v.LivePackets()-int64(len(v.nic.Packets())))
		})
		t.Run("forwarded", func(t *testing.T) {
			v := ethernet(t)
			in := v.Port(channel.Options{}, stack.NICOptions{Forwarding: tcpip.Set(true)}, "10.9.0.1/24", "fd09::1/64")
			from, want := at("10.9.0.2:9"), "IP 10.9.0.1 > 10.9.0.2: tos 0xc0, ICMP unreachable 1, length 44"
			if m.v6 {
				from, want = at("[fd09::2]:9"), "IP6 fd09::1 > fd09::2: ICMP6 unreachable 3, length 64"
			}
			in.Inject(datagram(from, netip.AddrPortFrom(m.peer, 9), 8))
			v.Clock.Advance(2900 * time.Millisecond)
			require.Empty(t, in.Sent())
			v.Clock.Advance(time.Second)
			require.Equal(t, []string{want}, in.Sent())
		})
	})
}
