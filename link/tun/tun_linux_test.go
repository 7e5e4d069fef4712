package tun_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/link/ethernet"
	"github.com/seed963a8790/netstack/link/tun"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// The packets of linktest go from the first to the second address; here the kernel has the second.
var (
	kernel4 = netip.MustParsePrefix("192.0.2.2/24")
	kernel6 = netip.MustParsePrefix("2001:db8::2/64")
	stack4  = netip.MustParseAddr("192.0.2.1")
	stack6  = netip.MustParseAddr("2001:db8::1")
)

// device opens a device in a namespace of the test's own and gives the kernel's end its addresses.
func device(t *testing.T, o tun.Options) *tun.Device {
	linktest.Namespace(t)
	d, err := tun.Open(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		d.Close()
		require.NoError(t, d.Wait(t.Context()))
	})
	setUp(t, d)
	return d
}

func setUp(t *testing.T, d *tun.Device) {
	for _, key := range []string{"accept_dad", "router_solicitations"} {
		file := "/proc/sys/net/ipv6/conf/" + d.Name() + "/" + key
		require.NoError(t, os.WriteFile(file, []byte("0"), 0))
	}
	require.NoError(t, d.SetUp(true))
	require.NoError(t, d.AddHostAddress(kernel4))
	require.NoError(t, d.AddHostAddress(kernel6))
}

// attach makes a host of d that remembers only what the kernel's sockets send.
func attach(t *testing.T, link stack.Link) (h *linktest.Host) {
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{h} })
	return linktest.NewHost(t, nil, link)
}

// socket returns a kernel socket that receives what linktest.Spec sends.
func socket(t *testing.T, v6 bool) *net.UDPConn {
	a := netip.AddrPortFrom(kernel4.Addr(), 80)
	if v6 {
		a = netip.AddrPortFrom(kernel6.Addr(), 80)
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	for tries := 0; err != nil && tries < 1000; tries++ { // an IPv6 address needs a moment to become usable
		time.Sleep(10 * time.Millisecond)
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetReadBuffer(1<<20))
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	return c
}

func stackAddr(v6 bool) netip.AddrPort {
	if v6 {
		return netip.AddrPortFrom(stack6, 1000)
	}
	return netip.AddrPortFrom(stack4, 1000)
}

// datagrams waits until n UDP datagrams have arrived from the kernel and returns them, without the packets
// that a kernel sends of its own accord.
func datagrams(h *linktest.Host, n int) (got []linktest.Arrival) {
	for seen := h.Count(); len(got) < n; seen++ {
		for _, a := range h.Take() {
			if at := transportAt(a.Bytes); at > 0 {
				got = append(got, a)
			}
		}
		if len(got) < n {
			h.Await(seen + 1)
		}
	}
	return got
}

// transportAt returns where the UDP header begins, 0 if there is none.
func transportAt(b []byte) int {
	switch {
	case len(b) > 28 && b[0]>>4 == 4 && b[9] == 17:
		return 20
	case len(b) > 48 && b[0]>>4 == 6 && b[6] == 17:
		return 40
	}
	return 0
}

var sizes = []int{1, 8, 40, 60, 100, 132, 133, 500, 1400, 1900, 1950, 2000, 5000, 20000, 34000, 35000, 60000, 65000}

// Datagrams of every size class cross in both directions.
func TestDatagrams(t *testing.T) {
	d := device(t, tun.Options{MTU: 65535})
	require.Equal(t, 65535, d.Info().MTU)
	h := attach(t, d)
	for _, v6 := range []bool{false, true} {
		c := socket(t, v6)
		for i, n := range sizes {
			spec := linktest.Spec{V6: v6, UDP: true, Payload: linktest.Pattern(n, i), Pieces: 1 + i%3, Partial: i%2 == 0}
			h.Send(spec.Packet(h.Stack))
			b := make([]byte, 65536)
			m, from, err := c.ReadFromUDPAddrPort(b)
			require.NoError(t, err, "size %d", n)
			require.Equal(t, stackAddr(v6), netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
			require.True(t, bytes.Equal(spec.Payload, b[:m]), "size %d", n)

			_, err = c.WriteToUDPAddrPort(spec.Payload, stackAddr(v6))
			require.NoError(t, err)
			got := datagrams(h, 1)[0]
			require.True(t, bytes.Equal(spec.Payload, got.Bytes[transportAt(got.Bytes)+8:]), "size %d", n)
			require.Equal(t, map[bool]header.EtherType{false: header.EtherTypeIPv4, true: header.EtherTypeIPv6}[v6], got.Type)
			require.Equal(t, stack.ChecksumPartial, got.Checksum, "the kernel computed the checksum")
		}
	}
}

// A UDP super-segment becomes many datagrams in the kernel, and its many datagrams one super-segment here.
func TestUDPSuperSegments(t *testing.T) {
	d := device(t, tun.Options{})
	if d.Info().Offload&stack.OffloadUSO == 0 {
		t.Skip("the kernel has no UDP segmentation over TUN")
	}
	h := attach(t, d)
	for _, v6 := range []bool{false, true} {
		c := socket(t, v6)
		spec := linktest.Spec{V6: v6, UDP: true, Payload: linktest.Pattern(40500, 1), Pieces: 5, SegSize: 1000}
		h.Send(spec.Packet(h.Stack))
		b := make([]byte, 2000)
		for at := 0; at < len(spec.Payload); at += 1000 {
			n, err := c.Read(b)
			require.NoError(t, err)
			require.Equal(t, spec.Payload[at:min(at+1000, len(spec.Payload))], b[:n])
		}
		raw, err := c.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1000)
		}))
		require.NoError(t, err)
		_, err = c.WriteToUDPAddrPort(spec.Payload, stackAddr(v6))
		require.NoError(t, err)
		got := datagrams(h, 1)[0]
		require.Equal(t, 1000, got.SegSize)
		require.Equal(t, 41, got.Segs)
		require.Equal(t, spec.Payload, got.Bytes[transportAt(got.Bytes)+8:])
	}
}

// Without offloads the packets are those of a wire.
func TestNoOffload(t *testing.T) {
	d := device(t, tun.Options{NoOffload: true, Name: "plain%d"})
	require.Equal(t, "plain0", d.Name())
	require.Zero(t, d.Info().Offload)
	require.Zero(t, d.Info().GSOMax)
	h := attach(t, d)
	c := socket(t, false)
	spec := linktest.Spec{UDP: true, Payload: linktest.Pattern(5000, 1), SegSize: 1000}
	h.Send(spec.Packet(h.Stack))
	b := make([]byte, 2000)
	for range 5 {
		n, err := c.Read(b)
		require.NoError(t, err)
		require.Equal(t, 1000, n)
	}
	_, err := c.WriteToUDPAddrPort(spec.Payload[:1000], stackAddr(false))
	require.NoError(t, err)
	require.True(t, linktest.Valid(datagrams(h, 1)[0].Bytes))
}

// The kernel cuts and checks a TCP super-segment: a segment to a closed port is answered with a reset that
// acknowledges all of it.
func TestTCPSuperSegment(t *testing.T) {
	d := device(t, tun.Options{})
	require.Equal(t, stack.OffloadTSO4|stack.OffloadTSO6, d.Info().Offload&(stack.OffloadTSO4|stack.OffloadTSO6))
	h := attach(t, d)
	for _, v6 := range []bool{false, true} {
		socket(t, v6) // the address is usable once this is there; TCP's port stays closed
		spec := linktest.Spec{V6: v6, Flags: header.SYN | header.CWR | header.ECE, Seq: 100, Payload: linktest.Pattern(30000, 1), SegSize: 1000}
		h.Send(spec.Packet(h.Stack))
		for seen := false; !seen; {
			count := h.Count()
			for _, a := range h.Take() {
				at, proto := 20, 9
				if v6 {
					at, proto = 40, 6
				}
				if a.Bytes[0]>>4 == 6 != v6 || a.Bytes[proto] != uint8(header.ProtocolTCP) {
					continue
				}
				seg := header.TCP(a.Bytes[at:])
				require.Equal(t, header.RST|header.ACK, seg.Flags())
				require.EqualValues(t, 80, seg.SrcPort())
				seen = true
			}
			if !seen {
				h.Await(count + 1)
			}
		}
	}
}

func TestSeveralQueues(t *testing.T) {
	d := device(t, tun.Options{Queues: 3})
	require.Equal(t, 3, d.Info().Queues)
	h := attach(t, d)
	c := socket(t, false)
	b := make([]byte, 100)
	for i := range 30 {
		spec := linktest.Spec{UDP: true, Port: uint16(1000 + i), Payload: []byte(fmt.Sprint(i))}
		p := spec.Packet(h.Stack)
		p.Hash = uint32(i)
		h.Send(p)
		n, from, err := c.ReadFromUDPAddrPort(b)
		require.NoError(t, err)
		require.Equal(t, spec.Payload, b[:n])
		_, err = c.WriteToUDPAddrPort(b[:n], from)
		require.NoError(t, err)
	}
	require.Len(t, datagrams(h, 30), 30)
}

// A descriptor that somebody else has made is taken as it is.
func TestFromFD(t *testing.T) {
	linktest.Namespace(t)
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	r, err := unix.NewIfreq("given%d")
	require.NoError(t, err)
	r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	require.NoError(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, r))
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, 12))
	d, err := tun.FromFD([]int{fd}, tun.Options{})
	require.NoError(t, err)
	require.Equal(t, "given0", d.Name())
	setUp(t, d)
	h := attach(t, d)
	c := socket(t, true)
	_, err = c.WriteToUDPAddrPort([]byte("hello"), stackAddr(true))
	require.NoError(t, err)
	require.Equal(t, []byte("hello"), datagrams(h, 1)[0].Bytes[48:])
}

func TestInterfaceDown(t *testing.T) {
	d := device(t, tun.Options{})
	h := attach(t, d)
	require.NoError(t, d.SetUp(false))
	spec := linktest.Spec{UDP: true, Payload: []byte("lost")}
	h.Send(spec.Packet(h.Stack))
	require.Equal(t, 1, h.Drops(tcpip.DropLinkDown))
	require.NoError(t, d.SetMTU(1400))
	require.Equal(t, 1400, h.NIC.MTU())
	require.Error(t, d.SetMTU(-5))

	out, err := exec.Command("ip", "link", "del", d.Name()).CombinedOutput()
	require.NoError(t, err, string(out))
	h.Send(spec.Packet(h.Stack))
	require.Eventually(t, func() bool { return !h.NIC.Up() }, 10*time.Second, time.Millisecond)
}

// When the byte budget is spent packets are dropped and counted; when it is not any more they arrive.
func TestMemoryBudget(t *testing.T) {
	d := device(t, tun.Options{MTU: 65535})
	h := attach(t, d)
	c := socket(t, false)
	h.Stack.Slabs.SetLimit(1)
	h.Await(0)
	payload := linktest.Pattern(1000, 1)
	// What the reader holds already takes the first packet in.
	for range 3 {
		_, err := c.WriteToUDPAddrPort(payload, stackAddr(false))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return h.Drops(tcpip.DropNoMemory) > 0 }, 10*time.Second, time.Millisecond)
	h.Stack.Slabs.SetLimit(0)
	h.Take()
	_, err := c.WriteToUDPAddrPort(payload, stackAddr(false))
	require.NoError(t, err)
	datagrams(h, 1)
}

// A TAP device under link/ethernet: the kernel resolves, and takes our frames.
func TestTAP(t *testing.T) {
	d := device(t, tun.Options{TAP: true})
	require.Equal(t, 1514, d.Info().MTU)
	station := tcpip.LinkAddr{2, 0, 0, 0, 0, 0x17}
	e := ethernet.New(d, ethernet.Options{Address: station})
	require.Equal(t, 1500, e.Info().MTU)
	h := attach(t, e)
	c := socket(t, false)

	out, err := exec.Command("ip", "neigh", "add", stack4.String(), "lladdr", station.String(), "dev", d.Name()).CombinedOutput()
	require.NoError(t, err, string(out))
	_, err = c.WriteToUDPAddrPort([]byte("to the stack"), stackAddr(false))
	require.NoError(t, err)
	got := datagrams(h, 1)[0]
	require.Equal(t, []byte("to the stack"), got.Bytes[28:])
	require.Equal(t, stack.PacketHost, got.Link.Type)
	require.Equal(t, stack.ChecksumPartial, got.Checksum)

	for _, size := range []int{0, 500} { // one datagram, several
		spec := linktest.Spec{UDP: true, Payload: linktest.Pattern(1400, 1), Partial: true, SegSize: size}
		p := spec.Packet(h.Stack)
		p.Link.Dst = got.Link.Src
		h.Send(p)
		b := make([]byte, 2000)
		var all []byte
		for len(all) < 1400 {
			n, err := c.Read(b)
			require.NoError(t, err)
			all = append(all, b[:n]...)
		}
		require.Equal(t, spec.Payload, all)
	}
}

func TestCloseDuringTraffic(t *testing.T) {
	d := device(t, tun.Options{Queues: 2})
	h := attach(t, d)
	h.CountOnly()
	c := socket(t, false)
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			spec := linktest.Spec{UDP: true, Port: uint16(1000 + i), Payload: linktest.Pattern(1000, 1)}
			for h.NIC.Up() {
				w := h.Stack.Begin()
				if p := spec.Packet(h.Stack); !h.NIC.Enqueue(w, p) {
					w.Drop(p, tcpip.DropQueueFull)
				}
				w.End()
			}
		}()
		go func() {
			defer wg.Done()
			for h.NIC.Up() {
				_, _ = c.WriteToUDPAddrPort(linktest.Pattern(1000, 1), netip.AddrPortFrom(stack4, uint16(1000+i)))
			}
		}()
	}
	h.Await(1000)
	h.NIC.Remove()
	wg.Wait()
	require.ErrorIs(t, d.SetMTU(1500), tcpip.ErrClosed)
	require.ErrorIs(t, d.Attach(nil), tcpip.ErrClosed)
}

func TestBadOptions(t *testing.T) {
	_, err := tun.Open(tun.Options{Queues: 1000})
	require.ErrorIs(t, err, tcpip.ErrInvalid)
	_, err = tun.FromFD(nil, tun.Options{})
	require.ErrorIs(t, err, tcpip.ErrInvalid)
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	_, err = tun.FromFD([]int{fd}, tun.Options{})
	require.Error(t, err)
	require.Error(t, unix.Close(fd), "FromFD failed and left the descriptor open")
}
