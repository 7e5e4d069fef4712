package frag

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

const start = tcpip.Time(1 << 40)

var peer = netip.MustParseAddr("192.0.2.1")

// bench is a table with its clock and what came out of it.
type bench struct {
	Table
	pool slab.Pool
	now  tcpip.Time
	out  Datagram
	t    testing.TB
}

func newBench(t testing.TB, c Conf) *bench {
	b := &bench{now: start, t: t}
	if c.Memory == 0 {
		c = Conf{Memory: DefaultMemory, SourceMemory: DefaultMemory / SourceShare, Timeout: DefaultTimeout4}
	}
	b.Init(c, &b.pool)
	return b
}

// pattern is byte i of every datagram.
func pattern(i int) byte { return byte(i ^ i>>8*7) }

// fragment makes the bytes [from, to) of datagram id of a source, in pieces of at most size bytes.
func (b *bench) fragment(src netip.Addr, id uint32, from, to int, more bool, size int) *Fragment {
	f := &Fragment{Key: Key{Src: src, ID: id}, Offset: from, More: more, Size: to - from + 20}
	if from == 0 {
		f.Head = []byte("head")
	}
	for from < to {
		n := min(size, to-from)
		p, ok := b.pool.Get(n)
		require.True(b.t, ok)
		for i := range p.Extend(n) {
			p.Bytes()[i] = pattern(from + i)
		}
		f.Data = append(f.Data, p)
		from += n
	}
	return f
}

func (b *bench) give(f *Fragment) Result {
	r := b.Add(b.now, f, &b.out)
	if r.Drop != tcpip.DropNone {
		for i := range f.Data {
			f.Data[i].Release()
		}
	}
	b.check()
	return r
}

// add gives the table [from, to) of datagram 1 of the peer.
func (b *bench) add(from, to int, more bool) Result {
	return b.give(b.fragment(peer, 1, from, to, more, slab.Medium))
}

// whole checks that what came out is the pattern of n bytes, and releases it.
func (b *bench) whole(n int) {
	b.t.Helper()
	require.Equal(b.t, n, b.out.Len)
	require.Equal(b.t, n, b.out.Prefix)
	require.Equal(b.t, "head", string(b.out.Head.Bytes()))
	i := 0
	for _, d := range b.out.Data {
		for _, c := range d.Bytes() {
			require.Equal(b.t, pattern(i), c, "byte %d", i)
			i++
		}
	}
	require.Equal(b.t, n, i)
	b.out.Release()
}

// check looks at what always holds.
func (b *bench) check() {
	b.t.Helper()
	memory, own := 0, 0
	var last tcpip.Time
	for p := b.all.oldest; p != nil; p = p.links[listAll].next {
		require.Same(b.t, p, b.index[p.key])
		require.LessOrEqual(b.t, last, p.deadline)
		last = p.deadline
		cost, have, end := overhead+p.head.Cost(), 0, 0
		for _, s := range p.spans {
			if int(s.from) < end {
				b.t.Fatalf("spans are not in order: %v", p.spans)
			}
			end = int(s.to)
			have += int(s.to - s.from)
			cost += s.piece.Cost()
			for _, m := range s.more {
				cost += m.Cost()
			}
		}
		require.Equal(b.t, p.have*one(p.dead == 0), have)
		require.Equal(b.t, cost, p.cost)
		memory += cost
	}
	for _, s := range b.sources {
		own += s.memory
		require.LessOrEqual(b.t, s.memory, b.conf.SourceMemory)
	}
	require.Equal(b.t, memory, b.memory)
	require.Equal(b.t, memory, own)
	require.LessOrEqual(b.t, memory, b.conf.Memory)
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (b *bench) close() {
	b.out.Release()
	b.Clear()
	require.Zero(b.t, b.Len())
	require.Zero(b.t, b.Memory())
	require.Empty(b.t, b.sources)
	require.Zero(b.t, b.pool.Live())
}

func TestOrders(t *testing.T) {
	cuts := []int{0, 8, 808, 1600, 2001}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}} {
		b := newBench(t, Conf{})
		for k, i := range order {
			r := b.add(cuts[i], cuts[i+1], i < 3)
			require.Equal(t, Result{Complete: k == 3}, r)
		}
		require.Equal(t, 4, b.out.Fragments)
		require.Equal(t, 820, b.out.Size)
		b.whole(2001)
		require.Zero(t, b.Len())
		b.close()
	}
}

func TestPieces(t *testing.T) {
	b := newBench(t, Conf{})
	for _, at := range []int{0, 800} {
		r := b.give(b.fragment(peer, 1, at, at+800, at == 0, 100))
		require.Equal(t, at == 800, r.Complete)
	}
	b.whole(1600)
	b.close()
}

// Datagrams differ in every part of their names.
func TestKeys(t *testing.T) {
	b := newBench(t, Conf{})
	keys := []Key{
		{Src: peer, ID: 1}, {Src: peer, ID: 2}, {Src: peer, ID: 1, Proto: 1}, {Src: peer, ID: 1, NIC: 1},
		{Src: netip.IPv6Loopback(), ID: 1}, {Src: peer, Dst: peer, ID: 1},
	}
	for _, k := range keys {
		f := b.fragment(peer, 0, 0, 8, true, 8)
		f.Key = k
		require.Equal(t, Result{}, b.give(f))
	}
	require.Equal(t, len(keys), b.Len())
	for _, k := range keys {
		f := b.fragment(peer, 0, 8, 9, false, 8)
		f.Key = k
		require.True(t, b.give(f).Complete)
		require.Equal(t, k, b.out.Key)
		b.whole(9)
	}
	b.close()
}

// BEHAVIOUR F7, RFC 5722, RFC 8200 §4.5.
func TestBad(t *testing.T) {
	type span struct {
		from, to int
		more     bool
	}
	for _, c := range []struct {
		name   string
		before []span
		bad    span
		why    tcpip.Drop
		dead   bool // and the datagram with it
	}{
		{"empty", nil, span{8, 8, true}, tcpip.DropFragmentBad, false},
		{"not in eights", nil, span{0, 9, true}, tcpip.DropFragmentBad, false},
		{"offset not in eights", nil, span{4, 8, false}, tcpip.DropFragmentBad, false},
		{"beyond 65535", nil, span{65528, 65536, false}, tcpip.DropFragmentBad, false},
		{"duplicate", []span{{0, 16, true}}, span{0, 16, true}, tcpip.DropOldData, false},
		{"shorter", []span{{0, 16, true}}, span{0, 8, true}, tcpip.DropFragmentOverlap, true},
		{"longer", []span{{0, 16, true}}, span{0, 24, true}, tcpip.DropFragmentOverlap, true},
		{"inside", []span{{0, 24, true}}, span{8, 16, true}, tcpip.DropFragmentOverlap, true},
		{"around", []span{{8, 16, true}}, span{0, 24, true}, tcpip.DropFragmentOverlap, true},
		{"over the end of one", []span{{0, 16, true}}, span{8, 24, true}, tcpip.DropFragmentOverlap, true},
		{"over the beginning of one", []span{{8, 24, true}}, span{0, 16, true}, tcpip.DropFragmentOverlap, true},
		{"over two", []span{{0, 16, true}, {32, 48, true}}, span{8, 40, true}, tcpip.DropFragmentOverlap, true},
		{"behind the end", []span{{8, 16, false}}, span{16, 24, true}, tcpip.DropFragmentBad, true},
		{"later end", []span{{8, 16, false}}, span{16, 24, false}, tcpip.DropFragmentBad, true},
		{"earlier end", []span{{16, 24, false}}, span{8, 16, false}, tcpip.DropFragmentBad, true},
		{"end before the data", []span{{16, 24, true}}, span{8, 16, false}, tcpip.DropFragmentBad, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, Conf{})
			for _, s := range c.before {
				require.Equal(t, Result{}, b.add(s.from, s.to, s.more))
			}
			r := b.add(c.bad.from, c.bad.to, c.bad.more)
			want := Result{Drop: c.why}
			if c.dead {
				want.Killed = len(c.before)
			}
			require.Equal(t, want, r)
			if c.dead {
				require.Equal(t, Result{Drop: c.why}, b.add(4000, 4008, true))
				require.Zero(t, b.pool.Live(), "it keeps nothing")
				b.now = b.now.Add(DefaultTimeout4)
				require.False(t, b.Expire(b.now, &b.out), "and is not told of again")
				require.Equal(t, Result{}, b.add(0, 8, true))
			}
			b.close()
		})
	}
}

// RFC 3168 §5.3.
func TestECN(t *testing.T) {
	for _, c := range []struct {
		ecn  []uint8
		drop tcpip.Drop
		ce   bool
	}{
		{[]uint8{0, 0}, 0, false}, {[]uint8{1, 2}, 0, false}, {[]uint8{2, 3}, 0, true}, {[]uint8{3, 3}, 0, true},
		{[]uint8{0, 3}, tcpip.DropFragmentBad, false}, {[]uint8{2, 0}, tcpip.DropFragmentBad, false},
	} {
		b := newBench(t, Conf{})
		f := b.fragment(peer, 1, 0, 8, true, 8)
		f.ECN = c.ecn[0]
		b.give(f)
		f = b.fragment(peer, 1, 8, 9, false, 8)
		f.ECN = c.ecn[1] | 0x40
		require.Equal(t, c.drop, b.give(f).Drop)
		require.Equal(t, c.ce, b.out.CE)
		b.close()
	}
}

func TestExpire(t *testing.T) {
	b := newBench(t, Conf{})
	require.Zero(t, b.Deadline())
	b.give(b.fragment(peer, 1, 0, 16, true, 16))
	b.now = b.now.Add(time.Second)
	b.give(b.fragment(peer, 1, 24, 32, true, 16))
	b.give(b.fragment(peer, 2, 8, 16, true, 16))
	require.Equal(t, start.Add(DefaultTimeout4), b.Deadline(), "the first fragment counts")
	require.False(t, b.Expire(b.Deadline()-1, &b.out))
	at := b.Deadline()
	require.True(t, b.Expire(at, &b.out))
	require.EqualValues(t, 1, b.out.ID)
	require.Equal(t, 2, b.out.Fragments)
	require.Equal(t, 16, b.out.Prefix)
	require.Equal(t, "head", string(b.out.Head.Bytes()))
	b.out.Release()
	require.False(t, b.Expire(at, &b.out))
	require.True(t, b.Expire(b.Deadline(), &b.out))
	require.True(t, b.out.Head.IsZero())
	require.Zero(t, b.out.Prefix)
	require.Zero(t, b.Deadline())
	b.close()
}

// What is kept fills its slabs (DESIGN §3).
func TestCompact(t *testing.T) {
	b := newBench(t, Conf{})
	for i := range 100 {
		f := b.fragment(peer, 1, 0, 0, true, 8)
		p, _ := b.pool.Get(slab.Large)
		p.Extend(8)
		f.Offset, f.Data = 8+i*8, []slab.Piece{p}
		require.Equal(t, Result{}, b.give(f))
	}
	require.EqualValues(t, 100*slab.Small, b.pool.Live())
	b.close()
}

// BEHAVIOUR F7, F11: the oldest go first, of the source that has more than its share.
func TestEviction(t *testing.T) {
	const each = overhead + 2*slab.Small // a datagram with one small fragment and its head
	b := newBench(t, Conf{Memory: 10 * each, SourceMemory: 4 * each, Timeout: time.Second})
	add := func(src byte, id uint32) Result {
		return b.give(b.fragment(netip.AddrFrom4([4]byte{10, 0, 0, src}), id, 0, 8, true, 8))
	}
	require.Equal(t, Result{}, add(2, 1))
	for id := range uint32(4) {
		require.Equal(t, Result{}, add(1, id))
	}
	require.Equal(t, Result{Evicted: 1}, add(1, 4))
	require.Equal(t, Result{Drop: tcpip.DropOldData}, add(2, 1), "another's is still there")
	require.Equal(t, Result{Evicted: 1}, add(1, 0), "its own oldest is not")
	for src := byte(3); src < 8; src++ {
		require.Equal(t, Result{}, add(src, 1))
	}
	require.Equal(t, Result{Evicted: 1}, add(8, 1))
	require.Equal(t, tcpip.DropNone, add(2, 1).Drop, "the oldest of all is gone")
	b.close()
}

// A datagram that is too much alone goes, and takes nothing along.
func TestEvictsItself(t *testing.T) {
	b := newBench(t, Conf{Memory: 8 << 10, SourceMemory: 8 << 10, Timeout: time.Second})
	lost := 0
	for i := range 20 {
		lost += b.add(i*2000, i*2000+2000, true).Evicted
	}
	require.Equal(t, 20, lost+b.Clear())
	b.close()
}

func TestNoMemory(t *testing.T) {
	b := newBench(t, Conf{})
	f := b.fragment(peer, 1, 0, 8, true, 8)
	b.pool.SetLimit(slab.Small)
	require.Equal(t, Result{Drop: tcpip.DropNoMemory}, b.give(f))
	require.Zero(t, b.Len())
	b.close()
}

func TestFragmentsBounded(t *testing.T) {
	b := newBench(t, Conf{})
	for i := range maxFragments {
		require.Zero(t, b.Add(b.now, b.fragment(peer, 1, 8+16*i, 16+16*i, true, 8), &b.out))
	}
	require.Equal(t, Result{Drop: tcpip.DropFragmentLimit}, b.add(8+16*maxFragments, 16+16*maxFragments, true))
	b.close()
}

func TestNoAllocations(t *testing.T) {
	b := newBench(t, Conf{})
	var f [6]Fragment
	for i := range f {
		f[i] = Fragment{Key: Key{Src: peer}, Offset: i * 1480, More: i < 5, Data: make([]slab.Piece, 1), Head: []byte("head")}
	}
	linktest.NoAllocations(t, func() {
		for _, i := range []int{0, 2, 4, 1, 3, 5} {
			f[i].Data[0], _ = b.pool.Get(1480)
			f[i].Data[0].Extend(1480)
			b.Add(b.now, &f[i], &b.out)
		}
		b.out.Release()
	})
}

// FuzzTable compares the table with a model that has a byte per byte.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0, 0, 8, 0, 8, 8, 0, 16, 8 | 128})
	f.Add([]byte{0, 8, 8, 0, 0, 24, 1, 0, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 300 {
			return
		}
		table := newBench(t, Conf{Memory: 1 << 20, SourceMemory: 1 << 20, Timeout: time.Second})
		type model struct {
			seen   map[int]int // byte to fragment
			starts map[int]int // offset to end
			end    int
			dead   tcpip.Drop
		}
		models := map[uint32]*model{}
		for step := 0; len(b) >= 3; step++ {
			id, from, n, last := uint32(b[0]&3), int(b[1])*8, int(b[2]&127), b[2]&128 != 0
			b = b[3:]
			m := models[id]
			bad := n == 0 || !last && n%8 != 0
			if m == nil && !bad {
				m = &model{seen: map[int]int{}, starts: map[int]int{}, end: -1}
				models[id] = m
			}
			to := from + n
			want := Result{}
			count := 0
			if m != nil {
				count = len(m.starts)
			}
			switch {
			case bad:
				want.Drop = tcpip.DropFragmentBad
			case m.dead != 0:
				want.Drop = m.dead
			default:
				overlap, beyond := false, false
				for i := range m.seen {
					overlap = overlap || i >= from && i < to
					beyond = beyond || i >= to
				}
				switch {
				case m.end >= 0 && (to > m.end || last && to != m.end), last && beyond:
					want = Result{Drop: tcpip.DropFragmentBad, Killed: count}
				case m.starts[from] == to:
					want.Drop = tcpip.DropOldData
				case overlap:
					want = Result{Drop: tcpip.DropFragmentOverlap, Killed: count}
				default:
					for i := from; i < to; i++ {
						m.seen[i] = step
					}
					m.starts[from] = to
					if last {
						m.end = to
					}
					want.Complete = len(m.seen) == m.end
				}
				if want.Killed > 0 || want.Drop == tcpip.DropFragmentOverlap || want.Drop == tcpip.DropFragmentBad {
					m.dead = want.Drop
				}
			}
			got := table.give(table.fragment(peer, id, from, to, !last, 1000))
			require.Equal(t, want, got)
			if got.Complete {
				table.whole(m.end)
				delete(models, id)
			}
		}
		table.close()
	})
}

func Example() {
	var pool slab.Pool
	var t Table
	t.Init(Conf{Memory: DefaultMemory, SourceMemory: DefaultMemory, Timeout: DefaultTimeout6}, &pool)
	var out Datagram
	for _, f := range []Fragment{{Offset: 8, Head: nil}, {Offset: 0, More: true, Head: []byte{0x45}}} {
		text := []string{"packets ", "in pieces"}[f.Offset/8]
		piece, _ := pool.Copy([]byte(text))
		f.Data = []slab.Piece{piece}
		if t.Add(1, &f, &out).Complete {
			fmt.Println(string(slices.Concat(out.Data[0].Bytes(), out.Data[1].Bytes())))
			out.Release()
		}
	}
	// Output: packets in pieces
}
