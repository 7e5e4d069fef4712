package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// The options of BPF programs. Those that take a struct sock_fprog hold a pointer, which only a runtime can follow:
// it calls AttachFilter, AttachReuseportFilter and Filter for them.
const (
	SO_ATTACH_FILTER         tcpip.OptionID = SOL_SOCKET<<16 | 26 // SO_GET_FILTER when read
	SO_DETACH_FILTER         tcpip.OptionID = SOL_SOCKET<<16 | 27
	SO_LOCK_FILTER           tcpip.OptionID = SOL_SOCKET<<16 | 44
	SO_ATTACH_BPF            tcpip.OptionID = SOL_SOCKET<<16 | 50
	SO_ATTACH_REUSEPORT_CBPF tcpip.OptionID = SOL_SOCKET<<16 | 51
	SO_ATTACH_REUSEPORT_EBPF tcpip.OptionID = SOL_SOCKET<<16 | 52
	SO_DETACH_REUSEPORT_BPF  tcpip.OptionID = SOL_SOCKET<<16 | 68

	sizeofFprog      = 16 // struct sock_fprog
	sizeofSockFilter = 8  // struct sock_filter
)

// filterOthers are these options.
var filterOthers = map[tcpip.OptionID]other{
	SO_ATTACH_FILTER: {on: tcpip.KindAny, set: setProgram, get: func(*Socket, int) ([]byte, Errno) { return nil, EFAULT },
		name: "SO_ATTACH_FILTER", form: "struct sock_fprog",
		doc: "Classic BPF program that decides what of each received packet the socket gets. The runtime follows the pointer (Socket.AttachFilter, Socket.Filter)."},
	SO_DETACH_FILTER: {on: tcpip.KindAny, set: (*Socket).detachFilter,
		name: "SO_DETACH_FILTER", form: "int", doc: "Takes the program of SO_ATTACH_FILTER away. Write only."},
	SO_LOCK_FILTER: {on: tcpip.KindAny, set: (*Socket).lockFilter, get: (*Socket).filterLocked,
		name: "SO_LOCK_FILTER", form: "bool", byDefault: "0", doc: "Keeps the program, or its absence, from being changed for good."},
	SO_ATTACH_BPF: {on: tcpip.KindAny, set: (*Socket).attachExtended,
		name: "SO_ATTACH_BPF", form: "int (file)", doc: "Extended BPF, of which no program can be loaded here: no file is one."},
	SO_ATTACH_REUSEPORT_CBPF: {on: tcpip.KindAny, set: setProgram,
		name: "SO_ATTACH_REUSEPORT_CBPF", form: "struct sock_fprog",
		doc: "Classic BPF program that chooses among the sockets that share a port. The runtime follows the pointer (Socket.AttachReuseportFilter)."},
	SO_DETACH_REUSEPORT_BPF: {on: tcpip.KindAny, set: (*Socket).detachReuse,
		name: "SO_DETACH_REUSEPORT_BPF", form: "int", doc: "Takes the program of SO_ATTACH_REUSEPORT_CBPF away. Write only."},
	SO_ATTACH_REUSEPORT_EBPF: {on: tcpip.KindAny, set: (*Socket).attachExtended,
		name: "SO_ATTACH_REUSEPORT_EBPF", form: "int (file)", doc: "As SO_ATTACH_BPF."},
}

// socketFilter is an endpoint that has a filter.
type socketFilter interface{ SocketFilter() *stack.SocketFilter }

func (s *Socket) filter() *stack.SocketFilter { return s.ep.(socketFilter).SocketFilter() }

// AttachFilter is setsockopt(2) with SO_ATTACH_FILTER, of whose struct sock_fprog code is what filter points to: an
// array of struct sock_filter in the machine's byte order. It copies.
//
// Errors: EPERM if the filter is locked, EINVAL for a program that may not run.
func (s *Socket) AttachFilter(code []byte) Errno { return filterErrno(s.filter().Attach(code)) }

// Filter is getsockopt(2) with SO_GET_FILTER, whose optlen counts instructions: it returns the program and the number
// of its instructions, which optlen becomes. With an optlen of 0 the program is left out.
//
// Errors: EINVAL if optlen is too small.
func (s *Socket) Filter(optlen int) (code []byte, n int, err Errno) {
	code = s.filter().Program()
	n = len(code) / sizeofSockFilter
	switch {
	case optlen == 0:
		return nil, n, 0
	case optlen < n:
		return nil, 0, EINVAL
	}
	return code, n, 0
}

// filterErrno is errnoOf, with ENOENT for what is not there.
func filterErrno(err tcpip.Error) Errno {
	if err == tcpip.ErrNotFound {
		return ENOENT
	}
	return errnoOf(err.Err())
}

// setProgram is for a caller who did not follow the pointer.
func setProgram(_ *Socket, v []byte) Errno {
	if len(v) != sizeofFprog {
		return EINVAL
	}
	return EFAULT
}

func (s *Socket) detachFilter(v []byte) Errno {
	if len(v) < 4 {
		return EINVAL
	}
	return filterErrno(s.filter().Detach())
}

func (s *Socket) lockFilter(v []byte) Errno {
	switch {
	case len(v) < 4:
		return EINVAL
	case binary.NativeEndian.Uint32(v) != 0:
		s.filter().Lock()
	case s.filter().Locked():
		return EPERM
	}
	return 0
}

func (s *Socket) filterLocked(int) ([]byte, Errno) {
	v := uint32(0)
	if s.filter().Locked() {
		v = 1
	}
	return binary.NativeEndian.AppendUint32(nil, v), 0
}

// attachExtended finds that a file is no program of extended BPF.
func (s *Socket) attachExtended(v []byte) Errno {
	switch {
	case len(v) != 4:
		return EINVAL
	case s.filter().Locked():
		return EPERM
	case int32(binary.NativeEndian.Uint32(v)) < 0:
		return EBADF
	}
	return EINVAL
}

// reuser is an endpoint that can share its port.
type reuser interface {
	AttachReuse(code []byte) tcpip.Error
	DetachReuse() tcpip.Error
}

// AttachReuseportFilter is setsockopt(2) with SO_ATTACH_REUSEPORT_CBPF, code as in AttachFilter: the program chooses
// which socket of a group with SO_REUSEPORT gets a packet.
//
// Errors: EPERM if the socket's filter is locked, EINVAL without SO_REUSEPORT and for a program that may not run.
func (s *Socket) AttachReuseportFilter(code []byte) Errno {
	r, ok := s.ep.(reuser)
	switch {
	case s.filter().Locked():
		return EPERM
	case !ok:
		return EINVAL
	}
	return errnoOf(r.AttachReuse(code).Err())
}

func (s *Socket) detachReuse(v []byte) Errno {
	r, ok := s.ep.(reuser)
	switch {
	case len(v) < 4, !ok:
		return EINVAL
	}
	return filterErrno(r.DetachReuse())
}
