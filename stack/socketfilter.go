package stack

import (
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/bpf"
	"github.com/seed963a8790/netstack/tcpip"
)

// SocketFilter is the classic BPF program of one endpoint (SO_ATTACH_FILTER), which decides what of each received
// packet the endpoint gets. Its zero value has none. It is safe for concurrent use, and costs a packet one atomic
// load while there is none.
type SocketFilter struct {
	program atomic.Pointer[bpf.Program]

	mu     sync.Mutex // a leaf; guards changes
	locked bool
}

// Attach puts a program, an array of struct sock_filter in the machine's byte order, in the place of the one that
// is there. It copies.
//
// Errors: ErrPermission if the filter is locked, ErrInvalid for a program that may not run (see internal/bpf).
func (f *SocketFilter) Attach(code []byte) tcpip.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locked {
		return tcpip.ErrPermission
	}
	p, err := bpf.Parse(code)
	if err == tcpip.OK {
		f.program.Store(p)
	}
	return err
}

// Detach takes the program away.
//
// Errors: ErrPermission if the filter is locked, ErrNotFound if there is none.
func (f *SocketFilter) Detach() tcpip.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locked {
		return tcpip.ErrPermission
	}
	if f.program.Swap(nil) == nil {
		return tcpip.ErrNotFound
	}
	return tcpip.OK
}

// Lock keeps the program, or its absence, from being changed (SO_LOCK_FILTER).
func (f *SocketFilter) Lock() {
	f.mu.Lock()
	f.locked = true
	f.mu.Unlock()
}

// Locked reports whether Lock was called.
func (f *SocketFilter) Locked() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.locked
}

// Program returns the program as Attach takes it, nil if there is none.
func (f *SocketFilter) Program() []byte { return f.program.Load().Append(nil) }

// Inherit makes f what o is, as an accepted socket's filter is its listener's.
func (f *SocketFilter) Inherit(o *SocketFilter) {
	p, locked := o.program.Load(), o.Locked()
	if p == nil && !locked {
		return
	}
	f.mu.Lock()
	f.program.Store(p)
	f.locked = locked
	f.mu.Unlock()
}

// On reports whether there is a program.
func (f *SocketFilter) On() bool { return f.program.Load() != nil }

// Keep runs the program over p, which it borrows, and returns how many bytes, counted from byte `from` of p's front,
// to keep; 0 to drop it. Without a program that is all of them. `from` may be negative: that many bytes of p's link
// header come first.
func (f *SocketFilter) Keep(p *Packet, from int) int { return f.KeepWay(p, from, p.Link.Type) }

// KeepWay is Keep for a packet that passes on the way given.
func (f *SocketFilter) KeepWay(p *Packet, from int, way PacketType) int {
	prog := f.program.Load()
	all := p.Len() - from
	if prog == nil {
		return all
	}
	return int(min(int64(runFilter(prog, p, from, way)), int64(all)))
}

// Run runs the program over p, as KeepWay does, and returns what it says; 0 without one.
func (f *SocketFilter) Run(p *Packet, from int, way PacketType) uint32 {
	prog := f.program.Load()
	if prog == nil {
		return 0
	}
	return runFilter(prog, p, from, way)
}

func runFilter(prog *bpf.Program, p *Packet, from int, way PacketType) uint32 {
	var link [header.EthernetSize]byte
	v := bpf.View{Front: p.Front(), Data: p.data}
	v.Link = p.AppendLinkHeader(link[:0])
	v.Start = len(v.Link) + from
	v.Network = len(v.Link)
	if p.net >= 0 {
		v.Network += p.net - p.off
	}
	v.Protocol, v.Type, v.Hash = uint16(p.EtherType), uint8(way), p.Hash
	v.Mark = p.Mark
	if p.NIC != nil {
		v.NIC, v.Hardware = uint32(p.NIC.id), p.NIC.HardwareType()
		if way != PacketOutgoing && v.Hardware == hardwareNone {
			v.Queue = 1 // as a TUN device marks what its first queue hands up
		}
	}
	if prog.UsesRandom() {
		v.Random = p.stack.random.Uint32()
	}
	return prog.Run(&v)
}

// The hardware types of links (ARPHRD_*).
const (
	hardwareEthernet = 1
	hardwareLoopback = 772
	hardwareNone     = 0xfffe
)

// HardwareType returns Linux's number for the kind of the NIC's link (ARPHRD_*).
func (n *NIC) HardwareType() uint16 {
	switch n.Info().Kind {
	case LinkEthernet:
		return hardwareEthernet
	case LinkLoopback:
		return hardwareLoopback
	}
	return hardwareNone
}

// LinkHeaderLen returns the bytes of the header that packets have on the link as Linux shows it: that of Ethernet,
// also on a loopback, which knows none here; none on a link of bare packets.
func (n *NIC) LinkHeaderLen() int {
	if n.Info().Kind == LinkIP {
		return 0
	}
	return header.EthernetSize
}

// AppendLinkHeader appends that header, made from Link and EtherType, to b. On a loopback its addresses are zero.
func (p *Packet) AppendLinkHeader(b []byte) []byte {
	if p.NIC == nil || p.NIC.LinkHeaderLen() == 0 {
		return b
	}
	b = append(b, p.Link.Dst[:]...)
	b = append(b, p.Link.Src[:]...)
	return append(b, byte(p.EtherType>>8), byte(p.EtherType))
}
