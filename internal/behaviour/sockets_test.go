package behaviour

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// socket is one of Linux's on a victim.
type socket struct {
	*linux.Socket
	t testing.TB
}

// sockets opens sockets of one family on a victim, which are closed when the test ends.
func (v *victim) sockets(v6 bool, typ int) func(testing.TB) socket {
	return v.socketsWith(linux.Options{}, v6, typ)
}

func (v *victim) socketsWith(o linux.Options, v6 bool, typ int) func(testing.TB) socket {
	all := linux.NewWith(v.Stack, o)
	family := linux.AF_INET
	if v6 {
		family = linux.AF_INET6
	}
	return func(t testing.TB) socket {
		t.Helper()
		s, e := all.Socket(family, typ, 0)
		require.Zero(t, e)
		t.Cleanup(s.Close)
		return socket{s, t}
	}
}

// name is a struct sockaddr_in or sockaddr_in6.
func name(a netip.AddrPort) []byte {
	if a.Addr().Is4() {
		b := binary.NativeEndian.AppendUint16(nil, linux.AF_INET)
		b = append(binary.BigEndian.AppendUint16(b, a.Port()), a.Addr().AsSlice()...)
		return append(b, make([]byte, 8)...)
	}
	b := binary.NativeEndian.AppendUint16(nil, linux.AF_INET6)
	b = append(binary.BigEndian.AppendUint16(b, a.Port()), 0, 0, 0, 0)
	return append(append(b, a.Addr().AsSlice()...), 0, 0, 0, 0)
}

// named is the address in a name.
func named(b []byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(b[2:])
	if len(b) == 16 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:])), port)
}

func (s socket) bind(a netip.AddrPort) {
	s.t.Helper()
	require.Zero(s.t, s.Bind(name(a)))
}

func (s socket) connect(a netip.AddrPort) {
	s.t.Helper()
	require.Zero(s.t, s.Connect(name(a)))
}

func word(v int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(v)) }

func (s socket) set(id tcpip.OptionID, v int) {
	s.t.Helper()
	require.Zero(s.t, s.SetSockOpt(id.Level(), id.Number(), word(v)))
}

func (s socket) get(id tcpip.OptionID) int {
	s.t.Helper()
	b := make([]byte, 4)
	n, e := s.GetSockOpt(id.Level(), id.Number(), b)
	require.Zero(s.t, e)
	require.Equal(s.t, 4, n)
	return int(int32(binary.NativeEndian.Uint32(b)))
}

// sent sends n bytes, with an error or in full.
func (s socket) sent(to netip.AddrPort, control []byte, n int) linux.Errno {
	s.t.Helper()
	var a []byte
	if to.IsValid() {
		a = name(to)
	}
	took, e := s.SendMsg(make([]byte, n), a, control, 0)
	if e == 0 {
		require.Equal(s.t, n, took)
	}
	return e
}

// cmsg is a control message.
func cmsg(level, typ int, data []byte) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(16+len(data)))
	b = append(binary.NativeEndian.AppendUint32(b, uint32(level)), word(typ)...)
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&7)...)
}

// info is packet information as the families have it.
type info struct {
	nic         tcpip.NICID
	local, dest netip.Addr // ipi_spec_dst and ipi_addr; IPv6 has one address
}

func (i info) message() []byte {
	if i.local.Is6() {
		return cmsg(linux.IPPROTO_IPV6, linux.IPV6_PKTINFO.Number(), append(i.local.AsSlice(), word(int(i.nic))...))
	}
	return cmsg(linux.IPPROTO_IP, tcpip.IP_PKTINFO.Number(), append(append(word(int(i.nic)), i.local.AsSlice()...), 0, 0, 0, 0))
}

// arrival receives a datagram with packet information.
func (s socket) arrival() (from netip.AddrPort, i info) {
	s.t.Helper()
	control := make([]byte, 64)
	m, e := s.RecvMsg(make([]byte, 2000), control, linux.MSG_DONTWAIT)
	require.Zero(s.t, e)
	require.GreaterOrEqual(s.t, m.Control, 16)
	b := control[16:m.Control]
	if binary.NativeEndian.Uint32(control[8:]) == linux.IPPROTO_IP {
		i = info{tcpip.NICID(binary.NativeEndian.Uint32(b)), netip.AddrFrom4([4]byte(b[4:])), netip.AddrFrom4([4]byte(b[8:]))}
	} else {
		a := netip.AddrFrom16([16]byte(b))
		i = info{tcpip.NICID(binary.NativeEndian.Uint32(b[16:])), a, a}
	}
	return named(m.Name), i
}

// sources returns where the IP packets come from.
func sources(packets [][]byte) (all []netip.Addr) {
	for _, b := range packets {
		if b[0]>>4 == 6 {
			all = append(all, header.IPv6(b).Src())
		} else {
			all = append(all, header.IPv4(b).Src())
		}
	}
	return all
}
