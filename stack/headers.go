package stack

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/tcpip"
)

// shape says where the headers of a packet lie and what they are, as far as cutting, merging and
// checksums must know. Offsets count bytes from the start of the front.
type shape struct {
	net, trans int
	hdr        int // end of the transport header: where the payload begins
	v6         bool
	proto      header.Protocol // TCP or UDP
}

// shape finds the headers of a TCP or UDP packet that is no fragment, and sees to it that they lie in
// the front. Where the stack has not marked them it parses: a bare IP packet then begins at the front.
func (p *Packet) shape() (s shape, d tcpip.Drop) {
	if p.net >= p.off {
		s.net = p.net - p.off
	}
	f := p.Front()
	if !p.pullTo(&f, s.net+header.IPv4Size) {
		return s, tcpip.DropShort
	}
	var proto header.Protocol
	switch f[s.net] >> 4 {
	case 4:
		ip := header.IPv4(f[s.net:])
		proto = ip.Protocol()
		s.trans = s.net + ip.HeaderLen()
		if ip.IsFragment() || s.trans < s.net+header.IPv4Size {
			return s, tcpip.DropBadHeader
		}
	case 6:
		s.v6 = true
		if !p.pullTo(&f, s.net+header.IPv6Size) {
			return s, tcpip.DropShort
		}
		proto = header.IPv6(f[s.net:]).NextHeader()
		at := s.net + header.IPv6Size
		if proto != header.ProtocolTCP && proto != header.ProtocolUDP {
			var c header.IPv6Chain
			if d := header.IPv6(f[s.net:]).WalkExt(&c); d != tcpip.DropNone {
				return s, d
			}
			if c.Fragment.Present() {
				return s, tcpip.DropBadHeader
			}
			proto, at = c.Protocol, s.net+c.Offset
		}
		s.trans = at
	default:
		return s, tcpip.DropBadVersion
	}
	s.proto = proto
	switch proto {
	case header.ProtocolTCP:
		if !p.pullTo(&f, s.trans+header.TCPSize) {
			return s, tcpip.DropShort
		}
		n := header.TCP(f[s.trans:]).HeaderLen()
		if n < header.TCPSize {
			return s, tcpip.DropBadLength
		}
		s.hdr = s.trans + n
	case header.ProtocolUDP:
		s.hdr = s.trans + header.UDPSize
	default:
		return s, tcpip.DropUnknownType
	}
	if !p.pullTo(&f, s.hdr) {
		return s, tcpip.DropShort
	}
	return s, tcpip.DropNone
}

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
func (s *shape) checksumAt() int {
	if s.proto == header.ProtocolUDP {
		return s.trans + 6
	}
	return s.trans + 16
}

// pseudo returns the sum of the pseudo-header for a packet with the front f, whose transport part,
// header included, is n bytes long.
func (s *shape) pseudo(f []byte, n int) checksum.Partial {
	from, to := s.net+12, s.net+20
	if s.v6 {
		from, to = s.net+8, s.net+40
	}
	return checksum.Partial{}.Add(f[from:to]).AddUint16(uint16(s.proto)).AddUint32(uint32(n))
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
func (s *shape) setChecksum(f []byte, v uint16) {
	if v == 0 && s.proto == header.ProtocolUDP {
		v = header.UDPChecksumZero
	}
	binary.BigEndian.PutUint16(f[s.checksumAt():], v)
}

// setPseudo leaves the checksum of a packet to whoever puts it on a wire.
func (p *Packet) setPseudo(s *shape) {
	f := p.Front()
	binary.BigEndian.PutUint16(f[s.checksumAt():], s.pseudo(f, p.Len()-s.trans).Fold())
	p.Checksum = ChecksumPartial
}

// finish completes a partial checksum: the field holds the sum of the pseudo-header.
func (p *Packet) finish(s *shape) {
	s.setChecksum(p.Front(), p.sum(checksum.Partial{}, s.trans).Checksum())
	p.Checksum = ChecksumUnverified
}

// countSegments sets Segs, and CE if the packet carries that mark, from SegSize. A super-segment with
// no more payload than one segment is none.
func (p *Packet) countSegments() {
	s, d := p.shape()
	if d != tcpip.DropNone {
		return
	}
	n := (p.Len() - s.hdr + int(p.SegSize) - 1) / int(p.SegSize)
	if n <= 1 {
		p.SegSize, p.Segs = 0, 0
		return
	}
	p.Segs = uint16(min(n, 65535))
	if s.congested(p.Front()) {
		p.CE = p.Segs
	}
}

// congested reports whether the network header of the front f is marked Congestion Experienced (RFC
// 3168 §5).
func (s *shape) congested(f []byte) bool {
	if s.v6 {
		return f[s.net+1]>>4&3 == 3
	}
	return f[s.net+1]&3 == 3
}
