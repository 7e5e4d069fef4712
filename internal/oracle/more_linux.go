package oracle

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// mmsghdr is Linux's struct of that name.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

func (k *kernel) SendMMsg(fd int, messages []linux.Outgoing, flags int) (int, int) {
	v := make([]mmsghdr, len(messages))
	for i, m := range messages {
		h, _ := msghdr(m.Data, m.Name, m.Control)
		v[i].hdr = *h
	}
	n, e := k.call(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(v))), uintptr(len(v)), uintptr(flags|unix.MSG_NOSIGNAL))
	runtime.KeepAlive(v)
	runtime.KeepAlive(messages)
	if e != 0 {
		return 0, e
	}
	for i := range n {
		messages[i].N = int(v[i].n)
	}
	return n, 0
}

func (k *kernel) RecvMMsg(fd int, messages []linux.Incoming, flags int) (int, int) {
	v := make([]mmsghdr, len(messages))
	names := make([][]byte, len(messages))
	for i, m := range messages {
		names[i] = make([]byte, 128)
		h, _ := msghdr(m.Data, names[i], m.Control)
		v[i].hdr = *h
	}
	n, e := k.call(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(v))), uintptr(len(v)), uintptr(flags), 0)
	runtime.KeepAlive(v)
	runtime.KeepAlive(messages)
	if e != 0 {
		return 0, e
	}
	for i := range n {
		h := &v[i].hdr
		messages[i].Received = linux.Received{N: int(v[i].n), Name: names[i][:h.Namelen], Control: int(h.Controllen), Flags: int(h.Flags)}
	}
	return n, 0
}

func (k *kernel) IoctlBytes(fd int, request uint32, arg []byte) int {
	_, e := k.call(unix.SYS_IOCTL, uintptr(fd), uintptr(request), pointer(arg))
	runtime.KeepAlive(arg)
	return e
}

func (k *kernel) InterfaceList(fd int, b []byte) (int, int) {
	c := struct {
		n int32
		_ int32
		b *byte
	}{n: int32(len(b)), b: unsafe.SliceData(b)}
	_, e := k.call(unix.SYS_IOCTL, uintptr(fd), linux.SIOCGIFCONF, uintptr(unsafe.Pointer(&c)))
	runtime.KeepAlive(&c)
	return int(c.n), e
}

func (k *kernel) EpollCreate() (int, int) {
	fd, e := k.call(unix.SYS_EPOLL_CREATE1, unix.EPOLL_CLOEXEC)
	if e == 0 {
		k.files[fd] = true
	}
	return fd, e
}

func (k *kernel) EpollCtl(epfd, op, fd int, ev linux.Event) int {
	e := unix.EpollEvent{Events: ev.Events}
	*(*uint64)(unsafe.Pointer(&e.Fd)) = ev.Data
	_, errno := k.call(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&e)))
	runtime.KeepAlive(&e)
	return errno
}

func (k *kernel) EpollWait(epfd, most int) (list []linux.Event) {
	events := make([]unix.EpollEvent, most)
	n, e := k.call(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(most), 0, 0, 8)
	runtime.KeepAlive(events)
	if e != 0 {
		return nil
	}
	for i := range n {
		list = append(list, linux.Event{Events: events[i].Events, Data: *(*uint64)(unsafe.Pointer(&events[i].Fd))})
	}
	return list
}

// ProcNet reads the file of the namespace.
func (k *kernel) ProcNet(name string) string {
	var b []byte
	k.do(func() { b, _ = os.ReadFile("/proc/thread-self/net/" + name) })
	return string(b)
}
