package oracle

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// MoreSockets are the calls of fewer scenarios.
type MoreSockets interface {
	// SendMMsg and RecvMMsg fill in their messages.
	SendMMsg(fd int, messages []linux.Outgoing, flags int) (n, errno int)
	RecvMMsg(fd int, messages []linux.Incoming, flags int) (n, errno int)
	// IoctlBytes is ioctl(2) with a struct, InterfaceList SIOCGIFCONF with a buffer, which may be nil.
	IoctlBytes(fd int, request uint32, arg []byte) (errno int)
	InterfaceList(fd int, b []byte) (n, errno int)

	EpollCreate() (epfd, errno int)
	EpollCtl(epfd, op, fd int, ev linux.Event) (errno int)
	EpollWait(epfd, most int) []linux.Event

	// ProcNet is the text of a file in /proc/net.
	ProcNet(name string) string
}

// SendMany is sendmmsg(2).
func (r *Run) SendMany(fd int, messages []linux.Outgoing, flags int) {
	for i := range messages {
		messages[i].N = -1
	}
	n, e := r.sockets.SendMMsg(fd, messages, flags)
	r.sockets.Settle()
	var s []string
	for _, m := range messages {
		to := ""
		if m.Name != nil {
			to = " to " + r.choice(m.Name)
		}
		s = append(s, fmt.Sprintf("%s%s: %d", text(m.Data), to, m.N))
	}
	r.logf("sendmmsg(%s, {%s}, %#x) = %s", r.file(fd), strings.Join(s, ", "), flags, result(n, e))
}

// RecvMany is recvmmsg(2) of count messages with room for size and room bytes each.
func (r *Run) RecvMany(fd, count, size, room, flags int) {
	messages := make([]linux.Incoming, count)
	for i := range messages {
		messages[i] = linux.Incoming{Data: make([]byte, size), Control: make([]byte, room)}
	}
	n, e := r.sockets.RecvMMsg(fd, messages, flags)
	var s []string
	for _, m := range messages[:max(n, 0)] {
		v := m.Received
		if r.pings[fd] {
			clear(m.Data[min(2, size):min(6, size)]) // checksum and identifier
		}
		l := fmt.Sprintf("%d %s", v.N, text(m.Data[:min(v.N, size)]))
		if len(v.Name) > 0 {
			l += " from " + r.address(v.Name)
		}
		if v.Flags&^linux.MSG_DONTWAIT != 0 {
			l += fmt.Sprintf(" flags %#x", v.Flags)
		}
		if v.Control > 0 {
			l += " with " + r.control(m.Control[:v.Control])
		}
		s = append(s, l)
	}
	r.logf("recvmmsg(%s, %d, %#x) = %s {%s}", r.file(fd), count, flags, result(n, e), strings.Join(s, ", "))
}

// Ifreq is ioctl(2) with a struct ifreq: a name, and the start of its union.
func (r *Run) Ifreq(fd int, request uint32, name string, union []byte) {
	b := make([]byte, 40)
	copy(b, name)
	copy(b[16:], union)
	e := r.sockets.IoctlBytes(fd, request, b)
	if e != 0 {
		r.logf("ioctl(%s, %#x, %q) = %s", r.file(fd), request, name, errnoName(e))
		return
	}
	got, _, _ := strings.Cut(string(b[:16]), "\x00")
	r.logf("ioctl(%s, %#x, %q) = %q %x", r.file(fd), request, name, got, b[16:])
}

// InterfaceList is SIOCGIFCONF with room for size bytes, -1 for a null pointer.
func (r *Run) InterfaceList(fd, size int) {
	var b []byte
	if size >= 0 {
		b = make([]byte, size)
	}
	n, e := r.sockets.InterfaceList(fd, b)
	r.logf("SIOCGIFCONF(%s, %d) = %s %x", r.file(fd), size, result(n, e), b[:min(n, len(b))])
}

// Epoll is epoll_create1(2).
func (r *Run) Epoll() int {
	fd, e := r.sockets.EpollCreate()
	r.logf("epoll_create1() = %s", errnoName(e))
	return fd
}

// Watch is epoll_ctl(2); the socket's number in the log is what events are known by.
func (r *Run) Watch(epfd, op, fd int, events uint32) {
	var data uint64
	if _, err := fmt.Sscanf(r.file(fd), "s%d", &data); err != nil {
		data = 99
	}
	e := r.sockets.EpollCtl(epfd, op, fd, linux.Event{Events: events, Data: data})
	r.sockets.Settle()
	r.logf("epoll_ctl(%d, %s, %#x) = %s", op, r.file(fd), events, errnoName(e))
}

// Events is epoll_wait(2) for at most most events.
func (r *Run) Events(epfd, most int) {
	var s []string
	for _, ev := range r.sockets.EpollWait(epfd, most) {
		s = append(s, fmt.Sprintf("s%d %#x", ev.Data, ev.Events))
	}
	r.logf("epoll_wait(%d) = {%s}", most, strings.Join(s, ", "))
}

// ProcNet logs the lines of a file in /proc/net, as normal makes them; "" leaves a line out. The lines of sockets
// and addresses are sorted: Linux's order is that of a hash.
func (r *Run) ProcNet(name string, normal func(line string) string) {
	r.logf("/proc/net/%s:", name)
	var lines []string
	for line := range strings.Lines(r.sockets.ProcNet(name)) {
		if line = normal(line); line != "" {
			lines = append(lines, fmt.Sprintf("%q", line))
		}
	}
	switch name {
	case "snmp", "snmp6", "netstat", "sockstat", "sockstat6": // which have their order
	case "if_inet6", "ipv6_route", "igmp6": // no header
		slices.Sort(lines)
	default:
		slices.Sort(lines[min(1, len(lines)):])
	}
	r.log = append(r.log, lines...)
}

// word is an int of the machine.
func word(v int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(v)) }
