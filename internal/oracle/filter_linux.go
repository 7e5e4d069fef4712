package oracle

import (
	"encoding/binary"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

func (k *kernel) AttachFilter(fd, option int, code []byte) int {
	level := unix.SOL_SOCKET
	if option < 0 { // of a packet socket
		level, option = solPacket, -option
	}
	prog := unix.SockFprog{Len: uint16(len(code) / 8), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(code)))}
	_, e := k.call(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&prog)), unsafe.Sizeof(prog))
	runtime.KeepAlive(code)
	runtime.KeepAlive(&prog)
	return e
}

func (k *kernel) GetFilter(fd, optlen int) (code []byte, n, errno int) {
	code = make([]byte, optlen*8)
	size := int32(optlen)
	_, e := k.call(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, pointer(code), uintptr(unsafe.Pointer(&size)))
	runtime.KeepAlive(code)
	runtime.KeepAlive(&size)
	if e != 0 {
		return nil, 0, e
	}
	return code[:min(int(size), optlen)*8], int(size), 0
}

func (k *kernel) MapRing(fd, size int) (memory []byte, errno int) {
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		e, _ := err.(unix.Errno)
		return nil, int(e)
	}
	k.maps = append(k.maps, memory)
	return memory, 0
}

// AddEthernet makes a TAP device.
func (k *kernel) AddEthernet() {
	k.do(func() {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			k.fail(err)
			return
		}
		k.other = fd
		ifr, err := unix.NewIfreq("e0")
		if err == nil {
			ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
		}
		if err == nil {
			err = os.WriteFile("/proc/sys/net/ipv6/conf/e0/disable_ipv6", []byte("1"), 0)
		}
		if err == nil { // struct ifreq with a struct sockaddr
			b := make([]byte, 40)
			copy(b, "e0")
			binary.NativeEndian.PutUint16(b[16:], unix.ARPHRD_ETHER)
			copy(b[18:], ethernetHost[:])
			err = control(unix.AF_INET, func(s int) error {
				if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCSIFHWADDR, uintptr(unsafe.Pointer(&b[0]))); e != 0 {
					return e
				}
				return nil
			})
		}
		if err == nil {
			err = address4("e0", Host4b)
		}
		if err == nil {
			err = up("e0")
		}
		if err != nil {
			k.fail(err)
		}
	})
	k.SentOther()
}

func (k *kernel) Autoconfigure(temporary, detect bool) {
	k.AddEthernet()
	values := []struct{ name, value string }{
		{"addr_gen_mode", "0"}, {"accept_ra_rt_info_max_plen", "128"}, {"use_tempaddr", "0"}, {"accept_dad", "0"}, {"disable_ipv6", "0"},
	}
	if temporary {
		values[2].value = "2"
	}
	if detect {
		values[3].value = "1"
	}
	k.do(func() {
		for _, v := range values {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/e0/"+v.name, []byte(v.value), 0); err != nil {
				k.fail(err)
			}
		}
		if err := usable6(); err != nil {
			k.fail(err)
		}
	})
	k.SentOther()
}
