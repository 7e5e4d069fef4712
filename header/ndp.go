package header

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// The messages of neighbour discovery (RFC 4861 §4), as views of whole ICMPv6 messages. They are
// entered from an ICMPv6 of their type. Each Parse function makes the checks of RFC 4861 that concern
// the message alone: the code is 0, the length is right, no option has the length 0, and the target
// can be one. That the hop limit was 255 and that the source may say so, the caller checks.
type (
	NDPRS       []byte // router solicitation (§4.1)
	NDPRA       []byte // router advertisement (§4.2)
	NDPNS       []byte // neighbor solicitation (§4.3)
	NDPNA       []byte // neighbor advertisement (§4.4)
	NDPRedirect []byte // redirect (§4.5)
)

// Lengths of the messages in bytes, without options.
const (
	NDPRSSize       = 8
	NDPRASize       = 16
	NDPNSSize       = 24
	NDPNASize       = 24
	NDPRedirectSize = 40
)

// NDPHopLimit is the hop limit that every message must arrive with: no router has forwarded it.
const NDPHopLimit = 255

// NDPForever is a lifetime without end, 0xffffffff on the wire.
const NDPForever time.Duration = math.MaxInt64

// ndpLifetime converts a lifetime in seconds.
func ndpLifetime(seconds uint32) time.Duration {
	if seconds == math.MaxUint32 {
		return NDPForever
	}
	return time.Duration(seconds) * time.Second
}

// ndpSeconds is the inverse of ndpLifetime; what is between two seconds is cut off.
func ndpSeconds(d time.Duration) uint32 {
	return uint32(min(max(d/time.Second, 0), math.MaxUint32))
}

// parseNDP checks what the messages have in common.
func parseNDP(m ICMPv6, t ICMPv6Type, size int) tcpip.Drop {
	if len(m) < size {
		return tcpip.DropShort
	}
	if m.Type() != t || m.Code() != 0 || !NDPOptions(m[size:]).valid() {
		return tcpip.DropNDPInvalid
	}
	return tcpip.DropNone
}

// ParseNDPRS returns m as a router solicitation.
func ParseNDPRS(m ICMPv6) (NDPRS, tcpip.Drop) {
	if drop := parseNDP(m, ICMPv6RouterSolicit, NDPRSSize); drop != tcpip.DropNone {
		return nil, drop
	}
	return NDPRS(m), tcpip.DropNone
}

func (h NDPRS) Options() NDPOptions { return NDPOptions(h[NDPRSSize:]) }

// ParseNDPRA returns m as a router advertisement.
func ParseNDPRA(m ICMPv6) (NDPRA, tcpip.Drop) {
	if drop := parseNDP(m, ICMPv6RouterAdvert, NDPRASize); drop != tcpip.DropNone {
		return nil, drop
	}
	return NDPRA(m), tcpip.DropNone
}

func (h NDPRA) CurHopLimit() uint8        { return h[4] } // 0: not said
func (h NDPRA) Managed() bool             { return h[5]&0x80 != 0 }
func (h NDPRA) OtherConfig() bool         { return h[5]&0x40 != 0 }
func (h NDPRA) Preference() NDPPreference { return ndpPreference(h[5]) }
func (h NDPRA) RouterLifetime() time.Duration {
	return time.Duration(binary.BigEndian.Uint16(h[6:])) * time.Second
} // 0: no default router
func (h NDPRA) ReachableTime() time.Duration {
	return time.Duration(binary.BigEndian.Uint32(h[8:])) * time.Millisecond
} // 0: not said
func (h NDPRA) RetransTimer() time.Duration {
	return time.Duration(binary.BigEndian.Uint32(h[12:])) * time.Millisecond
}                                   // 0: not said
func (h NDPRA) Options() NDPOptions { return NDPOptions(h[NDPRASize:]) }

// NDPPreference is how a router or route compares with others (RFC 4191 §2.1).
type NDPPreference int8

const (
	NDPPreferenceLow    NDPPreference = -1
	NDPPreferenceMedium NDPPreference = 0
	NDPPreferenceHigh   NDPPreference = 1
	// NDPPreferenceReserved is medium for a router; a route with it is ignored.
	NDPPreferenceReserved NDPPreference = -2
)

// ndpPreference reads a preference from bits 3 and 4, in two's complement.
func ndpPreference(flags uint8) NDPPreference { return NDPPreference(int8(flags<<3) >> 6) }

// ParseNDPNS returns m as a neighbor solicitation.
func ParseNDPNS(m ICMPv6) (NDPNS, tcpip.Drop) {
	if drop := parseNDP(m, ICMPv6NeighborSolicit, NDPNSSize); drop != tcpip.DropNone {
		return nil, drop
	}
	h := NDPNS(m)
	if h.Target().IsMulticast() {
		return nil, tcpip.DropNDPInvalid
	}
	return h, tcpip.DropNone
}

func (h NDPNS) Target() netip.Addr  { return netip.AddrFrom16([16]byte(h[8:24])) }
func (h NDPNS) Options() NDPOptions { return NDPOptions(h[NDPNSSize:]) }

// ParseNDPNA returns m as a neighbor advertisement.
func ParseNDPNA(m ICMPv6) (NDPNA, tcpip.Drop) {
	if drop := parseNDP(m, ICMPv6NeighborAdvert, NDPNASize); drop != tcpip.DropNone {
		return nil, drop
	}
	h := NDPNA(m)
	if h.Target().IsMulticast() {
		return nil, tcpip.DropNDPInvalid
	}
	return h, tcpip.DropNone
}

// NDPNAFlags are the flags of a neighbor advertisement.
type NDPNAFlags uint8

const (
	NDPRouter    NDPNAFlags = 0x80 // the sender is a router
	NDPSolicited NDPNAFlags = 0x40 // it answers a solicitation
	NDPOverride  NDPNAFlags = 0x20 // it replaces a link address that is known
)

func (h NDPNA) Flags() NDPNAFlags   { return NDPNAFlags(h[4] & 0xe0) }
func (h NDPNA) Target() netip.Addr  { return netip.AddrFrom16([16]byte(h[8:24])) }
func (h NDPNA) Options() NDPOptions { return NDPOptions(h[NDPNASize:]) }

// ParseNDPRedirect returns m as a redirect. Its target is link-local, for a router, or the destination
// itself, for a neighbour (RFC 4861 §8.1).
func ParseNDPRedirect(m ICMPv6) (NDPRedirect, tcpip.Drop) {
	if drop := parseNDP(m, ICMPv6Redirect, NDPRedirectSize); drop != tcpip.DropNone {
		return nil, drop
	}
	h := NDPRedirect(m)
	if h.Dst().IsMulticast() || !h.Target().IsLinkLocalUnicast() && h.Target() != h.Dst() {
		return nil, tcpip.DropNDPInvalid
	}
	return h, tcpip.DropNone
}

func (h NDPRedirect) Target() netip.Addr  { return netip.AddrFrom16([16]byte(h[8:24])) }
func (h NDPRedirect) Dst() netip.Addr     { return netip.AddrFrom16([16]byte(h[24:40])) }
func (h NDPRedirect) Options() NDPOptions { return NDPOptions(h[NDPRedirectSize:]) }

// The functions below append a message without options and with the checksum 0 to b; options follow
// by the Append functions of ndp_options.go, and ICMPv6.UpdateChecksum comes last.

// AppendNDPRS appends a router solicitation.
func AppendNDPRS(b []byte) []byte {
	return append(b, uint8(ICMPv6RouterSolicit), 0, 0, 0, 0, 0, 0, 0)
}

// NDPRAFields is what a router advertisement says.
type NDPRAFields struct {
	CurHopLimit          uint8
	Managed, OtherConfig bool
	Preference           NDPPreference
	RouterLifetime       time.Duration // up to 65,535 s
	ReachableTime        time.Duration
	RetransTimer         time.Duration
}

// AppendNDPRA appends a router advertisement.
func AppendNDPRA(b []byte, f *NDPRAFields) []byte {
	flags := uint8(f.Preference) & 3 << 3
	if f.Managed {
		flags |= 0x80
	}
	if f.OtherConfig {
		flags |= 0x40
	}
	b = append(b, uint8(ICMPv6RouterAdvert), 0, 0, 0, f.CurHopLimit, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(min(ndpSeconds(f.RouterLifetime), math.MaxUint16)))
	b = binary.BigEndian.AppendUint32(b, uint32(f.ReachableTime/time.Millisecond))
	return binary.BigEndian.AppendUint32(b, uint32(f.RetransTimer/time.Millisecond))
}

// AppendNDPNS appends a neighbor solicitation.
func AppendNDPNS(b []byte, target netip.Addr) []byte {
	b = append(b, uint8(ICMPv6NeighborSolicit), 0, 0, 0, 0, 0, 0, 0)
	return appendAddr16(b, target)
}

// AppendNDPNA appends a neighbor advertisement.
func AppendNDPNA(b []byte, target netip.Addr, flags NDPNAFlags) []byte {
	b = append(b, uint8(ICMPv6NeighborAdvert), 0, 0, 0, uint8(flags), 0, 0, 0)
	return appendAddr16(b, target)
}

// AppendNDPRedirect appends a redirect of packets to dst by way of target.
func AppendNDPRedirect(b []byte, target, dst netip.Addr) []byte {
	b = append(b, uint8(ICMPv6Redirect), 0, 0, 0, 0, 0, 0, 0)
	return appendAddr16(appendAddr16(b, target), dst)
}

func appendAddr16(b []byte, a netip.Addr) []byte {
	v := a.As16()
	return append(b, v[:]...)
}

// SolicitedNode returns the multicast group to which neighbor solicitations for target go (RFC 4291 §2.7.1).
func SolicitedNode(target netip.Addr) netip.Addr {
	a := target.As16()
	return netip.AddrFrom16([16]byte{0xff, 0x02, 11: 1, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]})
}
