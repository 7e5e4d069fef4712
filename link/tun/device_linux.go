package tun

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/gate"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Device is a stack.Link over a TUN or TAP device. Each of its descriptors has one goroutine that reads,
// from Attach to Close, and one that waits for room to write while there is none. It is safe for
// concurrent use.
//
// A TAP device is a stack.LinkIP whose packets are Ethernet frames, so its MTU is that of the interface
// and a header.
type Device struct {
	name     string
	control  *os.File // a socket in the namespace of the interface
	queues   []*queue
	tap      bool
	vnet     int // bytes of the virtio-net header; 0: none
	offload  stack.Offload
	mtu      atomic.Int32
	gone     atomic.Bool // the interface was deleted
	receiver atomic.Pointer[stack.Receiver]
	gate     *gate.Gate // of the goroutines and of SetMTU
}

// Open makes a device, or takes over one that exists, in the network namespace of the calling thread. It
// needs CAP_NET_ADMIN, or a device that belongs to the user.
//
// Errors: tcpip.ErrInvalid for bad options, and those of the system calls.
func Open(o Options) (*Device, error) {
	if o.Queues < 0 || o.Queues > maxQueues || o.MTU < 0 {
		return nil, tcpip.ErrInvalid
	}
	flags := uint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if o.TAP {
		flags = unix.IFF_TAP | unix.IFF_NO_PI
	}
	if !o.NoOffload {
		flags |= unix.IFF_VNET_HDR
	}
	if o.Queues > 1 {
		flags |= unix.IFF_MULTI_QUEUE
	}
	name := o.Name
	if name == "" {
		name = "tun%d"
		if o.TAP {
			name = "tap%d"
		}
	}
	var fds []int
	for range max(o.Queues, 1) {
		fd, got, err := openQueue(name, flags)
		if errors.Is(err, unix.EINVAL) && flags&unix.IFF_MULTI_QUEUE == 0 {
			fd, got, err = openQueue(name, flags|unix.IFF_MULTI_QUEUE) // it exists and has several queues
		}
		if err != nil {
			closeAll(fds)
			return nil, err
		}
		fds, name = append(fds, fd), got
	}
	return FromFD(fds, o)
}

// openQueue returns a descriptor of the interface, and its name.
func openQueue(name string, flags uint16) (int, string, error) {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return -1, "", os.NewSyscallError("ifreq "+name, err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, "", &os.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
	}
	r.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
		_ = unix.Close(fd)
		return -1, "", os.NewSyscallError("ioctl TUNSETIFF "+name, err)
	}
	return fd, r.Name(), nil
}

// FromFD makes a device of descriptors of one TUN or TAP interface, on which TUNSETIFF has been done, one
// for each queue. It takes them, and closes them if it fails. Of the options it uses MTU and NoOffload;
// that there is a virtio-net header and what the packets are it learns from the first descriptor.
//
// Errors: tcpip.ErrInvalid without descriptors or if they are not such, and those of the system calls.
func FromFD(fds []int, o Options) (*Device, error) {
	d, err := newDevice(fds, o)
	if err != nil {
		closeAll(fds)
		return nil, err
	}
	for i, fd := range fds {
		q, err := newQueue(d, i, fd)
		if err != nil {
			closeAll(fds[i+1:])
			d.Close()
			return nil, err
		}
		d.queues = append(d.queues, q)
	}
	return d, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// newDevice asks the descriptors what they are, and sets them up. It does not take them.
func newDevice(fds []int, o Options) (*Device, error) {
	if len(fds) == 0 || len(fds) > maxQueues {
		return nil, tcpip.ErrInvalid
	}
	r, err := unix.NewIfreq("")
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlIfreq(fds[0], unix.TUNGETIFF, r); err != nil {
		return nil, os.NewSyscallError("ioctl TUNGETIFF", err)
	}
	flags := r.Uint16()
	if flags&unix.IFF_NO_PI == 0 {
		return nil, tcpip.ErrInvalid // a third form of packet, which nobody needs
	}
	d := &Device{name: r.Name(), tap: flags&unix.IFF_TAP != 0, gate: gate.New()}
	if flags&unix.IFF_VNET_HDR != 0 {
		d.vnet = header.VirtioNetSize
	}
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, os.NewSyscallError("fcntl", err)
		}
		if d.vnet == 0 {
			continue
		}
		if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, d.vnet); err != nil {
			return nil, os.NewSyscallError("ioctl TUNSETVNETHDRSZ", err)
		}
		d.offload = setOffload(fd, o.NoOffload)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	d.control = os.NewFile(uintptr(socket), "control of "+d.name)
	if o.MTU != 0 {
		err = d.setMTU(o.MTU)
	} else {
		err = d.getMTU()
	}
	if err != nil {
		_ = d.control.Close()
		return nil, err
	}
	return d, nil
}

// offloads are the sets that are asked for, best first: kernels before 6.2 know no UDP segmentation.
var offloads = [...]struct {
	flags int
	can   stack.Offload
}{
	{
		unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN | unix.TUN_F_USO4 | unix.TUN_F_USO6,
		stack.OffloadChecksum | stack.OffloadTSO4 | stack.OffloadTSO6 | stack.OffloadUSO | stack.OffloadReceive,
	},
	{
		unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN,
		stack.OffloadChecksum | stack.OffloadTSO4 | stack.OffloadTSO6 | stack.OffloadReceive,
	},
	{unix.TUN_F_CSUM, stack.OffloadChecksum},
	{0, 0},
}

// setOffload tells the kernel what we take, and returns what both sides can.
func setOffload(fd int, none bool) stack.Offload {
	for _, o := range offloads {
		if none && o.flags != 0 {
			continue
		}
		if unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, o.flags) == nil {
			return o.can
		}
	}
	return 0
}

// Name returns the name of the interface.
func (d *Device) Name() string { return d.name }

// Info describes the link. It is up until Close, or until somebody deletes the interface,
// whether or not the kernel's end is up.
func (d *Device) Info() stack.LinkInfo {
	info := stack.LinkInfo{
		Kind: stack.LinkIP, Up: !d.gate.Closed() && !d.gone.Load(), MTU: int(d.mtu.Load()) + d.linkHeader(), Queues: len(d.queues), Offload: d.offload,
	}
	if d.offload&stack.OffloadTSO4 != 0 {
		info.GSOMax = header.MaxPacket + d.linkHeader()
	}
	return info
}

// linkHeader returns the bytes in front of the network header.
func (d *Device) linkHeader() int {
	if d.tap {
		return header.EthernetSize
	}
	return 0
}

// Attach connects the link with r and begins to read.
//
// Errors: ErrClosed after Close, ErrExists if the link is attached.
func (d *Device) Attach(r stack.Receiver) error {
	if d.gate.Closed() {
		return tcpip.ErrClosed
	}
	if !d.receiver.CompareAndSwap(nil, &r) {
		return tcpip.ErrExists
	}
	for _, q := range d.queues {
		if !d.gate.Enter() {
			return tcpip.ErrClosed
		}
		go q.receive(r)
	}
	return nil
}

// Close closes the descriptors; an interface that is not persistent goes with the last of them.
func (d *Device) Close() {
	if !d.gate.Close() {
		return
	}
	for _, q := range d.queues {
		_ = q.file.Close()
	}
	_ = d.control.Close()
}

// Wait returns when the link is closed and its goroutines have ended, or with ctx's error.
func (d *Device) Wait(ctx context.Context) error { return d.gate.Wait(ctx) }
