package testnet

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
)

// ICMPError builds the packet of an ICMP error of the quoted packet's family about it, sent by `from` to the
// quoted packet's source. rest is the second word of the message: the MTU of a "too big".
func ICMPError(quoted []byte, from netip.Addr, typ, code uint8, rest uint32) []byte {
	if quoted[0]>>4 == 4 {
		quoted = quoted[:min(len(quoted), 548)] // RFC 1812 §4.3.2.3
		size := header.IPv4Size + header.ICMPv4Size
		b := make([]byte, size+len(quoted))
		ip := header.IPv4Fields{
			TotalLength: uint16(len(b)), TTL: 64, Protocol: header.ProtocolICMPv4, Src: from, Dst: header.IPv4(quoted).Src(),
		}
		ip.Encode(b)
		copy(b[size:], quoted)
		f := header.ICMPv4Fields{Type: header.ICMPv4Type(typ), Code: header.ICMPv4Code(code), Rest: rest}
		f.Encode(b[header.IPv4Size:]).UpdateChecksum()
		return b
	}
	quoted = quoted[:min(len(quoted), header.IPv6MinMTU-header.IPv6Size-header.ICMPv6Size)] // RFC 4443 §2.4
	size := header.IPv6Size + header.ICMPv6Size
	b := make([]byte, size+len(quoted))
	ip := header.IPv6Fields{
		PayloadLength: uint16(len(b) - header.IPv6Size), HopLimit: 64, NextHeader: header.ProtocolICMPv6,
		Src: from, Dst: header.IPv6(quoted).Src(),
	}
	ip.Encode(b)
	copy(b[size:], quoted)
	f := header.ICMPv6Fields{Type: header.ICMPv6Type(typ), Code: header.ICMPv6Code(code), Rest: rest}
	f.Encode(b[header.IPv6Size:]).UpdateChecksum(ip.Src, ip.Dst)
	return b
}

// TooBig builds an ICMP "fragmentation needed" or "packet too big" about a packet.
func TooBig(quoted []byte, from netip.Addr, mtu int) []byte {
	if quoted[0]>>4 == 4 {
		return ICMPError(quoted, from, uint8(header.ICMPv4Unreachable), uint8(header.ICMPv4FragmentationNeeded), uint32(mtu))
	}
	return ICMPError(quoted, from, uint8(header.ICMPv6PacketTooBig), 0, uint32(mtu))
}
