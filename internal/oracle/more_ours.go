package oracle

import "github.com/seed963a8790/netstack/tcpip/adapters/linux"

func (o *ours) SendMMsg(fd int, messages []linux.Outgoing, flags int) (n, errno int) {
	errno = o.on(fd, func(s *linux.Socket) (err linux.Errno) {
		n, err = s.SendMMsg(messages, flags)
		return err
	})
	return n, errno
}

func (o *ours) RecvMMsg(fd int, messages []linux.Incoming, flags int) (n, errno int) {
	errno = o.on(fd, func(s *linux.Socket) (err linux.Errno) {
		n, err = s.RecvMMsg(messages, flags)
		return err
	})
	return n, errno
}

func (o *ours) IoctlBytes(fd int, request uint32, arg []byte) int {
	return o.on(fd, func(s *linux.Socket) linux.Errno { return s.IoctlBytes(request, arg) })
}

func (o *ours) InterfaceList(fd int, b []byte) (n, errno int) {
	errno = o.on(fd, func(s *linux.Socket) linux.Errno {
		n = s.InterfaceList(b)
		return 0
	})
	return n, errno
}

func (o *ours) EpollCreate() (int, int) {
	o.epolls = append(o.epolls, linux.NewEpoll())
	return len(o.epolls) - 1, 0
}

func (o *ours) EpollCtl(epfd, op, fd int, ev linux.Event) int {
	return o.on(fd, func(s *linux.Socket) linux.Errno { return o.epolls[epfd].Ctl(op, s, ev) })
}

func (o *ours) EpollWait(epfd, most int) []linux.Event {
	events := make([]linux.Event, most)
	return events[:o.epolls[epfd].Wait(events)]
}

func (o *ours) ProcNet(name string) string {
	b, _ := o.sockets.ProcNet(name)
	return string(b)
}
