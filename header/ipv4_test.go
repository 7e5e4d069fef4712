package header

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

func TestParseIPv4(t *testing.T) {
	good := unhex(t, "45000020 12344000 40110000 0a000001 0a000101 0007d43100080000 61626364")
	edit := func(at int, v ...byte) []byte { b := bytes.Clone(good); copy(b[at:], v); return b }
	for _, c := range []struct {
		name string
		b    []byte
		drop tcpip.Drop
	}{
		{"good", good, tcpip.DropNone},
		{"padded", append(bytes.Clone(good), 0, 0, 0), tcpip.DropNone},
		{"empty", nil, tcpip.DropShort},
		{"19 bytes", good[:19], tcpip.DropShort},
		{"version 6", edit(0, 0x65), tcpip.DropBadVersion},
		{"header of 16 bytes", edit(0, 0x44), tcpip.DropBadLength},
		{"header beyond the total length", edit(0, 0x4f), tcpip.DropBadLength},
		{"total length of 19", edit(2, 0, 19), tcpip.DropBadLength},
		{"total length beyond the end", edit(2, 0, 33), tcpip.DropBadLength},
	} {
		h, drop := ParseIPv4(c.b)
		require.Equal(t, c.drop, drop, c.name)
		if drop == tcpip.DropNone {
			require.Len(t, h, 32, c.name)
			require.Equal(t, 12, h.PayloadLength(), c.name)
			require.Equal(t, "abcd", string(h.Payload()[8:]), c.name)
		}
	}
	h, _ := ParseIPv4(good)
	require.Equal(t, IPv4DontFragment, h.Flags())
	require.False(t, h.IsFragment())
	require.False(t, h.ChecksumValid())
	h.UpdateChecksum()
	require.True(t, h.ChecksumValid())
	h.SetFragment(IPv4MoreFragments, 1480)
	require.True(t, h.IsFragment())
	require.Equal(t, 1480, h.FragmentOffset())
	require.Equal(t, IPv4MoreFragments, h.Flags())

	// A packet in pieces, and one that an ICMP error quotes.
	h.SetTotalLength(3000)
	h, drop := ParseIPv4Header(good, 3000)
	require.Equal(t, tcpip.DropNone, drop)
	require.Len(t, h.Payload(), 12)
	require.Equal(t, 2980, h.PayloadLength())
	_, drop = ParseIPv4Header(good, 2999)
	require.Equal(t, tcpip.DropBadLength, drop)
	_, drop = ParseIPv4Header(edit(0, 0x4f, 0, 0x40), MaxPacket)
	require.Equal(t, tcpip.DropShort, drop)
}

func TestParseIPv4Options(t *testing.T) {
	for _, c := range []struct {
		name, bytes string
		pointer     uint8 // of what is wrong, from the start of the header; 0 if nothing is
	}{
		{"none", "", 0},
		{"router alert", "94040000", 0},
		{"padding", "01010100", 0},
		{"end hides the rest", "00ffffff", 0},
		{"record route", "070704 00000000 00", 0},
		{"full record route", "070708 0a000001 00", 0},
		{"unknown", "1e041234", 0},
		{"length 0", "01070004", 21},
		{"length 1", "07010000", 20},
		{"length beyond the end", "94050000", 20},
		{"type alone", "01010107", 23},
		{"record route of 2 bytes", "07020101", 21},
		{"record route with pointer 3", "070703 00000000 00", 22},
		{"record route with half an entry", "070604 000000 0101", 22},
		{"two record routes", "070304 070304 0000", 23},
		{"strict and loose source route", "830304 890304 0000", 23},
		{"timestamp of 3 bytes", "440305 01", 21},
		{"timestamp with pointer 4", "44080400 00000000", 22},
		{"timestamp with half an entry", "44060500 00000101", 22},
		{"timestamp and address with half an entry", "44080501 00000000", 22},
		{"timestamp with a flag that nobody knows", "440c0502 00000000 00000000", 0},
		{"timestamp whose overflow is full", "440809f0 00000000", 23},
		{"router alert of 3 bytes", "940300 01", 21},
	} {
		options, pointer, drop := ParseIPv4Options(unhex(t, c.bytes))
		require.Equal(t, c.pointer, pointer, c.name)
		require.Equal(t, c.pointer == 0, drop == tcpip.DropNone, c.name)
		if drop != tcpip.DropNone {
			require.Equal(t, tcpip.DropBadOption, drop, c.name)
			require.Nil(t, options, c.name)
		}
	}
	_, pointer, drop := ParseIPv4Options(make([]byte, 44))
	require.Equal(t, tcpip.DropBadOption, drop)
	require.Equal(t, uint8(60), pointer)
}

func TestIPv4OptionEffects(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for _, c := range []struct {
		name, before, after string
		effect              func(IPv4Option)
	}{
		{"record", "070b04 00000000 00000000", "070b08 0a000001 00000000", func(o IPv4Option) { o.Record(a) }},
		{"record twice", "070b04 00000000 00000000", "070b0c 0a000001 0a000002", func(o IPv4Option) { o.Record(a); o.Record(b) }},
		{"record when full", "070708 ffffffff", "070708 ffffffff", func(o IPv4Option) { o.Record(a) }},
		{"source route", "830704 0a000009", "830708 0a000001", func(o IPv4Option) { o.Record(a) }},
		{"not a route", "94040000", "94040000", func(o IPv4Option) { o.Record(a); o.Stamp(a, 1) }},
		{"stamp", "44080500 00000000", "44080900 00000102", func(o IPv4Option) { o.Stamp(a, 0x102) }},
		{"stamp with address", "440c0501 0000000000000000", "440c0d01 0a000001 00000102", func(o IPv4Option) { o.Stamp(a, 0x102) }},
		{"stamp when asked", "440c0503 0a000001 00000000", "440c0d03 0a000001 00000102", func(o IPv4Option) { o.Stamp(a, 0x102) }},
		{"stamp when somebody else is asked", "440c0503 0a000002 00000000", "440c0503 0a000002 00000000", func(o IPv4Option) { o.Stamp(a, 0x102) }},
		{"stamp without room", "44080900 00000001", "44080910 00000001", func(o IPv4Option) { o.Stamp(a, 0x102) }},
	} {
		options, _, drop := ParseIPv4Options(unhex(t, c.before))
		require.Equal(t, tcpip.DropNone, drop, c.name)
		for o := range options.All() {
			c.effect(o)
		}
		require.Equal(t, unhex(t, c.after), []byte(options), c.name)
	}

	options, _, _ := ParseIPv4Options(unhex(t, "070704 00000000 01 94040000 830704 0a000009 00"))
	var types []IPv4OptionType
	for o := range options.All() {
		types = append(types, o.Type())
	}
	require.Equal(t, []IPv4OptionType{IPv4OptRecordRoute, IPv4OptRouterAlert, IPv4OptLooseSourceRoute}, types)
	require.Equal(t, "10.0.0.9", options.SourceRoute().NextHop().String())
	require.Nil(t, options.Find(IPv4OptTimestamp))
	options.KeepCopied()
	require.Equal(t, unhex(t, "01010101010101 01 94040000 830704 0a000009"), []byte(options))
	require.Equal(t, IPv4RouterAlert(), []byte(options.Find(IPv4OptRouterAlert)))
}

func TestEncodeIPv4Options(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.1")
	f := IPv4Fields{TotalLength: 28, TTL: 1, Protocol: ProtocolIGMP, Src: a, Dst: a, Options: []byte{7, 7, 4, 0, 0}}
	b := bytes.Repeat([]byte{0xff}, 40)
	h := f.Encode(b)
	require.Equal(t, 28, h.HeaderLen())
	require.Equal(t, []byte{7, 7, 4, 0, 0, 0, 0, 0}, h.Options())
	require.True(t, h.ChecksumValid())
	require.True(t, slices.Equal(b[28:], bytes.Repeat([]byte{0xff}, 12)))
}
