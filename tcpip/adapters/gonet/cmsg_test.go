package gonet_test

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

const word = int(unsafe.Sizeof(uintptr(0)))

// cmsg lays a control message out by hand.
func cmsg(level, typ int, data ...byte) []byte {
	b := make([]byte, word+8, word+8+len(data)+word)
	if word == 8 {
		binary.NativeEndian.PutUint64(b, uint64(word+8+len(data)))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(word+8+len(data)))
	}
	binary.NativeEndian.PutUint32(b[word:], uint32(level))
	binary.NativeEndian.PutUint32(b[word+4:], uint32(typ))
	b = append(b, data...)
	for len(b)%word != 0 {
		b = append(b, 0)
	}
	return b
}

func native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// replyTo checks the packet info in oob and makes that of an answer, as a server written for Linux does.
func replyTo(t *testing.T, oob []byte, asked netip.Addr) []byte {
	t.Helper()
	if asked.Is4() {
		a := asked.As4()
		info := append(native(2), append(a[:], a[:]...)...)
		require.Equal(t, cmsg(tcpip.IPPROTO_IP, 8, info...), oob)
		return cmsg(tcpip.IPPROTO_IP, 8, append(native(0), append(a[:], 0, 0, 0, 0)...)...)
	}
	a := asked.As16()
	require.Equal(t, cmsg(tcpip.IPPROTO_IPV6, 50, append(a[:], native(2)...)...), oob)
	return cmsg(tcpip.IPPROTO_IPV6, 50, append(a[:], native(0)...)...)
}

func TestControlMessages(t *testing.T) {
	left, right := newPair(t, nil)
	server := listenUDP(t, right, "udp", ":7")
	for _, id := range []tcpip.OptionID{tcpip.IP_RECVTTL, tcpip.IP_RECVTOS, tcpip.IPV6_RECVHOPLIMIT, tcpip.IPV6_RECVTCLASS} {
		require.NoError(t, server.Endpoint().SetOption(id, 1))
	}
	client := listenUDP(t, left, "udp", ":0")
	b, oob := make([]byte, 10), make([]byte, 200)
	for _, c := range []struct {
		to        string
		sent, got []byte
	}{
		{
			right4,
			append(cmsg(0, 2, native(9)...), cmsg(0, 1, 0x20)...),
			append(append(cmsg(0, 8, append(native(2), 192, 0, 2, 2, 192, 0, 2, 2)...), cmsg(0, 2, native(9)...)...), cmsg(0, 1, 0x20)...),
		},
		{
			right6,
			append(cmsg(41, 52, native(9)...), cmsg(41, 67, native(0x20)...)...),
			append(append(cmsg(41, 50, append(netip.MustParseAddr(right6).AsSlice(), native(2)...)...), cmsg(41, 52, native(9)...)...), cmsg(41, 67, native(0x20)...)...),
		},
	} {
		to := netip.AddrPortFrom(netip.MustParseAddr(c.to), 7)
		_, oobn, err := client.WriteMsgUDPAddrPort([]byte("x"), c.sent, to)
		require.NoError(t, err)
		require.Equal(t, len(c.sent), oobn)
		_, oobn, flags, _, err := server.ReadMsgUDPAddrPort(b, oob)
		require.NoError(t, err)
		require.Zero(t, flags)
		require.Equal(t, c.got, oob[:oobn])

		// Whatever room there is, whole messages are written, and a lack is told.
		for room := range len(c.got) {
			_, _, err := client.WriteMsgUDPAddrPort([]byte("x"), c.sent, to)
			require.NoError(t, err)
			_, oobn, flags, _, err := server.ReadMsgUDPAddrPort(b, oob[:room])
			require.NoError(t, err)
			require.LessOrEqual(t, oobn, room)
			if room <= len(c.got)-word { // beyond, only padding is missing
				require.NotZero(t, flags&gonet.FlagControlTruncated, "room for %d of %d", room, len(c.got))
			}
		}
	}
}

func TestControlMessagesRefused(t *testing.T) {
	left, _ := newPair(t, nil)
	client := listenUDP(t, left, "udp", ":0")
	to := netip.MustParseAddrPort(right4 + ":9")
	for name, oob := range map[string][]byte{
		"unknown type":      cmsg(0, 99, native(1)...),
		"short packet info": cmsg(0, 8, 1, 2, 3),
		"TTL of 256":        cmsg(0, 2, native(256)...),
		"TTL of two bytes":  cmsg(0, 2, 1, 2),
		"length too long":   cmsg(0, 2, native(1)...)[:word+8],
		"length too short":  append(native(3), make([]byte, word+8)...),
	} {
		_, _, err := client.WriteMsgUDPAddrPort([]byte("x"), oob, to)
		require.ErrorIs(t, err, syscall.EINVAL, name)
	}
	_, _, err := client.WriteMsgUDPAddrPort([]byte("x"), cmsg(1, 1, native(1)...), to)
	require.NoError(t, err, "other levels are not ours")
	_, _, err = client.WriteMsgUDPAddrPort([]byte("x"), []byte{1, 2, 3}, to)
	require.NoError(t, err, "less than a header is padding")
}

func FuzzControlMessages(f *testing.F) {
	f.Add(cmsg(0, 8, append(native(2), 192, 0, 2, 2, 192, 0, 2, 2)...))
	f.Add(append(cmsg(41, 52, native(9)...), cmsg(41, 67, native(0x20)...)...))
	f.Add(cmsg(0, 2, native(9)...)[:word+5])
	left, _ := newPair(f, nil)
	client := listenUDP(f, left, "udp", ":0")
	to := netip.MustParseAddrPort("127.0.0.1:9")
	f.Fuzz(func(t *testing.T, oob []byte) {
		_, _, _ = client.WriteMsgUDPAddrPort([]byte("x"), oob, to) // must not panic
	})
}
