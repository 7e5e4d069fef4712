package mcast

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

// RFC 3376 §3.2: the two rules, spelled out.
func merged(list []tcpip.SourceFilter) (f tcpip.SourceFilter) {
	included := map[netip.Addr]bool{}
	var excluded map[netip.Addr]bool // the intersection so far
	for _, m := range list {
		if m.Mode == tcpip.FilterInclude {
			for _, a := range m.Sources {
				included[a] = true
			}
			continue
		}
		next := map[netip.Addr]bool{}
		for _, a := range m.Sources {
			if excluded == nil || excluded[a] {
				next[a] = true
			}
		}
		excluded = next
	}
	var want map[netip.Addr]bool
	if want = included; excluded != nil {
		f.Mode, want = tcpip.FilterExclude, excluded
		for a := range included {
			delete(want, a)
		}
	}
	for a := range want {
		f.Sources = append(f.Sources, a)
	}
	slices.SortFunc(f.Sources, netip.Addr.Compare)
	return f
}

func TestMembers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	source := func() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(8))}) }
	for range 200 {
		var m Members
		var list []tcpip.SourceFilter
		for range 60 {
			next := tcpip.SourceFilter{Mode: tcpip.FilterMode(r.IntN(2))}
			for range r.IntN(4) {
				next.Sources = append(next.Sources, source()) // perhaps twice
			}
			switch i := r.IntN(len(list) + 1); {
			case i == len(list):
				require.True(t, m.Change(&tcpip.SourceFilter{}, &next))
				list = append(list, next)
			case r.IntN(2) == 0:
				require.True(t, m.Has(&list[i]))
				require.True(t, m.Change(&list[i], &next))
				list[i] = next
			default:
				require.True(t, m.Change(&list[i], &tcpip.SourceFilter{}))
				list = slices.Delete(list, i, i+1)
			}
			want := merged(list)
			require.Equal(t, want, m.Filter())
			require.Equal(t, want.Mode == tcpip.FilterExclude && want.Sources == nil, m.Everybody())
			for i := range 9 {
				a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
				require.Equal(t, want.Allows(a), m.Allows(a))
			}
		}
	}
}

// A member that would bring too many sources changes nothing.
func TestMembersAreBounded(t *testing.T) {
	var m Members
	fill := tcpip.SourceFilter{}
	for i := range 64 {
		fill.Sources = append(fill.Sources, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
	}
	for i := 0; ; i++ {
		f := tcpip.SourceFilter{}
		for j := range 64 {
			f.Sources = append(f.Sources, netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), byte(j)}))
		}
		if !m.Change(&tcpip.SourceFilter{}, &f) {
			require.Equal(t, maxSources/64, i)
			require.Len(t, m.sources, maxSources)
			require.False(t, m.Has(&f))
			return
		}
	}
}
