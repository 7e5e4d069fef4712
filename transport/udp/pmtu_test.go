package udp_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
)

// path is a sender on a 1500-byte link. What it sends is recorded in the manner of tcpdump; what is expected
// was measured on Linux with the same calls.
type path struct {
	*testnet.Net
	t      *testing.T
	v6     bool
	family header.EtherType
	e      *udp.Endpoint
	sent   func() [][]byte
}

func newPath(t *testing.T, family header.EtherType, mode tcpip.PMTUMode) *path {
	p := &path{Net: testnet.New(t, testnet.Options{}, udp.New), t: t, family: family, v6: family == header.EtherTypeIPv6}
	p.sent = testnet.Capture(p.A.NIC)
	bound(t, p.B, family, 9)
	p.e = p.open(mode)
	return p
}

func (p *path) open(mode tcpip.PMTUMode) *udp.Endpoint {
	e := open(p.t, p.A, p.family)
	set(p.t, e, p.option(tcpip.IP_MTU_DISCOVER, tcpip.IPV6_MTU_DISCOVER), int(mode))
	return e
}

func (p *path) option(v4, v6 tcpip.OptionID) tcpip.OptionID {
	if p.v6 {
		return v6
	}
	return v4
}

func (p *path) connect() { require.NoError(p.t, p.e.Connect(at(p.B.Addr(p.family), 9))) }

// write sends n bytes and checks what leaves.
func (p *path) write(n int, want ...string) {
	p.t.Helper()
	_, err := p.e.Write(make([]byte, n), to(p.B.Addr(p.family), 9))
	require.NoError(p.t, err)
	require.Equal(p.t, want, p.described())
}

func (p *path) described() []string {
	var got []string
	for _, b := range p.sent() {
		if !p.v6 {
			h := header.IPv4(b)
			s := fmt.Sprintf("%d", len(b))
			if h.Flags()&header.IPv4DontFragment != 0 {
				s += " DF"
			}
			if h.IsFragment() {
				s += fmt.Sprintf(" @%d", h.FragmentOffset())
			}
			got = append(got, s)
			continue
		}
		s := fmt.Sprintf("%d", len(b))
		if header.IPv6(b).NextHeader() == header.ProtocolFragment {
			s += " frag"
		}
		got = append(got, s)
	}
	return got
}

// first and largest describe the first packet of a large write, and how many there are.
func (p *path) writeMost(wantFirst string, wantPackets int) {
	p.t.Helper()
	_, err := p.e.Write(make([]byte, 65507), to(p.B.Addr(p.family), 9))
	require.NoError(p.t, err)
	got := p.described()
	require.Equal(p.t, wantFirst, got[0])
	require.Len(p.t, got, wantPackets)
}

func (p *path) refused(n int) {
	p.t.Helper()
	_, err := p.e.Write(make([]byte, n), to(p.B.Addr(p.family), 9))
	require.Equal(p.t, tcpip.ErrMessageSize, err)
	require.Empty(p.t, p.sent())
}

// tooBig sends 1400 bytes and answers them with an ICMP error that claims mtu.
func (p *path) tooBig(mtu int) {
	p.t.Helper()
	_, err := p.e.Write(make([]byte, 1400), to(p.B.Addr(p.family), 9))
	require.NoError(p.t, err)
	p.A.Inject(testnet.TooBig(p.sent()[0], p.B.Addr(p.family), mtu))
}

func (p *path) mtu() int {
	p.t.Helper()
	v, err := p.e.Option(p.option(tcpip.IP_MTU, tcpip.IPV6_MTU))
	require.NoError(p.t, err)
	return v
}

func perFamily(t *testing.T, mode tcpip.PMTUMode, four, six func(p *path)) {
	t.Run("IPv4", func(t *testing.T) { four(newPath(t, header.EtherTypeIPv4, mode)) })
	t.Run("IPv6", func(t *testing.T) { six(newPath(t, header.EtherTypeIPv6, mode)) })
}

// B1: all six modes are settable and read back as set; -1, 6 and others are EINVAL. (Ping has the same
// test.)
func TestB1(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	for _, family := range families {
		e := open(t, n.A, family)
		ids := []tcpip.OptionID{tcpip.IP_MTU_DISCOVER}
		if family == header.EtherTypeIPv6 {
			ids = append(ids, tcpip.IPV6_MTU_DISCOVER)
		}
		for _, id := range ids {
			v, err := e.Option(id)
			require.NoError(t, err)
			require.EqualValues(t, tcpip.PMTUWant, v)
			for mode := tcpip.PMTUDont; mode <= tcpip.PMTUOmit; mode++ {
				set(t, e, id, int(mode))
				v, err := e.Option(id)
				require.NoError(t, err)
				require.EqualValues(t, mode, v)
			}
			for _, wrong := range []int{-1, 6, 7, 255, 256, 1 << 30} {
				require.Equal(t, tcpip.ErrInvalid, e.SetOption(id, wrong))
				v, _ := e.Option(id)
				require.EqualValues(t, tcpip.PMTUOmit, v)
			}
		}
	}
}

// B2: OMIT fragments to the link's MTU with DF clear, and neither uses nor stores learnt path MTUs.
func TestB2(t *testing.T) {
	perFamily(t, tcpip.PMTUOmit, func(p *path) {
		p.tooBig(1300)
		p.write(1400, "1428")
		p.write(3000, "1500 @0", "1500 @1480", "68 @2960")
		p.writeMost("1500 @0", 45)
		p.refused(65508)
		p.connect()
		require.Equal(p.t, 1500, p.mtu(), "nothing was stored")
		p.e = p.open(tcpip.PMTUWant)
		p.tooBig(1300) // another learns it
		p.e = p.open(tcpip.PMTUOmit)
		p.write(3000, "1500 @0", "1500 @1480", "68 @2960")
	}, func(p *path) {
		p.tooBig(1300)
		p.write(1400, "1448")
		p.write(3000, "1496 frag", "1496 frag", "160 frag")
		p.connect()
		p.tooBig(1300)
		require.NoError(p.t, p.e.LastError())
		require.Equal(p.t, 1500, p.mtu())
	})
}

// B3: INTERFACE is as OMIT, but what is larger than the link's MTU is EMSGSIZE.
func TestB3(t *testing.T) {
	perFamily(t, tcpip.PMTUInterface, func(p *path) {
		p.tooBig(1300)
		p.write(1400, "1428")
		p.write(1472, "1500")
		p.refused(1473)
		p.refused(65508)
		p.connect()
		require.Equal(p.t, 1500, p.mtu())
	}, func(p *path) {
		p.tooBig(1300)
		p.write(1400, "1448")
		p.write(1452, "1500")
		p.refused(1453)
		p.connect()
		require.Equal(p.t, 1500, p.mtu())
	})
}

// B4: DO sets DF; what is larger than the path MTU is EMSGSIZE, with the MTU on the error queue;
// IP_MTU tells the path MTU of a connected endpoint.
func TestB4(t *testing.T) {
	test := func(p *path) {
		overhead, df := 28, " DF"
		if p.v6 {
			overhead, df = 48, ""
		}
		set(p.t, p.e, p.option(tcpip.IP_RECVERR, tcpip.IPV6_RECVERR), 1)
		_, err := p.e.Option(p.option(tcpip.IP_MTU, tcpip.IPV6_MTU))
		require.Equal(p.t, tcpip.ErrNotConnected, err)
		p.tooBig(1300)

		b := make([]byte, 2000)
		r, err := p.e.Read(b, tcpip.ReadOptions{Flags: tcpip.ReadError})
		require.NoError(p.t, err)
		require.Equal(p.t, at(p.B.Addr(p.family), 9), r.From, "the original destination")
		require.Equal(p.t, tcpip.HasError, r.Control.Has)
		want := tcpip.ErrorReport{
			Err: tcpip.ErrMessageSize, Origin: tcpip.OriginICMP, Type: 3, Code: 4, Info: 1300, Offender: p.B.Addr(p.family),
		}
		if p.v6 {
			want.Origin, want.Type, want.Code = tcpip.OriginICMP6, 2, 0
		}
		require.Equal(p.t, want, r.Control.Err)
		require.Greater(p.t, r.Count, 500, "the quoted payload")

		p.write(1300-overhead, "1300"+df)
		p.refused(1301 - overhead)
		p.refused(3000)
		p.refused(65507)
		for range 3 {
			r, err = p.e.Read(b, tcpip.ReadOptions{Flags: tcpip.ReadError})
			require.NoError(p.t, err)
			require.Equal(p.t, tcpip.ErrorReport{Err: tcpip.ErrMessageSize, Origin: tcpip.OriginLocal, Info: 1300}, r.Control.Err)
			require.Equal(p.t, p.B.Addr(p.family), r.From.Addr)
			require.Zero(p.t, r.Count)
		}
		_, err = p.e.Read(b, tcpip.ReadOptions{Flags: tcpip.ReadError})
		require.Equal(p.t, tcpip.ErrWouldBlock, err)
		require.NoError(p.t, p.e.LastError(), "local errors leave SO_ERROR alone")
		p.connect()
		require.Equal(p.t, 1300, p.mtu())
	}
	perFamily(t, tcpip.PMTUDo, test, test)
}

// B5: PROBE sets DF and ignores the learnt MTU; over the link's it is EMSGSIZE.
func TestB5(t *testing.T) {
	perFamily(t, tcpip.PMTUProbe, func(p *path) {
		p.tooBig(1300)
		p.write(1200, "1228 DF")
		p.write(1400, "1428 DF")
		p.refused(1473)
		p.connect()
		require.Equal(p.t, 1300, p.mtu(), "it is learnt all the same")
	}, func(p *path) {
		p.tooBig(1300)
		p.write(1400, "1448")
		p.refused(1453)
		p.connect()
		require.Equal(p.t, 1300, p.mtu())
	})
}

// B6: WANT sends up to the path MTU with DF, and fragments larger datagrams to it with DF clear.
func TestB6(t *testing.T) {
	perFamily(t, tcpip.PMTUWant, func(p *path) {
		p.write(1472, "1500 DF")
		p.write(1473, "1500 @0", "21 @1480")
		p.tooBig(1300)
		p.write(1200, "1228 DF")
		p.write(1272, "1300 DF")
		p.write(1400, "1300 @0", "148 @1280")
		p.writeMost("1300 @0", 52)
		p.refused(65508)
		p.connect()
		require.Equal(p.t, 1300, p.mtu())
	}, func(p *path) {
		p.tooBig(1300)
		p.write(1200, "1248")
		p.write(1400, "1296 frag", "208 frag")
		p.writeMost("1296 frag", 53)
		p.connect()
		require.Equal(p.t, 1300, p.mtu())
	})
}

// B7: DONT leaves DF clear and fragments to the path MTU.
func TestB7(t *testing.T) {
	perFamily(t, tcpip.PMTUDont, func(p *path) {
		p.write(1200, "1228")
		p.tooBig(1300)
		p.write(1400, "1300 @0", "148 @1280")
		p.writeMost("1300 @0", 52)
		p.connect()
		require.Equal(p.t, 1300, p.mtu())
		p.tooBig(1290)
		require.NoError(p.t, p.e.LastError(), "nobody is told")
	}, func(p *path) {
		p.tooBig(1300)
		p.write(1400, "1296 frag", "208 frag")
		p.connect()
		p.tooBig(1290)
		require.NoError(p.t, p.e.LastError(), "nobody is told")
	})
}

// B8: what quotes no flow of ours is ignored, and so is less than 1280 on IPv6; less than 552 on IPv4
// means 552, without DF but in DO and PROBE.
func TestB8(t *testing.T) {
	perFamily(t, tcpip.PMTUWant, func(p *path) {
		p.write(1400, "1428 DF")
		_, err := p.e.Write(make([]byte, 1400), to(p.B.V4, 9))
		require.NoError(p.t, err)
		forged := testnet.TooBig(p.sent()[0], p.B.V4, 1300)
		quoted := forged[28:]
		header.UDP(quoted[20:]).SetSrcPort(p.e.LocalAddress().Port ^ 1)
		header.ICMPv4(forged[20:]).UpdateChecksum()
		p.A.Inject(forged)
		require.Equal(p.t, 1, p.A.Drops(tcpip.DropICMPNoFlow))
		p.write(1400, "1428 DF")

		p.tooBig(100)
		p.write(500, "528")
		p.write(1000, "548 @0", "500 @528") // 552 rounded down to a multiple of 8 and the header
		p.e = p.open(tcpip.PMTUDo)
		p.write(500, "528 DF")
		p.refused(525)
		p.e = p.open(tcpip.PMTUProbe)
		p.write(1400, "1428 DF")
	}, func(p *path) {
		p.tooBig(1279)
		p.write(1400, "1448")
	})
}

// IPV6_DONTFRAG refuses what would need fragments, whatever the mode.
func TestDontFragment6(t *testing.T) {
	p := newPath(t, header.EtherTypeIPv6, tcpip.PMTUWant)
	set(t, p.e, tcpip.IPV6_DONTFRAG, 1)
	p.write(1452, "1500")
	p.refused(1453)
}

// The MTU of a NIC that changes holds for the next datagram of a connected endpoint.
func TestMTUChange(t *testing.T) {
	p := newPath(t, header.EtherTypeIPv4, tcpip.PMTUDo)
	p.connect()
	p.write(1472, "1500 DF")
	require.NoError(t, p.A.NIC.SetMTU(1400))
	p.refused(1472)
	require.Equal(t, 1400, p.mtu())
	p.write(1372, "1400 DF")
}
