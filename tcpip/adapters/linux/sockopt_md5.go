package linux

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// struct tcp_md5sig: a sockaddr_storage, flags, the length of a prefix and of the key, an interface, and the key.
const (
	sizeofMD5Sig   = 216
	md5Flags       = 128
	md5PrefixLen   = 129
	md5KeyLen      = 130
	md5Interface   = 132
	md5Key         = 136
	md5KeyMax      = 80
	md5FlagPrefix  = 1
	md5FlagIfIndex = 2
)

// md5Others are TCP_MD5SIG and its extended form.
var md5Others = map[tcpip.OptionID]other{
	TCP_MD5SIG: {on: tcpip.KindTCP, set: func(s *Socket, v []byte) Errno { return s.setMD5(v, 0) },
		name: "TCP_MD5SIG", form: "struct tcp_md5sig",
		doc: "The key that segments to and from an address are signed with (RFC 2385); an empty one takes it back. Write only."},
	TCP_MD5SIG_EXT: {on: tcpip.KindTCP, set: func(s *Socket, v []byte) Errno { return s.setMD5(v, md5FlagPrefix|md5FlagIfIndex) },
		name: "TCP_MD5SIG_EXT", form: "struct tcp_md5sig",
		doc: "As TCP_MD5SIG, for all addresses with a prefix; interfaces must be VRFs, of which there are none. Write only."},
}

// setMD5 reads a struct tcp_md5sig, of whose flags those in understood count.
func (s *Socket) setMD5(v []byte, understood byte) Errno {
	family := AF_INET
	if s.kind.family == AF_INET6 {
		family = AF_INET6
	}
	if len(v) < sizeofMD5Sig || familyOf(v) != family {
		return EINVAL
	}
	var a netip.Addr
	if family == AF_INET {
		a = netip.AddrFrom4([4]byte(v[4:]))
	} else {
		a = netip.AddrFrom16([16]byte(v[8:])).Unmap()
	}
	flags, bits := v[md5Flags]&understood, a.BitLen()
	if flags&md5FlagPrefix != 0 {
		if bits = int(v[md5PrefixLen]); bits > a.BitLen() {
			return EINVAL
		}
	}
	n := int(binary.NativeEndian.Uint16(v[md5KeyLen:]))
	if flags&md5FlagIfIndex != 0 && binary.NativeEndian.Uint32(v[md5Interface:]) != 0 || n > md5KeyMax {
		return EINVAL
	}
	err := s.ep.(*tcp.Endpoint).SetMD5(netip.PrefixFrom(a, bits), v[md5Key:md5Key+n])
	if errors.Is(err, tcpip.ErrNotFound) {
		return ENOENT
	}
	return errnoOf(err)
}
