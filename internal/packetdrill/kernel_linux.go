package packetdrill

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kernel is a System that is the running kernel, in a network namespace of its own whose one device is a TUN that the
// script holds the other end of. It runs in real time.
type Kernel struct {
	calls      chan func()
	begun      time.Time
	tun        int
	stop       int // a pipe that ends the reader
	files      map[int]bool
	ready      chan struct{} // something has happened
	parameters []parameter
	limits     map[string]int // of socket buffers, as the namespace has them; by the file
	nowhere    [][]byte

	mu    sync.Mutex
	queue []heldPacket
	done  sync.WaitGroup
}

// NewKernel makes a namespace. It needs root.
func NewKernel(c Conf) (System, error) {
	k := &Kernel{calls: make(chan func()), tun: -1, files: map[int]bool{}, ready: make(chan struct{}, 1)}
	dir, err := os.MkdirTemp("", "packetdrill-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(dir)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread and its namespace end with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS)
		if err == nil {
			err = k.protect(dir)
		}
		if err == nil {
			err = k.configure(&c)
		}
		started <- err
		if err != nil {
			return
		}
		for f := range k.calls {
			f()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	if err := k.read(); err != nil {
		return nil, err
	}
	k.begun = time.Now()
	return k, nil
}

// kernelSettings keep the kernel from sending what no script asks for.
var kernelSettings = []struct{ name, value string }{
	{"net/ipv6/conf/default/accept_dad", "0"},
	{"net/ipv6/conf/default/addr_gen_mode", "1"},
	{"net/ipv6/conf/default/router_solicitations", "0"},
	{"net/ipv6/conf/default/mldv2_unsolicited_report_interval", "0"},
	{"net/ipv4/tcp_rmem", "4096 131072 6291456"},
	{"net/ipv4/tcp_wmem", "4096 16384 4194304"},
}

func (k *Kernel) configure(c *Conf) error {
	for _, s := range kernelSettings {
		if err := os.WriteFile("/proc/sys/"+s.name, []byte(s.value), 0); err != nil {
			return err
		}
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	k.tun = fd
	ifr, err := unix.NewIfreq("tun0")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fmt.Errorf("TUNSETIFF: %w", err)
	}
	v4, v6 := &c.Setup.V4, &c.Setup.V6
	lines := []string{
		"link set lo up",
		"link set tun0 mtu " + fmt.Sprint(c.MTU) + " up",
		"addr add " + netip.PrefixFrom(v4.Local, v4.Bits).String() + " dev tun0",
		"addr add " + netip.PrefixFrom(v6.Local, v6.Bits).String() + " dev tun0 nodad",
		"route add default via " + v4.Gateway.String() + " dev tun0 onlink",
		"route add default via " + v6.Gateway.String() + " dev tun0 onlink",
	}
	ip := exec.Command("ip", "-batch", "-")
	ip.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	if out, err := ip.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, out)
	}
	return nil
}

// read collects what the kernel sends.
func (k *Kernel) read() error {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	k.stop = p[1]
	k.done.Go(func() {
		defer unix.Close(p[0])
		b := make([]byte, 1<<16)
		fds := []unix.PollFd{{Fd: int32(k.tun), Events: unix.POLLIN}, {Fd: int32(p[0]), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) || fds[1].Revents != 0 {
				return
			}
			for {
				n, err := unix.Read(k.tun, b)
				if err != nil || n <= 0 {
					break
				}
				k.mu.Lock()
				k.queue = append(k.queue, heldPacket{append([]byte(nil), b[:n]...), time.Since(k.begun)})
				k.mu.Unlock()
				k.signal()
			}
		}
	})
	return nil
}

func (k *Kernel) signal() {
	select {
	case k.ready <- struct{}{}:
	default:
	}
}

// Name says what it is.
func (k *Kernel) Name() string { return "kernel" }

// Now returns the time since the making.
func (k *Kernel) Now() time.Duration { return time.Since(k.begun) }

// Epoch returns the wall clock's time at the making, in nanoseconds.
func (k *Kernel) Epoch() int64 { return k.begun.UnixNano() }

// Sent returns the oldest packet.
func (k *Kernel) Sent() (b []byte, at time.Duration, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queue) == 0 {
		return nil, 0, false
	}
	h := k.queue[0]
	k.queue = k.queue[1:]
	return h.b, h.at, true
}

// Inject makes a packet arrive.
func (k *Kernel) Inject(b []byte) error {
	_, err := unix.Write(k.tun, b)
	return err
}

// spin is how long before its time a wait stops sleeping, since sleeping overshoots.
const spin = 300 * time.Microsecond

// Wait sleeps.
func (k *Kernel) Wait(t time.Duration, done func() bool) {
	for !done() {
		left := t - k.Now()
		if left <= 0 {
			return
		}
		if left <= spin {
			runtime.Gosched()
			continue
		}
		timer := time.NewTimer(left - spin)
		select {
		case <-k.ready:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Begin runs a call on a thread of its own in the namespace.
func (k *Kernel) Begin(c *running) {
	fd := 0
	k.do(func() { fd, _ = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	finished := make(chan struct{})
	var v int64
	var errno int
	var at time.Duration
	go func() {
		runtime.LockOSThread()
		err := unix.Setns(fd, unix.CLONE_NEWNET)
		unix.Close(fd)
		if err != nil {
			v, errno = -1, int(unix.EPERM)
		} else {
			v, errno, _ = c.body(k)
		}
		at = k.Now()
		close(finished)
		k.signal()
	}()
	// Most calls return at once; one that waits shall have begun to.
	wait := 2 * time.Millisecond
	if c.blocks {
		wait = 500 * time.Microsecond
	}
	select {
	case <-finished:
	case <-time.After(wait):
	}
	poll := func() bool {
		select {
		case <-finished:
			c.value, c.errno, c.at, c.finished = v, errno, at, true
			return true
		default:
			return false
		}
	}
	if !poll() {
		c.poll = poll
	}
}

// do runs f in the namespace.
func (k *Kernel) do(f func()) {
	done := make(chan struct{})
	k.calls <- func() {
		f()
		close(done)
	}
	<-done
}

// End closes everything.
func (k *Kernel) End() {
	k.mu.Lock()
	var open []int
	for fd := range k.files {
		open = append(open, fd)
	}
	k.mu.Unlock()
	for _, fd := range open { // a call that waits ends with the socket
		_, _ = sys(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_RDWR)
	}
	for _, fd := range open {
		k.Close(fd)
	}
	unix.Close(k.stop)
	k.done.Wait()
	k.do(func() { unix.Close(k.tun) })
	close(k.calls)
	for _, b := range k.nowhere {
		_ = unix.Munmap(b)
	}
}

func sys(nr uintptr, args ...uintptr) (int, int) {
	var a [6]uintptr
	copy(a[:], args)
	for {
		v, _, e := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return -1, int(e)
		}
		return int(v), 0
	}
}

func pointer(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func (k *Kernel) opened(fd, errno int) (int, int) {
	if errno == 0 {
		k.mu.Lock()
		k.files[fd] = true
		k.mu.Unlock()
	}
	return fd, errno
}

func (k *Kernel) Socket(family, typ, proto int) (fd, errno int) {
	k.do(func() {
		fd, errno = k.opened(sys(unix.SYS_SOCKET, uintptr(family), uintptr(typ|unix.SOCK_CLOEXEC), uintptr(proto)))
		if errno == 0 && typ&0xf == unix.SOCK_STREAM { // the machine's default may be another
			_ = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, congestion())
		}
	})
	return fd, errno
}

func (k *Kernel) Bind(fd int, name []byte) int {
	_, e := sys(unix.SYS_BIND, uintptr(fd), pointer(name), uintptr(len(name)))
	runtime.KeepAlive(name)
	return e
}

func (k *Kernel) Connect(fd int, name []byte) (int, bool) {
	_, e := sys(unix.SYS_CONNECT, uintptr(fd), pointer(name), uintptr(len(name)))
	runtime.KeepAlive(name)
	return e, false
}

func (k *Kernel) Listen(fd, backlog int) int {
	_, e := sys(unix.SYS_LISTEN, uintptr(fd), uintptr(backlog))
	return e
}

func named(nr uintptr, fd int, more ...uintptr) (r int, name []byte, errno int) {
	name = make([]byte, 128)
	size := uint32(len(name))
	r, errno = sys(nr, append([]uintptr{uintptr(fd), pointer(name), uintptr(unsafe.Pointer(&size))}, more...)...)
	runtime.KeepAlive(&size)
	return r, name[:min(size, 128)], errno
}

func (k *Kernel) Accept4(fd, flags int) (int, []byte, int, bool) {
	c, name, e := named(unix.SYS_ACCEPT4, fd, uintptr(flags))
	c, e = k.opened(c, e)
	return c, name, e, false
}

func msghdr(data, name, control []byte) (*unix.Msghdr, *unix.Iovec) {
	iov := &unix.Iovec{Base: unsafe.SliceData(data)}
	iov.SetLen(len(data))
	h := &unix.Msghdr{Name: unsafe.SliceData(name), Namelen: uint32(len(name)), Iov: iov, Control: unsafe.SliceData(control)}
	h.SetIovlen(1)
	h.SetControllen(len(control))
	return h, iov
}

func (k *Kernel) SendMsg(fd int, data, name, control []byte, flags, _ int) (int, int, bool) {
	h, iov := msghdr(data, name, control)
	n, e := sys(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), uintptr(flags|unix.MSG_NOSIGNAL))
	runtime.KeepAlive(iov)
	runtime.KeepAlive(h)
	return n, e, false
}

func (k *Kernel) RecvMsg(fd int, data, control []byte, flags, _ int) (Message, int, bool) {
	name := make([]byte, 128)
	h, iov := msghdr(data, name, control)
	n, e := sys(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), uintptr(flags))
	runtime.KeepAlive(iov)
	runtime.KeepAlive(h)
	if e != 0 {
		return Message{N: -1}, e, false
	}
	return Message{n, name[:h.Namelen], control[:h.Controllen], int(h.Flags)}, 0, false
}

func (k *Kernel) ReadFD(fd int, data []byte) (int, int, bool) {
	n, e := sys(unix.SYS_READ, uintptr(fd), pointer(data), uintptr(len(data)))
	runtime.KeepAlive(data)
	return n, e, false
}

func (k *Kernel) WriteFD(fd int, data []byte, _ int) (int, int, bool) {
	n, e := sys(unix.SYS_WRITE, uintptr(fd), pointer(data), uintptr(len(data)))
	runtime.KeepAlive(data)
	return n, e, false
}

func (k *Kernel) SetSockOpt(fd, level, number int, value []byte) int {
	if level == unix.SOL_SOCKET && len(value) >= 4 && len(k.nowhere) == 0 {
		number, value = k.bufferSize(number, value)
	}
	_, e := sys(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(number), pointer(value), uintptr(len(value)))
	runtime.KeepAlive(value)
	return e
}

func (k *Kernel) GetSockOpt(fd, level, number int, value []byte) (int, int) {
	size := int32(len(value))
	_, e := sys(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(number), pointer(value), uintptr(unsafe.Pointer(&size)))
	runtime.KeepAlive(value)
	runtime.KeepAlive(&size)
	return int(size), e
}

func (k *Kernel) Shutdown(fd, how int) int {
	_, e := sys(unix.SYS_SHUTDOWN, uintptr(fd), uintptr(how))
	return e
}

func (k *Kernel) GetSockName(fd int) ([]byte, int) {
	_, name, e := named(unix.SYS_GETSOCKNAME, fd)
	return name, e
}

func (k *Kernel) GetPeerName(fd int) ([]byte, int) {
	_, name, e := named(unix.SYS_GETPEERNAME, fd)
	return name, e
}

// milliseconds is a timeout as poll and epoll_wait take it.
func milliseconds(d time.Duration) uintptr {
	if d < 0 {
		return ^uintptr(0)
	}
	return uintptr(d / time.Millisecond)
}

func (k *Kernel) Poll(fds []PollFD, timeout time.Duration) (int, int, bool) {
	list := make([]unix.PollFd, len(fds))
	for i, p := range fds {
		list[i] = unix.PollFd{Fd: int32(p.FD), Events: int16(p.Events)}
	}
	var n int
	var err error
	for begun, left := time.Now(), timeout; ; {
		n, err = unix.Poll(list, int(int32(milliseconds(left))))
		if !errors.Is(err, unix.EINTR) { // a signal of the runtime's is not the script's
			break
		}
		if timeout > 0 {
			left = max(timeout-time.Since(begun), 0)
		}
	}
	for i := range fds {
		fds[i].Revents = uint32(uint16(list[i].Revents))
	}
	return n, number(err), false
}

// number is the error number of a Go error.
func number(err error) int {
	var e unix.Errno
	if errors.As(err, &e) {
		return int(e)
	}
	return 0
}

func (k *Kernel) EpollCreate() (int, int) {
	return k.opened(sys(unix.SYS_EPOLL_CREATE1, unix.EPOLL_CLOEXEC))
}

func (k *Kernel) EpollCtl(epfd, op, fd int, events uint32, data uint64) int {
	return number(unix.EpollCtl(epfd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(data), Pad: int32(data >> 32)}))
}

func (k *Kernel) EpollWait(epfd, most int, timeout time.Duration) ([]EpollEvent, int, bool) {
	list := make([]unix.EpollEvent, max(most, 1))
	n, err := unix.EpollWait(epfd, list[:max(most, 1)], int(int32(milliseconds(timeout))))
	var events []EpollEvent
	for i := range max(n, 0) {
		events = append(events, EpollEvent{list[i].Events, uint64(uint32(list[i].Fd)) | uint64(uint32(list[i].Pad))<<32})
	}
	return events, number(err), false
}

func (k *Kernel) Fcntl(fd, cmd, arg int) (int, int) {
	return sys(unix.SYS_FCNTL, uintptr(fd), uintptr(cmd), uintptr(arg))
}

func (k *Kernel) Ioctl(fd int, request uint32, v int32) (int32, int) {
	_, e := sys(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&v)))
	return v, e
}

func (k *Kernel) Pipe() (int, int, int) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, number(err)
	}
	k.opened(p[0], 0)
	k.opened(p[1], 0)
	return p[0], p[1], 0
}

// Open gives a file of zeroes, whatever the path: scripts open what their suite brought along.
func (k *Kernel) Open(string, int) (int, int) {
	fd, err := unix.MemfdCreate("packetdrill", unix.MFD_CLOEXEC)
	if err == nil {
		err = unix.Ftruncate(fd, 64<<20)
	}
	if err != nil {
		return -1, number(err)
	}
	return k.opened(fd, 0)
}

func (k *Kernel) Sendfile(out, in int, offset int64, n int) (int, int, bool) {
	var at *int64
	if offset >= 0 {
		at = &offset
	}
	v, e := sys(unix.SYS_SENDFILE, uintptr(out), uintptr(in), uintptr(unsafe.Pointer(at)), uintptr(n))
	return v, e, false
}

func (k *Kernel) Splice(in, out, n, flags int) (int, int, bool) {
	v, e := sys(unix.SYS_SPLICE, uintptr(in), 0, uintptr(out), 0, uintptr(n), uintptr(flags))
	return v, e, false
}

// Nowhere maps pages that may not be touched, for as long as the run lasts.
func (k *Kernel) Nowhere(n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		scriptFail("mmap: %v", err)
	}
	k.nowhere = append(k.nowhere, b)
	return b
}

func (k *Kernel) Close(fd int) (int, bool) {
	_, e := sys(unix.SYS_CLOSE, uintptr(fd))
	k.mu.Lock()
	delete(k.files, fd)
	k.mu.Unlock()
	return e, false
}
