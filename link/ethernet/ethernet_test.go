package ethernet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/ethernet"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

var station, other = tcpip.LinkAddr{2, 0, 0, 0, 0, 1}, tcpip.LinkAddr{2, 0, 0, 0, 0, 2}

// wire is a host on a channel that carries frames.
func wire(t testing.TB, o channel.Options) (h *linktest.Host, l *channel.Channel) {
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	l = channel.New(o)
	h = linktest.NewHost(t, tcpip.NewManualClock(), ethernet.New(l, ethernet.Options{Address: station}))
	return h, l
}

func frame(dst tcpip.LinkAddr, kind header.EtherType, payload []byte) []byte {
	b := make([]byte, header.EthernetSize, header.EthernetSize+len(payload))
	f := header.EthernetFields{Dst: dst, Src: other, Type: kind}
	f.Encode(b)
	return append(b, payload...)
}

func TestInfo(t *testing.T) {
	l := ethernet.New(channel.New(channel.Options{MTU: 1514, Offload: stack.OffloadChecksum, GSOMax: 65535}), ethernet.Options{})
	info := l.Info()
	require.Equal(t, stack.LinkEthernet, info.Kind)
	require.Equal(t, 1500, info.MTU)
	require.Equal(t, 65521, info.GSOMax)
	require.Equal(t, stack.OffloadChecksum, info.Offload)
	require.True(t, info.Address.IsUnicast())
	require.EqualValues(t, 2, info.Address[0]&3, "not a locally administered individual address")
	require.Equal(t, 1000, ethernet.New(l, ethernet.Options{MTU: 1000}).Info().MTU)
}

func TestTransmit(t *testing.T) {
	h, l := wire(t, channel.Options{MTU: 1514})
	c := linktest.Spec{V6: true, UDP: true, Payload: []byte("hello"), Partial: true}
	want := c
	want.Partial = false
	p := c.Packet(h.Stack)
	p.Link.Dst = other
	h.Send(p)
	q := l.TryNext()
	b := make([]byte, q.Len())
	q.CopyTo(b)
	q.Release()
	e, d := header.ParseEthernet(b)
	require.Equal(t, tcpip.DropNone, d)
	require.Equal(t, station, e.Src())
	require.Equal(t, other, e.Dst())
	require.Equal(t, header.EtherTypeIPv6, e.Type())
	require.Equal(t, want.Bytes(), e.Payload())
}

// What the lower link refuses comes back without a header and is framed once, later.
func TestRefused(t *testing.T) {
	h, l := wire(t, channel.Options{MTU: 1514, Capacity: 2})
	var want [][]byte
	for i := range 9 {
		c := linktest.Spec{Seq: uint32(i), Payload: linktest.Pattern(i, i)}
		p := c.Packet(h.Stack)
		p.Link.Dst = other
		h.Send(p)
		want = append(want, c.Bytes())
	}
	for i := range 9 {
		p := l.TryNext()
		require.NotNil(t, p)
		b := make([]byte, p.Len())
		p.CopyTo(b)
		p.Release()
		require.Equal(t, want[i], b[header.EthernetSize:])
	}
}

func TestReceive(t *testing.T) {
	h, l := wire(t, channel.Options{MTU: 1514})
	c := linktest.Spec{Payload: []byte("hello")}
	for _, row := range []struct {
		name string
		b    []byte
		kind stack.PacketType
		drop tcpip.Drop
	}{
		{"to us", frame(station, header.EtherTypeIPv4, c.Bytes()), stack.PacketHost, 0},
		{"broadcast", frame(tcpip.BroadcastLinkAddr(), header.EtherTypeIPv4, c.Bytes()), stack.PacketBroadcast, 0},
		{"multicast", frame(tcpip.LinkAddr{0x33, 0x33}, header.EtherTypeIPv4, c.Bytes()), stack.PacketMulticast, 0},
		{"to another", frame(other, header.EtherTypeIPv4, c.Bytes()), 0, tcpip.DropOtherHost},
		{"unknown", frame(station, 0x88cc, []byte("lldp")), 0, tcpip.DropUnknownType},
		{"802.3", frame(station, 46, make([]byte, 46)), 0, tcpip.DropUnknownType},
		{"short", make([]byte, 13), 0, tcpip.DropShort},
		{"empty", nil, 0, tcpip.DropShort},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := h.Drops(row.drop)
			require.NoError(t, l.Inject(row.b))
			got := h.Take()
			if row.drop != 0 {
				require.Empty(t, got)
				require.Equal(t, 1, h.Drops(row.drop)-before)
				return
			}
			require.Len(t, got, 1)
			require.Equal(t, c.Bytes(), got[0].Bytes)
			require.Equal(t, row.kind, got[0].Link.Type)
			require.Equal(t, other, got[0].Link.Src)
			require.Equal(t, header.EtherTypeIPv4, got[0].Type)
		})
	}
	h.NIC.SetPromiscuous(true)
	require.NoError(t, l.Inject(frame(other, header.EtherTypeIPv4, c.Bytes())))
	require.Equal(t, stack.PacketOtherHost, h.Take()[0].Link.Type)
}

// Offloads pass in both directions: a super-segment crosses whole, header and all.
func TestOffloads(t *testing.T) {
	var a, b *linktest.Host
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{a, b} })
	la, lb := pipe.New(pipe.Options{MTU: 1514})
	a = linktest.NewHost(t, nil, ethernet.New(la, ethernet.Options{Address: station}))
	b = linktest.NewHost(t, nil, ethernet.New(lb, ethernet.Options{Address: other}))
	for _, v6 := range []bool{false, true} {
		c := linktest.Spec{V6: v6, Flags: header.ACK, Payload: linktest.Pattern(60000, 1), SegSize: 1400}
		p := c.Packet(a.Stack)
		p.Link.Dst = other
		a.Send(p)
		got := b.Take()
		require.Len(t, got, 1)
		require.Equal(t, c.Bytes(), got[0].Bytes)
		require.Equal(t, 43, got[0].Segs)
		require.Equal(t, stack.ChecksumPartial, got[0].Checksum)
	}
	a.NIC.Remove()
	require.False(t, b.NIC.Up(), "the carrier's loss did not come through")
}
