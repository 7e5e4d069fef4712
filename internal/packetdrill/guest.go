package packetdrill

import (
	"encoding/binary"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// guest is Guest over the socket calls of this stack: descriptors, O_NONBLOCK, timeouts, epoll and pipes are a
// runtime's business, and here is one.
type guest struct {
	sockets *linux.Sockets
	files   map[int]*file
	next    int
	now     tcpip.Time
	again   bool // the call was made and waits

	moved     int           // what a read that waits has got
	lingering *tcp.Endpoint // what close(2) waits for, and how long
	linger    time.Duration

	forward *forwarder // nil: sockets listen themselves

	defaults []socketDefault // what sockets begin with

	nowhere [][]byte // buffers that cannot be reached

	begun tcpip.Time // of the call that was begun last
	until tcpip.Time // when the waiting call has to be asked anew though nothing happens; 0: not at all
}

// file is what a descriptor stands for: one of the fields is there.
type file struct {
	socket   *linux.Socket
	epoll    *linux.Epoll
	pipe     *pipe
	data     []byte // of an open file, which has no end
	nonblock bool
	opening  bool           // a send waits for the handshake that it has begun (MSG_FASTOPEN)
	full     bool           // a send waits for POLLOUT
	refs     map[*file]bool // epolls that watch it
}

// pipe is a pipe(2).
type pipe struct {
	buf    []byte
	reader bool
	other  *file
}

// The numbers of errors and flags that the runtime itself uses.
const (
	eBADF, eAGAIN, eINVAL, eNOTSOCK, eINPROGRESS, eALREADY, eTIMEDOUT, eFAULT, ePERM = 9, 11, 22, 88, 115, 114, 110, 14, 1
	oNONBLOCK                                                                        = 0x800
	pipeSize                                                                         = 65536
	maxSleep                                                                         = time.Hour
	pollRDHUP                                                                        = 0x2000
)

func (g *guest) init(s *linux.Sockets) { g.sockets, g.files, g.next = s, map[int]*file{}, 3 }

// start is told that a call begins.
func (g *guest) start(now tcpip.Time) {
	g.begun, g.until, g.now, g.again, g.moved = now, 0, now, false, 0
}

// deadline returns when the waiting call wants to be asked anew.
func (g *guest) deadline(now tcpip.Time) tcpip.Time {
	if g.until > now {
		return g.until
	}
	return 0
}

// expired reports whether a call that may wait for d has waited long enough, and arranges to be asked.
func (g *guest) expired(d time.Duration) bool {
	if d < 0 {
		g.until = 0
		return false
	}
	g.until = g.begun.Add(min(d, maxSleep))
	return g.now >= g.until
}

func (g *guest) add(f *file) int {
	fd := g.next
	for g.files[fd] != nil {
		fd++
	}
	g.next = fd + 1
	g.files[fd] = f
	return fd
}

// socketOf returns the socket of a descriptor, or the error that there is none.
func (g *guest) socketOf(fd int) (*file, int) {
	f := g.files[fd]
	switch {
	case f == nil:
		return nil, eBADF
	case f.socket == nil:
		return nil, eNOTSOCK
	}
	return f, 0
}

func (g *guest) Socket(family, typ, proto int) (int, int) {
	s, errno := g.sockets.Socket(family, typ, proto)
	if errno != 0 {
		return -1, int(errno)
	}
	for _, d := range g.defaults {
		if d.family == family {
			_ = s.SetSockOpt(d.level, d.number, binary.NativeEndian.AppendUint32(nil, uint32(d.value)))
		}
	}
	return g.add(&file{socket: s, nonblock: typ&oNONBLOCK != 0}), 0
}

func (g *guest) Bind(fd int, name []byte) int {
	f, errno := g.socketOf(fd)
	if errno == 0 {
		errno = int(f.socket.Bind(name))
	}
	return errno
}

func (g *guest) Listen(fd, backlog int) int {
	f, errno := g.socketOf(fd)
	switch {
	case errno != 0:
		return errno
	case g.forward != nil:
		return g.forward.listen(f)
	}
	return int(f.socket.Listen(backlog))
}

func (g *guest) Connect(fd int, name []byte) (int, bool) {
	f, errno := g.socketOf(fd)
	if errno != 0 {
		return errno, false
	}
	if f.nonblock {
		return int(f.socket.Connect(name)), false
	}
	if !g.again {
		g.again = true
		errno = int(f.socket.Connect(name))
		if errno != eINPROGRESS {
			return errno, false
		}
	}
	if f.socket.Poll(4|8|16) == 0 {
		timeout, ok := f.socket.SendTimeout()
		if !ok {
			timeout = maxSleep
		}
		if g.expired(timeout) {
			return eINPROGRESS, false
		}
		return 0, true
	}
	b := make([]byte, 4)
	_, _ = f.socket.GetSockOpt(1, 4, b)
	return int(b[0]), false
}

func (g *guest) Accept4(fd, flags int) (int, []byte, int, bool) {
	f, errno := g.socketOf(fd)
	if errno != 0 {
		return -1, nil, errno, false
	}
	s, name, err := g.accept(f, flags)
	if err != 0 {
		again := err == eAGAIN && !f.nonblock && !g.expiredReceive(f)
		return -1, nil, int(err), again
	}
	return g.add(&file{socket: s, nonblock: flags&oNONBLOCK != 0}), name, 0, false
}

func (g *guest) accept(f *file, flags int) (*linux.Socket, []byte, linux.Errno) {
	if g.forward == nil {
		return f.socket.Accept4(flags)
	}
	s, err := g.forward.accept(g.sockets, f)
	if err != 0 {
		return nil, nil, err
	}
	name, err := s.GetPeerName()
	return s, name, err
}

// expiredReceive and expiredSend are expired with the timeouts of a socket.
func (g *guest) expiredReceive(f *file) bool {
	if d, ok := f.socket.ReceiveTimeout(); ok {
		return g.expired(d)
	}
	return g.expired(-1)
}

func (g *guest) expiredSend(f *file) bool {
	if d, ok := f.socket.SendTimeout(); ok {
		return g.expired(d)
	}
	return g.expired(-1)
}

func (g *guest) SendMsg(fd int, data, name, control []byte, flags, done int) (int, int, bool) {
	f, errno := g.socketOf(fd)
	if errno != 0 {
		return -1, errno, false
	}
	if g.unreachable(data) {
		return g.sendNowhere(f, name, control, flags)
	}
	block := !f.nonblock && flags&linux.MSG_DONTWAIT == 0
	if f.full && f.socket.Poll(4|8|16) == 0 && !g.expiredSend(f) {
		return done, 0, true
	}
	f.full = false
	for {
		if f.opening {
			if f.socket.Opening() && !g.expiredSend(f) {
				return done, 0, true
			}
			f.opening = false
			b := make([]byte, 4)
			if _, _ = f.socket.GetSockOpt(1, 4, b); b[0] != 0 {
				return -1, int(b[0]), false
			}
			if flags &^= linux.MSG_FASTOPEN; done >= len(data) {
				return done, 0, false
			}
		}
		n, err := f.socket.SendMsg(data[done:], name, control, flags)
		if block && (err == 0 || err == eINPROGRESS) && f.socket.Opening() {
			done, f.opening = done+n, true
			continue
		}
		if err == 0 {
			if done += n; done >= len(data) || f.nonblock || flags&linux.MSG_DONTWAIT != 0 || n == 0 {
				return done, 0, false
			}
			continue
		}
		wait := err == eAGAIN && !f.nonblock && flags&linux.MSG_DONTWAIT == 0
		if wait && !g.expiredSend(f) {
			f.full = true
			return done, 0, true
		}
		if done > 0 {
			return done, 0, false
		}
		return -1, int(err), false
	}
}

func (g *guest) RecvMsg(fd int, data, control []byte, flags, done int) (Message, int, bool) {
	f, errno := g.socketOf(fd)
	if errno != 0 {
		return Message{N: -1}, errno, false
	}
	if g.unreachable(data) {
		return g.receiveNowhere(fd, flags, done)
	}
	wait := !f.nonblock && flags&(linux.MSG_DONTWAIT|linux.MSG_ERRQUEUE|linux.MSG_OOB) == 0
	_, stream := f.socket.Endpoint().(*tcp.Endpoint)
	lowat := 1
	if b := make([]byte, 4); wait && stream {
		_, _ = f.socket.GetSockOpt(1, 18, b)
		lowat = int(binary.NativeEndian.Uint32(b))
	}
	call := flags
	if wait {
		call |= linux.MSG_DONTWAIT
	}
	for {
		r, err := f.socket.RecvMsg(data[done:], control, call)
		m := Message{done + r.N, r.Name, control[:r.Control], r.Flags}
		switch {
		case err == 0 && wait && r.N > 0 && m.N < len(data) && (flags&linux.MSG_WAITALL != 0 || m.N < lowat):
			done = m.N
			continue
		case err == eAGAIN && len(data) == 0 && stream && flags&linux.MSG_ERRQUEUE == 0:
			return Message{}, 0, false // nothing was asked for
		case err == eAGAIN && wait && f.socket.Poll(pollRDHUP) != 0:
			return Message{N: done}, 0, false // nothing comes any more
		case err == 0:
			return m, 0, false
		case err == eAGAIN && wait && !g.expiredReceive(f):
			return Message{N: done}, 0, true
		case done > 0:
			return Message{N: done}, 0, false
		}
		return Message{N: -1}, int(err), false
	}
}

func (g *guest) ReadFD(fd int, data []byte) (int, int, bool) {
	f := g.files[fd]
	switch {
	case f == nil:
		return -1, eBADF, false
	case f.pipe != nil:
		n := copy(data, f.pipe.buf)
		if n == 0 && len(data) > 0 && f.pipe.other != nil {
			return -1, eAGAIN, !f.nonblock
		}
		f.pipe.buf = f.pipe.buf[n:]
		return n, 0, false
	case f.socket == nil:
		return -1, eINVAL, false
	}
	m, errno, again := g.RecvMsg(fd, data, nil, 0, g.moved)
	g.moved = m.N
	return m.N, errno, again
}

func (g *guest) WriteFD(fd int, data []byte, done int) (int, int, bool) {
	f := g.files[fd]
	switch {
	case f == nil:
		return -1, eBADF, false
	case f.pipe != nil:
		p := f.pipe.other
		if p == nil || f.pipe.reader {
			return -1, eBADF, false
		}
		n := min(pipeSize-len(p.pipe.buf), len(data)-done)
		p.pipe.buf = append(p.pipe.buf, data[done:done+n]...)
		if done += n; done < len(data) && !f.nonblock {
			return done, 0, true
		}
		return done, 0, false
	case f.socket == nil:
		return -1, eINVAL, false
	}
	return g.SendMsg(fd, data, nil, nil, 0, done)
}

func (g *guest) SetSockOpt(fd, level, number int, value []byte) int {
	f, errno := g.socketOf(fd)
	if errno == 0 && g.unreachable(value) {
		return eFAULT
	}
	if errno == 0 {
		errno = int(f.socket.SetSockOpt(level, number, value))
	}
	return errno
}

func (g *guest) GetSockOpt(fd, level, number int, value []byte) (int, int) {
	f, errno := g.socketOf(fd)
	if errno != 0 {
		return 0, errno
	}
	n, err := f.socket.GetSockOpt(level, number, value)
	return n, int(err)
}

func (g *guest) Shutdown(fd, how int) int {
	f, errno := g.socketOf(fd)
	if errno == 0 {
		errno = int(f.socket.Shutdown(how))
	}
	return errno
}

func (g *guest) GetSockName(fd int) ([]byte, int) {
	f, errno := g.socketOf(fd)
	if errno != 0 {
		return nil, errno
	}
	name, err := f.socket.GetSockName()
	return name, int(err)
}

func (g *guest) GetPeerName(fd int) ([]byte, int) {
	f, errno := g.socketOf(fd)
	if errno != 0 {
		return nil, errno
	}
	name, err := f.socket.GetPeerName()
	return name, int(err)
}

func (g *guest) Poll(fds []PollFD, timeout time.Duration) (int, int, bool) {
	n := 0
	for i := range fds {
		p := &fds[i]
		f := g.files[p.FD]
		switch {
		case p.FD < 0:
			p.Revents = 0
		case f == nil:
			p.Revents = 0x20
		case f.socket != nil:
			p.Revents = f.socket.Poll(p.Events | 8 | 16)
		default:
			p.Revents = 0
		}
		if p.Revents != 0 {
			n++
		}
	}
	return n, 0, n == 0 && timeout != 0 && !g.expired(timeout)
}

func (g *guest) EpollCreate() (int, int) { return g.add(&file{epoll: linux.NewEpoll()}), 0 }

func (g *guest) EpollCtl(epfd, op, fd int, events uint32, data uint64) int {
	e, f := g.files[epfd], g.files[fd]
	switch {
	case e == nil || f == nil:
		return eBADF
	case e.epoll == nil || e == f:
		return eINVAL
	case f.socket == nil:
		return ePERM
	}
	errno := e.epoll.Ctl(op, f.socket, linux.Event{Events: events, Data: data})
	if errno == 0 {
		if f.refs == nil {
			f.refs = map[*file]bool{}
		}
		f.refs[e] = op != linux.EPOLL_CTL_DEL
	}
	return int(errno)
}

func (g *guest) EpollWait(epfd, most int, timeout time.Duration) ([]EpollEvent, int, bool) {
	e := g.files[epfd]
	switch {
	case e == nil:
		return nil, eBADF, false
	case e.epoll == nil || most <= 0 || most > 1<<16:
		return nil, eINVAL, false
	}
	events := make([]linux.Event, most)
	n := e.epoll.Wait(events)
	if n == 0 && timeout != 0 && !g.expired(timeout) {
		return nil, 0, true
	}
	var list []EpollEvent
	for _, ev := range events[:n] {
		list = append(list, EpollEvent{ev.Events, ev.Data})
	}
	return list, 0, false
}

// The commands of fcntl(2).
const (
	fGETFD, fSETFD, fGETFL, fSETFL = 1, 2, 3, 4
	oRDWR                          = 2
)

func (g *guest) Fcntl(fd, cmd, arg int) (int, int) {
	f := g.files[fd]
	switch {
	case f == nil:
		return -1, eBADF
	case cmd == fGETFL:
		v := oRDWR
		if f.nonblock {
			v |= oNONBLOCK
		}
		return v, 0
	case cmd == fSETFL:
		f.nonblock = arg&oNONBLOCK != 0
	case cmd != fGETFD && cmd != fSETFD:
		return -1, eINVAL
	}
	return 0, 0
}

func (g *guest) Ioctl(fd int, request uint32, v int32) (int32, int) {
	f, errno := g.socketOf(fd)
	if errno != 0 {
		return 0, errno
	}
	if request == 0x5421 {
		f.nonblock = v != 0
		return v, 0
	}
	n, err := f.socket.Ioctl(request)
	return int32(n), int(err)
}

func (g *guest) Pipe() (int, int, int) {
	r, w := &file{pipe: &pipe{reader: true}}, &file{pipe: &pipe{}}
	r.pipe.other, w.pipe.other = w, r
	return g.add(r), g.add(w), 0
}

// Open gives a file of endless zeroes, for sendfile.
func (g *guest) Open(string, int) (int, int) { return g.add(&file{data: make([]byte, 1)}), 0 }

func (g *guest) Sendfile(out, in int, _ int64, n int) (int, int, bool) {
	f := g.files[in]
	if f == nil || g.files[out] == nil {
		return -1, eBADF, false
	}
	if f.data == nil || n < 0 || n > 64<<20 {
		return -1, eINVAL, false
	}
	return g.WriteFD(out, make([]byte, n), 0)
}

func (g *guest) Splice(in, out, n, flags int) (int, int, bool) {
	a, b := g.files[in], g.files[out]
	switch {
	case a == nil || b == nil:
		return -1, eBADF, false
	case a.pipe == nil && b.pipe == nil || n < 0:
		return -1, eINVAL, false
	case a.pipe != nil:
		n = min(n, len(a.pipe.buf))
		if n == 0 {
			return -1, eAGAIN, !a.nonblock && flags&2 == 0
		}
		more := 0
		if flags&4 != 0 {
			more = linux.MSG_MORE
		}
		sent, errno, again := g.SendMsg(out, a.pipe.buf[:n], nil, nil, more|linux.MSG_DONTWAIT, 0)
		if errno == 0 && !again {
			a.pipe.buf = a.pipe.buf[sent:]
		}
		return sent, errno, again
	}
	p := b.pipe.other.pipe
	data := make([]byte, min(n, pipeSize-len(p.buf)))
	m, errno, again := g.RecvMsg(in, data, nil, 0, 0)
	if errno == 0 && !again {
		p.buf = append(p.buf, data[:m.N]...)
	}
	return m.N, errno, again
}

// Close closes a descriptor. A blocking socket with SO_LINGER waits until its end was acknowledged, or the time is over.
func (g *guest) Close(fd int) (int, bool) {
	if g.again {
		state := g.lingering.State()
		leaving := state == tcp.StateFinWait1 || state == tcp.StateClosing || state == tcp.StateLastAck
		return 0, leaving && !g.expired(g.linger)
	}
	f := g.files[fd]
	if f == nil {
		return eBADF, false
	}
	delete(g.files, fd)
	g.next = min(g.next, fd)
	switch {
	case f.socket != nil:
		for e, on := range f.refs {
			if on {
				e.epoll.Forget(f.socket)
			}
		}
		e, stream := f.socket.Endpoint().(*tcp.Endpoint)
		linger := make([]byte, 8)
		_, _ = f.socket.GetSockOpt(1, 13, linger)
		f.socket.Close()
		seconds := binary.NativeEndian.Uint32(linger[4:])
		if stream && !f.nonblock && linger[0] != 0 && seconds > 0 {
			g.again, g.lingering, g.linger = true, e, time.Duration(seconds)*time.Second
			return g.Close(fd)
		}
	case f.epoll != nil:
		f.epoll.Close()
	case f.pipe != nil && f.pipe.other != nil:
		f.pipe.other.pipe.other = nil
	}
	return 0, false
}

func (g *guest) closeAll() {
	for fd := range g.next + len(g.files) + 1 {
		g.again = false
		_, _ = g.Close(fd)
	}
}
