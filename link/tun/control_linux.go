package tun

import (
	"encoding/binary"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed963a8790/netstack/tcpip"
)

// ioctl does an interface request on the control socket and returns the answer.
func (d *Device) ioctl(request uint, name string, fill func(*unix.Ifreq)) (*unix.Ifreq, error) {
	r, err := unix.NewIfreq(d.name)
	if err != nil {
		return nil, err
	}
	fill(r)
	raw, err := d.control.SyscallConn()
	if err != nil {
		return nil, err
	}
	var errno error
	if err := raw.Control(func(fd uintptr) { errno = unix.IoctlIfreq(int(fd), request, r) }); err != nil {
		return nil, err
	}
	return r, os.NewSyscallError("ioctl "+name+" "+d.name, errno)
}

func (d *Device) getMTU() error {
	r, err := d.ioctl(unix.SIOCGIFMTU, "SIOCGIFMTU", func(*unix.Ifreq) {})
	if err != nil {
		return err
	}
	d.mtu.Store(int32(r.Uint32()))
	return nil
}

func (d *Device) setMTU(mtu int) error {
	_, err := d.ioctl(unix.SIOCSIFMTU, "SIOCSIFMTU", func(r *unix.Ifreq) { r.SetUint32(uint32(mtu)) })
	if err != nil {
		return err
	}
	d.mtu.Store(int32(mtu))
	return nil
}

// SetMTU sets the interface's MTU, in bytes, and tells the NIC. It needs CAP_NET_ADMIN.
//
// Errors: ErrClosed after Close, and those of the system call.
func (d *Device) SetMTU(mtu int) error {
	if !d.gate.Enter() {
		return tcpip.ErrClosed
	}
	defer d.gate.Leave()
	if err := d.setMTU(mtu); err != nil {
		return err
	}
	if r := d.receiver.Load(); r != nil {
		(*r).LinkChanged(nil)
	}
	return nil
}

// SetUp sets the kernel's end of the device up or down, as "ip link set" does. It needs CAP_NET_ADMIN.
//
// Errors: ErrClosed after Close, and those of the system calls.
func (d *Device) SetUp(up bool) error {
	if !d.gate.Enter() {
		return tcpip.ErrClosed
	}
	defer d.gate.Leave()
	r, err := d.ioctl(unix.SIOCGIFFLAGS, "SIOCGIFFLAGS", func(*unix.Ifreq) {})
	if err != nil {
		return err
	}
	flags := r.Uint16() &^ unix.IFF_UP
	if up {
		flags |= unix.IFF_UP
	}
	_, err = d.ioctl(unix.SIOCSIFFLAGS, "SIOCSIFFLAGS", func(r *unix.Ifreq) { r.SetUint16(flags) })
	return err
}

// in6Ifreq is struct in6_ifreq of linux/ipv6.h.
type in6Ifreq struct {
	addr    [16]byte
	bits    uint32
	ifindex int32
}

// AddHostAddress gives the kernel's end of the device an address, and with it a route to p, as "ip address
// add" does. An IPv4 address takes the place of an earlier one. It needs CAP_NET_ADMIN and, for IPv6, is
// called in the network namespace of the device.
//
// Errors: ErrInvalid, ErrClosed after Close, and those of the system calls.
func (d *Device) AddHostAddress(p netip.Prefix) error {
	if !p.IsValid() {
		return tcpip.ErrInvalid
	}
	if !d.gate.Enter() {
		return tcpip.ErrClosed
	}
	defer d.gate.Leave()
	if p.Addr().Is4() {
		return d.addHostAddress4(p)
	}
	r, err := d.ioctl(unix.SIOCGIFINDEX, "SIOCGIFINDEX", func(*unix.Ifreq) {})
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }()
	req := in6Ifreq{addr: p.Addr().As16(), bits: uint32(p.Bits()), ifindex: int32(r.Uint32())}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&req)))
	if errno != 0 {
		return os.NewSyscallError("ioctl SIOCSIFADDR "+d.name, errno)
	}
	return nil
}

func (d *Device) addHostAddress4(p netip.Prefix) error {
	a := p.Addr().As4()
	var mask [4]byte
	binary.BigEndian.PutUint32(mask[:], uint32(0xffffffff<<(32-uint64(p.Bits()))))
	_, err := d.ioctl(unix.SIOCSIFADDR, "SIOCSIFADDR", func(r *unix.Ifreq) { _ = r.SetInet4Addr(a[:]) })
	if err != nil {
		return err
	}
	_, err = d.ioctl(unix.SIOCSIFNETMASK, "SIOCSIFNETMASK", func(r *unix.Ifreq) { _ = r.SetInet4Addr(mask[:]) })
	return err
}
