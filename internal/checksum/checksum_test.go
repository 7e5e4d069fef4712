package checksum

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// naive is RFC 1071 §4.1 to the letter.
func naive(b []byte) uint16 {
	var s uint32
	for ; len(b) > 1; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
		s = s>>16 + s&0xffff
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return uint16(s>>16 + s&0xffff)
}

func random(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// RFC 1071 §3: the example.
func TestRFC1071Example(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := Sum(b); got != 0xddf2 {
		t.Errorf("Sum = %#04x, want 0xddf2", got)
	}
}

// RFC 1624 §4: the case in which equation 2 of RFC 1141 gives the wrong zero.
func TestRFC1624Example(t *testing.T) {
	if got := Update(0xdd2f, 0x5555, 0x3285); got != 0x0000 {
		t.Errorf("Update = %#04x, want 0", got)
	}
}

func TestSumLengthsAndAlignments(t *testing.T) {
	data := random(70_000)
	check := func(b []byte, what string) {
		t.Helper()
		want := naive(b)
		if got := Sum(b); got != want {
			t.Fatalf("%s: Sum = %#04x, want %#04x", what, got, want)
		}
		if got := fold(sumGeneric(b)); got>>8|got<<8 != want {
			t.Fatalf("%s: generic = %#04x, want %#04x", what, got, want)
		}
	}
	for n := range 700 {
		for align := range 33 {
			check(data[align:align+n], fmt.Sprintf("length %d at %d", n, align))
		}
	}
	for _, n := range []int{1500, 4096, 9000, 65535, 65536} {
		check(data[1:1+n], fmt.Sprint("length ", n))
	}
}

// The carries at their worst, and the two zeros of ones' complement.
func TestSumExtremes(t *testing.T) {
	for _, n := range []int{0, 1, 2, 63, 64, 65, 127, 255, 256, 511, 65535, 1 << 20} {
		b := make([]byte, n)
		if got := Sum(b); got != 0 {
			t.Errorf("%d zero bytes: %#04x", n, got)
		}
		for i := range b {
			b[i] = 0xff
		}
		if got, want := Sum(b), naive(b); got != want {
			t.Errorf("%d bytes of 0xff: %#04x, want %#04x", n, got, want)
		}
		if n > 1 {
			clear(b)
			b[n-1], b[n-2] = 1, 0xff
			if got, want := Sum(b), naive(b); got != want {
				t.Errorf("one word in %d bytes: %#04x, want %#04x", n, got, want)
			}
		}
	}
}

func TestPieces(t *testing.T) {
	data := random(3000)
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		b := data[:r.IntN(len(data))]
		want := naive(b)
		var p, q Partial
		combined, done := uint16(0), 0
		for rest := b; len(rest) > 0; {
			n := 1 + r.IntN(min(len(rest), 300))
			p = p.Add(rest[:n])
			q = q.AddSum(Sum(rest[:n]), n)
			combined = Combine(combined, done, Sum(rest[:n]))
			done += n
			rest = rest[n:]
		}
		if p.Fold() != want || p.Checksum() != ^want || q != p || combined != want {
			t.Fatalf("%d bytes: %#04x, %#04x, %#04x, want %#04x", len(b), p.Fold(), q.Fold(), combined, want)
		}
	}
}

func TestPseudo(t *testing.T) {
	v4 := []byte{10, 0, 0, 1, 192, 168, 255, 2, 0, 6, 0x12, 0x34}
	if got, want := Pseudo(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.168.255.2"), 6, 0x1234).Fold(), naive(v4); got != want {
		t.Errorf("IPv4: %#04x, want %#04x", got, want)
	}
	src, dst := netip.MustParseAddr("2001:db8:ffff:1::8000:1"), netip.MustParseAddr("fe80::1:2:3:ffff")
	s, d := src.As16(), dst.As16()
	v6 := append(append(s[:], d[:]...), 0, 1, 0, 2, 0, 0, 0, 17)
	if got, want := Pseudo(src, dst, 17, 0x10002).Fold(), naive(v6); got != want {
		t.Errorf("IPv6: %#04x, want %#04x", got, want)
	}
}

func TestUpdate(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	addr4 := func() netip.Addr { return netip.AddrFrom4([4]byte(random(4 + r.IntN(1000))[:4])) }
	addr16 := func() netip.Addr { return netip.AddrFrom16([16]byte(random(16 + r.IntN(1000))[:16])) }
	for range 2000 {
		b := random(60 + r.IntN(100))
		old, fresh := addr4(), addr4()
		copy(b[20:], old.AsSlice())
		field := ^naive(b)
		was16, was32 := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint32(b[4:])
		binary.BigEndian.PutUint32(b[4:], r.Uint32())
		if got, want := Update32(field, was32, binary.BigEndian.Uint32(b[4:])), ^naive(b); got != want {
			t.Fatalf("Update32: %#04x, want %#04x", got, want)
		}
		binary.BigEndian.PutUint32(b[4:], was32)
		binary.BigEndian.PutUint16(b[4:], uint16(r.Uint32()))
		if got, want := Update(field, was16, binary.BigEndian.Uint16(b[4:])), ^naive(b); got != want {
			t.Fatalf("Update: %#04x, want %#04x", got, want)
		}
		binary.BigEndian.PutUint16(b[4:], was16)
		copy(b[20:], fresh.AsSlice())
		if got, want := UpdateAddr(field, old, fresh), ^naive(b); got != want {
			t.Fatalf("UpdateAddr of IPv4: %#04x, want %#04x", got, want)
		}
		old, fresh = addr16(), addr16()
		copy(b[20:], old.AsSlice())
		field = ^naive(b)
		copy(b[20:], fresh.AsSlice())
		if got, want := UpdateAddr(field, old, fresh), ^naive(b); got != want {
			t.Fatalf("UpdateAddr of IPv6: %#04x, want %#04x", got, want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	b := random(3001)
	src, dst := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	var sink uint16
	if n := testing.AllocsPerRun(100, func() { sink += Pseudo(src, dst, 6, 3001).Add(b[:1501]).Add(b[1501:]).Checksum() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte{}, uint16(0), uint16(0))
	f.Add(random(257), uint16(3), uint16(131))
	f.Add(random(1500), uint16(1), uint16(64))
	f.Fuzz(func(t *testing.T, b []byte, align, cut uint16) {
		b = b[min(int(align), len(b)):]
		want := naive(b)
		if got := Sum(b); got != want {
			t.Fatalf("Sum = %#04x, want %#04x", got, want)
		}
		if got := fold(sumGeneric(b)); got>>8|got<<8 != want {
			t.Fatalf("generic = %#04x, want %#04x", got, want)
		}
		if len(b) > 0 {
			if got := fold(sumVector(append(b, make([]byte, 2*vectorPad)...))); got>>8|got<<8 != want {
				t.Fatalf("vector = %#04x, want %#04x", got, want)
			}
		}
		c := min(int(cut), len(b))
		if got := (Partial{}).Add(b[:c]).Add(b[c:]).Fold(); got != want {
			t.Fatalf("in two pieces = %#04x, want %#04x", got, want)
		}
	})
}

// vectorPad lets the vector code run over inputs of any length; zeros add nothing.
const vectorPad = 128

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{20, 64, 128, 256, 512, 1460, 4096, 9000, 65535} {
		data := random(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			var s uint16
			for range b.N {
				s += Sum(data)
			}
			sink = s
		})
	}
}

func BenchmarkGeneric(b *testing.B) {
	for _, n := range []int{20, 64, 128, 256, 512, 1460, 65535} {
		data := random(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			var s uint64
			for range b.N {
				s += sumGeneric(data)
			}
			sink = uint16(s)
		})
	}
}

func BenchmarkPseudo(b *testing.B) {
	src, dst := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	for i := range b.N {
		sink = Pseudo(src, dst, 6, i).Fold()
	}
}

var sink uint16
