package udp_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

// perDatagram is more than the struct of a queued datagram takes, in bytes.
const perDatagram = 256

// For datagrams of 1 byte to 64 KB, and at any limit that takes the largest, what a full queue holds is at
// most twice the limit; and it is not wasted either.
func TestMemoryBounded(t *testing.T) {
	pipes := map[string]pipe.Options{"offload": {}, "wire": {NoChecksum: true, NoGSO: true}, "jumbo": {MTU: 65535}}
	for what, o := range pipes {
		for _, limit := range []int{70000, tcpip.DefaultDatagramBuffer, 1 << 20} {
			if testing.Short() && limit != tcpip.DefaultDatagramBuffer {
				continue
			}
			for _, size := range []int{0, 1, 64, 200, 257, 512, 1400, 1472, 1473, 2048, 4000, 8192, 20000, 40000, 65507} {
				t.Run(fmt.Sprintf("%s/%d/%d", what, limit, size), func(t *testing.T) {
					n := testnet.New(t, testnet.Options{Pipe: o}, udp.New)
					server, client := bound(t, n.B, header.EtherTypeIPv4, 7), open(t, n.A, header.EtherTypeIPv4)
					set(t, server, tcpip.SO_RCVBUF, limit/2)
					dropped := &n.B.Counters().Udp.RcvbufErrors
					for i := 0; dropped.Value() == 0; i++ {
						send(t, client, string(make([]byte, size)), to(n.B.V4, 7))
						require.Less(t, i, 1<<16, "the queue has no end")
					}
					require.EqualValues(t, dropped.Value(), n.B.Drops(tcpip.DropReceiveQueue))
					held := n.A.Slabs.Live() + n.B.Slabs.Live()
					require.Zero(t, n.A.LivePackets()+n.B.LivePackets())
					count := 0
					for server.Readiness(waiter.Readable) != 0 {
						b, _ := read(t, server)
						require.Len(t, b, size)
						count++
					}
					held += int64(count * perDatagram)
					require.LessOrEqual(t, held, int64(2*limit))
					fits := perDatagram + 2*max(size, slab.Medium)
					require.GreaterOrEqual(t, count, limit/fits, "hardly anything fits")
					require.Zero(t, n.A.Slabs.Live()+n.B.Slabs.Live())
				})
			}
		}
	}
}

// While the stack's memory is short a socket that holds little receives all the same, one that holds more does not.
func TestReceivingWhileMemoryIsShort(t *testing.T) {
	both(t, func(t *testing.T, n *testnet.Net, family header.EtherType) {
		one, other := bound(t, n.B, family, 7), bound(t, n.B, family, 8)
		client := open(t, n.A, family)
		dst := n.B.Addr(family)
		pool := &n.B.Slabs
		pool.SetLimit(1 << 20)
		var held []slab.Piece
		for !pool.Short() {
			p, ok := pool.Get(slab.Large)
			require.True(t, ok)
			held = append(held, p)
		}
		for range 20 {
			send(t, client, string(make([]byte, 1000)), to(dst, 7))
		}
		dropped := n.B.Drops(tcpip.DropNoMemory)
		require.NotZero(t, dropped)
		count := func(e *udp.Endpoint) (n int) {
			for e.Readiness(waiter.Readable) != 0 {
				read(t, e)
				n++
			}
			return n
		}
		send(t, client, "the other", to(dst, 8))
		require.Equal(t, 1, count(other))
		require.Equal(t, 20-dropped, count(one))
		require.Less(t, dropped, 20)
		send(t, client, "empty again", to(dst, 7))
		require.Equal(t, 1, count(one))
		for i := range held {
			held[i].Release()
		}
		for range 20 {
			send(t, client, string(make([]byte, 1000)), to(dst, 7))
		}
		require.Equal(t, 20, count(one))
		require.Equal(t, dropped, n.B.Drops(tcpip.DropNoMemory))
	})
}

// A datagram larger than the buffer is received if nothing else waits, as on Linux.
func TestSmallBuffer(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server, client := bound(t, n.B, header.EtherTypeIPv4, 7), open(t, n.A, header.EtherTypeIPv4)
	set(t, server, tcpip.SO_RCVBUF, 0)
	for range 2 {
		send(t, client, string(make([]byte, 20000)), to(n.B.V4, 7))
	}
	b, _ := read(t, server)
	require.Len(t, b, 20000)
	wantNothing(t, server)
	require.Equal(t, 1, n.B.Drops(tcpip.DropReceiveQueue))
}

// superSegment makes a packet of n datagrams of seg bytes, the last shorter, in one slab. Each begins with
// its number.
func superSegment(h *testnet.Host, from, to netip.AddrPort, n, seg, last int) *stack.Packet {
	payload := make([]byte, (n-1)*seg+last)
	for i := range n {
		binary.BigEndian.PutUint16(payload[i*seg:], uint16(i))
	}
	b := packet(from, to, payload)
	size := len(b) - len(payload)
	p := h.NewPacketCopy(b[:size])
	piece, _ := h.Slabs.Copy(payload)
	p.AppendData(piece)
	p.SegSize = uint16(seg)
	p.Checksum = stack.ChecksumPartial
	return p
}

// A super-segment is read as the datagrams that it stands for; they share its slab, which is charged once and
// given back with the last.
func TestSuperSegment(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	for _, h := range []struct{ from, to netip.Addr }{{n.A.V4, n.B.V4}, {n.A.V6, n.B.V6}} {
		server := bound(t, n.B, header.EtherTypeIPv6, 7)
		from, to := netip.AddrPortFrom(h.from, 99), netip.AddrPortFrom(h.to, 7)
		n.B.InjectPacket(superSegment(n.B, from, to, 45, 1400, 100))
		require.EqualValues(t, slab.Large, n.B.Slabs.Live(), "nothing was copied")
		for i := range 45 {
			b, r := read(t, server)
			require.EqualValues(t, i, binary.BigEndian.Uint16([]byte(b)))
			want := 1400
			if i == 44 {
				want = 100
			}
			require.Len(t, b, want)
			require.Equal(t, from, r.From.AddrPort())
		}
		require.Zero(t, n.B.Slabs.Live())
		wantNothing(t, server)

		// The queue's bound holds for slabs that are shared, too.
		for range 5 {
			n.B.InjectPacket(superSegment(n.B, from, to, 45, 1400, 100))
		}
		require.EqualValues(t, 2*slab.Large, n.B.Slabs.Live(), "212992 bytes take two, with 45 datagrams each")
		for range 2 * 45 {
			read(t, server)
		}
		wantNothing(t, server)

		// More than there is room for: the first are kept, the rest is counted.
		set(t, server, tcpip.SO_RCVBUF, (slab.Large+10*perDatagram)/2)
		before := n.B.Drops(tcpip.DropReceiveQueue)
		n.B.InjectPacket(superSegment(n.B, from, to, 45, 1400, 1400))
		n.B.InjectPacket(superSegment(n.B, from, to, 2, 1400, 1400))
		require.Equal(t, before+2, n.B.Drops(tcpip.DropReceiveQueue))
		for i := range 10 {
			b, _ := read(t, server)
			require.EqualValues(t, i, binary.BigEndian.Uint16([]byte(b)))
		}
		wantNothing(t, server)
		require.Zero(t, n.B.Slabs.Live())
		server.Close()
	}
	require.EqualValues(t, 3*45+35+2, n.B.Counters().Udp.RcvbufErrors.Value())
	require.EqualValues(t, 3*45+35+2, n.B.Counters().Udp6.RcvbufErrors.Value())
}

// A super-segment of tiny datagrams holds no more than the limit either.
func TestTinySegments(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server := bound(t, n.B, header.EtherTypeIPv4, 7)
	from, to := netip.AddrPortFrom(n.A.V4, 99), netip.AddrPortFrom(n.B.V4, 7)
	for range 3 {
		n.B.InjectPacket(superSegment(n.B, from, to, 30000, 2, 2))
	}
	require.EqualValues(t, slab.Large, n.B.Slabs.Live())
	count := 0
	for server.Readiness(waiter.Readable) != 0 {
		read(t, server)
		count++
	}
	require.Equal(t, (tcpip.DefaultDatagramBuffer-slab.Large)/perDatagram, count)
}

// Bytes that are thinly spread over large slabs are gathered before they stay.
func TestThinSlabs(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server := bound(t, n.B, header.EtherTypeIPv4, 7)
	data := testnet.Pattern(5000)
	b := packet(netip.AddrPortFrom(n.A.V4, 99), netip.AddrPortFrom(n.B.V4, 7), data)
	for range 20 {
		p := n.B.NewPacketCopy(b[:28])
		for rest := data; len(rest) > 0; rest = rest[1000:] {
			piece, _ := n.B.Slabs.Get(slab.Large)
			piece.Append(rest[:1000])
			p.AppendData(piece)
		}
		n.B.InjectPacket(p)
	}
	require.EqualValues(t, 20*3*slab.Medium, n.B.Slabs.Live())
	for range 20 {
		got, _ := read(t, server)
		require.Equal(t, string(data), got)
	}
}

// The send buffer: ErrWouldBlock when it is full, Writable when half of it is free again, and nothing lost in
// between.
func TestSendBuffer(t *testing.T) {
	n := testnet.New(t, testnet.Options{Pipe: pipe.Options{Kind: stack.LinkEthernet}}, udp.New)
	server, client := bound(t, n.B, header.EtherTypeIPv4, 7), open(t, n.A, header.EtherTypeIPv4)
	held := holdARP(t, n) // so that the first datagrams wait for the neighbour
	set(t, client, tcpip.SO_SNDBUF, 5000)
	sent := 0
	for {
		_, err := client.Write(make([]byte, 1000), to(n.B.V4, 7))
		if err != nil {
			require.Equal(t, tcpip.ErrWouldBlock, err)
			break
		}
		sent++
	}
	require.Equal(t, 4, sent, "10000 bytes take three of 2048+512, and the fourth that exceeds them")
	require.Zero(t, client.Readiness(waiter.Writable))
	events := waiter.NewChannel(waiter.Writable)
	client.Waiters().Register(events)
	held()
	requireSignal(t, events)
	require.Equal(t, waiter.Writable, client.Readiness(waiter.Writable))
	for range sent - n.A.Drops(tcpip.DropNeighbourQueue) {
		read(t, server)
	}
	wantNothing(t, server)
}

// holdARP takes the neighbour's answers away until the function that it returns is called.
func holdARP(t *testing.T, n *testnet.Net) (release func()) {
	n.B.NIC.SetUp(false)
	return func() {
		n.B.NIC.SetUp(true)
		n.Clock.Advance(2e9) // the next solicitation
	}
}

// A neighbour that never answers gives the send buffer back, and the endpoint can end.
func TestUnresolved(t *testing.T) {
	n := testnet.New(t, testnet.Options{Pipe: pipe.Options{Kind: stack.LinkEthernet}}, udp.New)
	client, listening := open(t, n.A, header.EtherTypeIPv4), open(t, n.A, header.EtherTypeIPv4)
	require.NoError(t, client.Connect(at(addr("10.0.0.99"), 7)))
	send(t, client, "x", tcpip.WriteOptions{})
	client.Close()
	set(t, listening, tcpip.IP_RECVERR, 1)
	send(t, listening, "x", to(addr("10.0.0.99"), 7))
	select {
	case <-wait(t, client):
		t.Fatal("its packet still waits for the neighbour")
	default:
	}
	n.Clock.Advance(10e9)
	require.NoError(t, client.Wait(t.Context()))
	require.Equal(t, 2, n.A.Drops(tcpip.DropNeighbourFailed))
	r, err := listening.Read(nil, tcpip.ReadOptions{Flags: tcpip.ReadError})
	require.NoError(t, err)
	require.Equal(t, tcpip.ErrHostUnreachable, r.Control.Err.Err)
	require.Equal(t, at(addr("10.0.0.99"), 7), r.From)
}

// wait returns a channel that is closed if Wait returns at once.
func wait(t *testing.T, e *udp.Endpoint) <-chan struct{} {
	ctx, cancel := contextDone(t)
	defer cancel()
	c := make(chan struct{})
	if e.Wait(ctx) == nil {
		close(c)
	}
	return c
}
