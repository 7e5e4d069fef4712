package header

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// unhex reads hexadecimal digits, with blanks between them where they please.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func TestParseTCP(t *testing.T) {
	good := "0007 d431 00000001 00000002 8018 0040 1234 0000 0101080a 00000003 00000004 6869"
	for _, c := range []struct {
		name, bytes string
		drop        tcpip.Drop
	}{
		{"good", good, tcpip.DropNone},
		{"no data", good[:len(good)-5], tcpip.DropNone},
		{"empty", "", tcpip.DropShort},
		{"19 bytes", good[:47], tcpip.DropShort},
		{"offset of 4 words", strings.Replace(good, "8018", "4018", 1), tcpip.DropBadLength},
		{"offset beyond the end", strings.Replace(good, "8018", "f018", 1), tcpip.DropShort},
	} {
		h, drop := ParseTCP(unhex(t, c.bytes))
		require.Equal(t, c.drop, drop, c.name)
		if drop != tcpip.DropNone {
			require.Nil(t, h, c.name)
		}
	}
	h, _ := ParseTCP(unhex(t, good))
	var f TCPFields
	h.Decode(&f)
	require.Equal(t, TCPFields{SrcPort: 7, DstPort: 54321, Seq: 1, Ack: 2, Flags: PSH | ACK, Window: 64, Checksum: 0x1234}, f)
	require.Equal(t, "hi", string(h.Payload()))
	require.Len(t, h.Options(), 12)
}

func TestTCPFlags(t *testing.T) {
	for _, c := range []struct {
		flags TCPFlags
		text  string
	}{
		{0, "none"},
		{SYN, "SYN"},
		{SYN | ACK, "SYN|ACK"},
		{FIN | PSH | ACK, "FIN|PSH|ACK"},
		{RST | ACK, "RST|ACK"},
		{SYN | ECE | CWR | AE, "SYN|ECE|CWR|AE"},
		{0x1ff, "SYN|FIN|RST|PSH|ACK|URG|ECE|CWR|AE"},
	} {
		require.Equal(t, c.text, c.flags.String())
		got, ok := ParseTCPFlags(c.text)
		require.True(t, ok)
		require.Equal(t, c.flags, got)
		b := make([]byte, TCPSize)
		(&TCPFields{Flags: c.flags}).Encode(b, nil)
		require.Equal(t, c.flags, TCP(b).Flags())
		TCP(b).SetFlags(0x1ff &^ c.flags)
		require.Equal(t, 0x1ff&^c.flags, TCP(b).Flags())
		require.Equal(t, TCPSize, TCP(b).HeaderLen())
	}
	_, ok := ParseTCPFlags("SYN|FOO")
	require.False(t, ok)
}

// Shows MUST-4, MUST-6, MUST-7, MUST-64.
func TestDecodeTCPOptions(t *testing.T) {
	block := func(start, end seq.Number) SACKBlock { return SACKBlock{start, end} }
	for _, c := range []struct {
		name, bytes string
		want        TCPOptions
		drop        tcpip.Drop
	}{
		{"none", "", TCPOptions{}, tcpip.DropNone},
		{"Linux's SYN", "020405b4 0402080a 00000001 00000000 01030307",
			TCPOptions{HasMSS: true, MSS: 1460, SACKPermitted: true, HasTimestamp: true, TSVal: 1, HasWindowScale: true, WindowScale: 7}, tcpip.DropNone},
		{"timestamp and two blocks", "0101080a 00000001 00000002 0101 0512 0000000a 00000014 0000001e 00000028",
			TCPOptions{HasTimestamp: true, TSVal: 1, TSEcr: 2, NumSACK: 2, SACK: [4]SACKBlock{block(10, 20), block(30, 40)}}, tcpip.DropNone},
		{"timestamp not aligned", "080a 00000001 00000002 0000", TCPOptions{HasTimestamp: true, TSVal: 1, TSEcr: 2}, tcpip.DropNone},
		{"four blocks", "0101 0522" + strings.Repeat("0000000a00000014", 4),
			TCPOptions{NumSACK: 4, SACK: [4]SACKBlock{block(10, 20), block(10, 20), block(10, 20), block(10, 20)}}, tcpip.DropNone},
		{"fast open cookie", "220a 0102030405060708 0101", TCPOptions{HasFastOpen: true, FastOpen: []byte{1, 2, 3, 4, 5, 6, 7, 8}}, tcpip.DropNone},
		{"fast open request", "2202 0101", TCPOptions{HasFastOpen: true, FastOpen: []byte{}}, tcpip.DropNone},
		{"fast open cookie as an experiment", "fe0a f989 010203040506 0101", TCPOptions{HasFastOpen: true, FastOpenExperimental: true, FastOpen: []byte{1, 2, 3, 4, 5, 6}}, tcpip.DropNone},
		{"fast open request as an experiment", "fe04 f989", TCPOptions{HasFastOpen: true, FastOpenExperimental: true, FastOpen: []byte{}}, tcpip.DropNone},
		{"another experiment", "fe08 e2d4c3d9 0102", TCPOptions{}, tcpip.DropNone},
		{"an experiment without a name", "fe03 f9 01", TCPOptions{}, tcpip.DropNone},
		{"fast open cookie that is too long", "2214" + strings.Repeat("ab", 18), TCPOptions{}, tcpip.DropNone},
		{"fast open cookie of an odd length", "2207 0102030405 01", TCPOptions{}, tcpip.DropNone},
		{"user timeout", "1c04 801e", TCPOptions{HasUserTimeout: true, UserTimeout: 0x801e}, tcpip.DropNone},
		{"MD5", "1312" + strings.Repeat("ab", 16), TCPOptions{MD5: unhex(t, strings.Repeat("ab", 16))}, tcpip.DropNone},
		{"AccECN, ECT(0) first", "ac0b 000065 000064 000001 01", TCPOptions{AccECN: AccECN{Has: true, Count: 3, Fields: [3]uint32{0x65, 0x64, 1}}}, tcpip.DropNone},
		{"AccECN, ECT(1) first, two fields", "ae08 000001 fffffe", TCPOptions{AccECN: AccECN{Has: true, ECT1First: true, Count: 2, Fields: [3]uint32{1, 0xfffffe}}}, tcpip.DropNone},
		{"AccECN without fields", "ac02 0101", TCPOptions{AccECN: AccECN{Has: true}}, tcpip.DropNone},
		{"AccECN with part of a field", "ac04 0001", TCPOptions{AccECN: AccECN{Has: true}}, tcpip.DropNone},
		{"AccECN with more than three fields", "ae0e 000001 000002 000003 000004 0101", TCPOptions{AccECN: AccECN{Has: true, ECT1First: true, Count: 3, Fields: [3]uint32{1, 2, 3}}}, tcpip.DropNone},
		{"end of list hides the rest", "00 020405b4 000000", TCPOptions{}, tcpip.DropNone},
		{"unknown option", "fe04 1234 0402", TCPOptions{SACKPermitted: true}, tcpip.DropNone},
		{"window scale above 14", "030320 00", TCPOptions{HasWindowScale: true, WindowScale: 14}, tcpip.DropNone},
		{"MSS of 0", "02040000", TCPOptions{}, tcpip.DropNone},
		{"MSS of a wrong length", "020305 0402 000000", TCPOptions{SACKPermitted: true}, tcpip.DropNone},
		{"the last MSS counts", "02040218 020405b4", TCPOptions{HasMSS: true, MSS: 1460}, tcpip.DropNone},
		{"SACK without blocks", "0502 0101", TCPOptions{}, tcpip.DropNone},
		{"half a block", "0506 00000001 0101", TCPOptions{}, tcpip.DropNone},
		{"length 0", "0402 0200 05b4 0101", TCPOptions{SACKPermitted: true}, tcpip.DropBadOption},
		{"length 1", "0402 0201 05b4 0101", TCPOptions{SACKPermitted: true}, tcpip.DropBadOption},
		{"length beyond the end", "0402 0101 0206 05b4", TCPOptions{SACKPermitted: true}, tcpip.DropBadOption},
		{"kind alone", "0402 01 02", TCPOptions{SACKPermitted: true}, tcpip.DropBadOption},
	} {
		got := TCPOptions{HasMSS: true, MSS: 9, NumSACK: 3} // must go
		require.Equal(t, c.drop, DecodeTCPOptions(unhex(t, c.bytes), &got), c.name)
		require.Equal(t, c.want, got, c.name)
	}
}

// Shows MUST-68, MUST-69.
func TestEncodeTCPOptions(t *testing.T) {
	blocks := [4]SACKBlock{{1, 2}, {3, 4}, {5, 6}, {7, 8}}
	one, two, three := "0000000100000002", "0000000300000004", "0000000500000006"
	for _, c := range []struct {
		name string
		o    TCPOptions
		want string
	}{
		{"none", TCPOptions{}, ""},
		{"SYN", TCPOptions{HasMSS: true, MSS: 1460, SACKPermitted: true, HasTimestamp: true, TSVal: 1, HasWindowScale: true, WindowScale: 7}, "020405b4 0402080a 00000001 00000000 01030307"},
		{"SYN without timestamps", TCPOptions{HasMSS: true, MSS: 1460, SACKPermitted: true, HasWindowScale: true, WindowScale: 7}, "020405b4 01010402 01030307"},
		{"SYN that asks for a cookie", TCPOptions{HasMSS: true, MSS: 1460, HasFastOpen: true}, "020405b4 22020101"},
		{"SYN with a cookie", TCPOptions{HasFastOpen: true, FastOpen: []byte{1, 2, 3, 4, 5, 6, 7, 8}}, "220a 0102030405060708 0101"},
		{"SYN with a cookie as an experiment", TCPOptions{HasFastOpen: true, FastOpenExperimental: true, FastOpen: []byte{1, 2, 3, 4, 5, 6}}, "fe0a f989 010203040506 0101"},
		{"timestamp", TCPOptions{HasTimestamp: true, TSVal: 1, TSEcr: 2}, "0101080a 00000001 00000002"},
		{"blocks", TCPOptions{NumSACK: 1, SACK: blocks}, "0101050a" + one},
		{"timestamp leaves room for three blocks", TCPOptions{HasTimestamp: true, NumSACK: 4, SACK: blocks}, "0101080a 00000000 00000000 0101051a" + one + two + three},
		{"digest and blocks", TCPOptions{MD5: make([]byte, 16), NumSACK: 4, SACK: blocks}, "01011312" + strings.Repeat("00", 16) + "01010512" + one + two},
		{"user timeout", TCPOptions{HasUserTimeout: true, UserTimeout: 30}, "1c04001e"},
		{"AccECN", TCPOptions{AccECN: AccECN{Has: true, Count: 3, Fields: [3]uint32{0x65, 0x64, 1}}}, "ac0b 000065 000064 000001 01"},
		{"AccECN, two fields beside blocks", TCPOptions{HasTimestamp: true, NumSACK: 4, SACK: blocks, AccECN: AccECN{Has: true, ECT1First: true, Count: 2, Fields: [3]uint32{1, 2}}}, "0101080a 00000000 00000000 ae08 000001 000002 01010512" + one + two},
		{"AccECN, one field", TCPOptions{AccECN: AccECN{Has: true, Count: 1, Fields: [3]uint32{0xabcdef}}}, "ac05 abcdef 010101"},
		{"cookie that does not fit", TCPOptions{MD5: make([]byte, 16), HasTimestamp: true, HasFastOpen: true, FastOpen: make([]byte, 8)}, "01011312" + strings.Repeat("00", 16) + "0101080a 00000000 00000000"},
	} {
		b := make([]byte, TCPOptionSpace)
		n := c.o.Encode(b)
		require.Equal(t, unhex(t, c.want), b[:n], c.name)
		require.Equal(t, n, c.o.Size(), c.name)
	}
	require.Equal(t, 4, (&TCPOptions{}).MaxSACKBlocks())
	require.Equal(t, 3, (&TCPOptions{HasTimestamp: true, NumSACK: 4}).MaxSACKBlocks())
	require.Equal(t, 2, (&TCPOptions{MD5: make([]byte, 16)}).MaxSACKBlocks())
	require.Equal(t, 0, (&TCPOptions{MD5: make([]byte, 16), HasTimestamp: true}).MaxSACKBlocks())
}
