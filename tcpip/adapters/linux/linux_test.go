package linux

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// A hint may not take the place of an option that does something.
func TestHintsHideNothing(t *testing.T) {
	for _, h := range hints {
		require.NotEmpty(t, h.name)
		if h.id == tcpip.IPV6_V6ONLY && h.on == tcpip.KindPing {
			continue // a ping socket speaks one family anyway
		}
		require.Nil(t, tcpip.FindOption(tcpip.SocketOptions, h.id, h.on), "%s has an effect on such a socket", h.name)
		if h.on&tcpip.KindTCP != 0 {
			require.Nil(t, tcpip.FindOption(tcp.EndpointOptions, h.id, tcpip.KindTCP), h.name)
		}
		if !h.flag {
			require.LessOrEqual(t, h.min, h.max, h.name)
		}
	}
}

// What encode writes decode reads, and an IPv4 address on an IPv6 socket is mapped.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		family int
		a      tcpip.FullAddress
	}{
		{AF_INET, tcpip.FullAddress{Addr: netip.MustParseAddr("192.0.2.1"), Port: 80}},
		{AF_INET6, tcpip.FullAddress{Addr: netip.MustParseAddr("2001:db8::1"), Port: 65535}},
		{AF_INET6, tcpip.FullAddress{Addr: netip.MustParseAddr("192.0.2.1"), Port: 1}},
		{AF_INET6, tcpip.FullAddress{Addr: netip.MustParseAddr("fe80::1"), NIC: 3, Port: 1}},
	} {
		b := encode(c.family, c.a)
		require.Equal(t, c.family, familyOf(b))
		if c.family == AF_INET {
			require.Equal(t, c.a, decode4(b))
		} else {
			require.Equal(t, c.a, decode6(b))
		}
	}
	require.Equal(t, netip.MustParseAddr("::ffff:192.0.2.1").AsSlice(),
		encode(AF_INET6, tcpip.FullAddress{Addr: netip.MustParseAddr("192.0.2.1")})[8:24])
	require.Equal(t, "0.0.0.0", decode4(encode(AF_INET, tcpip.FullAddress{})).Addr.String())
}

// Control messages are cut where the buffer ends, as put_cmsg does it.
func TestControlTruncation(t *testing.T) {
	for _, c := range []struct{ room, used, flags int }{
		{0, 0, MSG_CTRUNC}, {15, 0, MSG_CTRUNC}, {16, 16, MSG_CTRUNC}, {19, 19, MSG_CTRUNC}, {20, 20, 0}, {24, 24, 0}, {100, 24, 0},
	} {
		w := controlWriter{b: make([]byte, c.room)}
		w.int(tcpip.IP_TTL, 64)
		require.Equal(t, c.used, w.used, "room for %d", c.room)
		require.Equal(t, c.flags, w.flags, "room for %d", c.room)
		if c.room >= 20 {
			require.Equal(t, uint64(20), binary.NativeEndian.Uint64(w.b))
		}
	}
}

// Whatever bytes a guest sends for control messages are refused or understood.
func FuzzControl(f *testing.F) {
	w := controlWriter{b: make([]byte, 100)}
	w.packetInfo4(tcpip.PacketInfo{NIC: 1, Local: netip.MustParseAddr("127.0.0.1")})
	w.int(tcpip.IP_TTL, 7)
	f.Add(w.b[:w.used], false)
	f.Add(make([]byte, 40), true)
	n := New(stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New, ipv6.New}, Transports: []stack.NewTransport{udp.New}}))
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		family, to := AF_INET, netip.IPv4Unspecified()
		if v6 {
			family, to = AF_INET6, netip.IPv6Unspecified()
		}
		s, errno := n.Socket(family, SOCK_DGRAM, 0)
		require.Zero(t, errno)
		defer s.Close()
		var c tcpip.Control
		if err := s.parseControl(b, to, &c); err != 0 && err != EINVAL {
			t.Fatal(err)
		}
	})
}

// struct tcp_dctcp_info of <linux/inet_diag.h>.
func TestDCTCPInfo(t *testing.T) {
	require.Equal(t, make([]byte, 16), encodeDCTCP(tcp.DCTCPInfo{}))
	b := encodeDCTCP(tcp.DCTCPInfo{Enabled: true, CE: true, Alpha: 1024, Marked: 1000, Acked: 3000})
	n := binary.NativeEndian
	require.Equal(t, []uint32{1, 1, 1024, 1000, 3000},
		[]uint32{uint32(n.Uint16(b)), uint32(n.Uint16(b[2:])), n.Uint32(b[4:]), n.Uint32(b[8:]), n.Uint32(b[12:])})
}
