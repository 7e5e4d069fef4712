package stack

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
)

// Headers say where the headers of a packet lie and what they are, as far as cutting, merging and
// checksums must know. Offsets count bytes from the start of the front.
type Headers struct {
	Network   int
	Transport int
	Payload   int // end of the transport header
	V6        bool
	Protocol  header.Protocol // TCP or UDP
}

// Headers finds the headers of a TCP or UDP packet that is no fragment, and sees to it that they lie in
// the front. The network header begins where the stack has marked it, else at offset network.
func (p *Packet) Headers(network int) (s Headers, d tcpip.Drop) {
	s.Network = network
	if p.net >= p.off {
		s.Network = p.net - p.off
	}
	f := p.Front()
	if !p.pullTo(&f, s.Network+header.IPv4Size) {
		return s, tcpip.DropShort
	}
	var proto header.Protocol
	switch f[s.Network] >> 4 {
	case 4:
		ip := header.IPv4(f[s.Network:])
		proto = ip.Protocol()
		s.Transport = s.Network + ip.HeaderLen()
		if ip.IsFragment() || s.Transport < s.Network+header.IPv4Size {
			return s, tcpip.DropBadHeader
		}
	case 6:
		s.V6 = true
		if !p.pullTo(&f, s.Network+header.IPv6Size) {
			return s, tcpip.DropShort
		}
		proto = header.IPv6(f[s.Network:]).NextHeader()
		at := s.Network + header.IPv6Size
		if proto != header.ProtocolTCP && proto != header.ProtocolUDP {
			var c header.IPv6Chain
			if d := header.IPv6(f[s.Network:]).WalkExt(&c); d != tcpip.DropNone {
				return s, d
			}
			if c.Fragment.Present() {
				return s, tcpip.DropBadHeader
			}
			proto, at = c.Protocol, s.Network+c.Offset
		}
		s.Transport = at
	default:
		return s, tcpip.DropBadVersion
	}
	s.Protocol = proto
	switch proto {
	case header.ProtocolTCP:
		if !p.pullTo(&f, s.Transport+header.TCPSize) {
			return s, tcpip.DropShort
		}
		n := header.TCP(f[s.Transport:]).HeaderLen()
		if n < header.TCPSize {
			return s, tcpip.DropBadLength
		}
		s.Payload = s.Transport + n
	case header.ProtocolUDP:
		s.Payload = s.Transport + header.UDPSize
	default:
		return s, tcpip.DropUnknownType
	}
	if !p.pullTo(&f, s.Payload) {
		return s, tcpip.DropShort
	}
	return s, tcpip.DropNone
}

// headers is Headers of a packet that begins with its network header.
func (p *Packet) headers() (Headers, tcpip.Drop) { return p.Headers(0) }

// pullTo makes the front, which *f is, at least n bytes long.
func (p *Packet) pullTo(f *[]byte, n int) bool {
	if len(*f) >= n {
		return true
	}
	if !p.Pull(n) {
		return false
	}
	*f = p.Front()
	return true
}

// checksumAt returns the offset of the checksum field in the transport header.
func (s *Headers) ChecksumAt() int {
	if s.Protocol == header.ProtocolUDP {
		return s.Transport + 6
	}
	return s.Transport + 16
}

// pseudo returns the sum of the pseudo-header for a packet with the front f, whose transport part,
// header included, is n bytes long.
func (s *Headers) pseudo(f []byte, n int) checksum.Partial {
	from, to := s.Network+12, s.Network+20
	if s.V6 {
		from, to = s.Network+8, s.Network+40
	}
	return checksum.Partial{}.Add(f[from:to]).AddUint16(uint16(s.Protocol)).AddUint32(uint32(n))
}

// sum returns p continued over p's payload and what of the front lies behind from.
func (p *Packet) sum(sum checksum.Partial, from int) checksum.Partial {
	sum = sum.Add(p.Front()[from:])
	for i := range p.data {
		sum = sum.Add(p.data[i].Bytes())
	}
	return sum
}

// setChecksum writes what a finished checksum field holds: UDP sends 0 as its other name (RFC 768).
func (s *Headers) setChecksum(f []byte, v uint16) {
	if v == 0 && s.Protocol == header.ProtocolUDP {
		v = header.UDPChecksumZero
	}
	binary.BigEndian.PutUint16(f[s.ChecksumAt():], v)
}

// setPseudo leaves the checksum of a packet to whoever puts it on a wire.
func (p *Packet) setPseudo(s *Headers) {
	f := p.Front()
	binary.BigEndian.PutUint16(f[s.ChecksumAt():], s.pseudo(f, p.Len()-s.Transport).Fold())
	p.Checksum = ChecksumPartial
}

// finish completes a partial checksum: the field holds the sum of the pseudo-header.
func (p *Packet) finish(s *Headers) {
	s.setChecksum(p.Front(), p.sum(checksum.Partial{}, s.Transport).Checksum())
	p.Checksum = ChecksumUnverified
}

// countSegments sets Segs and CE from SegSize.
func (p *Packet) countSegments() {
	if s, d := p.headers(); d == tcpip.DropNone {
		p.SetSegmented(&s, int(p.SegSize))
	}
}

// SetSegmented makes p a received super-segment with size bytes of payload per segment, or an ordinary
// packet if that is all it has, and counts its segments and marks.
func (p *Packet) SetSegmented(s *Headers, size int) {
	n := (p.Len() - s.Payload + size - 1) / size
	p.SegSize, p.Segs, p.CE = 0, 0, 0
	if n <= 1 {
		return
	}
	p.SegSize, p.Segs = uint16(size), uint16(min(n, 65535))
	if s.congested(p.Front()) {
		p.CE = p.Segs
	}
}

// congested reports whether the network header of the front f is marked Congestion Experienced (RFC
// 3168 §5).
func (s *Headers) congested(f []byte) bool {
	if s.V6 {
		return f[s.Network+1]>>4&3 == 3
	}
	return f[s.Network+1]&3 == 3
}
