package oracle

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/checksum"
)

// arriving is a packet that Inject makes arrive, of the family of its addresses. What is zero is filled in: from
// the peer's port 5000 to the host's 4000, UDP, with a TTL of 64.
type arriving struct {
	from, to     string
	sport, dport uint16
	ttl, tos     byte
	proto        byte
	options      []byte      // IPv4, padded to four bytes
	flow         uint32      // IPv6
	ext          []extension // IPv6, in their order
	data         []byte
	noChecksum   bool
}

// extension is an IPv6 extension header: its protocol number, and what follows the byte that names the next.
type extension struct {
	proto byte
	rest  []byte
}

// packet returns it in one piece.
func (a arriving) packet() []byte {
	a.fill()
	network, transport := a.parts()
	return append(network, transport...)
}

func (a *arriving) fill() {
	if a.from == "" {
		a.from = Peer4
	}
	if a.to == "" {
		a.to = Host4
		if netip.MustParseAddr(a.from).Is6() {
			a.to = Host6
		}
	}
	for _, f := range []struct {
		p *uint16
		v uint16
	}{{&a.sport, 5000}, {&a.dport, 4000}} {
		if *f.p == 0 {
			*f.p = f.v
		}
	}
	if a.ttl == 0 {
		a.ttl = 64
	}
	if a.proto == 0 {
		a.proto = 17
	}
}

// parts returns the network header with everything up to the transport header, and the rest.
func (a *arriving) parts() (network, transport []byte) {
	src, dst := netip.MustParseAddr(a.from), netip.MustParseAddr(a.to)
	transport = a.data
	if a.proto == 17 {
		transport = binary.BigEndian.AppendUint16(nil, a.sport)
		transport = binary.BigEndian.AppendUint16(transport, a.dport)
		transport = binary.BigEndian.AppendUint16(transport, uint16(8+len(a.data)))
		transport = append(append(transport, 0, 0), a.data...)
		if !a.noChecksum {
			pseudo := append(append(src.AsSlice(), dst.AsSlice()...), 0, 17, byte(len(transport)>>8), byte(len(transport)))
			binary.BigEndian.PutUint16(transport[6:], checksum.Partial{}.Add(pseudo).Add(transport).Checksum())
		}
	}
	if src.Is4() {
		return a.header4(len(transport), 0), transport
	}
	next := a.proto
	var ext []byte
	for i := len(a.ext) - 1; i >= 0; i-- {
		ext = append(append([]byte{next}, a.ext[i].rest...), ext...)
		next = a.ext[i].proto
	}
	return append(a.header6(next, len(ext)+len(transport)), ext...), transport
}

// header4 is an IPv4 header for n bytes; fragment is its field of flags and offset.
func (a *arriving) header4(n int, fragment uint16) []byte {
	options := append([]byte(nil), a.options...)
	for len(options)%4 != 0 {
		options = append(options, 0)
	}
	b := make([]byte, 20, 60)
	b[0], b[1], b[8], b[9] = byte(0x45+len(options)/4), a.tos, a.ttl, a.proto
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(options)+n))
	binary.BigEndian.PutUint16(b[4:], 77)
	binary.BigEndian.PutUint16(b[6:], fragment)
	copy(b[12:], netip.MustParseAddr(a.from).AsSlice())
	copy(b[16:], netip.MustParseAddr(a.to).AsSlice())
	b = append(b, options...)
	binary.BigEndian.PutUint16(b[10:], checksum.Partial{}.Add(b).Checksum())
	return b
}

func (a *arriving) header6(next byte, n int) []byte {
	b := make([]byte, 40)
	binary.BigEndian.PutUint32(b, 6<<28|uint32(a.tos)<<20|a.flow)
	binary.BigEndian.PutUint16(b[4:], uint16(n))
	b[6], b[7] = next, a.ttl
	copy(b[8:], netip.MustParseAddr(a.from).AsSlice())
	copy(b[24:], netip.MustParseAddr(a.to).AsSlice())
	return b
}

// fragments returns it in pieces of size bytes of payload, a multiple of eight. Every extension header is in
// front of the fragment header.
func (a arriving) fragments(size int) (list [][]byte) {
	a.fill()
	network, transport := a.parts()
	for at := 0; at < len(transport); at += size {
		piece := transport[at:min(at+size, len(transport))]
		more := uint16(0)
		if at+size < len(transport) {
			more = 1
		}
		if network[0]>>4 == 4 {
			list = append(list, append(a.header4(len(piece), more<<13|uint16(at/8)), piece...))
			continue
		}
		b := append([]byte(nil), network...)
		binary.BigEndian.PutUint16(b[4:], uint16(len(network)-40+8+len(piece)))
		b[a.nextAt(network)] = 44
		b = append(b, a.proto, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(at)|more)
		b = append(b, 0, 0, 0, 77)
		list = append(list, append(b, piece...))
	}
	return list
}

// nextAt is the offset of the byte that names what follows the last extension header.
func (a *arriving) nextAt(network []byte) int {
	at := 6
	for i, end := 0, 40; i < len(a.ext); i++ {
		at = end
		end += 1 + len(a.ext[i].rest)
	}
	return at
}

// Arrive injects packets.
func (r *Run) Arrive(what string, packets ...[]byte) {
	for _, p := range packets {
		r.Inject(what, p)
	}
}
