package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/checksum"
)

// Packets logs what has left through t0 since the last call. Identification and ephemeral ports are
// normalised, multicast listener reports and neighbour discovery left out, which sockets do not ask for.
// It returns the packets as they are.
func (r *Run) Packets() [][]byte {
	var kept [][]byte
	for _, b := range r.sockets.Sent() {
		s := r.packet(b)
		if s == "" {
			continue
		}
		kept = append(kept, b)
		r.logf("sent %s", s)
	}
	if len(kept) == 0 {
		r.logf("sent nothing")
	}
	return kept
}

// packet renders a packet; "" if it is none of a socket's.
func (r *Run) packet(b []byte) string {
	switch {
	case len(b) >= 20 && b[0] == 0x45:
		flags := binary.BigEndian.Uint16(b[6:])
		s := fmt.Sprintf("IPv4 %v > %v ttl %d tos %#x proto %d len %d", netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])),
			b[8], b[1], b[9], binary.BigEndian.Uint16(b[2:]))
		if flags&0x4000 != 0 {
			s += " DF"
		}
		if flags&0x2000 != 0 {
			s += " MF"
		}
		if flags&0x1fff != 0 {
			return s + fmt.Sprint(" at ", int(flags&0x1fff)*8)
		}
		return s + r.transport(b[9], b[20:])
	case len(b) >= 40 && b[0]>>4 == 6:
		next, rest := b[6], b[40:]
		if next == 0 || next == 58 && rest[0] >= 130 {
			return ""
		}
		s := fmt.Sprintf("IPv6 %v > %v hops %d class %#x next %d len %d", netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])),
			b[7], b[0]<<4|b[1]>>4, next, len(rest))
		if next == 44 && len(rest) >= 8 {
			offset := binary.BigEndian.Uint16(rest[2:])
			s += fmt.Sprintf(" fragment %d of %d", offset&^7, rest[0])
			if offset&1 != 0 {
				s += " MF"
			}
			if offset&^7 != 0 {
				return s
			}
			next, rest = rest[0], rest[8:]
		}
		return s + r.transport(next, rest)
	}
	return fmt.Sprintf("%d bytes", len(b))
}

func (r *Run) transport(proto byte, b []byte) string {
	if proto == 17 && len(b) >= 8 {
		return fmt.Sprintf(" UDP %s > %s len %d", r.port(binary.BigEndian.Uint16(b)), r.port(binary.BigEndian.Uint16(b[2:])), binary.BigEndian.Uint16(b[4:]))
	}
	if (proto == 1 || proto == 58) && len(b) >= 8 {
		return fmt.Sprintf(" ICMP %d/%d", b[0], b[1])
	}
	return ""
}

// Inject makes a packet arrive on t0.
func (r *Run) Inject(what string, b []byte) {
	r.logf("arrives: %s", what)
	r.sockets.Inject(b)
	r.sockets.Settle()
}

// tooBig is the ICMP error that a router sends about a packet: "fragmentation needed" or "packet too big".
func tooBig(about []byte, mtu int) []byte {
	if about[0]>>4 == 4 {
		m := binary.BigEndian.AppendUint32([]byte{3, 4, 0, 0}, uint32(mtu))
		return icmp4("10.77.0.2", append(m, about[:28]...))
	}
	m := binary.BigEndian.AppendUint32([]byte{2, 0, 0, 0}, uint32(mtu))
	return icmp6("fd77::2", append(m, about[:min(len(about), 1200)]...))
}

// icmp4 and icmp6 are ICMP messages to the host.
func icmp4(from string, m []byte) []byte {
	b := make([]byte, 20, 20+len(m))
	b[0], b[8], b[9] = 0x45, 64, 1
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(m)))
	copy(b[12:], netip.MustParseAddr(from).AsSlice())
	copy(b[16:], netip.MustParseAddr(Host4).AsSlice())
	binary.BigEndian.PutUint16(b[10:], checksum.Partial{}.Add(b).Checksum())
	binary.BigEndian.PutUint16(m[2:], checksum.Partial{}.Add(m).Checksum())
	return append(b, m...)
}

func icmp6(from string, m []byte) []byte {
	b := make([]byte, 40, 40+len(m))
	b[0], b[6], b[7] = 0x60, 58, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(m)))
	copy(b[8:], netip.MustParseAddr(from).AsSlice())
	copy(b[24:], netip.MustParseAddr(Host6).AsSlice())
	pseudo := append(append([]byte(nil), b[8:40]...), 0, 0, byte(len(m)>>8), byte(len(m)), 0, 0, 0, 58)
	binary.BigEndian.PutUint16(m[2:], checksum.Partial{}.Add(pseudo).Add(m).Checksum())
	return append(b, m...)
}
