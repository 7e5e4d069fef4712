package tcpip

// OptionID names a socket option by its Linux level and number.
type OptionID uint32

// Option returns the OptionID of a level and a number.
func Option(level, number int) OptionID { return OptionID(level<<16 | number&0xffff) }

// Level returns the level, one of the SOL and IPPROTO constants.
func (id OptionID) Level() int { return int(id >> 16) }

// Number returns the option's number within its level.
func (id OptionID) Number() int { return int(id & 0xffff) }

// The levels.
const (
	IPPROTO_IP   = 0
	SOL_SOCKET   = 1
	IPPROTO_TCP  = 6
	IPPROTO_UDP  = 17
	IPPROTO_IPV6 = 41
)

// The options that every kind of endpoint may have. TCP's own are declared with TCP.
const (
	SO_REUSEADDR         OptionID = SOL_SOCKET<<16 | 2
	SO_BROADCAST         OptionID = SOL_SOCKET<<16 | 6
	SO_SNDBUF            OptionID = SOL_SOCKET<<16 | 7
	SO_RCVBUF            OptionID = SOL_SOCKET<<16 | 8
	SO_KEEPALIVE         OptionID = SOL_SOCKET<<16 | 9
	SO_OOBINLINE         OptionID = SOL_SOCKET<<16 | 10
	SO_NO_CHECK          OptionID = SOL_SOCKET<<16 | 11
	SO_LINGER            OptionID = SOL_SOCKET<<16 | 13
	SO_REUSEPORT         OptionID = SOL_SOCKET<<16 | 15
	SO_RCVLOWAT          OptionID = SOL_SOCKET<<16 | 18
	SO_TIMESTAMP         OptionID = SOL_SOCKET<<16 | 29
	SO_PRIORITY          OptionID = SOL_SOCKET<<16 | 12
	SO_MARK              OptionID = SOL_SOCKET<<16 | 36
	SO_TIMESTAMPING      OptionID = SOL_SOCKET<<16 | 37
	SO_RXQ_OVFL          OptionID = SOL_SOCKET<<16 | 40
	SO_PEEK_OFF          OptionID = SOL_SOCKET<<16 | 42
	SO_ZEROCOPY          OptionID = SOL_SOCKET<<16 | 60
	SO_BINDTOIFINDEX     OptionID = SOL_SOCKET<<16 | 62
	SO_RCVMARK           OptionID = SOL_SOCKET<<16 | 75
	SO_RCVPRIORITY       OptionID = SOL_SOCKET<<16 | 82
	UDP_CORK             OptionID = IPPROTO_UDP<<16 | 1
	UDP_NO_CHECK6_TX     OptionID = IPPROTO_UDP<<16 | 101
	UDP_NO_CHECK6_RX     OptionID = IPPROTO_UDP<<16 | 102
	UDP_SEGMENT          OptionID = IPPROTO_UDP<<16 | 103
	UDP_GRO              OptionID = IPPROTO_UDP<<16 | 104
	IP_TOS               OptionID = IPPROTO_IP<<16 | 1
	IP_TTL               OptionID = IPPROTO_IP<<16 | 2
	IP_PKTINFO           OptionID = IPPROTO_IP<<16 | 8
	IP_MTU_DISCOVER      OptionID = IPPROTO_IP<<16 | 10
	IP_RECVERR           OptionID = IPPROTO_IP<<16 | 11
	IP_RECVERR_RFC4884   OptionID = IPPROTO_IP<<16 | 26
	IPV6_RECVERR_RFC4884 OptionID = IPPROTO_IPV6<<16 | 31
	IP_RECVTTL           OptionID = IPPROTO_IP<<16 | 12
	IP_RECVTOS           OptionID = IPPROTO_IP<<16 | 13
	IP_MTU               OptionID = IPPROTO_IP<<16 | 14
	IP_FREEBIND          OptionID = IPPROTO_IP<<16 | 15
	IP_TRANSPARENT       OptionID = IPPROTO_IP<<16 | 19
	IP_MINTTL            OptionID = IPPROTO_IP<<16 | 21
	IP_MULTICAST_IF      OptionID = IPPROTO_IP<<16 | 32
	IP_MULTICAST_TTL     OptionID = IPPROTO_IP<<16 | 33
	IP_MULTICAST_LOOP    OptionID = IPPROTO_IP<<16 | 34
	IP_MULTICAST_ALL     OptionID = IPPROTO_IP<<16 | 49
	IPV6_UNICAST_HOPS    OptionID = IPPROTO_IPV6<<16 | 16
	IPV6_MULTICAST_IF    OptionID = IPPROTO_IPV6<<16 | 17
	IPV6_MULTICAST_HOPS  OptionID = IPPROTO_IPV6<<16 | 18
	IPV6_MULTICAST_LOOP  OptionID = IPPROTO_IPV6<<16 | 19
	IPV6_MTU_DISCOVER    OptionID = IPPROTO_IPV6<<16 | 23
	IPV6_MTU             OptionID = IPPROTO_IPV6<<16 | 24
	IPV6_RECVERR         OptionID = IPPROTO_IPV6<<16 | 25
	IPV6_V6ONLY          OptionID = IPPROTO_IPV6<<16 | 26
	IPV6_MULTICAST_ALL   OptionID = IPPROTO_IPV6<<16 | 29
	IPV6_RECVPKTINFO     OptionID = IPPROTO_IPV6<<16 | 49
	IPV6_RECVHOPLIMIT    OptionID = IPPROTO_IPV6<<16 | 51
	IPV6_DONTFRAG        OptionID = IPPROTO_IPV6<<16 | 62
	IPV6_RECVTCLASS      OptionID = IPPROTO_IPV6<<16 | 66
	IPV6_TCLASS          OptionID = IPPROTO_IPV6<<16 | 67
)

// EndpointKinds is a set of kinds of endpoint, to say which have an option.
type EndpointKinds uint8

// The kinds.
const (
	KindTCP EndpointKinds = 1 << iota
	KindUDP
	KindPing
	KindRaw
	KindPacket

	KindDatagram = KindUDP | KindPing | KindRaw
	KindIP       = KindTCP | KindDatagram
	KindAny      = KindIP | KindPacket
)

// Range is the numbers from Min to Max, both inclusive.
type Range struct{ Min, Max int }

// Has reports whether v is one of them.
func (r Range) Has(v int) bool { return r.Min <= v && v <= r.Max }

// OptionRow declares one option whose value is an int kept in a configuration C. Everything else that
// is known of options (the typed API, the Linux ABI, the reference page, the round-trip tests) is
// a loop over rows.
type OptionRow[C any] struct {
	ID       OptionID
	Name     string
	Unit     string     // of the value: "bool", "bytes", "s", ...; empty for a plain number
	Min, Max int        // inclusive; beyond them Set is refused with ErrInvalid
	Except   Opt[Range] // numbers between them that are refused too
	Default  int        // what Get returns on a new endpoint
	On       EndpointKinds
	Hint     bool // stored, and nothing more can be observed, on Linux as here
	Get      func(*C) int
	Set      func(*C, int)
	Doc      string
}

// FindOption returns the row of id that the given kind of endpoint has, or nil.
func FindOption[C any](rows []OptionRow[C], id OptionID, kind EndpointKinds) *OptionRow[C] {
	for i := range rows {
		if rows[i].ID == id && rows[i].On&kind != 0 {
			return &rows[i]
		}
	}
	return nil
}

// Put sets the option in c after checking its range. A "bool" takes every number, as on Linux.
func (r *OptionRow[C]) Put(c *C, v int) Error {
	if r.Unit == "bool" {
		if v != 0 {
			v = 1
		}
	} else if v < r.Min || v > r.Max {
		return ErrInvalid
	} else if except, ok := r.Except.Get(); ok && except.Has(v) {
		return ErrInvalid
	}
	r.Set(c, v)
	return OK
}

// Defaults sets every option of rows in c to its default.
func Defaults[C any](rows []OptionRow[C], c *C) {
	for i := range rows {
		rows[i].Set(c, rows[i].Default)
	}
}
