package tun

import (
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/gate"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// wire is a device over one end of a socket pair, which keeps the bounds of packets as TUN does, attached
// to a host; the test holds the other end. It needs no rights.
func wire(t testing.TB) (h *linktest.Host, d *Device, peer int) {
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fds[1]) })
	d = &Device{
		name: "wire", vnet: header.VirtioNetSize, gate: gate.New(),
		offload: stack.OffloadChecksum | stack.OffloadTSO4 | stack.OffloadTSO6 | stack.OffloadUSO | stack.OffloadReceive,
	}
	d.mtu.Store(1500)
	q, err := newQueue(d, 0, fds[0])
	require.NoError(t, err)
	d.queues = []*queue{q}
	h = linktest.NewHost(t, nil, d)
	return h, d, fds[1]
}

func waitFor(t testing.TB, fd int, events int16) {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: events}}
	n, err := unix.Poll(fds[:], 10_000)
	for errors.Is(err, unix.EINTR) { // a signal of the runtime's
		n, err = unix.Poll(fds[:], 10_000)
	}
	require.NoError(t, err)
	require.NotZero(t, n, "waited in vain")
}

// What the kernel has no room for waits in the NIC's queue, in order, and one goroutine for the descriptor.
func TestBackpressure(t *testing.T) {
	h, _, peer := wire(t)
	const n = 900
	for i := range n {
		c := linktest.Spec{Seq: uint32(i), Payload: linktest.Pattern(1000, i)}
		h.Send(c.Packet(h.Stack))
	}
	require.Less(t, h.NIC.Counters().TxPackets.Value(), uint64(n), "everything was taken at once")
	b := make([]byte, 2000)
	for i := range n {
		waitFor(t, peer, unix.POLLIN)
		m, err := unix.Read(peer, b)
		require.NoError(t, err)
		c := linktest.Spec{Seq: uint32(i), Payload: linktest.Pattern(1000, i)}
		require.Equal(t, c.Bytes(), b[header.VirtioNetSize:m])
	}
}

// A goroutine that waits for room ends with the device.
func TestCloseWhileStopped(t *testing.T) {
	h, d, _ := wire(t)
	for i := range 900 {
		c := linktest.Spec{Seq: uint32(i), Payload: linktest.Pattern(1000, i)}
		h.Send(c.Packet(h.Stack))
	}
	d.Close()
	require.NoError(t, d.Wait(t.Context()))
}

// What comes up is what went in, whatever its size; nothing is kept in a slab that it fills by less than
// half, if there is a smaller one.
func TestReadSizes(t *testing.T) {
	h, _, peer := wire(t)
	require.NoError(t, unix.SetsockoptInt(peer, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20))
	for i, n := range []int{0, 40, 41, 120, 121, 1000, headLen - 40, headLen - 39, headLen + 1000, 30000, 34000, 36000, 65000} {
		c := linktest.Spec{Payload: linktest.Pattern(n, i), Flags: header.ACK}
		b := append(make([]byte, header.VirtioNetSize), c.Bytes()...)
		_, err := unix.Write(peer, b)
		require.NoError(t, err)
		h.Await(i + 1)
		got := h.Take()
		require.Equal(t, c.Bytes(), got[0].Bytes)
		require.LessOrEqual(t, got[0].Cost, 2*n+slab.Medium, "%d bytes of payload", n)
	}
}

// Bad input ends in counted drops, and what follows it arrives.
func TestBadInput(t *testing.T) {
	h, _, peer := wire(t)
	good := linktest.Spec{Payload: []byte("good"), Flags: header.ACK}
	super := header.VirtioNet{Flags: 1, GSO: header.VirtioGSOTCPv4, SegmentSize: 100, ChecksumStart: 20, ChecksumOffset: 16}
	encode := func(v header.VirtioNet, packet []byte) []byte {
		b := make([]byte, header.VirtioNetSize)
		v.Encode(b, len(b))
		return append(b, packet...)
	}
	for i, row := range []struct {
		b    []byte
		drop tcpip.Drop
	}{
		{[]byte{0}, tcpip.DropShort},
		{make([]byte, header.VirtioNetSize), tcpip.DropUnknownType},
		{encode(header.VirtioNet{}, []byte{0x10, 0x20}), tcpip.DropUnknownType},
		{encode(header.VirtioNet{GSO: 77}, good.Bytes()), tcpip.DropBadOffload},
		{encode(super, []byte{0x45}), tcpip.DropBadOffload},
		{encode(super, make([]byte, 100)), tcpip.DropBadOffload},
		{encode(header.VirtioNet{Flags: 1, ChecksumStart: 1000}, good.Bytes()), tcpip.DropBadOffload},
	} {
		before := h.Drops(row.drop)
		_, err := unix.Write(peer, row.b)
		require.NoError(t, err)
		_, err = unix.Write(peer, encode(header.VirtioNet{}, good.Bytes()))
		require.NoError(t, err)
		h.Await(i + 1)
		require.Equal(t, good.Bytes(), h.Take()[0].Bytes, "row %d", i)
		require.Equal(t, 1, h.Drops(row.drop)-before, "row %d", i)
	}
}

// Packets that are there together come up in order.
func TestReadBatches(t *testing.T) {
	h, _, peer := wire(t)
	const n = 200
	var sender sync.WaitGroup
	sender.Add(1)
	go func() {
		defer sender.Done()
		b := make([]byte, header.VirtioNetSize+28+4)
		for i := range n {
			c := linktest.Spec{UDP: true, Payload: binary.BigEndian.AppendUint32(nil, uint32(i))}
			copy(b[header.VirtioNetSize:], c.Bytes())
			for {
				if _, err := unix.Write(peer, b); err == nil {
					break
				}
				waitFor(t, peer, unix.POLLOUT)
			}
		}
	}()
	h.Await(n)
	sender.Wait()
	for i, g := range h.Take() {
		require.EqualValues(t, i, binary.BigEndian.Uint32(g.Bytes[28:]))
	}
}

func TestNoAllocations(t *testing.T) {
	h, d, peer := wire(t)
	h.CountOnly()
	c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(1000, 1)}
	model := c.Packet(h.Stack)
	defer model.Release()
	out := make([]byte, 2000)
	linktest.NoAllocations(t, func() {
		w := h.Stack.Begin()
		p := h.Stack.NewPacket()
		copy(p.Prepend(40), model.Front())
		p.SetNetwork(20)
		p.EtherType = model.EtherType
		p.AppendData(model.Data()[0].Share())
		h.NIC.Enqueue(w, p)
		w.End()
		_, _ = unix.Read(peer, out)
	})

	// The reading half, without the poller.
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	defer func() { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) }()
	r := reader{up: *d.receiver.Load(), vnet: header.VirtioNetSize}
	for _, n := range []int{0, 100, 1000, 5000, 60000} {
		c.Payload = linktest.Pattern(n, 1)
		in := append(make([]byte, header.VirtioNetSize), c.Bytes()...)
		require.NoError(t, unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20))
		before := h.Count()
		linktest.NoAllocations(t, func() {
			_, _ = unix.Write(fds[1], in)
			r.readBatch(uintptr(fds[0]))
			r.up.Deliver(nil, r.batch[:r.n])
		})
		require.Greater(t, h.Count(), before+200)
	}
	r.head.Release()
	r.tail.Release()
}
