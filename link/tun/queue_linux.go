package tun

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// queue is one descriptor of a device.
type queue struct {
	device *Device
	index  int
	file   *os.File
	raw    syscall.RawConn

	reader reader // of the goroutine that reads

	// Of the frame that transmits.
	write  func(fd uintptr) // writeBatch, made once
	batch  []*stack.Packet
	taken  int
	header [header.VirtioNetLongSize]byte
	iov    []unix.Iovec
}

// newQueue takes fd, which the runtime's poller waits for from then on.
func newQueue(d *Device, index, fd int) (*queue, error) {
	q := &queue{device: d, index: index, file: os.NewFile(uintptr(fd), d.name)}
	raw, err := q.file.SyscallConn()
	if err != nil {
		_ = q.file.Close()
		return nil, err
	}
	q.raw, q.write = raw, q.writeBatch
	return q, nil
}

// Transmit writes the batch to the descriptor of the queue, a packet a system call. It stops where the
// kernel has no room, which is rare: the kernel's end takes a packet in within the call.
func (d *Device) Transmit(_ *stack.Work, index int, batch []*stack.Packet) int {
	q := d.queues[index]
	q.batch, q.taken = batch, 0
	err := q.raw.Control(q.write)
	q.batch = nil
	if err != nil { // closed
		for _, p := range batch {
			p.Drop(tcpip.DropLinkDown)
		}
		return len(batch)
	}
	if q.taken < len(batch) && d.gate.Enter() {
		go q.awaitRoom(*d.receiver.Load())
	}
	return q.taken
}

// writeBatch writes what it can of q.batch.
func (q *queue) writeBatch(fd uintptr) {
	for _, p := range q.batch {
		switch d := q.writePacket(fd, p); d {
		case tcpip.DropNone:
			p.Release()
		case tcpip.DropQueueFull:
			return
		default:
			p.Drop(d)
		}
		q.taken++
	}
}

// writePacket writes p, which it borrows: DropQueueFull means that it may be tried again.
func (q *queue) writePacket(fd uintptr, p *stack.Packet) tcpip.Drop {
	iov := q.iov[:0]
	if n := q.device.vnet; n > 0 {
		v, d := p.VirtioNet(q.device.linkHeader())
		if d != tcpip.DropNone {
			return d
		}
		v.Encode(q.header[:], n)
		iov = appendIovec(iov, q.header[:n])
	}
	iov = appendIovec(iov, p.Front())
	for _, d := range p.Data() {
		iov = appendIovec(iov, d.Bytes())
	}
	q.iov = iov
	for {
		_, _, errno := unix.Syscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&iov[0])), uintptr(len(iov)))
		switch errno {
		case 0:
			return tcpip.DropNone
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return tcpip.DropQueueFull
		case unix.EIO: // the interface is down
			return tcpip.DropLinkDown
		}
		return tcpip.DropLinkError
	}
}

func appendIovec(iov []unix.Iovec, b []byte) []unix.Iovec {
	if len(b) == 0 {
		return iov
	}
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	return append(iov, v)
}

// awaitRoom is the goroutine that waits until the descriptor can be written to.
func (q *queue) awaitRoom(r stack.Receiver) {
	defer q.device.gate.Leave()
	err := q.raw.Write(func(fd uintptr) bool {
		// The poller tells of edges only, and one may have passed since the write that failed.
		fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds[:], 0)
		return err == nil && n > 0
	})
	if err == nil {
		r.TxReady(nil, q.index)
	}
}
