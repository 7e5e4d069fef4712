package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// Scenario is one conversation with sockets.
type Scenario struct {
	Name string
	Do   func(*Run)
}

// Run records what happens to one Scenario on one implementation of Sockets. Its methods are the socket
// calls; each adds a line to the log. FD -1 stands for a file that could not be made; calls on it are not made.
type Run struct {
	sockets Sockets
	log     []string
	names   map[int]string    // of files: s0, s1, ... in the order of their making
	raw4    map[int]bool      // files that receive IPv4 headers
	given   map[uint16]bool   // ports that the scenario has chosen
	labels  map[uint32]bool   // flow labels that the scenario has chosen
	ports   map[uint16]string // all others: P0, P1, ...
	made    int               // files so far; their numbers are used again
	flows   map[tcpFlow]*tcpStart
	pings   map[int]bool // files whose messages have an identifier of the implementation's choice

	followed bool // the segment that is rendered is followed by more data
	repeated bool // it is the same again
}

// Perform runs a scenario and returns its log.
func Perform(s Scenario, sockets Sockets) []string {
	r := &Run{sockets: sockets, names: map[int]string{}, ports: map[uint16]string{}, given: map[uint16]bool{}, labels: map[uint32]bool{}, raw4: map[int]bool{}}
	s.Do(r)
	sockets.End()
	return r.log
}

func (r *Run) logf(format string, args ...any) { r.log = append(r.log, fmt.Sprintf(format, args...)) }

// Say puts a line into the log, for the reader.
func (r *Run) Say(format string, args ...any) { r.logf("# "+format, args...) }

func (r *Run) file(fd int) string {
	if n, ok := r.names[fd]; ok {
		return n
	}
	return fmt.Sprint("?", fd)
}

func (r *Run) named(fd int) int {
	if fd >= 0 {
		r.names[fd] = fmt.Sprint("s", r.made)
		r.made++
	}
	return fd
}

// result renders a return value, or the error.
func result(v, errno int) string {
	if errno != 0 {
		return errnoName(errno)
	}
	return fmt.Sprint(v)
}

func errnoName(e int) string {
	if n, ok := errnoNames[e]; ok {
		return n
	}
	return fmt.Sprint("errno ", e)
}

var errnoNames = map[int]string{
	0: "0", 1: "EPERM", 2: "ENOENT", 3: "ESRCH", 6: "ENXIO", 9: "EBADF", 11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 14: "EFAULT",
	17: "EEXIST", 19: "ENODEV", 22: "EINVAL", 25: "ENOTTY", 32: "EPIPE", 33: "EDOM", 71: "EPROTO", 88: "ENOTSOCK",
	89: "EDESTADDRREQ", 90: "EMSGSIZE", 91: "EPROTOTYPE", 92: "ENOPROTOOPT", 93: "EPROTONOSUPPORT", 94: "ESOCKTNOSUPPORT",
	95: "EOPNOTSUPP", 97: "EAFNOSUPPORT", 98: "EADDRINUSE", 99: "EADDRNOTAVAIL", 100: "ENETDOWN", 101: "ENETUNREACH",
	103: "ECONNABORTED", 104: "ECONNRESET", 105: "ENOBUFS", 106: "EISCONN", 107: "ENOTCONN", 110: "ETIMEDOUT",
	111: "ECONNREFUSED", 112: "EHOSTDOWN", 113: "EHOSTUNREACH", 114: "EALREADY", 115: "EINPROGRESS",
}

func (r *Run) port(p uint16) string {
	if p == 0 || r.given[p] {
		return fmt.Sprint(p)
	}
	if _, ok := r.ports[p]; !ok {
		r.ports[p] = fmt.Sprint("P", len(r.ports))
	}
	return r.ports[p]
}

// choice is address for a name that the scenario gives; a port that it has not got from a call is its choice.
func (r *Run) choice(b []byte) string {
	if len(b) >= 4 && binary.NativeEndian.Uint16(b) != linux.AF_PACKET {
		p := binary.BigEndian.Uint16(b[2:])
		if _, ephemeral := r.ports[p]; !ephemeral {
			r.given[p] = true
		}
	}
	if len(b) >= 24 && binary.NativeEndian.Uint16(b) == linux.AF_INET6 {
		r.labels[binary.BigEndian.Uint32(b[4:])&0xfffff] = true
	}
	return r.address(b)
}

// address renders a socket address with its length, if that is not its family's.
func (r *Run) address(b []byte) string {
	if len(b) < 2 {
		return fmt.Sprintf("name[%d]", len(b))
	}
	family := binary.NativeEndian.Uint16(b)
	if family == linux.AF_PACKET {
		return packetAddress(b)
	}
	s, size := "", 0
	switch {
	case len(b) >= 16 && family != linux.AF_INET6:
		size = 16
		s = fmt.Sprintf("%v:%s", netip.AddrFrom4([4]byte(b[4:])), r.port(binary.BigEndian.Uint16(b[2:])))
	case len(b) >= 24 && family == linux.AF_INET6:
		size = 28
		s = fmt.Sprintf("[%v]:%s", netip.AddrFrom16([16]byte(b[8:])), r.port(binary.BigEndian.Uint16(b[2:])))
		if len(b) >= 28 && binary.NativeEndian.Uint32(b[24:]) != 0 {
			s += fmt.Sprint("%", binary.NativeEndian.Uint32(b[24:]))
		}
		if flow := binary.BigEndian.Uint32(b[4:]); flow != 0 {
			s += fmt.Sprintf(" flow %#x", flow)
		}
	}
	if family != linux.AF_INET && family != linux.AF_INET6 {
		s += fmt.Sprint(" family ", family)
	}
	if len(b) != size {
		s += fmt.Sprintf(" len %d", len(b))
	}
	return s
}

// Socket is socket(2).
func (r *Run) Socket(family, typ, proto int) int {
	fd, e := r.sockets.Socket(family, typ, proto)
	fd = r.named(fd)
	if typ == linux.SOCK_RAW { // which shows its protocol for its port
		r.given[uint16(proto)] = true
		r.raw4[fd] = family == linux.AF_INET
	}
	if e != 0 {
		r.logf("socket(%d, %d, %d) = %s", family, typ, proto, errnoName(e))
		return -1
	}
	if typ == linux.SOCK_DGRAM && proto != 0 && proto != linux.IPPROTO_UDP {
		if r.pings == nil {
			r.pings = map[int]bool{}
		}
		r.pings[fd] = true
	}
	r.logf("socket(%d, %d, %d) = %s", family, typ, proto, r.file(fd))
	return fd
}

// Bind is bind(2).
func (r *Run) Bind(fd int, name []byte) int {
	e := r.sockets.Bind(fd, name)
	r.logf("bind(%s, %s) = %s", r.file(fd), r.choice(name), errnoName(e))
	return e
}

// Connect is connect(2), and what comes of it at once.
func (r *Run) Connect(fd int, name []byte) int {
	e := r.sockets.Connect(fd, name)
	r.sockets.Settle()
	r.logf("connect(%s, %s) = %s", r.file(fd), r.choice(name), errnoName(e))
	return e
}

// Listen is listen(2).
func (r *Run) Listen(fd, backlog int) int {
	e := r.sockets.Listen(fd, backlog)
	r.logf("listen(%s, %d) = %s", r.file(fd), backlog, errnoName(e))
	return e
}

// Accept is accept4(2).
func (r *Run) Accept(fd, flags int) int {
	c, name, e := r.sockets.Accept4(fd, flags)
	if e != 0 {
		r.logf("accept4(%s, %#x) = %s", r.file(fd), flags, errnoName(e))
		return -1
	}
	c = r.named(c)
	r.logf("accept4(%s, %#x) = %s from %s", r.file(fd), flags, r.file(c), r.address(name))
	return c
}

// Send is sendmsg(2); name and control may be nil.
func (r *Run) Send(fd int, data, name, control []byte, flags int) int {
	n, e := r.sockets.SendMsg(fd, data, name, control, flags)
	r.sockets.Settle()
	to := ""
	if name != nil {
		to = " to " + r.choice(name)
	}
	if control != nil {
		to += " with " + r.control(control)
	}
	r.logf("sendmsg(%s, %s, %#x)%s = %s", r.file(fd), text(data), flags, to, result(n, e))
	return n
}

// text renders payload: what is short in full.
func text(b []byte) string {
	if len(b) > 32 {
		return fmt.Sprintf("%d bytes", len(b))
	}
	return fmt.Sprintf("%q", b)
}

// Recv is recvmsg(2) with room for size bytes and room bytes of control messages.
func (r *Run) Recv(fd, size, room, flags int) Message {
	data, control := make([]byte, size), make([]byte, room)
	m, e := r.sockets.RecvMsg(fd, data, control, flags)
	if e != 0 {
		r.logf("recvmsg(%s, %d, %#x) = %s", r.file(fd), size, flags, errnoName(e))
		return m
	}
	if r.raw4[fd] && size > 0 && data[0]>>4 == 4 { // its identification is the host's choice
		clear(data[min(4, size):min(6, size)])
		clear(data[min(10, size):min(12, size)])
	}
	if r.pings[fd] {
		clear(data[min(2, size):min(6, size)]) // checksum and identifier
	}
	s := fmt.Sprintf("recvmsg(%s, %d, %#x) = %d %s", r.file(fd), size, flags, m.N, text(data[:min(max(m.N, 0), size)]))
	if len(m.Name) > 0 {
		s += " from " + r.address(m.Name)
	}
	if m.Flags&^linux.MSG_DONTWAIT != 0 {
		s += fmt.Sprintf(" flags %#x", m.Flags)
	}
	if len(m.Control) > 0 {
		s += " with " + r.control(m.Control)
	}
	r.log = append(r.log, s)
	return m
}

// control renders control messages; times are left out.
func (r *Run) control(b []byte) string {
	var s []string
	for len(b) >= 16 {
		n := int(min(binary.NativeEndian.Uint64(b), uint64(len(b))))
		level, typ := binary.NativeEndian.Uint32(b[8:]), binary.NativeEndian.Uint32(b[12:])
		data := b[min(16, n):n]
		if level == 0 && (typ == 6 || typ == 7) {
			data = stampless(data)
		}
		if level == 0 && typ == 23 && len(data) == 4 { // IP_CHECKSUM: how it is folded depends on ports
			sum := uint64(binary.NativeEndian.Uint32(data))
			for sum>>16 != 0 {
				sum = sum>>16 + sum&0xffff
			}
			data = binary.NativeEndian.AppendUint32(nil, uint32(sum))
		}
		m := fmt.Sprintf("%d/%d[%d] %x", level, typ, len(data), data)
		if times[tcpip.Option(int(level), int(typ))] {
			m = fmt.Sprintf("%d/%d[%d] TIME", level, typ, len(data))
			for i := 16; i+16 <= len(data); i += 16 { // SO_TIMESTAMPING has three, mostly 0
				m += fmt.Sprintf(" %v", !isZero(data[i:i+16]))
			}
		}
		s = append(s, m)
		b = b[min(max((n+7)&^7, 16), len(b)):]
	}
	if len(b) > 0 {
		s = append(s, fmt.Sprintf("%d bytes", len(b)))
	}
	return "{" + strings.Join(s, ", ") + "}"
}

// times are the control messages with a time in them.
var times = map[tcpip.OptionID]bool{
	tcpip.SO_TIMESTAMP: true, linux.SO_TIMESTAMPNS: true, linux.SO_TIMESTAMP_NEW: true, linux.SO_TIMESTAMPNS_NEW: true,
	tcpip.SO_TIMESTAMPING: true, linux.SO_TIMESTAMPING_NEW: true,
}

// SetOpt is setsockopt(2).
func (r *Run) SetOpt(fd, level, number int, value []byte) int {
	e := r.sockets.SetSockOpt(fd, level, number, value)
	r.sockets.Settle()
	r.logf("setsockopt(%s, %d, %d, [%d] %x) = %s", r.file(fd), level, number, len(value), value, errnoName(e))
	return e
}

// Set is SetOpt for an int.
func (r *Run) Set(fd int, id tcpip.OptionID, v int) int {
	return r.SetOpt(fd, id.Level(), id.Number(), Int(v))
}

// GetOpt is getsockopt(2) with room for size bytes. What a call that fails leaves behind is not compared.
func (r *Run) GetOpt(fd, level, number, size int) []byte {
	value := bytes.Repeat([]byte{0xcc}, size)
	n, e := r.sockets.GetSockOpt(fd, level, number, value)
	if e != 0 {
		r.logf("getsockopt(%s, %d, %d, %d) = %s", r.file(fd), level, number, size, errnoName(e))
		return nil
	}
	r.logf("getsockopt(%s, %d, %d, %d) = [%d] %x", r.file(fd), level, number, size, n, value[:min(max(n, 0), size)])
	return value
}

// PeerName is SO_PEERNAME with room for size bytes.
func (r *Run) PeerName(fd, size int) {
	value := make([]byte, size)
	n, e := r.sockets.GetSockOpt(fd, linux.SOL_SOCKET, linux.SO_PEERNAME.Number(), value)
	s := errnoName(e)
	if e == 0 {
		s = r.address(value[:n])
	}
	r.logf("SO_PEERNAME(%s, %d) = %s", r.file(fd), size, s)
}

// Get is GetOpt for an int.
func (r *Run) Get(fd int, id tcpip.OptionID) { r.GetOpt(fd, id.Level(), id.Number(), 4) }

// Shutdown is shutdown(2).
func (r *Run) Shutdown(fd, how int) {
	e := r.sockets.Shutdown(fd, how)
	r.sockets.Settle()
	r.logf("shutdown(%s, %d) = %s", r.file(fd), how, errnoName(e))
}

// Names is getsockname(2) and getpeername(2). It returns the former.
func (r *Run) Names(fd int) []byte {
	name, e := r.sockets.GetSockName(fd)
	peer, e2 := r.sockets.GetPeerName(fd)
	s, p := errnoName(e), errnoName(e2)
	if e == 0 {
		s = r.address(name)
	}
	if e2 == 0 {
		p = r.address(peer)
	}
	r.logf("names(%s) = %s, peer %s", r.file(fd), s, p)
	return name
}

// pollMask is everything that poll(2) can say.
const pollMask = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x2000

// Poll is poll(2) for everything.
func (r *Run) Poll(fd int) {
	r.logf("poll(%s) = %#x", r.file(fd), r.sockets.Poll(fd, pollMask))
}

// Await waits for any of mask, and polls.
func (r *Run) Await(fd int, mask uint32) {
	r.sockets.Await(fd, mask)
	r.Poll(fd)
}

// Ioctl is ioctl(2) with an int for its result.
func (r *Run) Ioctl(fd int, request uint32) {
	v, e := r.sockets.Ioctl(fd, request)
	r.logf("ioctl(%s, %#x) = %s", r.file(fd), request, result(v, e))
}

// Close is close(2).
func (r *Run) Close(fd int) {
	r.sockets.Close(fd)
	r.sockets.Settle()
	r.logf("close(%s)", r.file(fd))
}
