package linux

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// The requests about interfaces, whose argument is a struct ifreq but for SIOCGIFCONF.
const (
	SIOCADDRT      = 0x890b
	SIOCDELRT      = 0x890c
	SIOCGIFNAME    = 0x8910
	SIOCSIFLINK    = 0x8911
	SIOCGIFCONF    = 0x8912
	SIOCGIFFLAGS   = 0x8913
	SIOCSIFFLAGS   = 0x8914
	SIOCGIFADDR    = 0x8915
	SIOCSIFADDR    = 0x8916
	SIOCGIFDSTADDR = 0x8917
	SIOCSIFDSTADDR = 0x8918
	SIOCGIFBRDADDR = 0x8919
	SIOCSIFBRDADDR = 0x891a
	SIOCGIFNETMASK = 0x891b
	SIOCSIFNETMASK = 0x891c
	SIOCGIFMETRIC  = 0x891d
	SIOCSIFMETRIC  = 0x891e
	SIOCGIFMTU     = 0x8921
	SIOCSIFMTU     = 0x8922
	SIOCSIFNAME    = 0x8923
	SIOCSIFHWADDR  = 0x8924
	SIOCGIFHWADDR  = 0x8927
	SIOCADDMULTI   = 0x8931
	SIOCDELMULTI   = 0x8932
	SIOCGIFSLAVE   = 0x8929
	SIOCGIFINDEX   = 0x8933
	SIOCSIFHWBROAD = 0x8937
	SIOCGIFTXQLEN  = 0x8942
	SIOCSIFTXQLEN  = 0x8943
	SIOCETHTOOL    = 0x8946
	SIOCGMIIPHY    = 0x8947
	SIOCGMIIREG    = 0x8948
	SIOCDARP       = 0x8953
	SIOCSARP       = 0x8955
	SIOCGIFMAP     = 0x8970
	SIOCSIFMAP     = 0x8971
	SIOCGHWTSTAMP  = 0x89b1
	SIOCDEVPRIVATE = 0x89f0
)

// sizeofIfreq is the size of a struct ifreq in bytes: a name and a union.
const sizeofIfreq = nameSize + 24

// The flags of an interface.
const (
	IFF_UP          = 0x1
	IFF_BROADCAST   = 0x2
	IFF_LOOPBACK    = 0x8
	IFF_POINTOPOINT = 0x10
	IFF_RUNNING     = 0x40
	IFF_NOARP       = 0x80
	IFF_PROMISC     = 0x100
	IFF_MULTICAST   = 0x1000
)

// Transmit queue lengths in packets, as Linux's devices of these kinds have by default.
const (
	queueLoopback = 1000
	queueTUN      = 500
	queueEthernet = 1000
)

// changing are the requests that configure the host, which is not a guest's to do.
var changing = map[uint32]bool{
	SIOCADDRT: true, SIOCDELRT: true, SIOCSIFFLAGS: true, SIOCSIFADDR: true, SIOCSIFDSTADDR: true, SIOCSIFBRDADDR: true,
	SIOCSIFNETMASK: true, SIOCSIFMETRIC: true, SIOCSIFMTU: true, SIOCSIFNAME: true, SIOCSIFHWADDR: true, SIOCADDMULTI: true,
	SIOCDELMULTI: true, SIOCSIFHWBROAD: true, SIOCSIFTXQLEN: true, SIOCDARP: true, SIOCSARP: true, SIOCSIFMAP: true,
}

// drivers are the requests that the driver of a device answers, of which there are none: what it can do cannot be
// asked for. Linux gives the same errors for devices that do not answer; SIOCETHTOOL it answers for every device.
var drivers = map[uint32]Errno{
	SIOCETHTOOL: EOPNOTSUPP, SIOCGMIIPHY: EOPNOTSUPP, SIOCGMIIREG: EOPNOTSUPP, SIOCGHWTSTAMP: EOPNOTSUPP, SIOCGIFSLAVE: EINVAL,
}

// IoctlBytes is ioctl(2) for the requests whose argument is a struct: those about interfaces, with a struct ifreq
// that is read and written in place, and SIOCGSTAMP with its relatives. SIOCGIFCONF is InterfaceList; requests that configure the host are refused as
// to a process without privileges.
//
// Errors: EPERM, EFAULT for too short an argument, ENODEV for an interface that does not exist, EADDRNOTAVAIL where it
// has no IPv4 address, EOPNOTSUPP for requests of the device's own, ENOTTY for others and for IPv4 addresses on an
// IPv6 socket.
func (s *Socket) IoctlBytes(request uint32, arg []byte) Errno {
	if nano, ok := stampRequests[request]; ok {
		return s.lastStamp(nano, arg)
	}
	get, ok := interfaceRequests[request]
	private := drivers[request]
	if request >= SIOCDEVPRIVATE && request <= SIOCDEVPRIVATE+0xf {
		private = EOPNOTSUPP
	}
	switch {
	case changing[request]:
		return EPERM
	case !ok && private == 0, get.address != nil && s.kind.family == AF_INET6:
		return ENOTTY
	case len(arg) < sizeofIfreq:
		return EFAULT
	}
	st := s.sockets.stack
	union := arg[nameSize:sizeofIfreq]
	if request == SIOCGIFNAME {
		nic := st.NIC(tcpip.NICID(int32(binary.NativeEndian.Uint32(union))))
		if nic == nil {
			return ENODEV
		}
		putName(arg[:nameSize], nic.Name())
		return 0
	}
	arg[nameSize-1] = 0
	name, _, _ := bytes.Cut(arg[:nameSize], []byte{0})
	label, _, alias := bytes.Cut(name, []byte{':'}) // an alias of an interface is as good as its name, but has no address
	for _, nic := range st.NICs() {
		if nic.Name() != string(label) {
			continue
		}
		switch {
		case private != 0:
			return private
		case get.address != nil && alias:
			return EADDRNOTAVAIL
		case get.address != nil:
			return s.interfaceAddress(nic, get.address, union)
		}
		get.plain(s, nic, union)
		return 0
	}
	return ENODEV
}

// putName writes a name into a field of nameSize bytes.
func putName(field []byte, name string) {
	clear(field)
	copy(field[:len(field)-1], name)
}

// interfaceRequest is what a request reads: something of an interface, or of its first IPv4 address.
type interfaceRequest struct {
	plain   func(*Socket, *stack.NIC, []byte)
	address func(*stack.NIC, netip.Prefix) netip.Addr
}

func putWord(b []byte, v int) { binary.NativeEndian.PutUint32(b, uint32(v)) }

var interfaceRequests = map[uint32]interfaceRequest{
	SIOCGIFNAME:  {},
	SIOCGIFINDEX: {plain: func(_ *Socket, n *stack.NIC, b []byte) { putWord(b, int(n.ID())) }},
	SIOCGIFFLAGS: {plain: func(_ *Socket, n *stack.NIC, b []byte) {
		binary.NativeEndian.PutUint16(b, uint16(interfaceFlags(n)))
	}},
	SIOCGIFMETRIC: {plain: func(_ *Socket, _ *stack.NIC, b []byte) { putWord(b, 0) }},
	SIOCGIFMTU:    {plain: func(_ *Socket, n *stack.NIC, b []byte) { putWord(b, interfaceMTU(n)) }},
	SIOCGIFHWADDR: {plain: func(_ *Socket, n *stack.NIC, b []byte) {
		clear(b[:16])
		binary.NativeEndian.PutUint16(b, n.HardwareType())
		if info := n.Info(); info.Kind == stack.LinkEthernet {
			copy(b[2:], info.Address[:])
		}
	}},
	SIOCGIFTXQLEN: {plain: func(_ *Socket, n *stack.NIC, b []byte) { putWord(b, queueLength(n)) }},
	SIOCGIFMAP:    {plain: func(_ *Socket, _ *stack.NIC, b []byte) { clear(b) }},

	SIOCGIFADDR: {address: func(_ *stack.NIC, p netip.Prefix) netip.Addr { return p.Addr() }},
	// The other end, which is the own one where there is none.
	SIOCGIFDSTADDR: {address: func(_ *stack.NIC, p netip.Prefix) netip.Addr { return p.Addr() }},
	SIOCGIFNETMASK: {address: func(_ *stack.NIC, p netip.Prefix) netip.Addr { return mask4(p.Bits()) }},
	SIOCGIFBRDADDR: {address: broadcast4},
}

func mask4(bits int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(math.MaxUint32<<(32-bits)))
	return netip.AddrFrom4(b)
}

// broadcast4 is the broadcast address of an interface: none where the link has none, or the network no room for it.
func broadcast4(n *stack.NIC, p netip.Prefix) netip.Addr {
	if n.Info().Kind != stack.LinkEthernet || p.Bits() > 30 {
		return netip.IPv4Unspecified()
	}
	a, m := p.Addr().As4(), mask4(p.Bits()).As4()
	for i := range a {
		a[i] |= ^m[i]
	}
	return netip.AddrFrom4(a)
}

func (s *Socket) interfaceAddress(n *stack.NIC, get func(*stack.NIC, netip.Prefix) netip.Addr, b []byte) Errno {
	p, ok := firstAddress4(n)
	if !ok {
		return EADDRNOTAVAIL
	}
	copy(b, encode(AF_INET, tcpip.FullAddress{Addr: get(n, p)}))
	return 0
}

// firstAddress4 returns the first IPv4 address of an interface.
func firstAddress4(n *stack.NIC) (netip.Prefix, bool) {
	for _, a := range n.Addresses() {
		if a.Prefix.Addr().Is4() {
			return a.Prefix, true
		}
	}
	return netip.Prefix{}, false
}

// interfaceFlags returns the IFF flags: a link of bare IP packets looks like a TUN device.
func interfaceFlags(n *stack.NIC) (flags int) {
	switch n.Info().Kind {
	case stack.LinkLoopback:
		flags = IFF_LOOPBACK
	case stack.LinkEthernet:
		flags = IFF_BROADCAST | IFF_MULTICAST
	default:
		flags = IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST
	}
	if n.Up() {
		flags |= IFF_UP | IFF_RUNNING
	}
	if n.Promiscuous() {
		flags |= IFF_PROMISC
	}
	return flags
}

// interfaceMTU is the MTU; that of loopback, which has no bound, is Linux's.
func interfaceMTU(n *stack.NIC) int { return min(n.MTU(), loopbackMTU) }

func queueLength(n *stack.NIC) int {
	switch n.Info().Kind {
	case stack.LinkLoopback:
		return queueLoopback
	case stack.LinkEthernet:
		return queueEthernet
	}
	return queueTUN
}

// InterfaceList is SIOCGIFCONF: it fills b with a struct ifreq for each IPv4 address, as many as fit whole, and
// returns how many bytes that is. With a nil b, which stands for a null pointer, it returns how many there are.
func (s *Socket) InterfaceList(b []byte) int {
	used := 0
	for _, n := range s.sockets.stack.NICs() {
		for _, a := range n.Addresses() {
			if !a.Prefix.Addr().Is4() {
				continue
			}
			if b != nil {
				if len(b)-used < sizeofIfreq {
					return used
				}
				r := b[used : used+sizeofIfreq]
				clear(r)
				putName(r[:nameSize], n.Name())
				copy(r[nameSize:], encode(AF_INET, tcpip.FullAddress{Addr: a.Prefix.Addr()}))
			}
			used += sizeofIfreq
		}
	}
	return used
}
