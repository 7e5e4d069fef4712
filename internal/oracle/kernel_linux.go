package oracle

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel is Sockets over the kernel's, in a network namespace of its own: that of a thread which ends
// with it.
type kernel struct {
	calls chan func()
	pause time.Duration // how long Settle waits
	late  time.Duration // by how much the worst of the waits took too long
	tun   int
	other int // the TUN device t1, -1 before AddDevice
	files map[int]bool
	fail  func(error)
	maps  [][]byte // of rings
}

// newKernel makes a namespace. It needs root.
func newKernel(pause time.Duration, fail func(error)) (Sockets, error) {
	k := &kernel{calls: make(chan func()), pause: pause, tun: -1, other: -1, files: map[int]bool{}, fail: fail}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread and its namespace end with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = k.configure()
		}
		ready <- err
		if err != nil {
			return
		}
		for f := range k.calls {
			f()
		}
	}()
	if err := <-ready; err != nil {
		return nil, err
	}
	return k, nil
}

// do runs f in the namespace.
func (k *kernel) do(f func()) {
	done := make(chan struct{})
	k.calls <- func() {
		f()
		close(done)
	}
	<-done
}

// sleep waits, and notes if that took longer: then timers may have run that a scenario did not expect.
func (k *kernel) sleep(d time.Duration) {
	begun := time.Now()
	time.Sleep(d)
	k.late = max(k.late, time.Since(begun)-d)
}

func (k *kernel) Late() time.Duration { return k.late }

// settings of the namespace: nothing is sent but what sockets send, and ping sockets are for everybody.
var settings = []struct{ name, value string }{
	{"net/ipv4/ping_group_range", "0 2147483647"},
	{"net/ipv4/tcp_rmem", "4096 131072 6291456"}, // the defaults of a machine with some memory,
	{"net/ipv4/tcp_wmem", "4096 16384 4194304"},  // whatever this one has
	{"net/ipv4/tcp_congestion_control", "reno"},  // whatever the administrator prefers; no other can be chosen here
	{"net/ipv6/flowlabel_state_ranges", "1"},     // labels that a host makes up begin at 0x80000
	{"net/ipv6/conf/default/accept_dad", "0"},
	{"net/ipv6/conf/default/addr_gen_mode", "1"},
	{"net/ipv6/conf/default/router_solicitations", "0"},
	{"net/ipv6/conf/default/mldv2_unsolicited_report_interval", "0"},
	{"net/ipv4/igmp_qrv", "1"}, // every report is sent once; MLD has no such variable for a namespace
}

func (k *kernel) configure() error {
	for _, s := range settings {
		if err := os.WriteFile("/proc/sys/"+s.name, []byte(s.value), 0); err != nil {
			return err
		}
	}
	if err := up("lo"); err != nil {
		return err
	}
	var err error
	k.tun, err = device("t0", Host4, Host6, 2)
	return err
}

func up(name string) error {
	return control(unix.AF_INET, func(fd int) error {
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr); err != nil {
			return err
		}
		ifr.SetUint16(ifr.Uint16() | unix.IFF_UP)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
	})
}

func control(family int, f func(fd int) error) error {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd)
}

func address4(name, addr string) error {
	return control(unix.AF_INET, func(fd int) error {
		a := netip.MustParseAddr(addr).As4()
		for _, a := range []struct {
			request uint
			addr    []byte
		}{{unix.SIOCSIFADDR, a[:]}, {unix.SIOCSIFNETMASK, []byte{255, 255, 255, 0}}} {
			ifr, err := unix.NewIfreq(name)
			if err == nil {
				err = ifr.SetInet4Addr(a.addr)
			}
			if err == nil {
				err = unix.IoctlIfreq(fd, a.request, ifr)
			}
			if err != nil {
				return fmt.Errorf("address of %s: %w", name, err)
			}
		}
		return nil
	})
}

func address6(addr string, index int32) error {
	return control(unix.AF_INET6, func(fd int) error {
		req := struct {
			addr   [16]byte
			prefix uint32
			index  int32
		}{netip.MustParseAddr(addr).As16(), 64, index}
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&req))); e != 0 {
			return fmt.Errorf("IPv6 address %s: %w", addr, e)
		}
		return usable6()
	})
}

// usable6 waits until no IPv6 address is tentative any more: even without duplicate address detection the
// kernel takes a moment.
func usable6() error {
	for range 10000 {
		b, err := os.ReadFile("/proc/thread-self/net/if_inet6")
		if err != nil {
			return err
		}
		tentative := false
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line) // address, index, prefix, scope, flags, name
			flags, err := strconv.ParseUint(f[4], 16, 32)
			tentative = tentative || err != nil || flags&unix.IFA_F_TENTATIVE != 0
		}
		if !tentative {
			return nil
		}
		time.Sleep(200 * time.Microsecond)
	}
	return errors.New("an IPv6 address stays tentative")
}

// call makes a system call in the namespace.
func (k *kernel) call(nr uintptr, args ...uintptr) (r int, errno int) {
	var a [6]uintptr
	copy(a[:], args)
	k.do(func() {
		for {
			v, _, e := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
			if e == unix.EINTR {
				continue
			}
			r, errno = int(v), int(e)
			return
		}
	})
	return r, errno
}

func pointer(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func (k *kernel) Socket(family, typ, proto int) (int, int) {
	fd, e := k.call(unix.SYS_SOCKET, uintptr(family), uintptr(typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC), uintptr(proto))
	if e != 0 {
		return -1, e
	}
	k.files[fd] = true
	return fd, 0
}

func (k *kernel) Bind(fd int, name []byte) int {
	_, e := k.call(unix.SYS_BIND, uintptr(fd), pointer(name), uintptr(len(name)))
	runtime.KeepAlive(name)
	return e
}

func (k *kernel) Connect(fd int, name []byte) int {
	_, e := k.call(unix.SYS_CONNECT, uintptr(fd), pointer(name), uintptr(len(name)))
	runtime.KeepAlive(name)
	return e
}

func (k *kernel) Listen(fd, backlog int) int {
	_, e := k.call(unix.SYS_LISTEN, uintptr(fd), uintptr(backlog))
	return e
}

// named makes a call that fills in a socket address.
func (k *kernel) named(nr uintptr, fd int, more ...uintptr) (r int, name []byte, errno int) {
	name = make([]byte, 128)
	size := uint32(len(name))
	r, errno = k.call(nr, append([]uintptr{uintptr(fd), pointer(name), uintptr(unsafe.Pointer(&size))}, more...)...)
	runtime.KeepAlive(&size)
	if errno != 0 {
		return r, nil, errno
	}
	return r, name[:size], 0
}

func (k *kernel) Accept4(fd, flags int) (int, []byte, int) {
	c, name, e := k.named(unix.SYS_ACCEPT4, fd, uintptr(flags|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC))
	if e != 0 {
		return -1, nil, e
	}
	k.files[c] = true
	return c, name, 0
}

func msghdr(data, name, control []byte) (*unix.Msghdr, *unix.Iovec) {
	iov := &unix.Iovec{Base: unsafe.SliceData(data)}
	iov.SetLen(len(data))
	h := &unix.Msghdr{Name: unsafe.SliceData(name), Namelen: uint32(len(name)), Iov: iov, Control: unsafe.SliceData(control)}
	h.SetIovlen(1)
	h.SetControllen(len(control))
	return h, iov
}

func (k *kernel) SendMsg(fd int, data, name, control []byte, flags int) (int, int) {
	h, iov := msghdr(data, name, control)
	n, e := k.call(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), uintptr(flags|unix.MSG_NOSIGNAL))
	runtime.KeepAlive(iov)
	runtime.KeepAlive(h)
	return max(n, 0), e
}

func (k *kernel) RecvMsg(fd int, data, control []byte, flags int) (Message, int) {
	name := make([]byte, 128)
	h, iov := msghdr(data, name, control)
	n, e := k.call(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), uintptr(flags))
	runtime.KeepAlive(iov)
	runtime.KeepAlive(h)
	if e != 0 {
		return Message{}, e
	}
	return Message{n, name[:h.Namelen], control[:h.Controllen], int(h.Flags)}, 0
}

func (k *kernel) SetSockOpt(fd, level, number int, value []byte) int {
	_, e := k.call(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(number), pointer(value), uintptr(len(value)))
	runtime.KeepAlive(value)
	return e
}

func (k *kernel) GetSockOpt(fd, level, number int, value []byte) (int, int) {
	size := int32(len(value))
	_, e := k.call(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(number), pointer(value), uintptr(unsafe.Pointer(&size)))
	runtime.KeepAlive(value)
	runtime.KeepAlive(&size)
	return int(size), e
}

func (k *kernel) Shutdown(fd, how int) int {
	_, e := k.call(unix.SYS_SHUTDOWN, uintptr(fd), uintptr(how))
	return e
}

func (k *kernel) GetSockName(fd int) ([]byte, int) {
	_, name, e := k.named(unix.SYS_GETSOCKNAME, fd)
	return name, e
}

func (k *kernel) GetPeerName(fd int) ([]byte, int) {
	_, name, e := k.named(unix.SYS_GETPEERNAME, fd)
	return name, e
}

func (k *kernel) Poll(fd int, mask uint32) uint32 { return k.poll(fd, mask, 0) }

func (k *kernel) poll(fd int, mask uint32, milliseconds int) (ev uint32) {
	k.do(func() {
		p := []unix.PollFd{{Fd: int32(fd), Events: int16(mask)}}
		for {
			_, err := unix.Poll(p, milliseconds)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		ev = uint32(uint16(p[0].Revents))
	})
	return ev
}

func (k *kernel) Ioctl(fd int, request uint32) (int, int) {
	v := int32(0)
	_, e := k.call(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&v)))
	runtime.KeepAlive(&v)
	return int(v), e
}

func (k *kernel) Close(fd int) {
	if k.files[fd] {
		delete(k.files, fd)
		k.call(unix.SYS_CLOSE, uintptr(fd))
	}
}

// Settle waits: the kernel delivers on its own time, mostly before the call that sends returns.
func (k *kernel) Settle() { k.sleep(k.pause) }

func (k *kernel) Await(fd int, mask uint32) {
	k.poll(fd, mask, 3000)
	k.Settle()
}

func (k *kernel) Inject(packet []byte) { k.injectInto(k.tun, packet) }

func (k *kernel) Sent() [][]byte { return k.sentOn(k.tun) }

func (k *kernel) End() {
	for _, m := range k.maps {
		unix.Munmap(m)
	}
	for fd := range k.files {
		k.Close(fd)
	}
	k.do(func() {
		unix.Close(k.tun)
		if k.other >= 0 {
			unix.Close(k.other)
		}
	})
	close(k.calls)
}

// KernelVersion returns the numbers of the running kernel's release.
func KernelVersion() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	release, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
	return "Linux " + release
}

// kernelHere says why the kernel cannot be asked, "" if it can.
func kernelHere() string {
	if os.Geteuid() != 0 {
		return "needs root, for a network namespace"
	}
	return ""
}
