package packetdrill

import (
	"encoding/binary"
	"time"
)

// caller is how a system call of a script is made: what runs, and what of its results is compared beside the value
// and the error. compare may be nil.
type caller struct {
	body    func(g Guest) (v int64, errno int, again bool)
	compare func()
	opens   bool // the value is a descriptor
	forks   func(v int64)
}

// calls are the system calls of the language.
var calls = map[string]func(r *Run, c *Call) caller{
	"socket": callSocket, "bind": callBind, "listen": callListen, "accept": callAccept, "accept4": callAccept,
	"connect": callConnect, "read": callRead, "readv": callRead, "recv": callRead, "recvfrom": callRead, "recvmsg": callRecvmsg,
	"write": callWrite, "writev": callWrite, "send": callWrite, "sendto": callWrite, "sendmsg": callSendmsg,
	"close": callClose, "shutdown": callShutdown, "fcntl": callFcntl, "ioctl": callIoctl,
	"getsockopt": callGetsockopt, "setsockopt": callSetsockopt, "getsockname": callName, "getpeername": callName,
	"poll": callPoll, "epoll_create": callEpollCreate, "epoll_create1": callEpollCreate, "epoll_ctl": callEpollCtl,
	"epoll_wait": callEpollWait, "pipe": callPipe, "open": callOpen, "sendfile": callSendfile, "splice": callSplice,
	"cap_set": callNothing,
}

// msgFastOpen is MSG_FASTOPEN: a send that connects.
const msgFastOpen = 0x20000000

// plain is a caller that makes one call which never waits.
func plain(f func(g Guest) (v int64, errno int)) caller {
	return caller{body: func(g Guest) (int64, int, bool) {
		v, errno := f(g)
		return v, errno, false
	}}
}

// status is plain for calls that return 0 or an error.
func status(f func(g Guest) int) caller {
	return plain(func(g Guest) (int64, int) { return 0, f(g) })
}

// arg returns an argument, an ellipsis if the script gives fewer.
func (c *Call) arg(i int) *Value {
	if i >= len(c.Args) {
		return &Value{Kind: Ellipsis}
	}
	return &c.Args[i]
}

func (c *Call) number(i int, byDefault int64) int64 {
	if c.arg(i).any() {
		return byDefault
	}
	return c.arg(i).number()
}

func callNothing(*Run, *Call) caller { return status(func(Guest) int { return 0 }) }

func callSocket(r *Run, c *Call) caller {
	family := c.number(0, int64(r.mode.family))
	typ, proto := int(c.number(1, 1)), int(c.number(2, 0))
	if proto == 1 && family == 10 {
		proto = 58
	}
	k := plain(func(g Guest) (int64, int) {
		fd, errno := g.Socket(int(family), typ, proto)
		return int64(fd), errno
	})
	k.opens = true
	k.forks = func(fd int64) { r.opened(int(fd), int(family), typ&0xf, proto) }
	return k
}

func callBind(r *Run, c *Call) caller {
	fd := r.fd(c.arg(0))
	name := r.sockaddr(fd, c.arg(1), r.local(), r.conf.BindPort)
	name = r.cut(name, c.arg(2))
	k := status(func(g Guest) int { return g.Bind(fd, name) })
	k.forks = func(int64) { r.bound(fd, name) }
	return k
}

func callListen(r *Run, c *Call) caller {
	fd, backlog := r.fd(c.arg(0)), int(c.number(1, 1))
	k := status(func(g Guest) int { return g.Listen(fd, backlog) })
	k.forks = func(int64) { r.listened(fd) }
	return k
}

func callAccept(r *Run, c *Call) caller {
	fd, flags := r.fd(c.arg(0)), 0
	if c.Name == "accept4" {
		flags = int(c.number(3, 0))
	}
	k := caller{opens: true, body: func(g Guest) (int64, int, bool) {
		n, _, errno, again := g.Accept4(fd, flags)
		return int64(n), errno, again
	}}
	k.forks = func(v int64) { r.accepted(int(v)) }
	return k
}

func callConnect(r *Run, c *Call) caller {
	fd := r.fd(c.arg(0))
	name := r.cut(r.sockaddr(fd, c.arg(1), r.remote(), r.conf.ConnectPort), c.arg(2))
	r.connecting(fd, name)
	return caller{body: func(g Guest) (int64, int, bool) {
		errno, again := g.Connect(fd, name)
		return 0, errno, again
	}}
}

// cut shortens a socket address to the length that the script gives, if it is of the family that the script means.
func (r *Run) cut(name []byte, n *Value) []byte {
	const sizeofSockaddrIn = 16
	if n.any() || n.Kind == FuncCall || n.Kind == Number && n.Int == sizeofSockaddrIn && r.mode.v6 && name[0] == 10 {
		return name
	}
	if v := n.number(); v >= 0 && v < int64(len(name)) {
		return name[:v]
	}
	return name
}

// null reports whether a value is the null pointer.
func (v *Value) null() bool { return v.Kind == Symbol && v.Str == "NULL" }

// buffer reads what a buffer argument is: text, or so many bytes of anything, or what NULL points to.
func (r *Run) buffer(v *Value, size int64) []byte {
	if size < 0 || size > 64<<20 {
		scriptFail("a buffer of %d bytes", size)
	}
	if v.null() && size > 0 {
		return r.system.Nowhere(int(size))
	}
	b := make([]byte, size)
	if v.Kind == String {
		copy(b, v.Str)
	}
	return b
}

// iovec returns the sizes of [{..., 10}, {..., 20}] together.
func (r *Run) iovec(v *Value) (b []byte) {
	for i := range v.List {
		if s := &v.List[i]; s.Kind == Struct {
			f := s.field("iov_base", 0)
			if f == nil {
				f = &Value{Kind: Ellipsis}
			}
			size := s.fieldNumber("iov_len", 1, 0)
			if f.null() && size > 0 { // and so the whole
				return r.buffer(f, size)
			}
			b = append(b, r.buffer(f, size)...)
		}
	}
	return b
}

func callRead(r *Run, c *Call) caller {
	fd := r.fd(c.arg(0))
	var data []byte
	want := c.arg(1)
	flags := 0
	switch c.Name {
	case "readv":
		data, want = r.iovec(c.arg(1)), &Value{Kind: Ellipsis}
	default:
		data = r.buffer(&Value{}, c.number(2, 0))
		if c.arg(1).null() {
			data = r.buffer(c.arg(1), c.number(2, 0))
		}
		flags = int(c.number(3, 0))
	}
	if c.Name == "read" || c.Name == "readv" {
		got := 0
		return caller{
			body: func(g Guest) (int64, int, bool) {
				n, errno, again := g.ReadFD(fd, data)
				got = n
				return int64(n), errno, again
			},
			compare: func() { compareText(want, data[:max(got, 0)]) },
		}
	}
	var m Message
	done := 0
	return caller{
		body: func(g Guest) (int64, int, bool) {
			var errno int
			var again bool
			m, errno, again = g.RecvMsg(fd, data, nil, flags, done)
			if again {
				done = m.N
			}
			return int64(m.N), errno, again
		},
		compare: func() { compareText(want, data[:min(max(m.N, 0), len(data))]) },
	}
}

func compareText(want *Value, got []byte) {
	if want.Kind == String && want.Str != string(got) {
		scriptFail("read %q, not %q", got, want.Str)
	}
}

func callWrite(r *Run, c *Call) caller {
	fd := r.fd(c.arg(0))
	var data, name []byte
	flags := 0
	if c.Name == "writev" {
		data = r.iovec(c.arg(1))
	} else {
		data = r.buffer(c.arg(1), c.number(2, 0))
		flags = int(c.number(3, 0))
	}
	if c.Name == "sendto" && (!c.arg(4).any() || flags&msgFastOpen != 0 || r.datagrams(fd)) {
		name = r.sockaddr(fd, c.arg(4), r.remote(), r.peerPort())
		if flags&msgFastOpen != 0 {
			r.connecting(fd, name)
		}
		r.sending(fd, name)
	}
	if c.Name == "write" || c.Name == "writev" {
		return sender(func(g Guest, done int) (int, int, bool) { return g.WriteFD(fd, data, done) })
	}
	return sender(func(g Guest, done int) (int, int, bool) { return g.SendMsg(fd, data, name, nil, flags, done) })
}

func callSendmsg(r *Run, c *Call) caller {
	fd := r.fd(c.arg(0))
	m := c.arg(1)
	if m.Kind != Struct {
		scriptFail("want a struct msghdr")
	}
	flags := int(c.number(2, 0))
	var data, name, control []byte
	if f := m.field("msg_iov", 1); f != nil && f.Kind == Array {
		data = r.iovec(f)
	}
	if f := m.field("msg_name", 0); f != nil && f.Kind == Struct || flags&msgFastOpen != 0 {
		if f == nil {
			f = &Value{Kind: Ellipsis}
		}
		name = r.sockaddr(fd, f, r.remote(), r.conf.ConnectPort)
		if flags&msgFastOpen != 0 {
			r.connecting(fd, name)
		}
		r.sending(fd, name)
	}
	if f := m.field("msg_control", 3); f != nil && f.Kind == Array {
		control = buildControl(f)
	}
	return sender(func(g Guest, done int) (int, int, bool) { return g.SendMsg(fd, data, name, control, flags, done) })
}

// sender is a caller that goes on with a call for sending until all is sent. done is what earlier tries have moved.
func sender(f func(g Guest, done int) (n, errno int, again bool)) caller {
	done := 0
	return caller{body: func(g Guest) (int64, int, bool) {
		n, errno, again := f(g, done)
		if again {
			done = n
		}
		return int64(n), errno, again
	}}
}

func callRecvmsg(r *Run, c *Call) caller {
	fd := r.fd(c.arg(0))
	h := c.arg(1)
	if h.Kind != Struct {
		scriptFail("want a struct msghdr")
	}
	flags := int(c.number(2, 0))
	var data []byte
	if f := h.field("msg_iov", 1); f != nil && f.Kind == Array {
		data = r.iovec(f)
	}
	control := make([]byte, 1024)
	var m Message
	done := 0
	return caller{
		body: func(g Guest) (int64, int, bool) {
			var errno int
			var again bool
			m, errno, again = g.RecvMsg(fd, data, control, flags, done)
			if again {
				done = m.N
			}
			return int64(m.N), errno, again
		},
		compare: func() {
			if f := h.field("msg_flags", 2); f != nil && !f.any() && f.number() != int64(m.Flags) {
				scriptFail("msg_flags is %#x, not %#x", m.Flags, f.number())
			}
			if f := h.field("msg_control", 3); f != nil && f.Kind == Array {
				r.compareControl(f, m.Control)
			}
		},
	}
}

func callClose(r *Run, c *Call) caller {
	fd := r.fd(c.arg(0))
	k := caller{body: func(g Guest) (int64, int, bool) {
		errno, again := g.Close(fd)
		return 0, errno, again
	}}
	k.forks = func(int64) { r.closed(c.arg(0), fd) }
	return k
}

func callShutdown(r *Run, c *Call) caller {
	fd, how := r.fd(c.arg(0)), int(c.number(1, 0))
	return status(func(g Guest) int { return g.Shutdown(fd, how) })
}

func callFcntl(r *Run, c *Call) caller {
	fd, cmd, arg := r.fd(c.arg(0)), int(c.number(1, 0)), int(c.number(2, 0))
	return plain(func(g Guest) (int64, int) {
		v, errno := g.Fcntl(fd, cmd, arg)
		return int64(v), errno
	})
}

func callIoctl(r *Run, c *Call) caller {
	fd, request := r.fd(c.arg(0)), uint32(c.number(1, 0))
	v := int32(0)
	if a := c.arg(2); request == uint32(symbols["FIONBIO"]) {
		v = int32(a.number())
	}
	k := plain(func(g Guest) (int64, int) {
		var errno int
		v, errno = g.Ioctl(fd, request, v)
		return 0, errno
	})
	k.compare = func() {
		if a := c.arg(2); a.Kind == Array && int32(a.number()) != v {
			scriptFail("the ioctl gives %d, not %d", v, a.number())
		}
	}
	return k
}

func callName(r *Run, c *Call) caller {
	fd := r.fd(c.arg(0))
	return status(func(g Guest) int {
		var errno int
		if c.Name == "getsockname" {
			_, errno = g.GetSockName(fd)
		} else {
			_, errno = g.GetPeerName(fd)
		}
		return errno
	})
}

func callPoll(r *Run, c *Call) caller {
	list := c.arg(0)
	var fds []PollFD
	for i := range list.List {
		s := &list.List[i]
		fds = append(fds, PollFD{FD: r.fd(s.field("fd", 0)), Events: uint32(s.fieldNumber("events", 1, 0))})
	}
	timeout := time.Duration(c.number(2, 0)) * time.Millisecond
	return caller{
		body: func(g Guest) (int64, int, bool) {
			n, errno, again := g.Poll(fds, timeout)
			return int64(n), errno, again
		},
		compare: func() {
			for i := range fds {
				if f := list.List[i].field("revents", 2); f != nil && !f.any() && f.number() != int64(fds[i].Revents) {
					scriptFail("revents is %#x, not %#x", fds[i].Revents, f.number())
				}
			}
		},
	}
}

func callEpollCreate(*Run, *Call) caller {
	k := plain(func(g Guest) (int64, int) {
		fd, errno := g.EpollCreate()
		return int64(fd), errno
	})
	k.opens = true
	return k
}

func callEpollCtl(r *Run, c *Call) caller {
	epfd, op, fd := r.fd(c.arg(0)), int(c.number(1, 0)), r.fd(c.arg(2))
	events, data := uint32(0), uint64(0)
	if s := c.arg(3); s.Kind == Struct {
		events = uint32(s.fieldNumber("events", 0, 0))
		for _, name := range []string{"fd", "ptr", "u32", "u64"} {
			if s.field(name, -1) != nil {
				data = uint64(s.fieldNumber(name, -1, 0))
			}
		}
	}
	return status(func(g Guest) int { return g.EpollCtl(epfd, op, fd, events, data) })
}

func callEpollWait(r *Run, c *Call) caller {
	epfd, most := r.fd(c.arg(0)), int(c.number(2, 1))
	timeout := time.Duration(c.number(3, 0)) * time.Millisecond
	var got []EpollEvent
	return caller{
		body: func(g Guest) (int64, int, bool) {
			var errno int
			var again bool
			got, errno, again = g.EpollWait(epfd, most, timeout)
			return int64(len(got)), errno, again
		},
		compare: func() {
			want := c.arg(1)
			list := want.List
			if want.Kind == Struct {
				list = []Value{*want}
			}
			for i := range list {
				if i >= len(got) || list[i].Kind != Struct {
					break
				}
				if f := list[i].field("events", 0); f != nil && !f.any() && uint32(f.number()) != got[i].Events {
					scriptFail("events is %#x, not %#x", got[i].Events, f.number())
				}
				for _, name := range []string{"fd", "ptr", "u32", "u64"} {
					if f := list[i].field(name, -1); f != nil && !f.any() && uint64(f.number()) != got[i].Data {
						scriptFail("data is %d, not %d", got[i].Data, f.number())
					}
				}
			}
		},
	}
}

func callPipe(r *Run, c *Call) caller {
	var fds [2]int
	k := plain(func(g Guest) (int64, int) {
		var errno int
		fds[0], fds[1], errno = g.Pipe()
		return 0, errno
	})
	k.compare = func() {
		if list := c.arg(0).List; len(list) == 2 {
			r.label(list[0].number(), fds[0])
			r.label(list[1].number(), fds[1])
		}
	}
	return k
}

func callOpen(_ *Run, c *Call) caller {
	path, flags := c.arg(0).Str, int(c.number(1, 0))
	k := plain(func(g Guest) (int64, int) {
		fd, errno := g.Open(path, flags)
		return int64(fd), errno
	})
	k.opens = true
	return k
}

func callSendfile(r *Run, c *Call) caller {
	out, in, offset, n := r.fd(c.arg(0)), r.fd(c.arg(1)), int64(-1), int(c.number(3, 0))
	if a := c.arg(2); a.Kind == Array || a.Kind == Number {
		offset = a.number()
	}
	return caller{body: func(g Guest) (int64, int, bool) {
		v, errno, again := g.Sendfile(out, in, offset, n)
		return int64(v), errno, again
	}}
}

func callSplice(r *Run, c *Call) caller {
	in, out, n, flags := r.fd(c.arg(0)), r.fd(c.arg(2)), int(c.number(4, 0)), int(c.number(5, 0))
	return caller{body: func(g Guest) (int64, int, bool) {
		v, errno, again := g.Splice(in, out, n, flags)
		return int64(v), errno, again
	}}
}

// buildControl encodes control messages.
func buildControl(v *Value) (b []byte) {
	for i := range v.List {
		s := &v.List[i]
		level, typ := s.fieldNumber("cmsg_level", 0, 0), s.fieldNumber("cmsg_type", 1, 0)
		var data []byte
		if f := s.field("cmsg_data", 2); f != nil {
			switch {
			case f.Kind == Array:
				data = f.integers(4)
			case f.Kind == Struct:
				for j := range f.Fields {
					data = append(data, f.Fields[j].Value.integers(4)...)
				}
			default:
				width := 4
				if typ == symbols["UDP_SEGMENT"] && level == symbols["SOL_UDP"] {
					width = 2
				}
				data = f.integers(width)
			}
		}
		b = binary.NativeEndian.AppendUint64(b, uint64(16+len(data)))
		b = binary.NativeEndian.AppendUint32(b, uint32(level))
		b = binary.NativeEndian.AppendUint32(b, uint32(typ))
		b = append(b, data...)
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
	}
	return b
}
