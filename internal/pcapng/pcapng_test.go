package pcapng

import (
	"encoding/hex"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var when = time.Date(2000, 1, 2, 3, 4, 5, 678901234, time.UTC)

func capture() []byte {
	b := AppendSection(nil, "test")
	b = AppendInterface(b, &Interface{LinkType: LinkTypeRaw, SnapLen: 100, Name: "nic1"})
	b = AppendInterface(b, &Interface{LinkType: LinkTypeEthernet})
	b = AppendPacket(b, &Packet{Time: when, Direction: Inbound, Comment: "dropped: short", Len: 5, Data: []byte("12345")})
	b = AppendPacket(b, &Packet{Interface: 1, Time: when.Add(1), Direction: Outbound, Len: 1000, Data: []byte("abcd")})
	return AppendPacket(b, &Packet{Time: when, Data: []byte{}})
}

func TestRoundTrip(t *testing.T) {
	r := NewReader(capture())
	var p Packet
	require.NoError(t, r.Next(&p))
	require.Equal(t, Packet{Time: when, Direction: Inbound, Comment: "dropped: short", Len: 5, Data: []byte("12345")}, p)
	require.Equal(t, &Interface{LinkType: LinkTypeRaw, SnapLen: 100, Name: "nic1"}, r.Interface(0))
	require.Equal(t, &Interface{LinkType: LinkTypeEthernet}, r.Interface(1))
	require.Nil(t, r.Interface(2))
	require.NoError(t, r.Next(&p))
	require.Equal(t, Packet{Interface: 1, Time: when.Add(1), Direction: Outbound, Len: 1000, Data: []byte("abcd")}, p)
	require.NoError(t, r.Next(&p))
	require.Equal(t, Packet{Time: when, Data: []byte{}}, p)
	require.ErrorIs(t, r.Next(&p), io.EOF)
}

// The bytes of a small capture, written out from the specification.
func TestBytes(t *testing.T) {
	b := AppendSection(nil, "")
	b = AppendInterface(b, &Interface{LinkType: LinkTypeRaw})
	b = AppendPacket(b, &Packet{Time: time.Unix(0, 0x1122334455667788), Direction: Outbound, Len: 3, Data: []byte{1, 2, 3}})
	require.Equal(t, ""+
		"0a0d0d0a"+"1c000000"+"4d3c2b1a"+"01000000"+"ffffffffffffffff"+"1c000000"+
		"01000000"+"20000000"+"65000000"+"00000000"+"09000100"+"09000000"+"00000000"+"20000000"+
		"06000000"+"30000000"+"00000000"+"44332211"+"88776655"+"03000000"+"03000000"+"01020300"+
		"02000400"+"02000000"+"00000000"+"30000000", hex.EncodeToString(b))
}

func TestBigEndian(t *testing.T) {
	b, err := hex.DecodeString("0a0d0d0a" + "0000001c" + "1a2b3c4d" + "00010000" + "ffffffffffffffff" + "0000001c" +
		"00000001" + "00000014" + "00650000" + "00000000" + "00000014" + // microseconds
		"00000006" + "00000024" + "00000000" + "00000000" + "000f4241" + "00000001" + "00000009" + "ff000000" + "00000024")
	require.NoError(t, err)
	var p Packet
	require.NoError(t, NewReader(b).Next(&p))
	require.Equal(t, Packet{Time: time.Unix(1, 1000).UTC(), Len: 9, Data: []byte{0xff}}, p)
}

// Every cut and every flipped bit ends in an error, in fewer packets or in other ones, never in a panic.
func TestDamage(t *testing.T) {
	whole := capture()
	read := func(b []byte) error {
		r := NewReader(b)
		var p Packet
		for n := 0; ; n++ {
			if err := r.Next(&p); err != nil {
				return err
			}
			require.Less(t, n, len(whole))
		}
	}
	require.ErrorIs(t, read(whole), io.EOF)
	for n := 1; n < len(whole); n++ {
		if err := read(whole[:n]); err != io.EOF {
			require.ErrorIs(t, err, ErrFormat)
		}
	}
	for i := range 8 * len(whole) {
		b := append([]byte(nil), whole...)
		b[i/8] ^= 1 << (i % 8)
		_ = read(b)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(capture())
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(b)
		var p Packet
		for r.Next(&p) == nil {
			if p.Interface >= len(r.interfaces) {
				t.Fatal("a packet of no interface")
			}
		}
	})
}
