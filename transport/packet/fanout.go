package packet

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// FanoutKind says how a group divides packets (PACKET_FANOUT_*).
type FanoutKind uint8

// The kinds.
const (
	FanoutHash     FanoutKind = 0 // by flow
	FanoutBalance  FanoutKind = 1 // in turn
	FanoutCPU      FanoutKind = 2 // by CPU: everything runs on the first
	FanoutRollover FanoutKind = 3 // to the first that has room
	FanoutRandom   FanoutKind = 4
	FanoutQueue    FanoutKind = 5 // by the device's queue
	FanoutProgram  FanoutKind = 6 // by a classic BPF program, 0 before there is one
	FanoutExtended FanoutKind = 7 // by one of extended BPF, which there never is
	numFanoutKinds            = 8
)

// The flags of a group.
const (
	FanoutFlagRollover = 0x1000 // to another that has room if the one chosen has none
	FanoutFlagUnique   = 0x2000 // choose a number that is free
	FanoutFlagIgnore   = 0x4000 // leave out what is sent
	FanoutFlagDefrag   = 0x8000 // not built
)

// Fanout is a struct fanout_args: how the endpoints of a group share what each would hear of.
type Fanout struct {
	ID    uint16
	Kind  FanoutKind
	Flags uint16 // without the low byte
	Max   uint32 // members; 0: 256, or what the group has
}

// fanoutGroup is a group. Members hear of the same; the first of them sees each packet and passes it on.
type fanoutGroup struct {
	Fanout
	nic     tcpip.NICID
	proto   header.EtherType
	members atomic.Pointer[[]*Endpoint] // the slice is never changed; nil: the group is gone
	turn    atomic.Uint32
	program stack.SocketFilter
}

// JoinFanout makes the endpoint a member of a group, which the first makes (PACKET_FANOUT). It stays until it is closed.
//
// Errors: ErrAlreadyInProgress if it is one of a group already; ErrInvalid if it hears of nothing, if the group is of
// another kind or hears of something else, or for what cannot be; ErrNoSpace if the group is full; ErrClosed.
func (e *Endpoint) JoinFanout(f Fanout) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return tcpip.ErrClosed
	case f.Max > maxFanout, f.Kind >= numFanoutKinds, f.Kind == FanoutRollover && f.Flags&FanoutFlagRollover != 0:
		return tcpip.ErrInvalid
	case e.fanout.Load() != nil:
		return tcpip.ErrAlreadyInProgress
	case f.Flags&FanoutFlagDefrag != 0:
		return tcpip.ErrInvalid
	}
	groups := e.stack.WatchGroups()
	if f.Flags&FanoutFlagUnique != 0 {
		id, ok := groups.Free()
		if f.ID != 0 || !ok {
			return tcpip.ErrInvalid
		}
		f.ID, f.Flags = id, f.Flags&^FanoutFlagUnique
	}
	err := tcpip.OK
	groups.Change(f.ID, func(was any) any {
		g, _ := was.(*fanoutGroup)
		if g == nil {
			if !e.watching {
				err = tcpip.ErrInvalid
				return nil
			}
			g = &fanoutGroup{Fanout: f, nic: e.nic, proto: e.proto}
			if g.Max == 0 {
				g.Max = defaultFanout
			}
		}
		var members []*Endpoint
		if old := g.members.Load(); old != nil {
			members = *old
		}
		switch {
		case g.Flags != f.Flags, f.Max != 0 && f.Max != g.Max, !e.watching, g.Kind != f.Kind, g.nic != e.nic, g.proto != e.proto:
			err = tcpip.ErrInvalid
			return was
		case len(members) >= int(g.Max):
			err = tcpip.ErrNoSpace
			return was
		}
		members = append(slices.Clip(members), e)
		g.members.Store(&members)
		e.fanout.Store(g)
		return g
	})
	return err.Err()
}

// leaveFanout ends the membership. mu is held.
func (e *Endpoint) leaveFanout() {
	g := e.fanout.Load()
	if g == nil {
		return
	}
	e.stack.WatchGroups().Change(g.ID, func(was any) any {
		members := slices.DeleteFunc(slices.Clone(*g.members.Load()), func(o *Endpoint) bool { return o == e })
		if len(members) == 0 {
			g.members.Store(nil)
			return nil
		}
		g.members.Store(&members)
		return was
	})
}

// Fanout returns the group that the endpoint is a member of, and whether there is one.
func (e *Endpoint) Fanout() (Fanout, bool) {
	g := e.fanout.Load()
	if g == nil {
		return Fanout{}, false
	}
	return g.Fanout, true
}

// SetFanoutProgram sets the program of the group (PACKET_FANOUT_DATA), whose result, modulo the number of members, says
// who gets a packet. It sees packets from the network header on. code is as in stack.SocketFilter.
//
// Errors: ErrInvalid in a group of another kind, in none, or for a program that may not run; ErrPermission if the
// endpoint's filter is locked.
func (e *Endpoint) SetFanoutProgram(code []byte) error {
	g := e.fanout.Load()
	switch {
	case g == nil || g.Kind != FanoutProgram:
		return tcpip.ErrInvalid
	case e.filter.Locked():
		return tcpip.ErrPermission
	}
	return g.program.Attach(code).Err()
}

// RolloverStatistics are how many packets an endpoint has passed on because it had no room, and how many it could not
// (PACKET_ROLLOVER_STATS).
type RolloverStatistics struct{ Rolled, Huge, Failed uint64 }

// RolloverStatistics returns the counts since the endpoint was made.
//
// Errors: ErrInvalid if its group does not roll over.
func (e *Endpoint) RolloverStatistics() (RolloverStatistics, error) {
	g := e.fanout.Load()
	if g == nil || g.Kind != FanoutRollover && g.Flags&FanoutFlagRollover == 0 {
		return RolloverStatistics{}, tcpip.ErrInvalid
	}
	return RolloverStatistics{Rolled: e.rolled.Load(), Failed: e.unrolled.Load()}, nil
}

// choose returns who gets a packet that e was shown, nil if that is another's to decide.
func (g *fanoutGroup) choose(e *Endpoint, p *stack.Packet, way stack.PacketType) *Endpoint {
	list := g.members.Load()
	if list == nil || (*list)[0] != e || way == stack.PacketOutgoing && g.Flags&FanoutFlagIgnore != 0 {
		return nil
	}
	members := *list
	n := uint32(len(members))
	i := uint32(0)
	switch g.Kind {
	case FanoutHash:
		i = uint32(uint64(flowHash(e.stack, p)) * uint64(n) >> 32)
	case FanoutBalance:
		i = g.turn.Add(1) % n
	case FanoutRandom:
		i = uint32(e.stack.Random().IntN(int(n)))
	case FanoutQueue:
		if way != stack.PacketOutgoing && p.NIC.LinkHeaderLen() == 0 {
			i = 1 % n // as a TUN device marks what its first queue hands up
		}
	case FanoutProgram:
		i = g.program.Run(p, 0, way) % n
	case FanoutRollover:
		return g.roll(members, 0, p)
	}
	if g.Flags&FanoutFlagRollover != 0 && !members[i].hasRoom(p) {
		return g.roll(members, int(i), p)
	}
	return members[i]
}

// roll returns the first member from i on that has room, or i's if none has.
func (g *fanoutGroup) roll(members []*Endpoint, i int, p *stack.Packet) *Endpoint {
	e := members[i]
	for j := range members {
		if m := members[(i+j)%len(members)]; m.hasRoom(p) {
			e.rolled.Add(1)
			return m
		}
	}
	e.unrolled.Add(1)
	return e
}

// hasRoom reports whether a packet would find room, with some to spare, as on Linux.
func (e *Endpoint) hasRoom(p *stack.Packet) bool {
	q := &e.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return false
	case q.rx == nil:
		return q.limit-q.bytes-p.Cost() > q.limit/4
	case q.rx.blocks != nil:
		return !q.rx.blocks.frozen
	}
	return q.rx.status(q.rx.at(q.rx.head)) == 0
}

// flowHash returns a hash that is the same for both directions of a flow.
func flowHash(s *stack.Stack, p *stack.Packet) uint32 {
	b := p.Front()
	var id stack.FlowID
	var src, dst netip.Addr
	at := 0
	switch {
	case p.EtherType == header.EtherTypeIPv4 && len(b) >= header.IPv4Size:
		src, dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		id.Proto = header.Protocol(b[9])
		if at = int(b[0]&15) * 4; binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
			at = len(b) // of a fragment no ports
		}
	case p.EtherType == header.EtherTypeIPv6 && len(b) >= header.IPv6Size:
		src, dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		id.Proto, at = header.Protocol(b[6]), header.IPv6Size
	default:
		return 0
	}
	var from, to uint16
	if (id.Proto == header.ProtocolTCP || id.Proto == header.ProtocolUDP) && len(b) >= at+4 {
		from, to = binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])
	}
	id.Local, id.Remote = netip.AddrPortFrom(src, from), netip.AddrPortFrom(dst, to)
	if id.Local.Compare(id.Remote) > 0 {
		id.Local, id.Remote = id.Remote, id.Local
	}
	return s.FlowHash(id)
}
