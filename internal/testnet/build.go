package testnet

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
)

// IPv4 builds a packet. The total length is set, a TTL of 0 becomes 64.
func IPv4(f header.IPv4Fields, payload []byte) []byte {
	if f.TTL == 0 {
		f.TTL = 64
	}
	b := make([]byte, f.Size()+len(payload))
	f.TotalLength = uint16(len(b))
	copy(b[len(f.Encode(b).Header()):], payload)
	return b
}

// IPv6 builds a packet. The payload length is set, a hop limit of 0 becomes 64.
func IPv6(f header.IPv6Fields, payload []byte) []byte {
	if f.HopLimit == 0 {
		f.HopLimit = 64
	}
	f.PayloadLength = uint16(len(payload))
	b := make([]byte, header.IPv6Size+len(payload))
	f.Encode(b)
	copy(b[header.IPv6Size:], payload)
	return b
}

// ICMPv4 builds a message.
func ICMPv4(t header.ICMPv4Type, code header.ICMPv4Code, rest uint32, data []byte) []byte {
	b := append(make([]byte, header.ICMPv4Size), data...)
	f := header.ICMPv4Fields{Type: t, Code: code, Rest: rest}
	f.Encode(b).UpdateChecksum()
	return b
}

// ICMPv6 builds a message.
func ICMPv6(src, dst netip.Addr, t header.ICMPv6Type, code header.ICMPv6Code, rest uint32, data []byte) []byte {
	b := append(make([]byte, header.ICMPv6Size), data...)
	f := header.ICMPv6Fields{Type: t, Code: code, Rest: rest}
	f.Encode(b).UpdateChecksum(src, dst)
	return b
}

// UDP builds a datagram with its checksum.
func UDP(src, dst netip.AddrPort, data []byte) []byte {
	b := append(make([]byte, header.UDPSize), data...)
	f := header.UDPFields{SrcPort: src.Port(), DstPort: dst.Port(), Length: uint16(len(b))}
	h := f.Encode(b)
	h.SetChecksum(header.TransportChecksum(header.ProtocolUDP, src.Addr(), dst.Addr(), b))
	return b
}

// Pattern returns n bytes that are easy to tell from others in the wrong place.
func Pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8*7)
	}
	return b
}
