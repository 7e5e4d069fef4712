package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// device makes a TUN device with addresses, and returns its file.
func device(name, v4, v6 string, index int32) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/net/tun: %w", err)
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return fd, err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fd, fmt.Errorf("TUNSETIFF: %w", err)
	}
	if err := address4(name, v4); err != nil {
		return fd, err
	}
	if err := up(name); err != nil {
		return fd, err
	}
	return fd, address6(v6, index)
}

func (k *kernel) AddDevice() {
	var err error
	k.do(func() { k.other, err = device("t1", Host4b, Host6b, 3) })
	if err != nil {
		k.fail(err)
	}
	k.SentOther()
}

func (k *kernel) InjectOther(packet []byte) { k.injectInto(k.other, packet) }

func (k *kernel) SentOther() [][]byte { return k.sentOn(k.other) }

func (k *kernel) injectInto(tun int, packet []byte) {
	var err error
	k.do(func() { _, err = unix.Write(tun, packet) })
	if err != nil {
		k.fail(fmt.Errorf("inject: %w", err))
	}
}

func (k *kernel) sentOn(tun int) (packets [][]byte) {
	if tun < 0 {
		return nil
	}
	b := make([]byte, 1<<16)
	for {
		n := 0
		var err error
		k.do(func() { n, err = unix.Read(tun, b) })
		if err != nil || n <= 0 {
			return packets
		}
		packets = append(packets, append([]byte(nil), b[:n]...))
	}
}

// AddRoute is SIOCADDRT.
func (k *kernel) AddRoute(prefix, gateway string) {
	p, via := netip.MustParsePrefix(prefix), netip.MustParseAddr(gateway)
	var b []byte
	family := unix.AF_INET
	if via.Is4() { // struct rtentry
		b = make([]byte, 120)
		mask := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), p.Bits()).Masked().Addr()
		for i, a := range []netip.Addr{p.Addr(), via, mask} {
			at := b[8+16*i:]
			binary.NativeEndian.PutUint16(at, unix.AF_INET)
			copy(at[4:], a.AsSlice())
		}
		binary.NativeEndian.PutUint16(b[56:], unix.RTF_UP|unix.RTF_GATEWAY)
	} else { // struct in6_rtmsg
		family = unix.AF_INET6
		b = make([]byte, 80)
		copy(b, p.Addr().AsSlice())
		copy(b[32:], via.AsSlice())
		binary.NativeEndian.PutUint16(b[52:], uint16(p.Bits()))
		binary.NativeEndian.PutUint32(b[56:], 1)
		binary.NativeEndian.PutUint32(b[72:], unix.RTF_UP|unix.RTF_GATEWAY)
	}
	k.do(func() {
		err := control(family, func(fd int) error {
			if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCADDRT, uintptr(unsafe.Pointer(&b[0]))); e != 0 {
				return e
			}
			return nil
		})
		if err != nil {
			k.fail(fmt.Errorf("route to %s: %w", prefix, err))
		}
	})
}
