package header

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

func TestParseIPv6(t *testing.T) {
	src, dst := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("ff02::2")
	fields := IPv6Fields{FlowLabel: 0xabcde, PayloadLength: 4, TrafficClass: 0xb9, NextHeader: ProtocolNoNext, HopLimit: 9, Src: src, Dst: dst}
	b := make([]byte, 50)
	h := fields.Encode(b)
	var got IPv6Fields
	h.Decode(&got)
	require.Equal(t, fields, got)
	h.SetTrafficClass(0x5a)
	require.Equal(t, uint8(0x5a), h.TrafficClass())
	require.Equal(t, uint32(0xabcde), h.FlowLabel())
	require.Equal(t, uint8(0x65), b[0])

	for _, c := range []struct {
		name    string
		n, size int
		version byte
		length  uint16
		drop    tcpip.Drop
		want    int
	}{
		{"padded", 50, 50, 6, 4, tcpip.DropNone, 44},
		{"no payload", 40, 40, 6, 0, tcpip.DropNone, 40},
		{"39 bytes", 39, 39, 6, 0, tcpip.DropShort, 0},
		{"version 4", 40, 40, 4, 0, tcpip.DropBadVersion, 0},
		{"too long", 50, 50, 6, 11, tcpip.DropBadLength, 0},
		{"in pieces", 50, 1040, 6, 1000, tcpip.DropNone, 50},
		{"pieces too short", 50, 1039, 6, 1000, tcpip.DropBadLength, 0},
	} {
		b[0] = c.version<<4 | b[0]&15
		h.SetPayloadLength(c.length)
		got, drop := ParseIPv6Header(b[:c.n], c.size)
		require.Equal(t, c.drop, drop, c.name)
		require.Len(t, got, c.want, c.name)
	}
}

// ext returns an IPv6 packet to dst whose payload is the given one, in hexadecimal.
func ext(t testing.TB, dst string, next Protocol, payload string) IPv6 {
	p := unhex(t, payload)
	b := make([]byte, IPv6Size, IPv6Size+len(p))
	(&IPv6Fields{PayloadLength: uint16(len(p)), NextHeader: next, Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr(dst)}).Encode(b)
	return IPv6(append(b, p...))
}

func TestWalkExt(t *testing.T) {
	const (
		udp    = "0007003500080000"
		tcp    = "0007003500000000000000005002000000000000"
		padded = "0104 00000000"
		eight  = "1e00 1e00 1e00 1e00 1e00 1e00 1e00 1e00"
	)
	problem := func(report IPv6Report, code ICMPv6Code, pointer uint32) IPv6Problem {
		return IPv6Problem{report, code, pointer}
	}
	addr := strings.Repeat("00", 16)
	for _, c := range []struct {
		name    string
		next    Protocol
		payload string
		drop    tcpip.Drop
		want    IPv6Chain
	}{
		{"none", ProtocolUDP, udp, tcpip.DropNone, IPv6Chain{Protocol: ProtocolUDP, Offset: 40}},
		{"no next header", ProtocolNoNext, "", tcpip.DropNone, IPv6Chain{Protocol: ProtocolNoNext, Offset: 40}},
		{"ESP", ProtocolESP, "", tcpip.DropNone, IPv6Chain{Protocol: ProtocolESP, Offset: 40}},
		{"router alert", ProtocolHopByHop, "3a00 0502 0000 0100", tcpip.DropNone, IPv6Chain{Protocol: ProtocolICMPv6, Offset: 48, RouterAlert: IPv6Alert{Present: true}}},
		{"router alert in destination options", ProtocolDestOptions, "3a00 0502 0000 0100", tcpip.DropNone, IPv6Chain{Protocol: ProtocolICMPv6, Offset: 48}},
		{"router alert of 4 bytes", ProtocolHopByHop, "3a00 0504 0000 0000", tcpip.DropBadOption, IPv6Chain{}},
		{"authentication header", ProtocolAH, "1104 0000" + strings.Repeat("00", 20), tcpip.DropNone, IPv6Chain{Protocol: ProtocolAH, Offset: 40}},
		{"three times destination options", ProtocolDestOptions, "3c00" + padded + "3c00" + padded + "1100" + padded, tcpip.DropNone, IPv6Chain{Protocol: ProtocolUDP, Offset: 64}},
		{"two routing headers", ProtocolRouting, "2b00 0400 00000000 1100 0500 00000000", tcpip.DropNone, IPv6Chain{Protocol: ProtocolUDP, Offset: 56, Routing: IPv6Routing{At: 48, Type: 5}}},
		{"all of them", ProtocolHopByHop, "3c00" + padded + "2b00" + padded + "2c02 0400 00000000" + addr + "3c00 0000 00000007 3c00" + padded + "1100" + padded + udp, tcpip.DropNone,
			IPv6Chain{Protocol: ProtocolUDP, Offset: 104, Routing: IPv6Routing{At: 56, Type: 4}, Fragment: IPv6Fragment{At: 80, NextAt: 56, Next: ProtocolDestOptions, ID: 7}}},

		{"hop-by-hop options second", ProtocolDestOptions, "0000" + padded + "1100" + padded, tcpip.DropBadExtHeader, IPv6Chain{Problem: problem(ReportUnicast, ICMPv6UnknownNextHeader, 40)}},
		{"hop-by-hop options twice", ProtocolHopByHop, "0000" + padded + "1100" + padded, tcpip.DropBadExtHeader, IPv6Chain{Problem: problem(ReportUnicast, ICMPv6UnknownNextHeader, 40)}},
		{"two fragment headers", ProtocolFragment, "2c00 0000 00000000 1100 0000 00000000", tcpip.DropBadExtHeader, IPv6Chain{Problem: problem(ReportUnicast, ICMPv6UnknownNextHeader, 40)}},
		{"nine headers", ProtocolDestOptions, strings.Repeat("3c00"+padded, 8) + "1100" + padded, tcpip.DropHeaderChain, IPv6Chain{}},
		{"cut", ProtocolHopByHop, "1101 0100 00000000", tcpip.DropShort, IPv6Chain{}},
		{"missing", ProtocolDestOptions, "", tcpip.DropShort, IPv6Chain{}},

		{"type 0 routing", ProtocolRouting, "1102 0001 00000000" + addr, tcpip.DropRoutingHeader, IPv6Chain{Problem: problem(ReportUnicast, ICMPv6ErroneousField, 42)}},
		{"type 0 routing at its end", ProtocolRouting, "1102 0000 00000000" + addr, tcpip.DropNone, IPv6Chain{Protocol: ProtocolUDP, Offset: 64, Routing: IPv6Routing{At: 40}}},
		{"unknown routing", ProtocolRouting, "1102 0401 00000000" + addr, tcpip.DropBadExtHeader, IPv6Chain{Problem: problem(ReportUnicast, ICMPv6ErroneousField, 42)}},

		{"unknown option to skip", ProtocolDestOptions, "1100 1e02 0102 0100", tcpip.DropNone, IPv6Chain{Protocol: ProtocolUDP, Offset: 48}},
		{"unknown option to drop", ProtocolDestOptions, "1100 5e02 0102 0100", tcpip.DropBadOption, IPv6Chain{}},
		{"unknown option to report", ProtocolDestOptions, "1100 0100 9e02 0102", tcpip.DropBadOption, IPv6Chain{Problem: problem(ReportAlways, ICMPv6UnknownOption, 44)}},
		{"unknown option to report to unicast", ProtocolDestOptions, "1100 de02 0102 0100", tcpip.DropBadOption, IPv6Chain{Problem: problem(ReportUnicast, ICMPv6UnknownOption, 42)}},
		{"jumbo payload", ProtocolHopByHop, "1100 c204 00010000", tcpip.DropBadOption, IPv6Chain{Problem: problem(ReportUnicast, ICMPv6UnknownOption, 42)}},
		{"option beyond its header", ProtocolDestOptions, "1100 1e05 0000 0000", tcpip.DropBadOption, IPv6Chain{}},
		{"option without length", ProtocolDestOptions, "1100 0103 000000 1e", tcpip.DropBadOption, IPv6Chain{}},
		{"eight options", ProtocolDestOptions, "1102" + eight + "0104 00000000", tcpip.DropNone, IPv6Chain{Protocol: ProtocolUDP, Offset: 64}},
		{"nine options", ProtocolDestOptions, "1102" + eight + "1e04 00000000", tcpip.DropHeaderChain, IPv6Chain{}},
		{"padding of 8 bytes", ProtocolDestOptions, "1101 0106 000000000000 1e04 00000000", tcpip.DropBadOption, IPv6Chain{}},
		{"padding of 8 single bytes", ProtocolDestOptions, "1101 0000000000000000 1e04 00000000", tcpip.DropBadOption, IPv6Chain{}},
		{"padding of 7 bytes", ProtocolDestOptions, "1101 00 0104 00000000 1e05 0000000000", tcpip.DropNone, IPv6Chain{Protocol: ProtocolUDP, Offset: 56}},
		{"padding that says something", ProtocolDestOptions, "1100 0104 00010000", tcpip.DropBadOption, IPv6Chain{}},

		{"first fragment", ProtocolFragment, "1100 0001 00000009" + udp, tcpip.DropNone,
			IPv6Chain{Protocol: ProtocolUDP, Offset: 48, Fragment: IPv6Fragment{At: 40, NextAt: 6, Next: ProtocolUDP, More: true, ID: 9}}},
		{"first fragment with options for later", ProtocolFragment, "3c00 0001 00000009 1100 9e02 0000 0100" + udp, tcpip.DropNone,
			IPv6Chain{Protocol: ProtocolUDP, Offset: 56, Fragment: IPv6Fragment{At: 40, NextAt: 6, Next: ProtocolDestOptions, More: true, ID: 9}}},
		{"later fragment", ProtocolHopByHop, "2c00" + padded + "3c00 0009 00000009 ffff", tcpip.DropNone,
			IPv6Chain{Protocol: ProtocolDestOptions, Offset: 56, Fragment: IPv6Fragment{At: 48, NextAt: 40, Next: ProtocolDestOptions, Offset: 8, More: true, ID: 9}}},
		{"first fragment without the TCP header", ProtocolFragment, "0600 0001 00000009" + tcp[:38], tcpip.DropFragmentTiny, IPv6Chain{Problem: problem(ReportUnicast, ICMPv6IncompleteChain, 0)}},
		{"first fragment with the TCP header", ProtocolFragment, "0600 0001 00000009" + tcp, tcpip.DropNone,
			IPv6Chain{Protocol: ProtocolTCP, Offset: 48, Fragment: IPv6Fragment{At: 40, NextAt: 6, Next: ProtocolTCP, More: true, ID: 9}}},
		{"first fragment without the chain", ProtocolFragment, "3c00 0001 00000009 1105 0000 00000000", tcpip.DropFragmentTiny, IPv6Chain{Problem: problem(ReportUnicast, ICMPv6IncompleteChain, 0)}},
		{"atomic fragment with a cut chain", ProtocolFragment, "3c00 0000 00000009 1105 0000 00000000", tcpip.DropShort, IPv6Chain{}},
		{"cut fragment header", ProtocolFragment, "1100 0001 0000", tcpip.DropShort, IPv6Chain{}},
	} {
		var got IPv6Chain
		h := ext(t, "2001:db8::2", c.next, c.payload)
		require.Equal(t, c.drop, h.WalkExt(&got), c.name)
		if c.drop != tcpip.DropNone {
			got = IPv6Chain{Problem: got.Problem}
		}
		require.Equal(t, c.want, got, c.name)
	}
}

func TestWalkHopByHop(t *testing.T) {
	var c IPv6Chain
	h := ext(t, "2001:db8::2", ProtocolHopByHop, "3c00 0502 0000 0100 1100 9e02 0000 0100")
	require.Equal(t, tcpip.DropNone, h.WalkHopByHop(&c))
	require.Equal(t, IPv6Chain{Protocol: ProtocolDestOptions, Offset: 48, RouterAlert: IPv6Alert{Present: true}}, c)
	require.Equal(t, tcpip.DropBadOption, h.WalkExtFrom(&c, ProtocolDestOptions, 48, 40))
	require.Equal(t, IPv6Problem{ReportAlways, ICMPv6UnknownOption, 50}, c.Problem)
	require.Equal(t, tcpip.DropNone, h.WalkExtFrom(&c, ProtocolUDP, 56, 48))
	require.Equal(t, tcpip.DropShort, h.WalkExtFrom(&c, ProtocolUDP, 57, 48))
}

func TestIPv6Encoders(t *testing.T) {
	b := make([]byte, 16)
	EncodeIPv6RouterAlert(b, ProtocolFragment)
	f := IPv6Fragment{Next: ProtocolUDP, Offset: 1448, More: true, ID: 0x01020304}
	f.Encode(b[8:])
	var c IPv6Chain
	h := ext(t, "ff02::16", ProtocolHopByHop, "")
	h = append(h, b...)
	require.Equal(t, tcpip.DropNone, h.WalkExt(&c))
	require.True(t, c.RouterAlert.Present)
	f.At, f.NextAt = 48, 40
	require.Equal(t, f, c.Fragment)
	require.Equal(t, 56, f.DataAt())
	require.False(t, f.Atomic())
	require.True(t, bytes.Equal(h[40:48], []byte{44, 0, 5, 2, 0, 0, 1, 0}))
}
