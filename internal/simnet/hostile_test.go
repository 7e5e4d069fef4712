package simnet_test

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/simnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/ethernet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// flipped is how many bytes of a packet's front are damaged bit by bit and cut short: all headers lie there.
const flipped = 160

// Every truncation and every single flipped bit of the packets that Linux once sent ends in a counted drop, a delivery
// or an answer; nothing panics, and nothing is left behind.
func TestDamagedPackets(t *testing.T) {
	frames := captured(t)
	require.Greater(t, len(frames), 200)
	n := simnet.New(1)
	h := n.Host("victim")
	ch := channel.New(channel.Options{MTU: 1514, Capacity: 64})
	station := tcpip.LinkAddr{2, 0, 0, 0, 0, 9}
	nic, err := h.AddNIC(ethernet.New(ch, ethernet.Options{Address: station}), stack.NICOptions{
		Promiscuous: true, DAD: tcpip.Set(0), Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.9/8"), netip.MustParsePrefix("fd00::9/64")},
	})
	require.NoError(t, err)
	openPorts(t, h, frames)
	out := make([]byte, 4096)
	drain := func() {
		for ch.Len() > 0 {
			_, err := ch.Read(context.Background(), out)
			require.NoError(t, err)
		}
	}
	injected := uint64(0)
	inject := func(b []byte) {
		before := accounted(h.Counters())
		if err := ch.Inject(b); err != nil {
			return // refused by the link: empty, or too long
		}
		injected++
		drain()
		if accounted(h.Counters()) == before {
			t.Fatalf("a packet vanished: %x", b)
		}
		if injected%1024 == 0 {
			n.Clock.Step() // reassembly, half-open connections and neighbours time out
			drain()
		}
	}
	step := 1
	if testing.Short() {
		step = 7
	}
	for _, f := range frames {
		inject(f)
		for i := 0; i < len(f) && i < flipped; i += step {
			inject(f[:i])
		}
		b := append([]byte(nil), f...)
		for bit := 0; bit < 8*min(len(b), flipped); bit += step {
			b[bit/8] ^= 1 << (bit % 8)
			inject(b)
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
	t.Logf("%d packets", injected)
	require.NotZero(t, h.Counters().Drops[tcpip.DropBadChecksum].Value())
	require.NotZero(t, nic.Counters().RxPackets.Value())
	h.Close()
	drain()
	require.NoError(t, n.Close())
}

// accounted sums everything that a received packet may be counted as in the end.
func accounted(c *stack.Counters) uint64 {
	sum := c.Ip.InDelivers.Value() + c.Ip6.InDelivers.Value() + c.Ip.ReasmReqds.Value() + c.Ip6.ReasmReqds.Value() +
		c.Arp.InRequests.Value() + c.Arp.InReplies.Value()
	for i := range c.Drops {
		sum += c.Drops[i].Value()
	}
	return sum
}

// openPorts puts endpoints at the ports that the packets go to.
func openPorts(t *testing.T, h *simnet.Host, frames [][]byte) {
	seen := map[uint32]bool{}
	for _, f := range frames {
		if binary.BigEndian.Uint16(f[12:]) != 0x0800 || len(f) < 38 {
			continue
		}
		proto, port := header.Protocol(f[23]), binary.BigEndian.Uint16(f[36:])
		key := uint32(proto)<<16 | uint32(port)
		if (proto != header.ProtocolTCP && proto != header.ProtocolUDP) || port == 0 || seen[key] {
			continue
		}
		seen[key] = true
		ep, err := h.NewEndpoint(proto, header.EtherTypeIPv6)
		require.NoError(t, err)
		require.NoError(t, ep.Bind(tcpip.FullAddress{Port: port}))
		if proto == header.ProtocolTCP {
			require.NoError(t, ep.Listen(16))
		}
	}
	require.NotEmpty(t, seen)
}

// captured returns the Ethernet frames of the capture.
func captured(t *testing.T) (frames [][]byte) {
	b, err := os.ReadFile("../../testdata/captures/kernel.pcap")
	require.NoError(t, err)
	for b = b[24:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b[8:])
		frames = append(frames, b[16:16+n])
		b = b[16+n:]
	}
	return frames
}
