package tcp

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// While memory is short a connection that is full waits, and the others have their minimum and go on with it.
func TestSendersWhileMemoryIsShort(t *testing.T) {
	bothFamilies(t, func(t *testing.T, v6 int) {
		h := newHosts(t, Options{}, Options{})
		const limit = 512 << 10
		h.a.Slabs.SetLimit(limit)
		l := listenOn(t, h.b, v6, 80, 16)
		greedy := dial(t, h.a, v6, addrB[v6], 80)
		unread := accept(t, l)
		var modest, readers []*Endpoint
		for range 8 {
			modest = append(modest, dial(t, h.a, v6, addrB[v6], 80))
			readers = append(readers, accept(t, l))
		}
		require.NoError(t, greedy.SetOption(tcpip.SO_SNDBUF, 4<<20))
		require.NoError(t, unread.SetOption(tcpip.SO_RCVBUF, 8192))
		b := make([]byte, 100000)
		var err error
		for i := 0; i < 100 && err == nil; i++ {
			_, err = greedy.Write(b, tcpip.WriteOptions{})
			h.clock.Settle()
		}
		require.ErrorIs(t, err, tcpip.ErrWouldBlock)
		require.True(t, h.a.Slabs.Short())
		require.Zero(t, greedy.Readiness(waiter.Writable)&waiter.Writable, "or who polls would spin")
		w := waiter.NewChannel(waiter.Writable)
		greedy.Waiters().Register(w)
		for round := range 20 {
			for i, c := range modest {
				n, err := c.Write(b[:4096], tcpip.WriteOptions{})
				require.NoError(t, err, "round %d, connection %d", round, i)
				require.GreaterOrEqual(t, n, 2048)
				require.LessOrEqual(t, h.a.Slabs.Live(), int64(limit+slab.Large+8*(4096+slab.Medium)))
				h.clock.Advance(50 * time.Millisecond)
				require.Len(t, readAll(t, readers[i], 10000), n)
			}
		}
		// Once the other end reads, the greedy one goes on.
		for range 100 {
			readAll(t, unread, 1<<20)
			h.clock.Advance(100 * time.Millisecond)
		}
		require.True(t, told(w))
		require.False(t, h.a.Slabs.Short())
		n, err := greedy.Write(b, tcpip.WriteOptions{})
		require.NoError(t, err)
		require.Equal(t, len(b), n)
		for range 100 {
			readAll(t, unread, 1<<20)
			h.clock.Advance(100 * time.Millisecond)
		}
	})
}

// While memory is short windows are small, what lies behind a gap goes, new connections are refused, and connections
// that hold little receive all the same.
func TestReceiversWhileMemoryIsShort(t *testing.T) {
	x := newWire(t, Options{})
	const limit = 64 << 10
	x.s.Slabs.SetLimit(limit)
	l := listenOn(t, x.s, 0, 80, 16)
	open := func(port uint16) (*Endpoint, seq.Number) {
		x.syn(port)
		x.send(port, header.ACK, x.seq, x.ack, x.tsOpt(), "")
		return accept(t, l), x.ack
	}
	greedy, ack := open(1000)
	modest, other := open(1001)
	x.drain()
	drops := &x.s.Counters().Drops
	data := strings.Repeat("x", 1000)
	from := seq.Number(5001)
	sent := 0
	for drops[tcpip.DropReceiveQueue].Value() == 0 {
		x.send(1000, header.ACK, from, ack, x.tsOpt(), data)
		from = from.Add(len(data))
		sent++
		require.Less(t, sent, 100)
		x.clock.Advance(time.Second)
	}
	require.LessOrEqual(t, x.s.Slabs.Live(), int64(limit))
	from = from.Add(-len(data))

	// Behind a gap.
	x.send(1000, header.ACK, from.Add(1000), ack, x.tsOpt(), data)
	require.EqualValues(t, 1, drops[tcpip.DropOutOfOrder].Value())
	// One that holds little.
	at := seq.Number(5001)
	for i := range 3 {
		x.send(1001, header.ACK, at.Add(1000*i), other, x.tsOpt(), data)
	}
	require.Len(t, readAll(t, modest, 10000), 2000, "each costs more than half of the minimum")
	// New ones.
	x.drain()
	x.send(1002, header.SYN, 1, 0, x.synOpt(), "")
	x.none()
	require.EqualValues(t, 1, drops[tcpip.DropNoMemory].Value())
	require.EqualValues(t, 1, x.s.Counters().TcpExt.ListenDrops.Value())

	require.Len(t, readAll(t, greedy, 1<<20), 1000*(sent-1))
	require.False(t, x.s.Slabs.Short())
	x.send(1000, header.ACK, from, ack, x.tsOpt(), data)
	require.Len(t, readAll(t, greedy, 1<<20), 1000)
	x.drain()
	x.syn(1002)
	x.send(1002, header.ACK, x.seq, x.ack, x.tsOpt(), "")
	accept(t, l)
}

// While memory is short for another's sake, the window shrinks as what was announced is used up, and grows again
// afterwards.
func TestWindowWhileMemoryIsShort(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 16)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
	e := accept(t, l)
	data := strings.Repeat("x", 1000)
	receive := func(n int) (window int) {
		for range n {
			x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), data)
			x.seq = x.seq.Add(len(data))
			require.Len(t, readAll(t, e, 10000), len(data))
			x.clock.Advance(time.Second)
		}
		all := x.drain()
		require.NotEmpty(t, all)
		return int(all[len(all)-1].h.Window) << 7
	}
	require.Greater(t, receive(20), 50000)
	x.s.Slabs.SetLimit(1 << 20)
	var held []slab.Piece
	for !x.s.Slabs.Short() {
		p, ok := x.s.Slabs.Get(slab.Large)
		require.True(t, ok)
		held = append(held, p)
	}
	require.LessOrEqual(t, receive(80), 4*1460+128, "four segments, rounded up")
	releasePieces(held)
	require.Greater(t, receive(80), 50000)
}

// The bound of endpoints counts connections that are accepted, too: a peer waits until there is a place.
func TestEndpointLimit(t *testing.T) {
	clock := tcpip.NewManualClock()
	s := stack.New(stack.Options{
		Networks: []stack.NewNetwork{ipv4.New}, Transports: []stack.NewTransport{New}, Clock: clock, Random: &counting{},
		Limits: stack.Limits{Endpoints: tcpip.Set(4)},
	})
	localhost := netip.MustParseAddr("127.0.0.1")
	addNIC(t, s, loopback.New(loopback.Options{}), localhost)
	defer s.Close()
	l := listenOn(t, s, 0, 80, 16)
	c := dial(t, s, 0, localhost, 80)
	clock.Settle()
	child := accept(t, l)
	d := dial(t, s, 0, localhost, 80)
	clock.Advance(time.Second)
	_, err := s.NewEndpoint(header.ProtocolTCP, header.EtherTypeIPv4)
	require.ErrorIs(t, err, syscall.ENFILE)
	require.Equal(t, StateEstablished, d.State(), "as far as it knows")
	_, err = l.Accept()
	require.ErrorIs(t, err, tcpip.ErrWouldBlock)
	require.NotZero(t, s.Counters().Drops[tcpip.DropAcceptQueue].Value())
	c.Abort()
	child.Abort()
	clock.Advance(10 * time.Second)
	write(t, d, "late")
	clock.Settle()
	require.Equal(t, "late", string(readAll(t, accept(t, l), 10)))
}
