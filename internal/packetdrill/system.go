package packetdrill

import (
	"net/netip"
	"time"
)

// System is what a script runs on: this stack, or the kernel. It has one network interface, whose other end is the
// script. Times count from its making. It is used from one goroutine.
type System interface {
	Guest

	// Now returns the time.
	Now() time.Duration
	// Wait lets time pass until t, or until done reports true. done is asked at first and whenever something may
	// have happened.
	Wait(t time.Duration, done func() bool)
	// Inject makes a packet arrive.
	Inject(b []byte) error
	// Sent returns the oldest packet that was sent and not returned yet, and when it was.
	Sent() (b []byte, at time.Duration, ok bool)
	// Begin runs a call beside the script and returns at once; finished is set in the end.
	Begin(c *running)
	// Shell runs a command of the script in a directory, as /bin/sh does. The error is skipped for what the system
	// cannot do; any other is how the command failed.
	Shell(dir, text string) error
	// Name is for messages.
	Name() string
	// End closes everything.
	End()
}

// running is a call under way.
type running struct {
	// body makes the call, or goes on with it. again says that it has to wait and is to be asked anew when
	// something has happened; calls of the kernel wait by themselves.
	body     func(g Guest) (v int64, errno int, again bool)
	blocks   bool // the script says that it will wait
	value    int64
	errno    int
	finished bool
	at       time.Duration // when it finished
	poll     func() bool   // looks whether it has; nil where finished says so
}

// done reports whether the call has finished.
func (c *running) done() bool { return c.finished || c.poll != nil && c.poll() }

// Guest are the system calls of a program, with Linux's numbers and bytes. An errno of 0 is success. A call on a
// descriptor without O_NONBLOCK that has to wait returns EAGAIN with mayWait true where the system cannot wait.
type Guest interface {
	Socket(family, typ, proto int) (fd, errno int)
	Bind(fd int, name []byte) (errno int)
	Connect(fd int, name []byte) (errno int, again bool)
	Listen(fd, backlog int) (errno int)
	Accept4(fd, flags int) (newFD int, name []byte, errno int, again bool)
	// SendMsg and RecvMsg go on where they left off: done is what earlier tries have moved.
	SendMsg(fd int, data, name, control []byte, flags, done int) (n, errno int, again bool)
	RecvMsg(fd int, data, control []byte, flags, done int) (m Message, errno int, again bool)
	// ReadFD and WriteFD are read(2) and write(2).
	ReadFD(fd int, data []byte) (n, errno int, again bool)
	WriteFD(fd int, data []byte, done int) (n, errno int, again bool)
	SetSockOpt(fd, level, number int, value []byte) (errno int)
	GetSockOpt(fd, level, number int, value []byte) (size, errno int)
	Shutdown(fd, how int) (errno int)
	GetSockName(fd int) (name []byte, errno int)
	GetPeerName(fd int) (name []byte, errno int)
	Poll(fds []PollFD, timeout time.Duration) (n, errno int, again bool)
	EpollCreate() (fd, errno int)
	EpollCtl(epfd, op, fd int, events uint32, data uint64) (errno int)
	EpollWait(epfd, most int, timeout time.Duration) (list []EpollEvent, errno int, again bool)
	Fcntl(fd, cmd, arg int) (v, errno int)
	Ioctl(fd int, request uint32, v int32) (out int32, errno int)
	Pipe() (r, w, errno int)
	Open(path string, flags int) (fd, errno int)
	Sendfile(out, in int, offset int64, n int) (sent, errno int, again bool)
	Splice(in, out, n, flags int) (moved, errno int, again bool)
	// Nowhere returns a buffer of n bytes that calls cannot reach: they fail with EFAULT. Nobody else may touch it.
	Nowhere(n int) []byte
	// Close waits where SO_LINGER says so.
	Close(fd int) (errno int, again bool)
}

// Message is what RecvMsg returns.
type Message struct {
	N       int
	Name    []byte
	Control []byte
	Flags   int
}

// PollFD is struct pollfd.
type PollFD struct {
	FD              int
	Events, Revents uint32
}

// EpollEvent is struct epoll_event.
type EpollEvent struct {
	Events uint32
	Data   uint64
}

// Addresses are the addresses of a script's network.
type Addresses struct {
	Local, Remote netip.Addr // of the system under test and of the script's side
	Gateway       netip.Addr
	Bits          int // of Local's prefix
}

// Setup is what a system is made with.
type Setup struct {
	V4, V6 Addresses
	MTU    int
}
