package oracle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// ours is Sockets over a stack with a manual clock.
type ours struct {
	clock   *tcpip.ManualClock
	stack   *stack.Stack
	link    *channel.Channel
	other   *channel.Channel // nil before AddDevice
	sockets *linux.Sockets
	files   map[int]*linux.Socket
	epolls  []*linux.Epoll
	next    int
	fail    func(error) // told of leaks
}

const noFile = 9 // EBADF

// newOurs makes a host of ours. fail is told if it has kept memory at its End.
func newOurs(fail func(error)) (*ours, error) {
	o := &ours{clock: tcpip.NewManualClock(), files: map[int]*linux.Socket{}, fail: fail}
	o.stack = stack.New(stack.Options{
		Clock: o.clock, Random: rand.NewChaCha8([32]byte{1}),
		Networks:   []stack.NewNetwork{ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.NewWith(tcp.Options{Congestion: tcpip.Set(tcp.Reno)}), udp.New, icmp.New4, icmp.New6},
		Raw:        raw.New,
	})
	o.link = channel.New(channel.Options{MTU: tunMTU})
	o.sockets = linux.New(o.stack)
	for _, n := range []struct {
		link stack.Link
		name string
		v4   string
		v6   string
	}{{loopback.New(loopback.Options{}), "lo", "127.0.0.1/8", "::1/128"}, {o.link, "t0", Host4 + "/24", Host6 + "/64"}} {
		_, err := o.stack.AddNIC(n.link, stack.NICOptions{Name: n.name, DAD: tcpip.Set(0), Groups: reporting, Addresses: []netip.Prefix{
			netip.MustParsePrefix(n.v4), netip.MustParsePrefix(n.v6),
		}})
		if err != nil {
			return nil, err
		}
	}
	o.clock.Settle()
	o.Sent()
	return o, nil
}

func (o *ours) open(s *linux.Socket) int {
	o.next++
	o.files[o.next] = s
	return o.next
}

func (o *ours) Socket(family, typ, proto int) (int, int) {
	s, err := o.sockets.Socket(family, typ|linux.SOCK_NONBLOCK, proto)
	if err != 0 {
		return -1, int(err)
	}
	return o.open(s), 0
}

// on runs f on a socket.
func (o *ours) on(fd int, f func(*linux.Socket) linux.Errno) int {
	s := o.files[fd]
	if s == nil {
		return noFile
	}
	return int(f(s))
}

func (o *ours) Bind(fd int, name []byte) int {
	return o.on(fd, func(s *linux.Socket) linux.Errno { return s.Bind(name) })
}

func (o *ours) Connect(fd int, name []byte) int {
	return o.on(fd, func(s *linux.Socket) linux.Errno { return s.Connect(name) })
}

func (o *ours) Listen(fd, backlog int) int {
	return o.on(fd, func(s *linux.Socket) linux.Errno { return s.Listen(backlog) })
}

func (o *ours) Accept4(fd, flags int) (newFD int, name []byte, errno int) {
	newFD = -1
	errno = o.on(fd, func(s *linux.Socket) linux.Errno {
		c, n, err := s.Accept4(flags)
		if err == 0 {
			newFD, name = o.open(c), n
		}
		return err
	})
	return newFD, name, errno
}

func (o *ours) SendMsg(fd int, data, name, control []byte, flags int) (n, errno int) {
	errno = o.on(fd, func(s *linux.Socket) (err linux.Errno) {
		n, err = s.SendMsg(data, name, control, flags)
		return err
	})
	return n, errno
}

func (o *ours) RecvMsg(fd int, data, control []byte, flags int) (m Message, errno int) {
	errno = o.on(fd, func(s *linux.Socket) linux.Errno {
		r, err := s.RecvMsg(data, control, flags|linux.MSG_DONTWAIT)
		m = Message{r.N, r.Name, control[:r.Control], r.Flags}
		return err
	})
	return m, errno
}

func (o *ours) SetSockOpt(fd, level, number int, value []byte) int {
	return o.on(fd, func(s *linux.Socket) linux.Errno { return s.SetSockOpt(level, number, value) })
}

func (o *ours) GetSockOpt(fd, level, number int, value []byte) (size, errno int) {
	errno = o.on(fd, func(s *linux.Socket) (err linux.Errno) {
		size, err = s.GetSockOpt(level, number, value)
		return err
	})
	return size, errno
}

func (o *ours) Shutdown(fd, how int) int {
	return o.on(fd, func(s *linux.Socket) linux.Errno { return s.Shutdown(how) })
}

func (o *ours) GetSockName(fd int) (name []byte, errno int) {
	errno = o.on(fd, func(s *linux.Socket) (err linux.Errno) {
		name, err = s.GetSockName()
		return err
	})
	return name, errno
}

func (o *ours) GetPeerName(fd int) (name []byte, errno int) {
	errno = o.on(fd, func(s *linux.Socket) (err linux.Errno) {
		name, err = s.GetPeerName()
		return err
	})
	return name, errno
}

func (o *ours) Poll(fd int, mask uint32) (ev uint32) {
	o.on(fd, func(s *linux.Socket) linux.Errno {
		ev = s.Poll(mask)
		return 0
	})
	return ev
}

func (o *ours) Ioctl(fd int, request uint32) (v, errno int) {
	errno = o.on(fd, func(s *linux.Socket) (err linux.Errno) {
		v, err = s.Ioctl(request)
		return err
	})
	return v, errno
}

func (o *ours) Close(fd int) {
	if s := o.files[fd]; s != nil {
		for _, e := range o.epolls {
			e.Forget(s)
		}
		s.Close()
		delete(o.files, fd)
	}
}

// Settle runs what is due, and what will be in half a millisecond: so long the kernel is given after each call.
func (o *ours) Settle() {
	o.clock.Settle()
	end := o.clock.Now().Add(500 * time.Microsecond)
	for next := o.clock.Next(); next != 0 && next <= end; next = o.clock.Next() {
		o.clock.Step()
	}
}

func (o *ours) Await(fd int, mask uint32) {
	end := o.clock.Now().Add(3 * time.Second)
	for o.Poll(fd, mask)&mask == 0 {
		next := o.clock.Next()
		if next == 0 || next > end {
			return
		}
		o.clock.Step()
	}
}

func (o *ours) Inject(packet []byte) {
	if err := o.link.Inject(packet); err != nil {
		o.fail(fmt.Errorf("inject: %w", err))
	}
}

func (o *ours) Sent() [][]byte { return sentOn(o.link) }

func (o *ours) End() {
	for fd := 1; fd <= o.next; fd++ {
		o.Close(fd)
	}
	o.Sent()
	o.SentOther()
	o.stack.Close()
	o.clock.Settle()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := o.stack.Wait(ctx); err != nil {
		o.fail(fmt.Errorf("the stack did not end: %w", err))
	}
	if p, b := o.stack.LivePackets(), o.stack.Slabs.Live(); p != 0 || b != 0 {
		o.fail(fmt.Errorf("%d packets and %d bytes of slabs were kept", p, b))
	}
}
