package header

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	segmentA, segmentB = netip.MustParseAddr("fd00::a"), netip.MustParseAddr("fd00::b")
	finalSegment       = netip.MustParseAddr("fd00::f")
)

func segmentsHeader(left, last byte) []byte {
	b := []byte{0, 4, 4, left, last, 0, 0, 0}
	return append(append(b, segmentA.AsSlice()...), segmentB.AsSlice()...)
}

func TestCheckIPv6Extension(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int // bytes given
		size byte
		want int // -1: refused
	}{
		{"eight", 8, 0, 8}, {"sixteen", 16, 1, 16}, {"more than it says", 16, 0, 8}, {"less than it says", 8, 1, -1},
		{"seven", 7, 0, -1}, {"twelve", 12, 0, -1}, {"nothing", 0, 0, -1}, {"longest", 2040, 254, 2040}, {"too long", 2048, 255, -1},
	} {
		b := make([]byte, c.n)
		if c.n > 1 {
			b[1] = c.size
		}
		h, ok := CheckIPv6Extension(b)
		require.Equal(t, c.want >= 0, ok, c.name)
		if ok {
			require.Len(t, h, c.want, c.name)
		}
	}
}

func TestCheckIPv6Routing(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"segments", segmentsHeader(1, 1), true}, {"done", segmentsHeader(0, 1), true},
		{"more left than there are", segmentsHeader(2, 1), false}, {"last beyond the end", segmentsHeader(1, 2), false},
		{"type 0", append([]byte{0, 2, 0, 1, 0, 0, 0, 0}, segmentA.AsSlice()...), false},
		{"padding behind", append([]byte{0, 5, 4, 1, 1, 0, 0, 0}, append(segmentsHeader(0, 0)[8:], 4, 6, 0, 0, 0, 0, 0, 0)...), true},
		{"half an object behind", append([]byte{0, 5, 4, 1, 1, 0, 0, 0}, append(segmentsHeader(0, 0)[8:], 4, 7, 0, 0, 0, 0, 0, 0)...), false},
	} {
		_, ok := CheckIPv6Routing(c.b)
		require.Equal(t, c.ok, ok, c.name)
	}
}

// RFC 8200 §4.1 has the order; without a routing header the options for it are not sent.
func TestIPv6SentEncode(t *testing.T) {
	hop, options := []byte{0, 0, 1, 4, 0, 0, 0, 0}, []byte{0, 0, 1, 4, 0, 0, 0, 0}
	s := IPv6Sent{HopByHop: hop, RoutingOptions: options, Options: options}
	require.Equal(t, 16, s.Len())
	require.Equal(t, 16, s.Before())
	require.False(t, s.FirstHop().IsValid())
	b := make([]byte, s.Len())
	require.Equal(t, ProtocolHopByHop, s.Encode(b, ProtocolUDP, finalSegment))
	require.Equal(t, []byte{60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0}, b)

	s.Routing = segmentsHeader(1, 1)
	require.Equal(t, 64, s.Len())
	require.Equal(t, 56, s.Before())
	require.Equal(t, segmentB, s.FirstHop())
	b = make([]byte, IPv6Size+s.Len())
	b[ipv6NextHeaderAt] = byte(s.Encode(b[IPv6Size:], ProtocolUDP, finalSegment))
	list := IPv6ExtHeaders(b)
	require.Len(t, list, 4)
	require.Equal(t, []Protocol{ProtocolHopByHop, ProtocolDestOptions, ProtocolRouting, ProtocolDestOptions},
		[]Protocol{list[0].Protocol, list[1].Protocol, list[2].Protocol, list[3].Protocol})
	require.Equal(t, finalSegment.AsSlice(), list[2].Bytes[8:24])
	require.Equal(t, byte(ProtocolUDP), list[3].Bytes[0])
}

func FuzzIPv6Sent(f *testing.F) {
	f.Add(segmentsHeader(1, 1), []byte{0, 0, 1, 4, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, r, o []byte) {
		var s IPv6Sent
		s.Routing, _ = CheckIPv6Routing(r)
		s.HopByHop, _ = CheckIPv6Extension(o)
		s.Options = s.HopByHop
		s.FirstHop()
		b := make([]byte, IPv6Size+s.Len())
		b[ipv6NextHeaderAt] = byte(s.Encode(b[IPv6Size:], ProtocolUDP, finalSegment))
		n := 0
		for _, h := range IPv6ExtHeaders(b) {
			n += len(h.Bytes)
		}
		require.Equal(t, s.Len(), n)
	})
}

func FuzzIPv6ExtHeaders(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Fuzz(func(_ *testing.T, b []byte) { IPv6ExtHeaders(b) })
}
