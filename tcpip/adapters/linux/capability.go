package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Options say what the sockets of a program may do that Linux allows to the privileged alone. The zero value
// allows everything: a runtime knows whom it serves.
type Options struct {
	// NetRaw is CAP_NET_RAW: raw and packet sockets, IP_TRANSPARENT, SO_MARK. Unset means allowed.
	NetRaw tcpip.Opt[bool]
	// NetAdmin is CAP_NET_ADMIN: SO_MARK, SO_PRIORITY above 6, SO_SNDBUFFORCE and SO_RCVBUFFORCE, IP_TRANSPARENT. Unset
	// means allowed.
	NetAdmin tcpip.Opt[bool]

	// RingMemory makes the memory of a packet socket's ring, so many bytes, zero and aligned to 8, that the runtime can
	// map into its guest. nil: the process's own.
	RingMemory func(bytes int) []byte
}

// NewWith is New with options.
func NewWith(s *stack.Stack, o Options) *Sockets { return &Sockets{stack: s, options: o} }

// capabilities is a set of what is asked for; one of them suffices.
type capabilities uint8

const (
	netRaw capabilities = 1 << iota
	netAdmin
)

// may reports whether one of c is there.
func (n *Sockets) may(c capabilities) bool {
	return c&netRaw != 0 && n.options.NetRaw.Or(true) || c&netAdmin != 0 && n.options.NetAdmin.Or(true)
}

// privileged are the options that not everybody may set, and which of their values that is about.
var privileged = map[tcpip.OptionID]struct {
	by    capabilities
	value func(int) bool
}{
	tcpip.SO_MARK:        {netRaw | netAdmin, anyValue},
	tcpip.SO_PRIORITY:    {netRaw | netAdmin, func(v int) bool { return v < 0 || v > 6 }},
	SO_SNDBUFFORCE:       {netAdmin, anyValue},
	SO_RCVBUFFORCE:       {netAdmin, anyValue},
	tcpip.IP_TRANSPARENT: {netRaw | netAdmin, func(v int) bool { return v != 0 }},
}

func anyValue(int) bool { return true }

// permitted reports whether the socket's program may set an option. A length that is wrong is complained of later.
func (s *Socket) permitted(id tcpip.OptionID, value []byte) bool {
	p, ok := privileged[id]
	if !ok || s.sockets.may(p.by) {
		return true
	}
	v := 0
	switch {
	case len(value) >= 4:
		v = int(int32(binary.NativeEndian.Uint32(value)))
	case id.Level() == SOL_SOCKET || len(value) == 0:
		return true
	default:
		v = int(value[0])
	}
	return !p.value(v)
}
