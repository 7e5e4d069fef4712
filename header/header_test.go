package header

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

func TestParseUDP(t *testing.T) {
	for _, c := range []struct {
		name, bytes string
		size        int // of all pieces; 0 for what is in bytes
		drop        tcpip.Drop
		payload     string
	}{
		{"good", "00070035 000a0000 6869", 0, tcpip.DropNone, "hi"},
		{"padded", "00070035 000a0000 6869 0000", 0, tcpip.DropNone, "hi"},
		{"empty", "00070035 00080000", 0, tcpip.DropNone, ""},
		{"7 bytes", "00070035 000800", 0, tcpip.DropShort, ""},
		{"length 7", "00070035 00070000", 0, tcpip.DropBadLength, ""},
		{"length 0", "00070035 00000000", 0, tcpip.DropBadLength, ""},
		{"length beyond the end", "00070035 000b0000 6869", 0, tcpip.DropBadLength, ""},
		{"in pieces", "00070035 000b0000 6869", 11, tcpip.DropNone, "hi"},
		{"pieces too short", "00070035 000c0000 6869", 11, tcpip.DropBadLength, ""},
	} {
		b := unhex(t, c.bytes)
		h, drop := ParseUDPHeader(b, max(c.size, len(b)))
		require.Equal(t, c.drop, drop, c.name)
		if drop == tcpip.DropNone {
			require.Equal(t, c.payload, string(h.Payload()), c.name)
			require.Equal(t, uint16(7), h.SrcPort())
			require.Equal(t, uint16(53), h.DstPort())
			require.True(t, h.ChecksumValid(netip.IPv4Unspecified(), netip.IPv4Unspecified()))
		}
	}
}

func TestParseARP(t *testing.T) {
	good := "0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002"
	for _, c := range []struct {
		name, bytes string
		drop        tcpip.Drop
	}{
		{"good", good, tcpip.DropNone},
		{"padded", good + "0000000000", tcpip.DropNone},
		{"short", good[:len(good)-2], tcpip.DropShort},
		{"hardware type", "0006" + good[4:], tcpip.DropARPInvalid},
		{"protocol type", "0001 86dd" + good[9:], tcpip.DropARPInvalid},
		{"hardware size", "0001 0800 08" + good[12:], tcpip.DropARPInvalid},
		{"protocol size", "0001 0800 06 10" + good[15:], tcpip.DropARPInvalid},
	} {
		h, drop := ParseARP(unhex(t, c.bytes))
		require.Equal(t, c.drop, drop, c.name)
		if drop == tcpip.DropNone {
			require.Len(t, h, ARPSize)
			require.Equal(t, ARPRequest, h.Op())
			require.Equal(t, "10.0.0.2", h.TargetAddr().String())
			require.Equal(t, "02:00:00:00:00:01", h.SenderLinkAddr().String())
		}
	}
}

func TestMulticastLinkAddr(t *testing.T) {
	for _, c := range []struct{ group, want string }{
		{"224.0.0.1", "01:00:5e:00:00:01"},
		{"239.255.1.2", "01:00:5e:7f:01:02"},
		{"ff02::1:ff00:10", "33:33:ff:00:00:10"},
	} {
		require.Equal(t, c.want, MulticastLinkAddr(netip.MustParseAddr(c.group)).String())
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{EtherTypeIPv6.String(), "IPv6"},
		{EtherType(0x88cc).String(), "0x88cc"},
		{ProtocolTCP.String(), "TCP"},
		{Protocol(253).String(), "253"},
		{ICMPv4TimeExceeded.String(), "time exceeded"},
		{ICMPv4Type(99).String(), "99"},
		{ICMPv6NeighborSolicit.String(), "neighbor solicitation"},
		{ICMPv6Type(200).String(), "200"},
		{GroupRecordType(7).String(), "7"},
	} {
		require.Equal(t, c.want, c.got)
	}
}

func TestICMPErrors(t *testing.T) {
	for typ := range 256 {
		switch ICMPv4Type(typ) {
		case 3, 4, 5, 11, 12:
			require.True(t, ICMPv4Type(typ).IsError())
		default:
			require.False(t, ICMPv4Type(typ).IsError())
		}
		require.Equal(t, typ < 128, ICMPv6Type(typ).IsError())
		require.Equal(t, 133 <= typ && typ <= 137, ICMPv6Type(typ).IsNDP())
	}
	gateway := netip.MustParseAddr("10.0.0.254")
	b := make([]byte, ICMPv4Size)
	require.Equal(t, gateway, (&ICMPv4Fields{Rest: ICMPv4RestGateway(gateway)}).Encode(b).Gateway())
	require.Equal(t, uint8(9), (&ICMPv4Fields{Rest: ICMPv4RestPointer(9)}).Encode(b).Pointer())
	require.Equal(t, uint16(1400), (&ICMPv4Fields{Rest: 1400}).Encode(b).NextHopMTU())
	h := (&ICMPv4Fields{Type: ICMPv4Echo, Rest: ICMPRestEcho(3, 4)}).Encode(b)
	require.Equal(t, uint16(3), h.ID())
	require.Equal(t, uint16(4), h.Sequence())
	h.UpdateChecksum()
	require.True(t, h.ChecksumValid())
}

func TestParseQuoted(t *testing.T) {
	tcp := unhex(t, "d431 0050 01020304")
	v4 := func(offset uint16, p Protocol, transport []byte) []byte {
		b := make([]byte, IPv4Size, 100)
		(&IPv4Fields{TotalLength: 1500, FragmentOffset: offset, Protocol: p, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}).Encode(b)
		return append(b, transport...)
	}
	echo := func(typ byte) []byte { return []byte{typ, 0, 0, 0, 0, 77, 0, 1} }
	for _, c := range []struct {
		name     string
		b        []byte
		drop     tcpip.Drop
		src, dst uint16
	}{
		{"TCP", v4(0, ProtocolTCP, tcp), tcpip.DropNone, 54321, 80},
		{"UDP", v4(0, ProtocolUDP, tcp), tcpip.DropNone, 54321, 80},
		{"echo", v4(0, ProtocolICMPv4, echo(8)), tcpip.DropNone, 77, 0},
		{"echo reply", v4(0, ProtocolICMPv4, echo(0)), tcpip.DropNone, 0, 0},
		{"later fragment", v4(8, ProtocolTCP, tcp), tcpip.DropICMPNoFlow, 0, 0},
		{"7 bytes", v4(0, ProtocolTCP, tcp[:7]), tcpip.DropShort, 0, 0},
		{"cut header", v4(0, ProtocolTCP, nil)[:19], tcpip.DropShort, 0, 0},
	} {
		q, drop := ParseQuotedIPv4(c.b)
		require.Equal(t, c.drop, drop, c.name)
		require.Equal(t, c.src, q.SrcPort, c.name)
		require.Equal(t, c.dst, q.DstPort, c.name)
		if q.Protocol == ProtocolTCP {
			require.EqualValues(t, 0x01020304, q.Seq)
			require.Equal(t, "10.0.0.1", q.Src.String())
		}
	}

	for _, c := range []struct {
		name    string
		next    Protocol
		payload string
		drop    tcpip.Drop
		at      Protocol
	}{
		{"TCP", ProtocolTCP, "d431 0050 01020304", tcpip.DropNone, ProtocolTCP},
		{"echo", ProtocolICMPv6, "80000000 d4310001", tcpip.DropNone, ProtocolICMPv6},
		{"behind an option that we do not know", ProtocolDestOptions, "0600 9e02 0102 0100 d431 0050 01020304", tcpip.DropNone, ProtocolTCP},
		{"first fragment", ProtocolFragment, "0600 0001 00000009 d431 0050 01020304", tcpip.DropNone, ProtocolTCP},
		{"later fragment", ProtocolFragment, "0600 0009 00000009 d431 0050 01020304", tcpip.DropICMPNoFlow, 0},
		{"cut chain", ProtocolDestOptions, "0601 9e02 0102 0100", tcpip.DropShort, 0},
		{"cut transport", ProtocolTCP, "d431 0050 010203", tcpip.DropShort, 0},
		{"long chain", ProtocolDestOptions, "3c00010400000000 3c00010400000000 3c00010400000000 3c00010400000000 3c00010400000000 3c00010400000000 3c00010400000000 3c00010400000000 0600010400000000", tcpip.DropHeaderChain, 0},
	} {
		q, drop := ParseQuotedIPv6(ext(t, "2001:db8::2", c.next, c.payload))
		require.Equal(t, c.drop, drop, c.name)
		require.Equal(t, c.at, q.Protocol, c.name)
		if drop == tcpip.DropNone {
			require.EqualValues(t, 54321, q.SrcPort, c.name)
		}
	}
}

func TestVirtioNet(t *testing.T) {
	v := VirtioNet{VirtioNeedsChecksum, VirtioGSOTCPv4 | VirtioECN, 54, 1448, 34, 16, 1}
	b := make([]byte, VirtioNetLongSize)
	v.Encode(b, VirtioNetLongSize)
	got, drop := ParseVirtioNet(b, VirtioNetLongSize)
	require.Equal(t, tcpip.DropNone, drop)
	require.Equal(t, v, got)
	require.Equal(t, VirtioGSOTCPv4, got.GSO.Kind())
	got, drop = ParseVirtioNet(b[:VirtioNetSize], VirtioNetSize)
	require.Equal(t, tcpip.DropNone, drop)
	v.NumBuffers = 0
	require.Equal(t, v, got)
	for _, c := range []struct {
		name string
		n    int
		gso  VirtioGSO
		size uint16
		drop tcpip.Drop
	}{
		{"no segmentation", VirtioNetSize, VirtioGSONone, 0, tcpip.DropNone},
		{"UDP", VirtioNetSize, VirtioGSOUDPL4, 1200, tcpip.DropNone},
		{"9 bytes", 9, VirtioGSONone, 0, tcpip.DropShort},
		{"no segment size", VirtioNetSize, VirtioGSOTCPv6, 0, tcpip.DropBadOffload},
		{"unknown type", VirtioNetSize, 2, 1200, tcpip.DropBadOffload},
	} {
		v := VirtioNet{GSO: c.gso, SegmentSize: c.size}
		v.Encode(b, VirtioNetSize)
		_, drop := ParseVirtioNet(b[:c.n], VirtioNetSize)
		require.Equal(t, c.drop, drop, c.name)
	}
}
