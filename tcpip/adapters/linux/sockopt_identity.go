package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// identityOthers say what a socket is and what it holds, or, as Linux does of sockets of the Internet, that there is
// nothing to say.
var identityOthers = map[tcpip.OptionID]other{
	SO_COOKIE: {on: tcpip.KindAny, set: refuse, get: (*Socket).cookie,
		name: "SO_COOKIE", form: "uint64", doc: "A number that no other socket of the stack has. Read only."},
	SO_NETNS_COOKIE: {on: tcpip.KindAny, set: refuse, get: (*Socket).stackCookie,
		name: "SO_NETNS_COOKIE", form: "uint64", doc: "A number of the stack, which takes the place of the network namespace. Read only."},
	SO_MEMINFO: {on: tcpip.KindAny, set: refuse, get: (*Socket).memory,
		name: "SO_MEMINFO", form: "uint32[9]", doc: "What is in the receive queue, SO_RCVBUF, what is being sent, SO_SNDBUF, four that are 0, and what was dropped. Read only."},
	SO_INCOMING_NAPI_ID: {on: tcpip.KindAny, set: refuse, get: constant(0),
		name: "SO_INCOMING_NAPI_ID", form: "int", byDefault: "0", hint: true, doc: "No device has one. Read only."},
	SO_INCOMING_CPU: {on: tcpip.KindAny, set: (*Socket).setIncomingCPU, get: telling((*Socket).incomingCPU),
		name: "SO_INCOMING_CPU", form: "int", byDefault: "-1",
		doc: "The processor that the peer's packets arrive at: 0 once there were some. What is set is shown instead, and steers nothing."},
	SO_BPF_EXTENSIONS: {on: tcpip.KindAny, set: refuse, get: constant(bpfExtensions),
		name: "SO_BPF_EXTENSIONS", form: "int", byDefault: "64", doc: "Which ancillary loads a classic BPF program has. Read only."},
	SO_SNDLOWAT: {on: tcpip.KindAny, set: refuse, get: constant(1),
		name: "SO_SNDLOWAT", form: "int (bytes)", byDefault: "1", doc: "Read only, as on Linux."},
	SO_BSDCOMPAT: {on: tcpip.KindAny, set: ignoreInt, get: constant(0),
		name: "SO_BSDCOMPAT", form: "int", byDefault: "0", hint: true, doc: "Taken and forgotten, as on Linux."},
	SO_CNX_ADVICE: {on: tcpip.KindAny, set: ignoreInt,
		name: "SO_CNX_ADVICE", form: "int", hint: true, doc: "1 asks for another way to the peer, of which there is one. Write only."},
	SO_PEERCRED: {on: tcpip.KindAny, set: refuse, get: func(*Socket, int) ([]byte, Errno) {
		return []byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0
	}, name: "SO_PEERCRED", form: "struct ucred", byDefault: "0 -1 -1", hint: true, doc: "Nobody. Read only."},
	SO_PEERGROUPS: {on: tcpip.KindAny, set: refuse, get: noData, name: "SO_PEERGROUPS", form: "gid_t[]", hint: true, doc: "ENODATA: nobody."},
	SO_PEERPIDFD:  {on: tcpip.KindAny, set: refuse, get: noData, name: "SO_PEERPIDFD", form: "int (file)", hint: true, doc: "ENODATA: nobody."},

	SO_PASSCRED: unixOnly("SO_PASSCRED"), SO_PASSSEC: unixOnly("SO_PASSSEC"), SO_PASSPIDFD: unixOnly("SO_PASSPIDFD"),
	SO_PASSRIGHTS: unixOnly("SO_PASSRIGHTS"),

	SO_DEVMEM_DONTNEED: {on: tcpip.KindAny, set: (*Socket).setDevmem,
		name: "SO_DEVMEM_DONTNEED", form: "struct dmabuf_token[]", hint: true, doc: "There is no memory of devices to give back."},
	SO_TXTIME: {on: tcpip.KindAny, set: (*Socket).setTxTime, get: (*Socket).txTime,
		name: "SO_TXTIME", form: "struct sock_txtime", byDefault: "0 0", hint: true,
		doc: "Lets control messages say when a datagram is to leave. It leaves at once, as on Linux without a scheduler that looks at that."},
	SO_RESERVE_MEM: {on: tcpip.KindAny, set: (*Socket).setReserved, get: constant(0),
		name: "SO_RESERVE_MEM", form: "int (bytes)", byDefault: "0", doc: "EOPNOTSUPP, as on Linux for sockets without a memory cgroup."},
	SO_BUSY_POLL_BUDGET: {on: tcpip.KindAny, set: within(0, 0xffff),
		name: "SO_BUSY_POLL_BUDGET", form: "int (packets)", hint: true, doc: "There is no polling of devices. Write only."},
	SO_TXREHASH: {on: tcpip.KindAny, set: (*Socket).setTxRehash, get: (*Socket).txRehash,
		name: "SO_TXREHASH", form: "int", byDefault: "1", hint: true, doc: "Of streams: choose another flow label after a timeout. Others refuse it."},
	SO_BUF_LOCK: {on: tcpip.KindAny, set: (*Socket).setBufferLock, get: telling(func(s *Socket) int { return s.hinted(SO_BUF_LOCK, 0) }),
		name: "SO_BUF_LOCK", form: "int (bits)", byDefault: "0", hint: true,
		doc: "Which of SO_SNDBUF (1) and SO_RCVBUF (2) were set; on Linux the others may be moved by the kernel. Setting it moves none here."},
}

// bpfExtensions is Linux's SKF_AD_MAX.
const bpfExtensions = 64

// unixOnly is an option of Unix sockets.
func unixOnly(name string) other {
	return other{on: tcpip.KindAny,
		set: func(_ *Socket, v []byte) Errno {
			if len(v) < 4 {
				return EINVAL
			}
			return EOPNOTSUPP
		},
		get:  func(*Socket, int) ([]byte, Errno) { return nil, EOPNOTSUPP },
		name: name, form: "bool", hint: true, doc: "EOPNOTSUPP: of Unix sockets alone."}
}

func noData(*Socket, int) ([]byte, Errno) { return nil, ENODATA }

func ignoreInt(_ *Socket, v []byte) Errno {
	if len(v) < 4 {
		return EINVAL
	}
	return 0
}

// within takes an int of a range and forgets it.
func within(low, high int) func(*Socket, []byte) Errno {
	return func(_ *Socket, v []byte) Errno {
		if len(v) < 4 {
			return EINVAL
		}
		if n := int(int32(binary.NativeEndian.Uint32(v))); n < low || n > high {
			return EINVAL
		}
		return 0
	}
}

// hinted returns a stored value.
func (s *Socket) hinted(id tcpip.OptionID, byDefault int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.stored[id]; ok {
		return v
	}
	return byDefault
}

// whole returns a value that a buffer must have the room for.
func whole(b []byte, size int) ([]byte, Errno) {
	if size < len(b) {
		return nil, EINVAL
	}
	return b, 0
}

func (s *Socket) cookie(size int) ([]byte, Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.number == 0 {
		s.number = s.sockets.numbers.Add(1)
	}
	return whole(binary.NativeEndian.AppendUint64(nil, s.number), size)
}

// stackCookie is a random number, so that two stacks have different ones.
func (s *Socket) stackCookie(size int) ([]byte, Errno) {
	n := &s.sockets.netns
	if n.Load() == 0 {
		r := s.sockets.stack.Random()
		n.CompareAndSwap(0, uint64(r.Uint32())<<32|uint64(r.Uint32())|1)
	}
	if size > 8 { // as Linux has it
		return nil, EINVAL
	}
	return whole(binary.NativeEndian.AppendUint64(nil, n.Load()), size)
}

// memoryUser is an endpoint that says what its queues hold, bytes, and what they had no room for.
type memoryUser interface {
	Memory() (received, sent, drops int)
}

func (s *Socket) memory(int) ([]byte, Errno) {
	var m [9]uint32
	if u, ok := s.ep.(memoryUser); ok {
		received, sent, drops := u.Memory()
		m[0], m[2], m[8] = uint32(received), uint32(sent), uint32(drops)
		if s.stream() {
			m[5] = m[2] // SK_MEMINFO_WMEM_QUEUED
		}
	}
	for i, id := range map[int]tcpip.OptionID{1: tcpip.SO_RCVBUF, 3: tcpip.SO_SNDBUF} {
		v, _ := s.ep.Option(id)
		m[i] = uint32(v)
	}
	var b []byte
	for _, v := range m {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b, 0
}

// setDevmem gives memory of devices back, which only streams could have, and which nobody has.
func (s *Socket) setDevmem(v []byte) Errno {
	const token = 8
	switch {
	case len(v) < 4:
		return EINVAL
	case !s.stream():
		return EBADF
	case len(v)%token != 0:
		return EINVAL
	}
	return 0
}

// The clocks of SO_TXTIME.
const (
	clockRealtime  = 0
	clockMonotonic = 1
	clockTAI       = 11
)

// setTxTime takes a clock and flags.
func (s *Socket) setTxTime(v []byte) Errno {
	if len(v) != 8 {
		return EINVAL
	}
	clock, flags := int32(binary.NativeEndian.Uint32(v)), binary.NativeEndian.Uint32(v[4:])
	if flags&^3 != 0 || clock != clockRealtime && clock != clockMonotonic && clock != clockTAI {
		return EINVAL
	}
	s.mu.Lock()
	s.store(SO_TXTIME, int(clock)<<2|int(flags))
	s.mu.Unlock()
	return 0
}

func (s *Socket) txTime(int) ([]byte, Errno) {
	v := s.hinted(SO_TXTIME, 0)
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, uint32(v>>2)), uint32(v&3)), 0
}

func (s *Socket) setReserved(v []byte) Errno {
	if len(v) < 4 || int32(binary.NativeEndian.Uint32(v)) < 0 {
		return EINVAL
	}
	return EOPNOTSUPP
}

func (s *Socket) setTxRehash(v []byte) Errno {
	if len(v) < 4 {
		return EINVAL
	}
	n := int(int32(binary.NativeEndian.Uint32(v)))
	switch {
	case !s.stream():
		return EOPNOTSUPP
	case n < -1 || n > 1:
		return EINVAL
	case n < 0:
		n = 1
	}
	s.mu.Lock()
	s.store(SO_TXREHASH, n)
	s.mu.Unlock()
	return 0
}

func (s *Socket) txRehash(int) ([]byte, Errno) {
	if !s.stream() {
		return nil, EOPNOTSUPP
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(s.hinted(SO_TXREHASH, 1))), 0
}

// The bits of SO_BUF_LOCK.
const (
	lockSend    = 1
	lockReceive = 2
)

func (s *Socket) setBufferLock(v []byte) Errno {
	if len(v) < 4 {
		return EINVAL
	}
	n := binary.NativeEndian.Uint32(v)
	if n&^(lockSend|lockReceive) != 0 {
		return EINVAL
	}
	s.mu.Lock()
	s.store(SO_BUF_LOCK, int(n))
	s.mu.Unlock()
	return 0
}

// lockBuffer notes that a buffer's size was set.
func (s *Socket) lockBuffer(id tcpip.OptionID) {
	bit := 0
	switch id {
	case tcpip.SO_SNDBUF:
		bit = lockSend
	case tcpip.SO_RCVBUF:
		bit = lockReceive
	default:
		return
	}
	s.mu.Lock()
	s.store(SO_BUF_LOCK, s.stored[SO_BUF_LOCK]|bit)
	s.mu.Unlock()
}

func (s *Socket) setIncomingCPU(v []byte) Errno {
	if len(v) < 4 {
		return EINVAL
	}
	s.mu.Lock()
	s.store(SO_INCOMING_CPU, int(int32(binary.NativeEndian.Uint32(v))))
	s.mu.Unlock()
	return 0
}

// incomingCPU is a processor where packets of a peer have arrived: as on Linux those of a connected socket alone count.
func (s *Socket) incomingCPU() int {
	s.mu.Lock()
	v, ok := s.stored[SO_INCOMING_CPU]
	s.mu.Unlock()
	if ok {
		return v
	}
	heard := false
	switch e := s.ep.(type) {
	case *tcp.Endpoint:
		st := e.State()
		heard = st != tcp.StateClosed && st != tcp.StateListen && st != tcp.StateSynSent
	case *udp.Endpoint:
		heard = e.RemoteAddress().Addr.IsValid() && (s.hasRead.Load() || e.Unread() > 0)
	}
	if heard {
		return 0
	}
	return -1
}
