package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/internal/checksum"
)

// Packets logs what has left through t0 since the last call. Identification and ephemeral ports are
// normalised, multicast listener reports and neighbour discovery left out, which sockets do not ask for.
// It returns the packets as they are.
func (r *Run) Packets() [][]byte { return r.packets("sent", r.sockets.Sent()) }

// PacketsOther is Packets for the device t1.
func (r *Run) PacketsOther() [][]byte { return r.packets("sent by t1", r.sockets.SentOther()) }

func (r *Run) packets(how string, sent [][]byte) (kept [][]byte) {
	for i, b := range sent {
		r.followed, r.repeated = tcpFollowed(sent[i:]), false
		s := r.packet(b)
		if s == "" || r.repeated {
			continue
		}
		kept = append(kept, b)
		r.logf("%s %s", how, s)
	}
	if len(kept) == 0 {
		r.logf("%s nothing", how)
	}
	return kept
}

// Device adds t1, and Route a route.
func (r *Run) Device() { r.sockets.AddDevice() }

// Route leads a prefix to a gateway.
func (r *Run) Route(prefix, gateway string) {
	r.logf("route to %s over %s", prefix, gateway)
	r.sockets.AddRoute(prefix, gateway)
}

// InjectOther makes a packet arrive on t1.
func (r *Run) InjectOther(what string, b []byte) {
	r.logf("arrives on t1: %s", what)
	r.sockets.InjectOther(b)
	r.sockets.Settle()
}

// packet renders a packet; "" if it is none of a socket's.
func (r *Run) packet(b []byte) string {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[9] == 2: // see Reports
		return ""
	case len(b) >= 20 && b[0]>>4 == 4 && int(b[0]&15)*4 >= 20 && len(b) >= int(b[0]&15)*4:
		flags, size := binary.BigEndian.Uint16(b[6:]), int(b[0]&15)*4
		s := fmt.Sprintf("IPv4 %v > %v ttl %d tos %#x proto %d len %d", netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])),
			b[8], b[1], b[9], binary.BigEndian.Uint16(b[2:]))
		if flags&0x4000 != 0 {
			s += " DF"
		}
		if flags&0x2000 != 0 {
			s += " MF"
		}
		if size > 20 {
			s += fmt.Sprintf(" options %x", stampless(b[20:size]))
		}
		if flags&0x1fff != 0 {
			return s + fmt.Sprint(" at ", int(flags&0x1fff)*8)
		}
		return s + r.transport(b[9], b[size:])
	case len(b) >= 40 && b[0]>>4 == 6:
		next, rest := b[6], b[40:]
		if next == 58 && rest[0] >= 130 || next == 0 && len(rest) > 8 && rest[0] == 58 && rest[8] >= 130 {
			return ""
		}
		s := fmt.Sprintf("IPv6 %v > %v hops %d class %#x next %d len %d", netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])),
			b[7], b[0]<<4|b[1]>>4, next, len(rest)) + r.label(binary.BigEndian.Uint32(b)&0xfffff)
		ext, next, rest := extensions(next, rest)
		s += ext
		if next == 44 && len(rest) >= 8 {
			offset := binary.BigEndian.Uint16(rest[2:])
			s += fmt.Sprintf(" fragment %d of %d", offset&^7, rest[0])
			if offset&1 != 0 {
				s += " MF"
			}
			if offset&^7 != 0 {
				return s
			}
			ext, next, rest = extensions(rest[0], rest[8:])
			s += ext
		}
		return s + r.transport(next, rest)
	}
	return fmt.Sprintf("%d bytes", len(b))
}

// stampless returns IPv4 options with the times in them made equal.
func stampless(b []byte) []byte {
	b = slices.Clone(b)
	for at := 0; at+4 < len(b) && b[at] != 0; {
		if b[at] == 1 {
			at++
			continue
		}
		n := int(b[at+1])
		if n < 2 || at+n > len(b) {
			break
		}
		if o := b[at : at+n]; o[0] == 68 && n > 4 {
			step, from := 4, 4
			if o[3]&15 != 0 {
				step, from = 8, 8
			}
			for i := from; i+4 <= n && i+4 < int(o[2]); i += step {
				copy(o[i:], "TIME")
			}
		}
		at += n
	}
	return b
}

// label renders a flow label: in full if the scenario has chosen it, else as one of those that hosts make up.
func (r *Run) label(v uint32) string {
	switch {
	case v == 0:
		return ""
	case r.labels[v]:
		return fmt.Sprintf(" label %#x", v)
	}
	return " labelled"
}

// extensions renders the extension headers in front of a fragment or transport header.
func extensions(next byte, b []byte) (s string, proto byte, rest []byte) {
	for next == 0 || next == 43 || next == 60 {
		if len(b) < 8 || len(b) < 8+8*int(b[1]) {
			break
		}
		n := 8 + 8*int(b[1])
		s += fmt.Sprintf(" %d{%x}", next, b[:n])
		next, b = b[0], b[n:]
	}
	return s, next, b
}

func (r *Run) transport(proto byte, b []byte) string {
	if proto == 17 && len(b) >= 8 {
		s := fmt.Sprintf(" UDP %s > %s len %d", r.port(binary.BigEndian.Uint16(b)), r.port(binary.BigEndian.Uint16(b[2:])), binary.BigEndian.Uint16(b[4:]))
		if b[6]|b[7] == 0 {
			s += " no checksum"
		}
		return s
	}
	if proto == 6 && len(b) >= 20 {
		return r.tcp(b)
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
	return append(b, sealed(m)...)
}

// sealed puts the checksum into an ICMP message of IPv4.
func sealed(m []byte) []byte {
	binary.BigEndian.PutUint16(m[2:], checksum.Partial{}.Add(m).Checksum())
	return m
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
