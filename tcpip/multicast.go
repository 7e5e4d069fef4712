package tcpip

import (
	"net/netip"
	"slices"
)

// FilterMode says what the sources of a SourceFilter are.
type FilterMode uint8

// The modes (RFC 3376 §2, RFC 3810 §3).
const (
	FilterInclude FilterMode = iota // the only ones that are wanted
	FilterExclude                   // the only ones that are not wanted
)

// SourceFilter says from whom a member of a multicast group wants to hear. The zero value is from nobody, which is
// not to be a member; FilterExclude without sources is from everybody.
type SourceFilter struct {
	Mode    FilterMode
	Sources []netip.Addr
}

// None reports whether f is the filter of who is no member.
func (f *SourceFilter) None() bool { return f.Mode == FilterInclude && len(f.Sources) == 0 }

// Allows reports whether f lets a source through.
func (f *SourceFilter) Allows(source netip.Addr) bool {
	return slices.Contains(f.Sources, source) == (f.Mode == FilterInclude)
}
