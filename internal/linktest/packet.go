package linktest

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/stack"
)

// Spec describes a TCP segment or a UDP datagram from the first to the second host. The zero value is
// an IPv4 TCP segment without flags or payload.
type Spec struct {
	V6      bool
	UDP     bool
	Port    uint16 // source; 0: 1000
	Seq     uint32
	Flags   header.TCPFlags
	Window  uint16
	Options header.TCPOptions
	TOS     uint8
	TTL     uint8 // 0: 64
	ID      uint16
	DF      bool
	Payload []byte
	Pieces  int // the payload's pieces, unless Flat; 0: one
	Flat    bool

	SegSize int
	Partial bool // leave the checksum to the link; implied by SegSize
}

// Pattern returns n bytes that differ with their position and the seed.
func Pattern(n, seed int) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// Packet builds the packet in s's pools: headers in front and payload in pieces, as the stack sends it,
// or, if Flat, all in front.
func (c *Spec) Packet(s *stack.Stack) *stack.Packet {
	b := c.Bytes()
	hdr := len(b) - len(c.Payload)
	var p *stack.Packet
	if c.Flat {
		p = s.NewPacketCopy(b)
	} else {
		p = s.NewPacket()
		copy(p.Prepend(hdr), b)
		n := max(c.Pieces, 1)
		for i, rest := 0, c.Payload; i < n && len(rest) > 0; i++ {
			m := (len(rest) + n - i - 1) / (n - i)
			piece, _ := s.Slabs.Copy(rest[:m])
			p.AppendData(piece)
			rest = rest[m:]
		}
	}
	net := header.IPv4Size
	p.EtherType, p.Proto = header.EtherTypeIPv4, header.ProtocolTCP
	if c.V6 {
		net, p.EtherType = header.IPv6Size, header.EtherTypeIPv6
	}
	if c.UDP {
		p.Proto = header.ProtocolUDP
	}
	p.SetNetwork(net)
	p.SegSize = uint16(c.SegSize)
	if c.partial() {
		p.Checksum = stack.ChecksumPartial
	}
	return p
}

func (c *Spec) partial() bool { return c.Partial || c.SegSize > 0 }

// Bytes returns the packet's bytes.
func (c *Spec) Bytes() []byte {
	port, ttl := c.Port, c.TTL
	if port == 0 {
		port = 1000
	}
	if ttl == 0 {
		ttl = 64
	}
	var trans []byte
	proto, field := header.ProtocolTCP, 16
	if c.UDP {
		proto, field = header.ProtocolUDP, 6
		trans = make([]byte, header.UDPSize+len(c.Payload))
		f := header.UDPFields{SrcPort: port, DstPort: 80, Length: uint16(len(trans))}
		copy(f.Encode(trans).Payload(), c.Payload)
	} else {
		trans = make([]byte, header.TCPSize+c.Options.Size()+len(c.Payload))
		f := header.TCPFields{
			SrcPort: port, DstPort: 80, Seq: seq.Number(c.Seq), Ack: 7777, Flags: c.Flags, Window: c.Window,
		}
		copy(f.Encode(trans, &c.Options).Payload(), c.Payload)
	}
	addrs := addr4
	if c.V6 {
		addrs = addr6
	}
	pseudo := header.PseudoHeader(proto, addrs[0], addrs[1], len(trans))
	sum := pseudo.Fold()
	if !c.partial() {
		if sum = pseudo.Add(trans).Checksum(); sum == 0 && c.UDP {
			sum = header.UDPChecksumZero
		}
	}
	binary.BigEndian.PutUint16(trans[field:], sum)

	var ip []byte
	if c.V6 {
		ip = make([]byte, header.IPv6Size)
		f := header.IPv6Fields{
			PayloadLength: uint16(len(trans)), TrafficClass: c.TOS, NextHeader: proto, HopLimit: ttl,
			FlowLabel: 0x12345, Src: addrs[0], Dst: addrs[1],
		}
		f.Encode(ip)
	} else {
		ip = make([]byte, header.IPv4Size)
		f := header.IPv4Fields{
			TotalLength: uint16(len(ip) + len(trans)), ID: c.ID, TOS: c.TOS, TTL: ttl, Protocol: proto,
			Src: addrs[0], Dst: addrs[1],
		}
		if c.DF {
			f.Flags = header.IPv4DontFragment
		}
		f.Encode(ip)
	}
	return append(ip, trans...)
}

// Valid reports whether b is an IP packet whose lengths and checksums are all complete and right.
func Valid(b []byte) bool {
	switch stack.EtherTypeOf(b) {
	case header.EtherTypeIPv4:
		ip, d := header.ParseIPv4(b)
		if d != 0 || len(ip) != len(b) || !ip.ChecksumValid() {
			return false
		}
		return header.TransportChecksum(ip.Protocol(), ip.Src(), ip.Dst(), ip.Payload()) == 0
	case header.EtherTypeIPv6:
		ip, d := header.ParseIPv6(b)
		if d != 0 || len(ip) != len(b) {
			return false
		}
		return header.TransportChecksum(ip.NextHeader(), ip.Src(), ip.Dst(), ip.Payload()) == 0
	}
	return false
}
