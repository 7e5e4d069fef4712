package header

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// NDPOptions is a view of the options of a neighbour discovery message, each of a length that is right
// in itself (RFC 4861 §4.6).
type NDPOptions []byte

// NDPOption is one option, from its type byte to its end. Its typed accessors report false if it is of
// another kind or its length is wrong for its kind; such an option is to be ignored.
type NDPOption []byte

// NDPOptionKind is an option's type (IANA "IPv6 Neighbor Discovery Option Formats").
type NDPOptionKind uint8

const (
	NDPSourceLinkAddr NDPOptionKind = 1
	NDPTargetLinkAddr NDPOptionKind = 2
	NDPPrefix         NDPOptionKind = 3
	NDPRedirected     NDPOptionKind = 4
	NDPMTU            NDPOptionKind = 5
	NDPNonce          NDPOptionKind = 14 // RFC 3971 §5.3.2, RFC 7527
	NDPRoute          NDPOptionKind = 24 // RFC 4191 §2.3
	NDPRDNSS          NDPOptionKind = 25 // RFC 8106 §5.1
)

// valid reports whether every option ends where another begins, or with the message.
func (o NDPOptions) valid() bool {
	for len(o) > 0 {
		if len(o) < 8 || o[1] == 0 || int(o[1])*8 > len(o) {
			return false
		}
		o = o[int(o[1])*8:]
	}
	return true
}

// All walks the options.
func (o NDPOptions) All() iter.Seq[NDPOption] {
	return func(yield func(NDPOption) bool) {
		for b := o; len(b) > 0; {
			n := int(b[1]) * 8
			if !yield(NDPOption(b[:n:n])) {
				return
			}
			b = b[n:]
		}
	}
}

// Find returns the first option of the kind, or nil. Its accessors may be called on nil.
func (o NDPOptions) Find(kind NDPOptionKind) NDPOption {
	for option := range o.All() {
		if option.Kind() == kind {
			return option
		}
	}
	return nil
}

// LinkAddr returns the link address in the first option of the kind, which is NDPSourceLinkAddr or
// NDPTargetLinkAddr.
func (o NDPOptions) LinkAddr(kind NDPOptionKind) (tcpip.LinkAddr, bool) {
	return o.Find(kind).LinkAddr()
}

// is reports whether o is of the kind and size bytes long.
func (o NDPOption) is(kind NDPOptionKind, size int) bool {
	return len(o) == size && NDPOptionKind(o[0]) == kind
}

// Kind returns the option's kind, or 0 for a nil option.
func (o NDPOption) Kind() NDPOptionKind {
	if o == nil {
		return 0
	}
	return NDPOptionKind(o[0])
}

// Value returns what follows kind and length, padding included.
func (o NDPOption) Value() []byte {
	if o == nil {
		return nil
	}
	return o[2:]
}

// LinkAddr returns the Ethernet address of either link address option (RFC 4861 §4.6.1, RFC 2464 §6).
func (o NDPOption) LinkAddr() (tcpip.LinkAddr, bool) {
	if !o.is(NDPSourceLinkAddr, 8) && !o.is(NDPTargetLinkAddr, 8) {
		return tcpip.LinkAddr{}, false
	}
	return tcpip.LinkAddr(o[2:8]), true
}

// AppendNDPLinkAddr appends a link address option of the kind.
func AppendNDPLinkAddr(b []byte, kind NDPOptionKind, a tcpip.LinkAddr) []byte {
	return append(append(b, uint8(kind), 1), a[:]...)
}

// MTU returns the link's MTU in bytes (RFC 4861 §4.6.4).
func (o NDPOption) MTU() (uint32, bool) {
	if !o.is(NDPMTU, 8) {
		return 0, false
	}
	return binary.BigEndian.Uint32(o[4:]), true
}

// AppendNDPMTU appends an MTU option.
func AppendNDPMTU(b []byte, mtu uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, uint8(NDPMTU), 1, 0, 0), mtu)
}

// Nonce returns the nonce, at least 6 bytes.
func (o NDPOption) Nonce() ([]byte, bool) {
	if o.Kind() != NDPNonce {
		return nil, false
	}
	return o[2:], true
}

// AppendNDPNonce appends a nonce of 6 bytes.
func AppendNDPNonce(b []byte, nonce [6]byte) []byte {
	return append(append(b, uint8(NDPNonce), 1), nonce[:]...)
}

// Redirected returns what a redirect quotes of the packet that caused it (RFC 4861 §4.6.3).
func (o NDPOption) Redirected() ([]byte, bool) {
	if o.Kind() != NDPRedirected {
		return nil, false
	}
	return o[8:], true
}

// AppendNDPRedirected appends a redirected header option that quotes packet, cut to a multiple of 8
// bytes.
func AppendNDPRedirected(b, packet []byte) []byte {
	packet = packet[:min(len(packet), 254*8)&^7]
	return append(append(b, uint8(NDPRedirected), uint8(1+len(packet)/8), 0, 0, 0, 0, 0, 0), packet...)
}

// NDPPrefixInfo is a prefix information option (RFC 4861 §4.6.2).
type NDPPrefixInfo struct {
	Prefix     netip.Prefix // masked
	OnLink     bool
	Autonomous bool          // usable for SLAAC
	Valid      time.Duration // or NDPForever
	Preferred  time.Duration // or NDPForever
}

const (
	ndpOnLink     = 0x80
	ndpAutonomous = 0x40
)

// PrefixInfo returns the option as a prefix.
func (o NDPOption) PrefixInfo() (NDPPrefixInfo, bool) {
	if !o.is(NDPPrefix, 32) || o[2] > 128 {
		return NDPPrefixInfo{}, false
	}
	return NDPPrefixInfo{
		Prefix:     netip.PrefixFrom(netip.AddrFrom16([16]byte(o[16:32])), int(o[2])).Masked(),
		OnLink:     o[3]&ndpOnLink != 0,
		Autonomous: o[3]&ndpAutonomous != 0,
		Valid:      ndpLifetime(binary.BigEndian.Uint32(o[4:])),
		Preferred:  ndpLifetime(binary.BigEndian.Uint32(o[8:])),
	}, true
}

// AppendNDPPrefix appends a prefix information option.
func AppendNDPPrefix(b []byte, p *NDPPrefixInfo) []byte {
	flags := uint8(0)
	if p.OnLink {
		flags |= ndpOnLink
	}
	if p.Autonomous {
		flags |= ndpAutonomous
	}
	b = append(b, uint8(NDPPrefix), 4, uint8(p.Prefix.Bits()), flags)
	b = binary.BigEndian.AppendUint32(b, ndpSeconds(p.Valid))
	b = binary.BigEndian.AppendUint32(b, ndpSeconds(p.Preferred))
	return appendAddr16(append(b, 0, 0, 0, 0), p.Prefix.Addr())
}

// NDPRouteInfo is a route information option (RFC 4191 §2.3).
type NDPRouteInfo struct {
	Prefix     netip.Prefix // masked
	Preference NDPPreference
	Lifetime   time.Duration // or NDPForever
}

// RouteInfo returns the option as a route. One with a reserved preference is none.
func (o NDPOption) RouteInfo() (NDPRouteInfo, bool) {
	if o.Kind() != NDPRoute || len(o) > 24 || int(o[2]) > (len(o)-8)*8 || ndpPreference(o[3]) == NDPPreferenceReserved {
		return NDPRouteInfo{}, false
	}
	var a [16]byte
	copy(a[:], o[8:])
	return NDPRouteInfo{
		Prefix:     netip.PrefixFrom(netip.AddrFrom16(a), int(o[2])).Masked(),
		Preference: ndpPreference(o[3]),
		Lifetime:   ndpLifetime(binary.BigEndian.Uint32(o[4:])),
	}, true
}

// AppendNDPRoute appends a route information option of the full length.
func AppendNDPRoute(b []byte, r *NDPRouteInfo) []byte {
	b = append(b, uint8(NDPRoute), 3, uint8(r.Prefix.Bits()), uint8(r.Preference)&3<<3)
	return appendAddr16(binary.BigEndian.AppendUint32(b, ndpSeconds(r.Lifetime)), r.Prefix.Addr())
}

// RDNSS returns the lifetime, which may be NDPForever, and the addresses of recursive DNS servers
// (RFC 8106 §5.1).
func (o NDPOption) RDNSS() (time.Duration, AddrList, bool) {
	if o.Kind() != NDPRDNSS || len(o) < 24 || len(o)%16 != 8 {
		return 0, AddrList{}, false
	}
	return ndpLifetime(binary.BigEndian.Uint32(o[4:])), AddrList{o[8:], 16}, true
}

// AppendNDPRDNSS appends a recursive DNS server option.
func AppendNDPRDNSS(b []byte, lifetime time.Duration, servers []netip.Addr) []byte {
	b = append(b, uint8(NDPRDNSS), uint8(1+2*len(servers)), 0, 0)
	b = binary.BigEndian.AppendUint32(b, ndpSeconds(lifetime))
	for _, s := range servers {
		b = appendAddr16(b, s)
	}
	return b
}
