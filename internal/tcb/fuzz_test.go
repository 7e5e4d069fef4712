package tcb

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// script turns bytes into everything that can happen to one machine: segments, calls of the user,
// ICMP errors, refusals and time.
type script struct {
	b      []byte
	t      *TCB
	conf   Conf
	path   Path
	now    tcpip.Time
	pool   slab.Pool
	out    Out
	refuse bool
}

func (s *script) byte() int {
	if len(s.b) == 0 {
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return int(v)
}

func (s *script) word() int { return s.byte()<<8 | s.byte() }

// near returns an offset that is mostly small, sometimes large, and of either sign.
func (s *script) near() int {
	switch k := s.byte(); {
	case k < 128:
		return 0
	case k < 200:
		return s.byte() - 64
	case k < 250:
		return s.word() - 1<<14
	}
	return s.word() << 16
}

func (s *script) segment() *Segment {
	t := s.t
	g := &Segment{Wire: 1 + s.byte()%4, CE: s.byte() % 2}
	g.Mark = uint8(g.CE * markCE)
	g.Flags = []header.TCPFlags{header.ACK, header.ACK | header.PSH, header.ACK | header.FIN, header.RST, header.SYN | header.ACK,
		header.SYN, header.ACK | header.URG, header.TCPFlags(s.byte())}[s.byte()%8]
	g.Seq = t.rcv.nxt.Add(s.near())
	g.Ack = t.snd.una.Add(s.near())
	if s.byte()%2 == 0 {
		g.Ack = t.snd.nxt.Add(s.near())
	}
	g.Window = uint16(s.word())
	g.Urgent = uint16(s.byte())
	if k := s.byte(); k < 100 {
		g.Len = k * k
	}
	o := &g.Options
	o.HasTimestamp = s.byte()%4 != 0
	o.TSVal = t.rcv.tsRecent + uint32(s.near())
	o.TSEcr = tsClock(s.now, t.id.TSOffset) - uint32(s.byte())
	o.NumSACK = uint8(s.byte() % 5)
	for i := range o.Blocks() {
		o.SACK[i].Start = t.snd.una.Add(s.near() + 1000*(s.byte()%16))
		o.SACK[i].End = o.SACK[i].Start.Add(1000 * (s.byte()%8 + s.byte()%2))
	}
	o.HasMSS, o.MSS = s.byte()%2 == 0, uint16(s.word())
	if k := s.byte(); k%8 == 1 {
		o.AccECN = header.AccECN{Has: true, Count: uint8(k >> 3 % 4), ECT1First: k >= 128, Fields: [3]uint32{uint32(s.word()), uint32(s.word()), uint32(s.word())}}
	}
	o.HasWindowScale, o.WindowScale, o.SACKPermitted = s.byte()%2 == 0, uint8(s.byte()), s.byte()%2 == 0
	for at := 0; at < g.Len; {
		n := min(1+s.byte()*16, g.Len-at)
		p, _ := s.pool.Get(n)
		p.Extend(n)
		g.Data = append(g.Data, p)
		at += n
	}
	return g
}

func (s *script) step() {
	t := s.t
	switch s.byte() % 24 {
	default:
		t.Segment(s.now, s.segment())
	case 0, 1, 2:
		n := 1 + s.word()%20000
		p, _ := s.pool.Get(n)
		p.Extend(n)
		t.Write(s.now, p)
	case 3:
		t.Append(s.now, make([]byte, s.byte()))
	case 4, 5:
		readable := 0
		for _, p := range t.Readable() {
			readable += p.Len()
		}
		t.Consume(s.now, min(s.word(), readable))
	case 6:
		if s.byte() < 64 {
			t.Close(s.now)
		}
	case 7:
		t.Shutdown(s.now, tcpip.Shutdown(s.byte()%4))
	case 8:
		if s.byte() < 16 {
			t.Abort(s.now)
		}
	case 9, 10, 11:
		s.now = s.now.Add(time.Duration(1+s.byte()) << (s.byte() % 32))
		t.Advance(s.now)
	case 12:
		c := &s.conf
		bits := s.byte()
		c.NoDelay, c.Cork, c.NoQuickAck, c.KeepAlive, c.OOBInline = bits&1 != 0, bits&2 != 0, bits&4 != 0, bits&8 != 0, bits&16 != 0
		c.MaxSegment = s.byte() * 8
		c.Congestion = Congestion(bits >> 5 % len(algorithms))
		c.UserTimeout = time.Duration(s.byte()>>7) * time.Second
		t.SetConf(s.now, c)
	case 17:
		c := &s.conf
		c.MaxPacingRate, c.ThinLinear, c.Probing = int64(s.word())<<(s.byte()%20), s.byte()%2 == 0, MTUProbing(s.byte()%3)
		c.DelAckMax = time.Duration(s.byte()) * time.Millisecond
		t.SetConf(s.now, c)
	case 13:
		t.Unreachable(s.now, []tcpip.Error{tcpip.ErrMessageSize, tcpip.ErrHostUnreachable}[s.byte()%2], s.word(), t.snd.una.Add(s.near()))
	case 14:
		s.refuse = true
	case 15:
		t.MarkUrgent(s.now)
		t.SetMore(s.now, s.byte()%2 == 0)
	case 16:
		s.path.MTU = 576 + s.word()%9000
		s.path.MaxSegment = s.byte() % 2 * 65535
		s.path.Options = s.byte() % 2 * 20
		s.path.MinMTU = s.byte() % 2 * 1280
		t.SetPath(s.now, s.path)
	}
}

func (s *script) drain(tb testing.TB) {
	for i := 0; s.t.Poll(s.now, &s.out); i++ {
		if s.out.Len > max(s.out.SegSize, s.path.MaxSegment) || s.out.SegSize <= 0 && s.out.Len > 0 {
			tb.Fatalf("a segment of %d bytes by %d", s.out.Len, s.out.SegSize)
		}
		n := 0
		for _, p := range s.out.Data {
			n += p.Len()
		}
		if n != s.out.Len {
			tb.Fatalf("%d bytes of data, Len %d", n, s.out.Len)
		}
		releaseAll(s.out.Data)
		if s.refuse {
			s.refuse = false
			s.t.Refused(s.now, &s.out)
		}
		if i > 20000 {
			tb.Fatalf("Poll does not end: %+v", s.out)
		}
	}
	if err := s.t.Check(); err != nil {
		tb.Fatal(err)
	}
	s.t.TakeEvents()
	s.t.Info(s.now)
	t := s.t
	if t.State() != StateClosed && t.Deadline() == 0 && (t.flight() > 0 || t.unsent() > 0 || t.due.delayed) {
		tb.Fatalf("no deadline in spite of outstanding data, in %v: %+v", t.State(), t.snd)
	}
}

func runScript(tb testing.TB, b []byte) {
	s := &script{b: b, t: &TCB{}, conf: DefaultConf(), now: traceNow, path: Path{MTU: 1500, NetHeader: 20, AdvMSS: 1460}}
	start := s.byte()
	id := Identity{ISS: uint32(s.word()) << 16, TSOffset: uint32(s.word()) << 16}
	if start&4 != 0 {
		s.conf.ReceiveBuffer = tcpip.Set(s.word())
	}
	s.conf.ECN = ECNMode(start >> 5 % 6)
	if start&8 != 0 {
		s.path.MaxSegment = 65535
	}
	if start&1 != 0 {
		s.t.Init(s.now, &s.conf, s.path, id)
		if start&2 != 0 {
			s.t.ConnectFast(s.now, NewFastCookie(make([]byte, s.byte()%17)), start&16 != 0, s.word()%2000, s.word())
			p, _ := s.pool.Get(3000)
			p.Extend(1 + s.word()%3000)
			s.t.Write(s.now, p)
		} else {
			s.t.Connect(s.now)
		}
		s.drain(tb)
	} else {
		syn := &Segment{Flags: header.SYN, Seq: 1 << 31, Window: 65535, Mark: uint8(start & 3)}
		if start&128 != 0 {
			syn.Flags |= aceFlags
		}
		syn.Options = header.TCPOptions{HasMSS: true, MSS: uint16(s.word()), HasTimestamp: start&16 != 0, SACKPermitted: start&32 != 0,
			HasWindowScale: start&64 != 0, WindowScale: 7}
		var r Request
		r.Init(s.now, syn, &s.conf, s.path, id)
		if start&2 != 0 {
			s.fast(&r, syn)
			s.drain(tb)
			s.play(tb)
			return
		}
		r.SynAck(s.now, &s.out)
		ack := &Segment{Flags: header.ACK, Seq: 1<<31 + 1, Ack: r.iss() + 1, Window: uint16(s.word())}
		if v, _ := r.Segment(s.now, ack, &s.out); v != VerdictEstablish {
			tb.Fatal(v)
		}
		r.Establish(s.now, ack, s.t, &s.conf)
	}
	s.play(tb)
}

// play takes all steps, and looks that nothing is left.
func (s *script) play(tb testing.TB) {
	for len(s.b) > 0 {
		s.step()
		s.drain(tb)
	}
	s.t.Abort(s.now)
	s.drain(tb)
	if n := s.pool.Live(); n != 0 {
		tb.Fatalf("%d bytes of slabs are left", n)
	}
}

// fast begins with fast open: the SYN has data.
func (s *script) fast(r *Request, syn *Segment) {
	if n := s.word() % 2000; n > 0 {
		p, _ := s.pool.Get(n)
		p.Extend(n)
		syn.Data, syn.Len = []slab.Piece{p}, n
	}
	cookie := NewFastCookie(make([]byte, 8))
	r.EstablishFast(s.now, syn, s.t, &s.conf, &cookie)
}

// FuzzTCB feeds one machine with everything that can happen.
func FuzzTCB(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 50 {
		b := make([]byte, 300)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { runScript(t, b) })
}

// TestScripts runs random scripts, longer than a fuzzer finds them.
func TestScripts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 3000 {
		b := make([]byte, 200+r.IntN(4000))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		runScript(t, b)
	}
}
