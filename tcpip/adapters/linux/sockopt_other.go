package linux

import (
	"encoding/binary"
	"maps"
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// other is an option whose value is no int, or that only tells something. get is given the length of the
// program's buffer; a nil get or set is ENOPROTOOPT or the way of ints.
type other struct {
	on  tcpip.EndpointKinds
	set func(*Socket, []byte) Errno
	get func(*Socket, int) ([]byte, Errno)

	// ask is get for an option whose buffer begins with a question; it returns the length to tell.
	ask func(*Socket, []byte) (int, Errno)

	small bool // an int of IPPROTO_IP, of which a small buffer gets a char

	// What OPTIONS.md says of it. Rows are written with keys, so that fields can be added.
	name      string // as in Linux's headers
	form      string // of the value: "int", "bool", "struct linger", "string", ...; a unit may follow in brackets
	byDefault string // what a new socket shows, as text; empty for what cannot be read or has no fixed default
	hint      bool   // stored, and nothing more can be observed, on Linux as here
	doc       string // one or two sentences
}

// others are these options, a table for each subject.
var others = union(rawOthers, socketOthers, timestampOthers, identityOthers, udpOthers, multicastOthers, groupOthers4, groupOthers6, tcpOthers, md5Others, pacingOthers, filterOthers, packetOthers, ipOthers, ipv6Others, elsewhereOthers)

// union joins tables, which have no option in common.
func union(tables ...map[tcpip.OptionID]other) map[tcpip.OptionID]other {
	all := map[tcpip.OptionID]other{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// refuse is for what can only be read; as at SOL_SOCKET a length is complained of first.
func refuse(_ *Socket, v []byte) Errno {
	if len(v) < 4 {
		return EINVAL
	}
	return ENOPROTOOPT
}

func telling(f func(*Socket) int) func(*Socket, int) ([]byte, Errno) {
	return func(s *Socket, _ int) ([]byte, Errno) {
		return binary.NativeEndian.AppendUint32(nil, uint32(f(s))), 0
	}
}

func constant(v int) func(*Socket, int) ([]byte, Errno) {
	return telling(func(*Socket) int { return v })
}

// nicOf returns the NIC that has an address.
func (s *Socket) nicOf(a netip.Addr) *stack.NIC {
	n, _, _ := s.sockets.stack.LocalAddress(a)
	return n
}
