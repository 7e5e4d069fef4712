package tcp

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// While a user holds the lock, segments gather in the backlog, in order and bounded; the holder feeds
// them when it lets go.
func TestBacklog(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, s, _ := h.connected(0)
	w := s.begin()
	write(t, c, "one ")
	write(t, c, "two")
	require.Zero(t, s.Readiness(waiter.Readable))
	require.Equal(t, 1, s.lock.backlog.Len()) // Nagle keeps the second back
	s.end(w)
	require.Equal(t, "one two", string(readAll(t, s, 10)))

	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, noOpt, "")
	e := accept(t, l)
	w = e.begin()
	limit := int(e.backlogLimit.Load())
	for range 10000 {
		x.send(1000, header.ACK, x.seq, x.ack, noOpt, "flood")
	}
	require.LessOrEqual(t, e.lock.bytes, limit)
	dropped := x.s.Counters().Drops[tcpip.DropBacklog].Value()
	require.Equal(t, 10000-e.lock.backlog.Len(), int(dropped))
	require.EqualValues(t, dropped, x.s.Counters().TcpExt.TCPBacklogDrop.Value())
	e.end(w)
	require.Zero(t, e.lock.bytes)
	require.Equal(t, "flood", string(readAll(t, e, 10)))
	e.Abort()
	x.drain()
}

// What gathered for an endpoint that meanwhile ended goes back to the demux: here a SYN reaches the
// listener, and after it an ACK to nobody gets its RST.
func TestStrays(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
	e := accept(t, l)
	w := e.begin()
	x.send(1000, header.RST, x.seq, 0, noOpt, "")
	x.send(1000, header.SYN, 9000, 0, x.synOpt(), "")
	x.send(1000, header.ACK, 9001, 1, noOpt, "")
	x.none()
	e.end(w)
	require.Equal(t, StateClosed, e.State())
	sent := x.drain()
	require.Len(t, sent, 2)
	require.Equal(t, header.SYN|header.ACK, sent[0].h.Flags)
	require.EqualValues(t, 9001, sent[0].h.Ack)
	require.Equal(t, header.RST, sent[1].h.Flags)
	require.Equal(t, 1, protocolOf(x.s).halfOpen.len())
}

// A timer that finds the lock held leaves a mark, which the holder honours.
func TestTimerMark(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, _, _ := h.connected(0)
	h.lose = func(v traced) bool { return v.n > 0 }
	write(t, c, "lost")
	n := len(h.trace)
	w := c.begin()
	h.clock.Advance(3 * time.Second)
	require.Len(t, h.trace, n)
	require.NotZero(t, c.lock.marks&markTimer)
	h.lose = nil
	c.end(w)
	require.Equal(t, 4, h.trace[n].n)
}

// A connection whose link takes nothing keeps no more below itself than the budget, however much is
// queued, and its acknowledgements are exempt; when the link takes it up again, all arrives.
func TestTransmitBudget(t *testing.T) {
	l, r := newValves()
	clock := tcpip.NewManualClock()
	a, b := newStack(clock, Options{}, nil), newStack(clock, Options{}, nil)
	addNIC(t, a, l, addrA[0])
	addNIC(t, b, r, addrB[0])
	ln := listenOn(t, b, 0, 80, 4)
	require.NoError(t, ln.SetOption(tcpip.SO_RCVBUF, 4<<20))
	c := dial(t, a, 0, addrB[0], 80)
	s := accept(t, ln)
	require.NoError(t, c.SetOption(tcpip.SO_SNDBUF, 4<<20))
	received := 0
	for range 50 { // open the congestion window
		_, _ = c.Write(make([]byte, 3<<20), tcpip.WriteOptions{})
		received += len(readAll(t, s, 8<<20))
		clock.Advance(time.Millisecond)
	}
	l.shut = true
	sent := received
	for {
		n, err := c.Write(make([]byte, 64<<10), tcpip.WriteOptions{})
		if err != nil {
			break
		}
		sent += n
	}
	below := c.below.Load()
	require.GreaterOrEqual(t, below, c.budget())
	require.Less(t, below, c.budget()+70000) // one super-segment may exceed it
	require.True(t, c.waitBelow.Load())
	out := a.Counters().Tcp.OutSegs.Value()
	write(t, s, "acknowledge me")
	clock.Advance(time.Second / 8)
	require.Equal(t, out+1, a.Counters().Tcp.OutSegs.Value())
	require.Equal(t, below, c.below.Load())
	l.shut = false
	l.up.TxReady(nil, 0)
	for range 10000 {
		got := len(readAll(t, s, 1<<20))
		if received += got; got == 0 && !clock.Step() {
			break
		}
	}
	require.Zero(t, c.below.Load())
	require.Zero(t, c.Unsent())
	a.Close()
	b.Close()
	clock.Settle()
	require.Zero(t, a.LivePackets()+b.LivePackets())
	require.Zero(t, a.Slabs.Live()+b.Slabs.Live())
}

// valve is a pipe that can be shut: then it takes nothing until TxReady.
type valve struct {
	*pipe.Pipe
	up   stack.Receiver
	shut bool
}

func newValves() (a, b *valve) {
	l, r := pipe.New(pipe.Options{MTU: 1500})
	return &valve{Pipe: l}, &valve{Pipe: r}
}

func (v *valve) Attach(r stack.Receiver) error {
	v.up = r
	return v.Pipe.Attach(r)
}

func (v *valve) Transmit(w *stack.Work, q int, batch []*stack.Packet) int {
	if v.shut {
		return 0
	}
	return v.Pipe.Transmit(w, q, batch)
}

// An ICMP error is believed if it quotes a sequence in flight (RFC 5927), and a "too big" lowers the MSS
// and is learnt. Shows MUST-54.
func TestICMP(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	x.send(1000, header.ACK, x.seq, x.ack, x.tsOpt(), "")
	s := accept(t, l)
	n, err := s.Write(make([]byte, 3000), tcpip.WriteOptions{})
	require.NoError(t, err)
	require.Equal(t, 3000, n)
	x.drain()
	tooBig := func(at uint32, mtu int) {
		quoted := make([]byte, 8)
		binary.BigEndian.PutUint32(quoted[4:], at)
		w := x.s.Begin()
		x.s.DeliverError(w, &stack.ICMPError{
			Kind: stack.ICMPTooBig, Err: tcpip.ErrMessageSize, Origin: tcpip.OriginICMP, MTU: mtu, Proto: header.ProtocolTCP,
			Local: netip.AddrPortFrom(addrA[0], 80), Remote: netip.AddrPortFrom(addrB[0], 1000), Quoted: quoted,
		})
		w.End()
	}
	tooBig(uint32(x.ack)-100, 1300)
	tooBig(uint32(x.ack)+5000, 1300)
	require.EqualValues(t, 2, x.s.Counters().Drops[tcpip.DropICMPSequence].Value())
	require.Equal(t, 1448, s.Info().SendMSS)
	tooBig(uint32(x.ack), 1300)
	require.Equal(t, 1248, s.Info().SendMSS)
	require.Equal(t, 1248, x.drain()[0].n) // and it is sent again at once
	mtu, err := s.Option(tcpip.IP_MTU)
	require.NoError(t, err)
	require.Equal(t, 1300, mtu)
	tooBig(uint32(x.ack), 0) // B8: taken for 552, and locked
	require.Equal(t, 500, s.Info().SendMSS)
	s.Abort()
	x.drain()
}

// An error about a SYN-ACK ends the attempt if its sequence is right and the way ends there.
func TestICMPHalfOpen(t *testing.T) {
	x := newWire(t, Options{})
	listenOn(t, x.s, 0, 80, 4)
	x.syn(1000)
	report := func(code uint8, at uint32) int {
		quoted := make([]byte, 8)
		binary.BigEndian.PutUint32(quoted[4:], at)
		w := x.s.Begin()
		x.s.DeliverError(w, &stack.ICMPError{
			Type: 3, Code: code, Err: tcpip.ErrHostUnreachable, Proto: header.ProtocolTCP,
			Local: netip.AddrPortFrom(addrA[0], 80), Remote: netip.AddrPortFrom(addrB[0], 1000), Quoted: quoted,
		})
		w.End()
		return protocolOf(x.s).halfOpen.len()
	}
	require.Equal(t, 1, report(1, uint32(x.ack)+1))
	require.Equal(t, 1, report(3, uint32(x.ack)-1))
	require.Equal(t, 0, report(1, uint32(x.ack)-1))
}

// IP_RECVERR: what ICMP says of a living connection is pending; without it the connection goes on undisturbed, and
// SO_ERROR tells. As on Linux the error queue is for attempts to connect. Shows MUST-47, SHLD-20.
func TestReceiveError(t *testing.T) {
	for on := range 2 {
		h := newHosts(t, Options{}, Options{})
		c, _, _ := h.connected(0)
		require.NoError(t, c.SetOption(tcpip.IP_RECVERR, on))
		h.lose = func(traced) bool { return true }
		write(t, c, "x")
		unreachable(h, c)
		require.Equal(t, on == 1, c.Readiness(0)&waiter.Error != 0)
		_, err := c.Read(nil, tcpip.ReadOptions{Flags: tcpip.ReadError})
		require.ErrorIs(t, err, tcpip.ErrWouldBlock)
		require.ErrorIs(t, c.LastError(), tcpip.ErrHostUnreachable)
		require.NoError(t, c.LastError())
		require.Zero(t, c.Readiness(0))
		require.Equal(t, StateEstablished, c.State())
	}
}

// An attempt to connect that ICMP ends leaves an entry with what was quoted, and reading it takes the pending error.
func TestConnectError(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	h.lose = func(traced) bool { return true }
	c := dial(t, h.a, 0, addrB[0], 80)
	unreachable(h, c)
	require.NotZero(t, c.Readiness(0)&waiter.Error)
	b := make([]byte, 100)
	r, err := c.Read(b, tcpip.ReadOptions{Flags: tcpip.ReadError})
	require.NoError(t, err)
	require.Equal(t, tcpip.ErrorReport{Err: tcpip.ErrHostUnreachable, Origin: tcpip.OriginICMP, Type: 3, Code: 1, Offender: addrB[0]}, r.Control.Rare().Err)
	require.Equal(t, 8, r.Count)
	require.Equal(t, tcpip.FullAddress{Addr: addrB[0], Port: 80}, r.From)
	require.NoError(t, c.LastError())
	require.Equal(t, StateClosed, c.State())
}

// unreachable tells host A that the last segment of c has not arrived.
func unreachable(h *hosts, c *Endpoint) {
	quoted := make([]byte, 8)
	binary.BigEndian.PutUint32(quoted[4:], uint32(h.trace[len(h.trace)-1].h.Seq))
	w := h.a.Begin()
	h.a.DeliverError(w, &stack.ICMPError{
		Kind: stack.ICMPHostUnreachable, Err: tcpip.ErrHostUnreachable, Origin: tcpip.OriginICMP, Type: 3, Code: 1,
		Offender: addrB[0], Proto: header.ProtocolTCP, Local: c.LocalAddress().AddrPort(), Remote: c.RemoteAddress().AddrPort(), Quoted: quoted,
	})
	w.End()
}

// As measured, of IP_MTU_DISCOVER's modes only WANT and DO set DF on a stream, but a SYN-ACK has it in all.
func TestPathMTUModes(t *testing.T) {
	for mode := tcpip.PMTUDont; mode <= tcpip.PMTUOmit; mode++ {
		x := newWire(t, Options{})
		l := listenOn(t, x.s, 0, 80, 4)
		require.NoError(t, l.SetOption(tcpip.IP_MTU_DISCOVER, int(mode)))
		x.send(1000, header.SYN, 1, 0, noOpt, "")
		b := make([]byte, 100)
		x.tap.sent[0].CopyTo(b)
		require.NotZero(t, b[6]&0x40, mode)
		x.drain()
		x.syn(1001)
		x.send(1001, header.ACK, x.seq, x.ack, noOpt, "")
		s := accept(t, l)
		x.drain()
		write(t, s, "data")
		x.tap.sent[0].CopyTo(b)
		require.Equal(t, mode == tcpip.PMTUWant || mode == tcpip.PMTUDo, b[6]&0x40 != 0, mode)
		s.Abort()
		x.drain()
	}
	x := newWire(t, Options{})
	e := endpointOf(t, x.s, 0)
	for _, v := range []int{-1, 6} {
		require.ErrorIs(t, e.SetOption(tcpip.IP_MTU_DISCOVER, v), tcpip.ErrInvalid)
	}
}

// The global budget of challenge ACKs is random, and spent by all connections together (F10).
func TestChallengeBudget(t *testing.T) {
	x := newWire(t, Options{ChallengeRate: tcpip.Set(10)})
	l := listenOn(t, x.s, 0, 80, 200)
	for i := range 100 {
		x.syn(uint16(1000 + i))
		x.send(uint16(1000+i), header.ACK, x.seq, x.ack, x.tsOpt(), "")
		accept(t, l)
	}
	for i := range 100 {
		x.send(uint16(1000+i), header.RST, x.seq+1, 0, x.tsOpt(), "")
		x.send(uint16(2000+i), header.SYN, 5000, 0, x.synOpt(), "")
		x.tap.sent[len(x.tap.sent)-1].Release()
		x.tap.sent = x.tap.sent[:len(x.tap.sent)-1]
		x.send(uint16(2000+i), header.FIN, 4000000, 0, x.tsOpt(), "") // far outside of the window
	}
	n := len(x.drain())
	require.GreaterOrEqual(t, n, 5)
	require.LessOrEqual(t, n, 15)
	require.Equal(t, n, int(x.s.Counters().TcpExt.TCPChallengeACK.Value()))
}

// RSTs for nobody's segments are limited, and none answers a RST.
func TestResetLimit(t *testing.T) {
	x := newWire(t, Options{ResetRate: tcpip.Set(10)})
	for i := range 100 {
		x.send(uint16(1000+i), header.ACK, 1, 1, noOpt, "")
		x.send(uint16(1000+i), header.RST, 1, 1, noOpt, "")
	}
	n := len(x.drain())
	require.GreaterOrEqual(t, n, 5)
	require.LessOrEqual(t, n, 15)
	require.EqualValues(t, 100-n, x.s.Counters().Drops[tcpip.DropRateLimited].Value())
}

// A bad checksum, a header that ends early: counted drops. Shows MUST-3.
func TestBadSegments(t *testing.T) {
	x := newWire(t, Options{})
	listenOn(t, x.s, 0, 80, 4)
	deliver := func(change func(seg []byte) []byte) {
		seg := make([]byte, header.TCPSize)
		f := header.TCPFields{SrcPort: 1, DstPort: 80, Flags: header.SYN}
		f.Encode(seg, nil)
		header.TCP(seg).SetChecksum(header.TransportChecksum(header.ProtocolTCP, addrB[0], addrA[0], seg))
		seg = change(seg)
		b := make([]byte, header.IPv4Size+len(seg))
		ip := header.IPv4Fields{TotalLength: uint16(len(b)), TTL: 64, Protocol: header.ProtocolTCP, Src: addrB[0], Dst: addrA[0]}
		ip.Encode(b)
		copy(b[header.IPv4Size:], seg)
		p := x.s.NewPacketCopy(b)
		p.EtherType = header.EtherTypeIPv4
		x.tap.up.Deliver(nil, []*stack.Packet{p})
	}
	deliver(func(b []byte) []byte { b[4]++; return b })
	require.EqualValues(t, 1, x.s.Counters().Drops[tcpip.DropBadChecksum].Value())
	require.EqualValues(t, 1, x.s.Counters().Tcp.InCsumErrors.Value())
	deliver(func(b []byte) []byte { return b[:12] })
	deliver(func(b []byte) []byte { b[12] = 0xf0; return b })
	deliver(func(b []byte) []byte { b[12] = 0x10; return b })
	require.EqualValues(t, 2, x.s.Counters().Drops[tcpip.DropShort].Value())
	require.EqualValues(t, 1, x.s.Counters().Drops[tcpip.DropBadLength].Value())
	require.EqualValues(t, 4, x.s.Counters().Tcp.InErrs.Value())
	x.none()
	deliver(func(b []byte) []byte { return b })
	x.only()
}

// What a connection holds stays within twice its limits, however small the segments are; a writer may leave one
// super-segment more, as on Linux.
func TestMemoryBound(t *testing.T) {
	const limit, super = 20000, 1 << 16
	for _, size := range []int{1, 10, 100, 500, 1448, 5000, 65000} {
		h := newHosts(t, Options{}, Options{})
		c, s, _ := h.connected(0)
		require.NoError(t, c.SetOption(TCP_NODELAY, 1))
		require.NoError(t, s.SetOption(tcpip.SO_RCVBUF, limit/2))
		require.NoError(t, c.SetOption(tcpip.SO_SNDBUF, limit/2))
		b := make([]byte, size)
		for range 400000 / size {
			if _, err := c.Write(b, tcpip.WriteOptions{}); err != nil {
				break
			}
		}
		h.clock.Advance(2 * time.Second)
		require.LessOrEqual(t, c.Info().SendBufferUsed, 2*limit+super, "sender, writes of %d", size)
		require.LessOrEqual(t, s.Info().ReceiveBufferUsed, 2*limit, "receiver, writes of %d", size)
		require.LessOrEqual(t, h.a.Slabs.Live()+h.b.Slabs.Live(), int64(4*limit+super), "both, writes of %d", size)
		h.close()
	}
}

// An idle connection is a struct of less than 2 KB with no timer and no buffer.
func TestIdleCost(t *testing.T) {
	require.Less(t, unsafe.Sizeof(Endpoint{}), uintptr(2048))
	h := newHosts(t, Options{}, Options{})
	c, s, _ := h.connected(0)
	write(t, c, "some")
	readAll(t, s, 10)
	h.clock.Advance(10 * time.Second)
	require.Nil(t, c.timer)
	require.Nil(t, s.timer)
	require.Zero(t, h.a.Slabs.Live()+h.b.Slabs.Live())
	require.Zero(t, h.clock.Next())
}

// No allocation per write, segment, acknowledgement and read.
func TestAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	clock := tcpip.NewManualClock()
	s := loopHost(t, clock, Options{})
	defer s.Close()
	l := listenOn(t, s, 0, 80, 4)
	c := dial(t, s, 0, loopbackOf(addrA[0]), 80)
	e := accept(t, l)
	for _, size := range []int{64, 1000, 64 << 10} {
		b, into := make([]byte, size), make([]byte, size)
		turn := func() {
			for _, d := range [][2]*Endpoint{{c, e}, {e, c}} {
				for sent, got := 0, 0; got < size; {
					n, _ := d[0].Write(b[sent:], tcpip.WriteOptions{})
					sent += n
					r, _ := d[1].Read(into, tcpip.ReadOptions{})
					got += r.Count
					if n == 0 && r.Count == 0 {
						clock.Step()
					}
				}
			}
		}
		for range 100 {
			turn()
		}
		runtime.GC()
		for range 100 {
			turn()
		}
		require.Less(t, testing.AllocsPerRun(200, turn), 0.5, "of %d bytes", size)
	}
}

// An ICMP error that finds the endpoint locked does not wait: whoever has the lock takes it up, and of too many some
// are dropped and counted.
func TestErrorBacklog(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, _, _ := h.connected(0)
	require.NoError(t, c.SetOption(tcpip.IP_RECVERR, 1))
	h.lose = func(traced) bool { return true }
	write(t, c, "x")
	local, remote := c.LocalAddress().AddrPort(), c.RemoteAddress().AddrPort()
	quoted := make([]byte, 8)
	binary.BigEndian.PutUint32(quoted[4:], uint32(h.trace[len(h.trace)-1].h.Seq))
	dropped := h.a.Counters().Drops[tcpip.DropBacklog].Value()
	w := c.begin()
	for range errorBacklog + 3 {
		own := h.a.Begin()
		c.DeliverError(own, &stack.ICMPError{
			Kind: stack.ICMPHostUnreachable, Err: tcpip.ErrHostUnreachable, Origin: tcpip.OriginICMP, Type: 3, Code: 1,
			Proto: header.ProtocolTCP, Local: local, Remote: remote, Quoted: quoted,
		})
		own.End()
	}
	clear(quoted) // it was borrowed
	require.Equal(t, tcpip.OK, c.err, "nothing happens while somebody else has the lock")
	c.end(w)
	require.ErrorIs(t, c.LastError(), tcpip.ErrHostUnreachable)
	require.EqualValues(t, 3, h.a.Counters().Drops[tcpip.DropBacklog].Value()-dropped)
}
