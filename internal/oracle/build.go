package oracle

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// Int is an int as an option's value.
func Int(v int) []byte { return word32(uint32(v)) }

func word32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// In4 and In6 are socket addresses of the two families.
func In4(addr string, port uint16) []byte {
	b := binary.NativeEndian.AppendUint16(nil, linux.AF_INET)
	b = binary.BigEndian.AppendUint16(b, port)
	a := netip.MustParseAddr(addr).As4()
	return append(append(b, a[:]...), make([]byte, 8)...)
}

func In6(addr string, port uint16) []byte {
	b := binary.NativeEndian.AppendUint16(nil, linux.AF_INET6)
	b = binary.BigEndian.AppendUint16(b, port)
	a := netip.MustParseAddr(addr).As16()
	b = append(append(b, 0, 0, 0, 0), a[:]...)
	return append(b, 0, 0, 0, 0)
}

// Unspec is an address of family AF_UNSPEC.
func Unspec() []byte { return make([]byte, 16) }

// Cmsg is a control message.
func Cmsg(level, typ int, data []byte) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(16+len(data)))
	b = binary.NativeEndian.AppendUint32(b, uint32(level))
	b = binary.NativeEndian.AppendUint32(b, uint32(typ))
	b = append(b, data...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// sort is a kind of socket and how its addresses are written.
type sort struct {
	name               string
	family, typ, proto int
}

var sorts = []sort{
	{"tcp4", linux.AF_INET, linux.SOCK_STREAM, 0},
	{"tcp6", linux.AF_INET6, linux.SOCK_STREAM, 0},
	{"udp4", linux.AF_INET, linux.SOCK_DGRAM, 0},
	{"udp6", linux.AF_INET6, linux.SOCK_DGRAM, 0},
	{"ping4", linux.AF_INET, linux.SOCK_DGRAM, linux.IPPROTO_ICMP},
	{"ping6", linux.AF_INET6, linux.SOCK_DGRAM, linux.IPPROTO_ICMPV6},
	{"raw4", linux.AF_INET, linux.SOCK_RAW, 253},
	{"raw6", linux.AF_INET6, linux.SOCK_RAW, 253},
}

func sortOf(name string) sort {
	for _, k := range sorts {
		if k.name == name {
			return k
		}
	}
	panic("oracle: no sort of sockets is named " + name)
}

// open makes a socket of the sort.
func (k sort) open(r *Run) int { return r.Socket(k.family, k.typ, k.proto) }

func (k sort) v6() bool { return k.family == linux.AF_INET6 }

// loopback, any and foreign are addresses of the sort's family: the host's own, the wildcard, and one that
// it does not have.
func (k sort) loopback(port uint16) []byte { return k.at("127.0.0.1", "::1", port) }
func (k sort) any(port uint16) []byte      { return k.at("0.0.0.0", "::", port) }
func (k sort) foreign(port uint16) []byte  { return k.at("192.0.2.9", "2001:db8::9", port) }
func (k sort) peer(port uint16) []byte     { return k.at(Peer4, Peer6, port) }

func (k sort) at(v4, v6 string, port uint16) []byte {
	if k.v6() {
		return In6(v6, port)
	}
	return In4(v4, port)
}

// pair makes a connection over lo: a listener on port 4000 and the two ends.
func (k sort) pair(r *Run) (listener, client, server int) {
	listener = k.open(r)
	r.Bind(listener, k.loopback(4000))
	r.Listen(listener, 5)
	client = k.open(r)
	r.Connect(client, k.loopback(4000))
	r.Await(client, 4)
	r.Await(listener, 1)
	server = r.Accept(listener, 0)
	return listener, client, server
}

// pktinfo is the control message with the source and the interface of a packet of the sort's family.
func pktinfo(k sort, from4, from6 string, nic int) []byte {
	if k.v6() {
		return Cmsg(linux.IPPROTO_IPV6, 50, append(netip.MustParseAddr(from6).AsSlice(), Int(nic)...))
	}
	return Cmsg(linux.IPPROTO_IP, 8, append(append(Int(nic), netip.MustParseAddr(from4).AsSlice()...), 0, 0, 0, 0))
}
