package header

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCompileIPv4Options(t *testing.T) {
	for _, c := range []struct {
		name    string
		b, want []byte // nil want: refused
	}{
		{"none", nil, []byte{}},
		{"padded", []byte{1}, []byte{1, 0, 0, 0}},
		{"nothing behind the end", []byte{0, 7, 7, 7}, []byte{0, 0, 0, 0}},
		{"unknown", []byte{200, 4, 1, 2}, []byte{200, 4, 1, 2}},
		{"without a length", []byte{200}, nil},
		{"too long", make([]byte, 41), nil},
		{"route in its middle", []byte{131, 11, 8, 1, 1, 1, 1, 2, 2, 2, 2}, nil},
		{"route without hops", []byte{131, 3, 4}, nil},
		{"two routes", []byte{131, 7, 4, 1, 1, 1, 1, 137, 7, 4, 2, 2, 2, 2}, nil},
		{"security of others", []byte{134, 6, 0, 0, 0, 1}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ok := CompileIPv4Options(c.b)
			require.Equal(t, c.want != nil, ok)
			if ok {
				require.Equal(t, c.want, s.Bytes())
				require.False(t, s.FirstHop().IsValid())
			}
		})
	}
}

// RFC 791 §3.1: the packet is addressed to the first hop, and its destination is the last of the route.
func TestSourceRouteSent(t *testing.T) {
	s, ok := CompileIPv4Options([]byte{1, 137, 11, 4, 10, 0, 0, 3, 10, 0, 0, 4})
	require.True(t, ok)
	require.True(t, s.Strict)
	require.Equal(t, netip.MustParseAddr("10.0.0.3"), s.FirstHop())
	to := s.To(netip.MustParseAddr("10.0.0.9"))
	require.Equal(t, []byte{1, 137, 11, 4, 10, 0, 0, 4, 10, 0, 0, 9}, to.Bytes())
	require.Equal(t, netip.MustParseAddr("10.0.0.3"), s.FirstHop())
}

func FuzzCompileIPv4Options(f *testing.F) {
	f.Add([]byte{131, 7, 4, 10, 0, 0, 1, 7, 7, 4, 0, 0, 0, 0})
	f.Add([]byte{68, 12, 5, 3, 10, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := CompileIPv4Options(b)
		if !ok {
			return
		}
		require.Zero(t, s.Len()%4)
		require.LessOrEqual(t, s.Len(), IPv4MaxSize-IPv4Size)
		for _, o := range []IPv4Sent{s, s.To(netip.MustParseAddr("10.0.0.9"))} {
			_, _, drop := ParseIPv4Options(o.Bytes())
			require.Zero(t, drop)
			require.Equal(t, s.Len(), o.Len())
		}
	})
}
