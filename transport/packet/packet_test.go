package packet_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/bpf"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/packet"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

// ethernet is two hosts on an Ethernet, A with station 2:...:1 and B with 2:...:2.
func ethernet(t *testing.T) *testnet.Net {
	return testnet.New(t, testnet.Options{Pipe: pipe.Options{
		Kind: stack.LinkEthernet, Addresses: [2]tcpip.LinkAddr{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}},
	}}, udp.New)
}

func open(t *testing.T, h *testnet.Host, mode packet.Mode, proto header.EtherType) *packet.Endpoint {
	t.Helper()
	e, err := packet.New(h.Stack, mode, proto)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

// next reads a packet, nil if there is none.
func next(t *testing.T, e *packet.Endpoint) ([]byte, packet.Frame) {
	t.Helper()
	b := make([]byte, 2000)
	f, err := e.ReadFrame(b, tcpip.ReadOptions{})
	if err == tcpip.ErrWouldBlock {
		return nil, f
	}
	require.NoError(t, err)
	return b[:f.Count], f
}

// say sends a datagram from A to B, whose address is resolved by then.
func say(t *testing.T, n *testnet.Net, text string) {
	t.Helper()
	e := n.A.Endpoint(t, header.ProtocolUDP, header.EtherTypeIPv4)
	_, err := e.Write([]byte(text), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: n.B.V4, Port: 9}})
	require.NoError(t, err)
	n.Clock.Settle()
	e.Close()
}

// On an Ethernet a Raw endpoint sees the header, and both kinds see ARP, what is sent and what is received.
func TestEthernet(t *testing.T) {
	n := ethernet(t)
	raw, cooked := open(t, n.A, packet.Raw, packet.All), open(t, n.A, packet.Cooked, packet.All)
	far := open(t, n.B, packet.Raw, header.EtherTypeIPv4)
	say(t, n, "hello")
	var ways []stack.PacketType
	var types []header.EtherType
	for {
		b, f := next(t, raw)
		if b == nil {
			break
		}
		h := header.Ethernet(b)
		require.Equal(t, f.From.EtherType, h.Type())
		require.Equal(t, f.From.Link, h.Src())
		require.Equal(t, 14, f.Network)
		c, g := next(t, cooked)
		require.Equal(t, b[14:], c)
		require.Equal(t, f.From, g.From)
		ways, types = append(ways, f.From.Type), append(types, f.From.EtherType)
	}
	require.Equal(t, []stack.PacketType{stack.PacketOutgoing, stack.PacketHost, stack.PacketOutgoing, stack.PacketHost}, ways)
	require.Equal(t, []header.EtherType{header.EtherTypeARP, header.EtherTypeARP, header.EtherTypeIPv4, header.EtherTypeIPv4}, types)
	b, f := next(t, far)
	require.Equal(t, packet.Address{NIC: testnet.Ethernet, EtherType: header.EtherTypeIPv4, Hardware: 1, Type: stack.PacketHost,
		Link: tcpip.LinkAddr{2, 0, 0, 0, 0, 1}, LinkLen: 6}, f.From)
	require.Equal(t, "hello", string(b[14+28:]))
	b, _ = next(t, far)
	require.Nil(t, b, "of another EtherType than All only what is received")
}

// A frame is sent as it is written; a cooked one gets its header.
func TestSendEthernet(t *testing.T) {
	n := ethernet(t)
	far := open(t, n.B, packet.Raw, 0x1234)
	raw, cooked := open(t, n.A, packet.Raw, 0), open(t, n.A, packet.Cooked, 0)
	frame := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 9, 0x12, 0x34}, "raw"...)
	_, err := raw.WriteFrame(frame, &packet.Address{NIC: testnet.Ethernet})
	require.NoError(t, err)
	_, err = cooked.WriteFrame([]byte("cooked"), &packet.Address{NIC: testnet.Ethernet, EtherType: 0x1234, Link: tcpip.BroadcastLinkAddr(), LinkLen: 6})
	require.NoError(t, err)
	n.Clock.Settle()
	b, _ := next(t, far)
	require.Equal(t, frame, b)
	b, f := next(t, far)
	require.Equal(t, stack.PacketBroadcast, f.From.Type)
	require.Equal(t, "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x12\x34cooked", string(b))
	for _, c := range []struct {
		b    []byte
		to   *packet.Address
		want error
	}{
		{frame, nil, tcpip.ErrNoAddress},
		{frame, &packet.Address{NIC: 99}, tcpip.ErrNoAddress},
		{frame[:13], &packet.Address{NIC: testnet.Ethernet}, tcpip.ErrInvalid},
		{make([]byte, n.A.NIC.MTU()+15), &packet.Address{NIC: testnet.Ethernet}, tcpip.ErrMessageSize},
	} {
		_, err := raw.WriteFrame(c.b, c.to)
		require.Equal(t, c.want, err)
	}
	n.A.NIC.SetUp(false)
	_, err = raw.WriteFrame(frame, &packet.Address{NIC: testnet.Ethernet})
	require.Equal(t, tcpip.ErrNetDown, err)
}

// Payload is shared, not copied, and what the filter does not keep takes no memory.
func TestFilterCuts(t *testing.T) {
	n := testnet.New(t, testnet.Options{})
	e := open(t, n.A, packet.Raw, header.EtherTypeIPv4)
	keep := func(k uint32) []byte { return bpf.Encode(nil, []bpf.Instruction{{Code: 6, K: k}}) }
	require.Equal(t, tcpip.OK, e.SocketFilter().Attach(keep(40)))
	big := testnet.IPv4(header.IPv4Fields{Protocol: 99, Src: n.B.V4, Dst: n.A.V4}, make([]byte, 1400))
	n.A.Inject(big)
	require.Less(t, n.A.Slabs.Live(), int64(1024), "a slab is kept for 40 bytes")
	b, f := next(t, e)
	require.Equal(t, big[:40], b)
	require.Equal(t, len(big), f.Size)
	require.Equal(t, tcpip.OK, e.SocketFilter().Attach(keep(0)))
	n.A.Inject(big)
	require.Equal(t, packet.Statistics{Packets: 1}, e.Statistics(), "what the filter refuses does not count")
	b, _ = next(t, e)
	require.Nil(t, b)
}

// A full queue drops and counts, and a waiter hears of what came.
func TestQueueIsBounded(t *testing.T) {
	n := testnet.New(t, testnet.Options{})
	e := open(t, n.A, packet.Cooked, header.EtherTypeIPv4)
	require.NoError(t, e.SetOption(tcpip.SO_RCVBUF, 0))
	w := waiter.NewChannel(waiter.Readable)
	e.Waiters().Register(w)
	before := n.A.Drops(tcpip.DropReceiveQueue)
	const sent = 50
	for range sent {
		n.A.Inject(testnet.IPv4(header.IPv4Fields{Protocol: 99, Src: n.B.V4, Dst: n.A.V4}, []byte("x")))
	}
	<-w.C()
	s := e.Statistics()
	require.EqualValues(t, sent, s.Packets)
	require.Positive(t, s.Drops)
	require.Equal(t, int(s.Drops), n.A.Drops(tcpip.DropReceiveQueue)-before)
	require.Equal(t, packet.Statistics{}, e.Statistics())
	got := 0
	for b, _ := next(t, e); b != nil; b, _ = next(t, e) {
		got++
	}
	require.Equal(t, sent-int(s.Drops), got)
}

// Endpoints that are open when their stack is closed leave nothing behind (the cleanup of testnet looks).
func TestStackCloses(t *testing.T) {
	n := testnet.New(t, testnet.Options{})
	e, err := packet.New(n.A.Stack, packet.Raw, packet.All)
	require.NoError(t, err)
	require.NoError(t, e.SetOption(packet.PACKET_VERSION, 2))
	ringed, err := packet.New(n.A.Stack, packet.Raw, packet.All)
	require.NoError(t, err)
	require.NoError(t, ringed.SetOption(packet.PACKET_VERSION, 2))
	require.NoError(t, ringed.SetRing(packet.Receive, packet.RingSize{BlockSize: 4096, Blocks: 2, FrameSize: 2048, Frames: 4}, nil))
	require.NoError(t, ringed.Join(packet.Membership{NIC: testnet.Ethernet, Kind: packet.MemberPromiscuous}))
	require.Equal(t, 1, n.A.NIC.Overheard())
	n.A.Inject(testnet.IPv4(header.IPv4Fields{Protocol: 99, Src: n.B.V4, Dst: n.A.V4}, make([]byte, 500)))
	n.A.Close()
	_, err = e.ReadFrame(make([]byte, 100), tcpip.ReadOptions{})
	require.Equal(t, tcpip.ErrClosed, err)
	_, err = packet.New(n.A.Stack, packet.Raw, packet.All)
	require.Equal(t, tcpip.ErrClosed, err)
}

// Memberships are counted, and undone by Close.
func TestMemberships(t *testing.T) {
	n := testnet.New(t, testnet.Options{})
	e := open(t, n.A, packet.Raw, 0)
	m := packet.Membership{NIC: testnet.Ethernet, Kind: packet.MemberPromiscuous}
	for range 2 {
		require.NoError(t, e.Join(m))
	}
	require.Equal(t, 1, n.A.NIC.Overheard())
	require.NoError(t, e.Leave(m))
	require.Equal(t, 1, n.A.NIC.Overheard())
	require.NoError(t, e.Leave(m))
	require.NoError(t, e.Leave(m))
	require.Zero(t, n.A.NIC.Overheard())
	require.NoError(t, e.Join(m))
	e.Close()
	require.Zero(t, n.A.NIC.Overheard())
	require.Equal(t, tcpip.ErrClosed, e.Join(m))
}

// What is written with a virtio-net header has its checksum finished, or is cut into segments.
func TestVirtio(t *testing.T) {
	n := testnet.New(t, testnet.Options{Pipe: pipe.Options{NoChecksum: true}}, udp.New)
	e := open(t, n.A, packet.Raw, 0)
	require.NoError(t, e.SetOption(packet.PACKET_VNET_HDR, 1))
	server := n.B.Endpoint(t, header.ProtocolUDP, header.EtherTypeIPv4)
	require.NoError(t, server.Bind(tcpip.FullAddress{Port: 7}))
	write := func(v header.VirtioNet, payload int) error {
		from, to := netip.AddrPortFrom(n.A.V4, 99), netip.AddrPortFrom(n.B.V4, 7)
		u := header.UDP(testnet.UDP(from, to, testnet.Pattern(payload)))
		u.SetChecksum(header.PseudoHeader(header.ProtocolUDP, from.Addr(), to.Addr(), len(u)).Fold())
		b := make([]byte, header.VirtioNetSize)
		v.Encode(b, header.VirtioNetSize)
		b = append(b, testnet.IPv4(header.IPv4Fields{Protocol: header.ProtocolUDP, Src: from.Addr(), Dst: to.Addr()}, u)...)
		_, err := e.WriteFrame(b, &packet.Address{NIC: testnet.Ethernet})
		n.Clock.Settle()
		return err
	}
	received := func() (sizes []int) {
		for {
			r, err := server.Read(make([]byte, 3000), tcpip.ReadOptions{})
			if err != nil {
				return sizes
			}
			sizes = append(sizes, r.Count)
		}
	}
	partial := header.VirtioNet{Flags: header.VirtioNeedsChecksum, ChecksumStart: 20, ChecksumOffset: 6}
	require.NoError(t, write(partial, 100))
	require.Equal(t, []int{100}, received())
	super := partial
	super.GSO, super.SegmentSize, super.HeaderLen = header.VirtioGSOUDPL4, 500, 28
	require.NoError(t, write(super, 1200))
	require.Equal(t, []int{500, 500, 200}, received())
	for _, bad := range []header.VirtioNet{
		{GSO: header.VirtioGSOUDPL4, SegmentSize: 500},
		{Flags: header.VirtioNeedsChecksum, ChecksumStart: 60000, ChecksumOffset: 6},
		{Flags: header.VirtioNeedsChecksum, ChecksumStart: 20, ChecksumOffset: 60000},
		{Flags: header.VirtioNeedsChecksum, GSO: header.VirtioGSOTCPv4, SegmentSize: 500, ChecksumStart: 20, ChecksumOffset: 6},
		{GSO: 99}, {HeaderLen: 60000},
	} {
		require.Equal(t, tcpip.ErrInvalid, write(bad, 100), "%+v", bad)
	}
	require.Empty(t, received())
}

// A flow keeps to one member of a group, both ways.
func TestFanoutByFlow(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	var group []*packet.Endpoint
	for range 3 {
		e := open(t, n.A, packet.Cooked, packet.All)
		require.NoError(t, e.BindLink(packet.Address{NIC: testnet.Ethernet}))
		require.NoError(t, e.JoinFanout(packet.Fanout{ID: 5}))
		group = append(group, e)
	}
	require.Equal(t, tcpip.ErrInvalid, group[0].BindLink(packet.Address{}))
	hit := map[int]bool{}
	for port := range uint16(30) {
		out := testnet.UDP(netip.AddrPortFrom(n.A.V4, 9), netip.AddrPortFrom(n.B.V4, 1000+port), nil)
		back := testnet.UDP(netip.AddrPortFrom(n.B.V4, 1000+port), netip.AddrPortFrom(n.A.V4, 9), nil)
		n.A.Inject(testnet.IPv4(header.IPv4Fields{Protocol: header.ProtocolUDP, Src: n.B.V4, Dst: n.A.V4}, back))
		w := open(t, n.A, packet.Cooked, 0)
		_, err := w.WriteFrame(testnet.IPv4(header.IPv4Fields{Protocol: header.ProtocolUDP, Src: n.A.V4, Dst: n.B.V4}, out),
			&packet.Address{NIC: testnet.Ethernet, EtherType: header.EtherTypeIPv4})
		require.NoError(t, err)
		n.Clock.Settle()
		w.Close()
		for i, e := range group {
			if s := e.Statistics(); s.Packets != 0 {
				require.GreaterOrEqual(t, s.Packets, uint32(2), "the two directions went to different members")
				hit[i] = true
			}
			for b, _ := next(t, e); b != nil; b, _ = next(t, e) {
			}
		}
	}
	require.Len(t, hit, 3, "some member got nothing of 30 flows")
}

// The user's side of a ring, which may write anything there.
func TestRingIsNotTrusted(t *testing.T) {
	n := testnet.New(t, testnet.Options{})
	for version := range 3 {
		e := open(t, n.A, packet.Raw, header.EtherTypeIPv4)
		require.NoError(t, e.SetOption(packet.PACKET_VERSION, version))
		size := packet.RingSize{BlockSize: 4096, Blocks: 2, FrameSize: 2048, Frames: 4}
		require.NoError(t, e.SetRing(packet.Receive, size, nil))
		require.NoError(t, e.SetRing(packet.Transmit, size, nil))
		require.Equal(t, tcpip.ErrBusy, e.SetRing(packet.Receive, size, nil))
		require.Equal(t, tcpip.ErrBusy, e.SetOption(packet.PACKET_VERSION, 0))
		for _, fill := range []byte{0xff, 1, 0x80, 0} {
			for _, d := range []packet.Direction{packet.Receive, packet.Transmit} {
				mem := e.Ring(d)
				for i := range mem {
					mem[i] = fill
				}
			}
			for range 5 {
				n.A.Inject(testnet.IPv4(header.IPv4Fields{Protocol: 99, Src: n.B.V4, Dst: n.A.V4}, make([]byte, 900)))
				_, _ = e.WriteFrame(nil, &packet.Address{NIC: testnet.Ethernet})
				n.Clock.Settle()
				n.Clock.Step()
			}
		}
		require.NoError(t, e.SetRing(packet.Receive, packet.RingSize{}, nil))
		require.Nil(t, e.Ring(packet.Receive))
		e.Close()
	}
}

// A ring of version 2 is passed to and fro.
func TestRing(t *testing.T) {
	n := testnet.New(t, testnet.Options{})
	e := open(t, n.A, packet.Cooked, header.EtherTypeIPv4)
	require.NoError(t, e.SetOption(packet.PACKET_VERSION, 1))
	asked := 0
	require.NoError(t, e.SetRing(packet.Receive, packet.RingSize{BlockSize: 4096, Blocks: 1, FrameSize: 2048, Frames: 2}, func(n int) []byte {
		asked = n
		return make([]byte, n)
	}))
	require.Equal(t, 4096, asked)
	mem := e.Ring(packet.Receive)
	for i := range 5 {
		b := testnet.IPv4(header.IPv4Fields{Protocol: 99, Src: n.B.V4, Dst: n.A.V4}, []byte{byte(i)})
		n.A.Inject(b)
		f := mem[i%2*2048:]
		require.EqualValues(t, 1, binary.NativeEndian.Uint32(f)&1)
		at := binary.NativeEndian.Uint16(f[12:])
		require.Equal(t, b, f[at:int(at)+len(b)])
		require.Equal(t, waiter.Readable, e.Readiness(waiter.Readable))
		binary.NativeEndian.PutUint32(f, 0)
		require.Zero(t, e.Readiness(waiter.Readable))
	}
	require.Equal(t, packet.Statistics{Packets: 5}, e.Statistics())
}
