package transport

import (
	"encoding/binary"
	"testing"

	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/stretchr/testify/require"
)

// RFC 4884 §7: a header of version 2 with a checksum, and objects that fill the rest.
func TestSoundExtensions(t *testing.T) {
	good := []byte{0x20, 0, 0, 0, 0, 8, 1, 1, 1, 2, 3, 4, 0, 4, 2, 0}
	binary.BigEndian.PutUint16(good[2:], checksum.Partial{}.Add(good).Checksum())
	require.True(t, soundExtensions(good))
	require.True(t, soundExtensions([]byte{0x20, 0, 0, 0}), "no object, no checksum")
	require.True(t, soundExtensions([]byte{0x10, 0, 0, 0, 1}), "another version")
	for name, change := range map[string]func([]byte) []byte{
		"checksum":      func(b []byte) []byte { b[8]++; return b },
		"empty object":  func(b []byte) []byte { b[2], b[3], b[5] = 0, 0, 3; return b },
		"long object":   func(b []byte) []byte { b[2], b[3], b[5] = 0, 0, 13; return b },
		"half a header": func(b []byte) []byte { b[2], b[3] = 0, 0; return b[:14] },
		"short":         func(b []byte) []byte { return b[:3] },
	} {
		require.False(t, soundExtensions(change(append([]byte(nil), good...))), name)
	}
}

func FuzzExtensions(f *testing.F) {
	f.Add([]byte{0x20, 0, 0, 0, 0, 8, 1, 1, 1, 2, 3, 4})
	f.Add([]byte{0x20, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if soundExtensions(b) && len(b) < extensionHeader {
			t.Fatal("extensions without a header")
		}
	})
}
