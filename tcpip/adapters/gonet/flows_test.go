package gonet_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/tunnel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// Flows and listeners are what there is: addresses, states, what has passed, round trips, ages.
func TestFlows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := newBadPair(t)
		require.Empty(t, slices.Collect(left.Flows()))
		require.Empty(t, slices.Collect(left.Listeners()))
		client, server := connect(t, left, right, right4+":80")
		l, err := right.Listen(context.Background(), "tcp", right4+":81")
		require.NoError(t, err)
		defer l.Close()
		u, err := right.ListenPacket(context.Background(), "udp", right4+":53")
		require.NoError(t, err)
		defer u.Close()
		c, err := left.Dial("udp", right4+":53")
		require.NoError(t, err)
		defer c.Close()

		sent := make([]byte, 500<<10)
		go client.Write(sent)
		_, err = io.ReadFull(server, sent[:400<<10])
		require.NoError(t, err)
		time.Sleep(time.Minute)
		for range 100 { // a few of them are lost
			_, err = c.Write([]byte("hello"))
			require.NoError(t, err)
		}
		time.Sleep(time.Second)

		flows := slices.Collect(left.Flows())
		require.Len(t, flows, 2)
		f := flows[0]
		require.Equal(t, header.ProtocolTCP, f.Protocol)
		require.Equal(t, client.LocalAddr().String()+" "+right4+":80", f.Local.String()+" "+f.Remote.String())
		require.Equal(t, "ESTABLISHED", f.State)
		require.GreaterOrEqual(t, f.Sent.Bytes, uint64(len(sent)))
		require.Greater(t, f.Sent.Packets, uint64(len(sent)/1500))
		require.NotZero(t, f.Received.Packets)
		require.Zero(t, f.Received.Bytes)
		require.NotZero(t, f.Retransmitted)
		require.GreaterOrEqual(t, f.MinRTT, 40*time.Millisecond)
		require.GreaterOrEqual(t, f.Age, 61*time.Second)
		require.NotNil(t, f.Endpoint)
		require.Zero(t, f.SendQueue)
		require.Equal(t, stack.FlowCount{Bytes: 500, Packets: 100}, flows[1].Sent)
		require.Equal(t, right4+":53", flows[1].Remote.String())
		require.GreaterOrEqual(t, flows[1].Age, 61*time.Second)

		theirs := slices.Collect(right.Flows())
		require.Len(t, theirs, 1)
		require.EqualValues(t, len(sent), theirs[0].Received.Bytes)
		require.Equal(t, 100<<10, theirs[0].ReceiveQueue)
		var lines []string
		for l := range right.Listeners() {
			lines = append(lines, fmt.Sprintf("%d %s %d/%d", l.Protocol, l.Local, l.Waiting, l.Backlog))
			if l.Protocol == header.ProtocolUDP {
				require.EqualValues(t, 5*l.Received.Packets, l.Received.Bytes)
				require.Greater(t, l.Received.Packets, uint64(80))
			}
		}
		require.Len(t, lines, 2, lines)
		require.True(t, strings.HasPrefix(lines[0], "6 "+right4+":81 0/"), lines)
		require.Equal(t, "17 "+right4+":53 0/0", lines[1])

		require.NoError(t, client.Close())
		_, err = io.Copy(io.Discard, server)
		require.NoError(t, err)
		require.NoError(t, server.Close())
		time.Sleep(10 * time.Second)
		flows = slices.Collect(left.Flows())
		require.Len(t, flows, 2)
		require.Equal(t, "TIME-WAIT", flows[1].State, "a record, behind the endpoints")
		require.Nil(t, flows[1].Endpoint)
		require.Greater(t, flows[1].Left, 40*time.Second)
		for range left.Flows() {
			break // early
		}
	})
}

// Whatever a stack discards is shown with its reason, whichever NIC it is of, until the tap is removed.
func TestDropTap(t *testing.T) {
	left, right := newPair(t, tcpip.NewManualClock())
	var seen []string
	tap := right.AddDropTap(func(p *stack.Packet, d tcpip.Drop) {
		seen = append(seen, fmt.Sprintf("%s %s>%s %d bytes", d, p.Src, p.Dst, p.Len()))
	})
	send := func() {
		c, err := left.Dial("udp", netip.AddrPortFrom(netip.MustParseAddr(right4), 9).String())
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write([]byte("nobody"))
		require.NoError(t, err)
	}
	send()
	require.Equal(t, []string{"no-port " + left4 + ">" + right4 + " 34 bytes"}, seen)
	right.RemoveDropTap(tap)
	send()
	require.Len(t, seen, 1)
	require.EqualValues(t, 2, right.Counters().Drops[tcpip.DropNoPort].Value())
}

// What a program has declined is shown as far as it was kept, an ICMP error that concerns nobody as the message, what was no
// packet yet as the bytes that came, or as nothing.
func TestDropTapWithoutPackets(t *testing.T) {
	clock := tcpip.NewManualClock()
	left, right := newGateway(t, clock)
	handleTCP(t, right, transport.HandleOptions{Timeout: tcpip.Set(time.Second)}, func(r *gonet.TCPRequest) {
		switch r.Dst.Port() {
		case 80:
			r.Drop()
		case 81:
			r.Reject(transport.RejectHost)
		}
	})
	wire := tunnel.New(tunnel.Options{VirtioNet: true})
	_, err := right.AddNIC(wire, stack.NICOptions{})
	require.NoError(t, err)
	var seen []string
	right.AddDropTap(func(p *stack.Packet, d tcpip.Drop) {
		s := d.String()
		if p != nil {
			s = fmt.Sprintf("%s %s>%s %d bytes", d, p.Src, p.Dst, p.Len())
		}
		seen = append(seen, s)
	})
	shown := func(want ...string) {
		t.Helper()
		require.Equal(t, want, seen)
		seen = nil
	}
	for port, want := range map[int]string{80: "declined", 81: "declined", 82: "declined"} {
		ep, err := left.NewEndpoint(header.ProtocolTCP, header.EtherTypeIPv4)
		require.NoError(t, err)
		require.ErrorIs(t, ep.Connect(tcpip.FullAddress{Addr: netip.MustParseAddr("203.0.113.7"), Port: uint16(port)}), tcpip.ErrInProgress)
		clock.Settle()
		ep.(*tcp.Endpoint).Abort()
		if port == 82 { // no answer, and the peer does not say that it has gone
			shown()
			clock.Advance(2 * time.Second)
		}
		shown(fmt.Sprintf("%s %s>203.0.113.7 40 bytes", want, left4))
	}
	unreachable := testnet.ICMPv4(header.ICMPv4Unreachable, 3, 0, testnet.IPv4(header.IPv4Fields{
		Protocol: header.ProtocolUDP, Src: netip.MustParseAddr(right4), Dst: netip.MustParseAddr(left4),
	}, make([]byte, 8)))
	message := testnet.IPv4(header.IPv4Fields{Protocol: header.ProtocolICMPv4, Src: netip.MustParseAddr(left4), Dst: netip.MustParseAddr(right4)}, unreachable)
	_, err = wire.WritePackets([][]byte{append(make([]byte, header.VirtioNetSize), message...)}, nil, 0)
	require.NoError(t, err)
	shown(fmt.Sprintf("icmp-no-flow %s>%s %d bytes", left4, right4, len(message)))
	bad := append(make([]byte, header.VirtioNetSize), message...)
	bad[1] = 99
	_, err = wire.WritePackets([][]byte{bad, {1, 2}}, nil, 0)
	require.NoError(t, err)
	shown(fmt.Sprintf("bad-offload invalid IP>invalid IP %d bytes", len(bad)), "short invalid IP>invalid IP 2 bytes")
	right.Slabs.SetLimit(1)
	_, err = wire.WritePackets([][]byte{bad[:0:0], append(make([]byte, header.VirtioNetSize), message...)}, nil, 0)
	require.NoError(t, err)
	right.Slabs.SetLimit(0)
	shown("short", "no-memory")
}
