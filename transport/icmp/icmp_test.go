package icmp_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/waiter"
)

// stand is a pair of hosts and what a ping of one family needs.
type stand struct {
	*testnet.Net
	t           *testing.T
	proto       header.Protocol
	family      header.EtherType
	echo, reply byte
}

func both(t *testing.T, f func(t *testing.T, s *stand)) {
	t.Run("IPv4", func(t *testing.T) {
		f(t, &stand{newNet(t), t, header.ProtocolICMPv4, header.EtherTypeIPv4, 8, 0})
	})
	t.Run("IPv6", func(t *testing.T) {
		f(t, &stand{newNet(t), t, header.ProtocolICMPv6, header.EtherTypeIPv6, 128, 129})
	})
}

func newNet(t testing.TB) *testnet.Net {
	return testnet.New(t, testnet.Options{}, icmp.New4, icmp.New6)
}

func (s *stand) v6() bool { return s.family == header.EtherTypeIPv6 }

func (s *stand) open() *icmp.Endpoint {
	return s.A.Endpoint(s.t, s.proto, s.family).(*icmp.Endpoint)
}

// message returns an echo request as a program writes it: identifier and checksum do not matter.
func (s *stand) message(sequence uint16, data string) []byte {
	b := append([]byte{s.echo, 0, 0xde, 0xad, 0x12, 0x34, 0, 0}, data...)
	binary.BigEndian.PutUint16(b[6:], sequence)
	return b
}

func (s *stand) to(h *testnet.Host) tcpip.WriteOptions {
	return tcpip.WriteOptions{To: tcpip.FullAddress{Addr: h.Addr(s.family), Port: 5}}
}

func TestPing(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		e := s.open()
		sent := testnet.Capture(s.A.NIC)
		for _, peer := range []*testnet.Host{s.B, s.A} {
			n, err := e.Write(s.message(7, "ping"), s.to(peer))
			require.NoError(t, err)
			require.Equal(t, 12, n)
			require.NotZero(t, e.LocalAddress().Port)
			b := make([]byte, 100)
			r, err := e.Read(b, tcpip.ReadOptions{})
			require.NoError(t, err)
			require.Equal(t, peer.Addr(s.family), r.From.Addr)
			require.Zero(t, r.From.Port)
			require.Equal(t, s.reply, b[0])
			require.Equal(t, e.LocalAddress().Port, binary.BigEndian.Uint16(b[4:]), "the identifier is the port")
			require.EqualValues(t, 7, binary.BigEndian.Uint16(b[6:]))
			require.Equal(t, "ping", string(b[8:r.Count]))
		}
		require.Len(t, sent(), 1)
		_, err := e.Read(nil, tcpip.ReadOptions{})
		require.Equal(t, tcpip.ErrWouldBlock, err)
	})
}

// What leaves has a right checksum, whatever the program wrote.
func TestWire(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		e := s.open()
		require.NoError(t, e.Bind(tcpip.FullAddress{Addr: s.A.Addr(s.family), Port: 0x1234}))
		sent := testnet.Capture(s.A.NIC)
		for _, data := range []string{"", "x", "pppppppp"} {
			_, err := e.Write(s.message(7, data), s.to(s.B))
			require.NoError(t, err)
			p := sent()[0]
			if s.v6() {
				ip := header.IPv6(p)
				require.True(t, header.ICMPv6(ip.Payload()).ChecksumValid(ip.Src(), ip.Dst()))
				require.EqualValues(t, 0x1234, header.ICMPv6(ip.Payload()).ID())
			} else {
				require.True(t, header.ICMPv4(header.IPv4(p).Payload()).ChecksumValid())
				require.EqualValues(t, 0x1234, header.ICMPv4(header.IPv4(p).Payload()).ID())
			}
		}
	})
}

// Only echo requests may be written; sizes and errors are Linux's, as measured.
func TestWriteErrors(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		e := s.open()
		largest := 65515
		if s.v6() {
			largest = 65535
		}
		write := func(b []byte, o tcpip.WriteOptions) error {
			_, err := e.Write(b, o)
			return err
		}
		set := func(i int, v byte) []byte {
			b := s.message(1, "x")
			b[i] = v
			return b
		}
		require.Equal(t, tcpip.ErrInvalid, write([]byte("abc"), s.to(s.B)))
		require.Equal(t, tcpip.ErrInvalid, write(set(0, s.reply), s.to(s.B)))
		require.Equal(t, tcpip.ErrInvalid, write(set(0, 13), s.to(s.B)))
		require.Equal(t, tcpip.ErrInvalid, write(set(1, 1), s.to(s.B)))
		require.Equal(t, tcpip.ErrDestinationRequired, write(s.message(1, ""), tcpip.WriteOptions{}))
		require.NoError(t, write(append(s.message(1, ""), make([]byte, largest-8)...), s.to(s.A)))
		require.Equal(t, tcpip.ErrMessageSize, write(append(s.message(1, ""), make([]byte, largest-7)...), s.to(s.A)))
		if s.v6() {
			require.Equal(t, tcpip.ErrInvalid, write(s.message(1, ""), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: s.B.V4}}))
		} else {
			require.Equal(t, tcpip.ErrAddressFamily, write(s.message(1, ""), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: s.B.V6}}))
			require.Equal(t, tcpip.ErrAccess, write(s.message(1, ""), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: netip.MustParseAddr("10.0.0.255")}}))
		}
		require.Equal(t, tcpip.ErrNotConnected, e.Shutdown(tcpip.ShutdownWrite))
		require.Equal(t, tcpip.ErrPipe, write(s.message(1, ""), s.to(s.B)))
		_, err := s.A.NewEndpoint(s.proto, header.EtherTypeIPv4+header.EtherTypeIPv6-s.family)
		require.ErrorIs(t, err, tcpip.ErrProtocolNotSupported)
	})
}

// Identifiers keep pings apart; a reply that nobody waits for is dropped. A connected ping endpoint still
// hears others, as on Linux, and its identifier may be shared.
func TestIdentifiers(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		one, two := s.open(), s.open()
		require.NoError(t, one.Bind(tcpip.FullAddress{Port: 1}))
		require.NoError(t, two.Bind(tcpip.FullAddress{Port: 2}))
		require.NoError(t, s.open().Bind(tcpip.FullAddress{Port: 2}), "shared")
		require.Equal(t, tcpip.ErrInvalid, one.Bind(tcpip.FullAddress{Port: 3}))
		_, err := one.Write(s.message(1, ""), s.to(s.B))
		require.NoError(t, err)
		require.Equal(t, waiter.Readable, one.Readiness(waiter.Readable))
		require.Zero(t, two.Readiness(waiter.Readable))

		connected := s.open()
		require.NoError(t, connected.Connect(s.to(s.B).To))
		require.Equal(t, s.A.Addr(s.family), connected.LocalAddress().Addr)
		sent := testnet.Capture(s.A.NIC)
		_, err = connected.Write(s.message(1, ""), tcpip.WriteOptions{})
		require.NoError(t, err)
		read := func() netip.Addr {
			r, err := connected.Read(nil, tcpip.ReadOptions{})
			require.NoError(t, err)
			return r.From.Addr
		}
		require.Equal(t, s.B.Addr(s.family), read())
		reply := s.answer(sent()[0])
		s.A.Inject(reply)
		require.NotEqual(t, s.B.Addr(s.family), read())
		connected.Close()
		s.A.Inject(reply)
		require.Equal(t, 1, s.A.Drops(tcpip.DropNoPort))
		reply[len(reply)-1] ^= 1
		s.A.Inject(reply)
		require.Equal(t, 1, s.A.Drops(tcpip.DropBadChecksum))
	})
}

// answer returns the reply of somebody else to a request.
func (s *stand) answer(request []byte) []byte {
	if s.v6() {
		h := header.IPv6(request)
		from := netip.MustParseAddr("fd00::77")
		m := header.ICMPv6(h.Payload())
		return testnet.IPv6(header.IPv6Fields{NextHeader: header.ProtocolICMPv6, Src: from, Dst: h.Src()},
			testnet.ICMPv6(from, h.Src(), header.ICMPv6EchoReply, 0, m.Rest(), []byte("other")))
	}
	h := header.IPv4(request)
	m := header.ICMPv4(h.Payload())
	return testnet.IPv4(header.IPv4Fields{Protocol: header.ProtocolICMPv4, Src: netip.MustParseAddr("10.0.0.77"), Dst: h.Src()},
		testnet.ICMPv4(header.ICMPv4EchoReply, 0, m.Rest(), []byte("other")))
}

// ICMP errors about requests reach who sent them, with the whole quoted message on the error queue.
func TestErrors(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		peer := s.B.Addr(s.family)
		recverr, origin, typ, code := tcpip.IP_RECVERR, tcpip.OriginICMP, uint8(3), uint8(1)
		if s.v6() {
			recverr, origin, typ, code = tcpip.IPV6_RECVERR, tcpip.OriginICMP6, 1, 3
		}
		e := s.open()
		require.NoError(t, e.SetOption(recverr, 1))
		sent := testnet.Capture(s.A.NIC)
		_, err := e.Write(s.message(9, "data"), s.to(s.B))
		require.NoError(t, err)
		request := sent()[0]
		s.A.Inject(testnet.ICMPError(request, peer, typ, code, 0))
		b := make([]byte, 100)
		r, err := e.Read(b, tcpip.ReadOptions{Flags: tcpip.ReadError})
		require.NoError(t, err)
		require.Equal(t, tcpip.ErrorReport{Err: tcpip.ErrHostUnreachable, Origin: origin, Type: typ, Code: code, Offender: peer}, r.Control.Err)
		require.Equal(t, tcpip.FullAddress{Addr: peer}, r.From)
		require.Equal(t, s.echo, b[0])
		require.Equal(t, "data", string(b[8:r.Count]))

		plain := s.open()
		require.NoError(t, plain.Connect(s.to(s.B).To))
		_, err = plain.Write(s.message(9, "data"), tcpip.WriteOptions{})
		require.NoError(t, err)
		request = sent()[0]
		s.A.Inject(testnet.ICMPError(request, peer, typ, code, 0))
		require.NoError(t, plain.LastError(), "not a hard error")
		s.A.Inject(testnet.TooBig(request, peer, 1300))
		if s.v6() { // as measured on Linux
			require.NoError(t, plain.LastError())
		} else {
			require.Equal(t, tcpip.ErrMessageSize, plain.LastError())
		}
		mtu, err := plain.Option(tcpip.IP_MTU)
		require.NoError(t, err)
		require.Equal(t, 1300, mtu)
		plain.Close()
		s.A.Inject(testnet.ICMPError(request, peer, typ, code, 0))
		require.Equal(t, 1, s.A.Drops(tcpip.DropICMPNoFlow))
	})
}

// B1 for ping: the six modes and no other.
func TestB1(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		e := s.open()
		id := tcpip.IP_MTU_DISCOVER
		if s.v6() {
			id = tcpip.IPV6_MTU_DISCOVER
		}
		for mode := tcpip.PMTUDont; mode <= tcpip.PMTUOmit; mode++ {
			require.NoError(t, e.SetOption(id, int(mode)))
			v, err := e.Option(id)
			require.NoError(t, err)
			require.EqualValues(t, mode, v)
		}
		require.Equal(t, tcpip.ErrInvalid, e.SetOption(id, -1))
		require.Equal(t, tcpip.ErrInvalid, e.SetOption(id, 6))
	})
}

// The options that the table gives to ping are read back as set.
func TestOptions(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		for _, row := range tcpip.SocketOptions {
			e := s.open()
			switch {
			case row.On&tcpip.KindPing == 0 || !s.v6() && row.ID.Level() == tcpip.IPPROTO_IPV6:
				require.Equal(t, tcpip.ErrNoProtocolOption, e.SetOption(row.ID, 1), row.Name)
			case row.ID == tcpip.IPV6_V6ONLY:
				require.Equal(t, tcpip.ErrInvalid, e.SetOption(row.ID, 0), "there is nothing else")
			case row.Unit == "bool":
				for _, v := range []int{0, 1} {
					require.NoError(t, e.SetOption(row.ID, v), row.Name)
					got, err := e.Option(row.ID)
					require.NoError(t, err)
					require.Equal(t, v, got, row.Name)
				}
			}
		}
	})
}

// Messages that are not replies, and short ones, are not for endpoints.
func TestOthers(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		e := s.open()
		require.NoError(t, e.Bind(tcpip.FullAddress{Port: 1}))
		for typ := range 256 {
			var b []byte
			if s.v6() {
				b = testnet.IPv6(header.IPv6Fields{NextHeader: header.ProtocolICMPv6, Src: s.B.V6, Dst: s.A.V6},
					testnet.ICMPv6(s.B.V6, s.A.V6, header.ICMPv6Type(typ), 0, 1<<16, nil))
			} else {
				b = testnet.IPv4(header.IPv4Fields{Protocol: header.ProtocolICMPv4, Src: s.B.V4, Dst: s.A.V4},
					testnet.ICMPv4(header.ICMPv4Type(typ), 0, 1<<16, nil))
			}
			s.A.Inject(b)
			extended := 43 // the reply of RFC 8335
			if s.v6() {
				extended = 161
			}
			require.Equal(t, typ == int(s.reply) || typ == extended, e.Readiness(waiter.Readable) != 0, "type %d", typ)
			for e.Readiness(waiter.Readable) != 0 {
				_, _ = e.Read(nil, tcpip.ReadOptions{})
			}
		}
		require.Zero(t, s.A.LivePackets())
		require.Zero(t, s.A.Slabs.Live())
	})
}

func TestNoAllocations(t *testing.T) {
	both(t, func(t *testing.T, s *stand) {
		e := s.open()
		require.NoError(s.t, e.Connect(s.to(s.B).To))
		b := s.message(1, "0123456789")
		linktest.NoAllocations(t, func() {
			if _, err := e.Write(b, tcpip.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Read(b, tcpip.ReadOptions{}); err != nil {
				t.Fatal(err)
			}
			b[0] = s.echo
		})
	})
}

var _ stack.Endpoint = (*icmp.Endpoint)(nil)
