package slaac

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// Generation is how interface identifiers are made.
type Generation uint8

// The ways.
const (
	Stable   Generation = iota // a keyed function of prefix and link (RFC 7217), the default of RFC 8064
	Hardware                   // from the link address: modified EUI-64 (RFC 4291, appendix A)
)

// identifier is the low half of an address.
type identifier [8]byte

// hardwareID returns the modified EUI-64 of a link address.
func hardwareID(a tcpip.LinkAddr) identifier {
	return identifier{a[0] ^ 0x02, a[1], a[2], 0xff, 0xfe, a[3], a[4], a[5]}
}

// stableID returns the RID of RFC 7217 §5 for the n-th try: F is SHA-256 over length-framed fields.
func stableID(secret [32]byte, link string, prefix netip.Prefix, n int) (id identifier) {
	h := sha256.New()
	h.Write(secret[:])
	p := prefix.Addr().As16()
	h.Write(p[:8])
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
	h.Write([]byte(link))
	copy(id[:], h.Sum(nil))
	return id
}

// reserved reports whether an identifier is set aside: subnet-router and other anycast addresses, and IANA's own
// (RFC 5453).
func (id identifier) reserved() bool {
	v := binary.BigEndian.Uint64(id[:])
	return v == 0 || v >= 0xfdffffffffffff80 && v <= 0xfdffffffffffffff ||
		v >= 0x02005efffe000000 && v <= 0x02005efffe005213
}

// join puts an identifier behind a prefix of 64 bits.
func join(prefix netip.Prefix, id identifier) netip.Addr {
	a := prefix.Addr().As16()
	copy(a[8:], id[:])
	return netip.AddrFrom16(a)
}

// random is a deterministic sequence of what nobody can guess without the seed.
type random struct {
	seed [32]byte
	n    uint64
}

func (r *random) next() uint64 {
	r.n++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(r.seed[:], r.n))
	return binary.BigEndian.Uint64(sum[:])
}

// below returns a number in [0, n).
func (r *random) below(n int64) int64 { return int64(r.next() % uint64(n)) }
