package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/packet"
)

// packetOthers are the options of packet sockets: those of packet.Options, whose lengths Linux is strict about, and those
// with another form.
var packetOthers = func() map[tcpip.OptionID]other {
	all := map[tcpip.OptionID]other{
		packet.PACKET_ADD_MEMBERSHIP: {on: tcpip.KindPacket, set: packetMembership((*packet.Endpoint).Join),
			name: "PACKET_ADD_MEMBERSHIP", form: "struct packet_mreq", doc: "Make an interface hand up more than its own frames."},
		packet.PACKET_DROP_MEMBERSHIP: {on: tcpip.KindPacket, set: packetMembership((*packet.Endpoint).Leave),
			name: "PACKET_DROP_MEMBERSHIP", form: "struct packet_mreq", doc: "Undo PACKET_ADD_MEMBERSHIP."},
		packet.PACKET_RX_RING: {on: tcpip.KindPacket, set: packetRing(packet.Receive),
			name: "PACKET_RX_RING", form: "struct tpacket_req or tpacket_req3", doc: "Make a ring that packets are put into; the runtime maps it (Socket.Ring)."},
		packet.PACKET_TX_RING: {on: tcpip.KindPacket, set: packetRing(packet.Transmit),
			name: "PACKET_TX_RING", form: "struct tpacket_req or tpacket_req3", doc: "Make a ring that packets are sent from, by any send; the runtime maps it (Socket.Ring)."},
		packet.PACKET_STATISTICS: {on: tcpip.KindPacket, get: packetStatistics,
			name: "PACKET_STATISTICS", form: "struct tpacket_stats or tpacket_stats_v3", doc: "Packets and drops since the last time. Read only."},
		packet.PACKET_HDRLEN: {on: tcpip.KindPacket, get: func(*Socket, int) ([]byte, Errno) { return nil, EINVAL },
			name: "PACKET_HDRLEN", form: "int", doc: "Size of a ring's frame headers for the version that the buffer holds. Read only."},
		packet.PACKET_FANOUT: {on: tcpip.KindPacket, set: (*Socket).joinFanout, get: telling((*Socket).fanout),
			name: "PACKET_FANOUT", form: "int or struct fanout_args", byDefault: "0", doc: "Join a group whose members share the packets. PACKET_FANOUT_FLAG_DEFRAG is refused."},
		packet.PACKET_FANOUT_DATA: {on: tcpip.KindPacket, set: (*Socket).fanoutData,
			name: "PACKET_FANOUT_DATA", form: "struct sock_fprog", doc: "Program of a fanout group. The runtime follows the pointer (Socket.AttachFanoutProgram)."},
		packet.PACKET_ROLLOVER_STATS: {on: tcpip.KindPacket, get: (*Socket).rolloverStats,
			name: "PACKET_ROLLOVER_STATS", form: "struct tpacket_rollover_stats", doc: "Of a fanout group that rolls over. Read only."},
		tcpip.SO_REUSEPORT: {on: tcpip.KindPacket, set: zeroOnly, get: constant(0),
			name: "SO_REUSEPORT", form: "bool", byDefault: "0", doc: "Packet sockets share everything as it is."},
		tcpip.SO_PEEK_OFF: {on: tcpip.KindPacket | tcpip.KindPing | tcpip.KindRaw, set: unsupported, get: func(*Socket, int) ([]byte, Errno) { return nil, EOPNOTSUPP },
			name: "SO_PEEK_OFF", form: "int", doc: "Refused."},
		tcpip.SO_ZEROCOPY: {on: tcpip.KindPacket | tcpip.KindPing | tcpip.KindRaw, set: unsupported, get: constant(0),
			name: "SO_ZEROCOPY", form: "bool", byDefault: "0", doc: "Refused."},
	}
	for i := range packet.Options {
		o := &packet.Options[i]
		all[o.ID] = other{on: tcpip.KindPacket, set: setPacketInt(o.ID), get: getPacketInt(o.ID),
			name: o.Name, form: formOf(o.Unit), byDefault: "0", hint: o.Hint, doc: o.Doc}
	}
	return all
}()

func formOf(unit string) string {
	switch unit {
	case "":
		return "int"
	case "bool":
		return unit
	}
	return "int (" + unit + ")"
}

// longer are the options that take more than an int.
var longer = map[tcpip.OptionID]bool{
	packet.PACKET_AUXDATA: true, packet.PACKET_ORIGDEV: true, packet.PACKET_VNET_HDR: true, packet.PACKET_VNET_HDR_SZ: true,
}

func setPacketInt(id tcpip.OptionID) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) < 4 || len(v) > 4 && !longer[id] {
			return EINVAL
		}
		return errnoOf(s.ep.SetOption(id, int(int32(binary.NativeEndian.Uint32(v)))))
	}
}

func getPacketInt(id tcpip.OptionID) func(*Socket, int) ([]byte, Errno) {
	return func(s *Socket, _ int) ([]byte, Errno) {
		v, err := s.ep.Option(id)
		return binary.NativeEndian.AppendUint32(nil, uint32(v)), errnoOf(err)
	}
}

func zeroOnly(_ *Socket, v []byte) Errno {
	switch {
	case len(v) < 4:
		return EINVAL
	case binary.NativeEndian.Uint32(v) != 0:
		return EOPNOTSUPP
	}
	return 0
}

func unsupported(_ *Socket, v []byte) Errno {
	if len(v) < 4 {
		return EINVAL
	}
	return EOPNOTSUPP
}

// packetMembership takes a struct packet_mreq, whose address may be longer than the struct has room for.
func packetMembership(f func(*packet.Endpoint, packet.Membership) error) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) < sizeofPacketMreq {
			return EINVAL
		}
		m := packet.Membership{
			NIC:  tcpip.NICID(binary.NativeEndian.Uint32(v)),
			Kind: packet.MembershipKind(binary.NativeEndian.Uint16(v[4:])),
			Len:  int(binary.NativeEndian.Uint16(v[6:])),
		}
		if len(v) < packetMreqAddr+m.Len {
			return EINVAL
		}
		copy(m.Addr[:], v[packetMreqAddr:packetMreqAddr+m.Len])
		return errnoOf(f(s.packet(), m))
	}
}

const (
	sizeofPacketMreq = 16
	packetMreqAddr   = 8
)

// packetStatistics writes a struct tpacket_stats, with TPACKET_V3 a struct tpacket_stats_v3.
func packetStatistics(s *Socket, _ int) ([]byte, Errno) {
	e := s.packet()
	n := e.Statistics()
	b := binary.NativeEndian.AppendUint32(nil, n.Packets)
	b = binary.NativeEndian.AppendUint32(b, n.Drops)
	if v, _ := e.Option(packet.PACKET_VERSION); v == 2 {
		b = binary.NativeEndian.AppendUint32(b, n.Freezes)
	}
	return b, 0
}

// packetRing takes a struct tpacket_req, with TPACKET_V3 a struct tpacket_req3.
func packetRing(dir packet.Direction) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		e := s.packet()
		size := sizeofTpacketReq
		if version, _ := e.Option(packet.PACKET_VERSION); version == 2 {
			size = sizeofTpacketReq3
		}
		if len(v) < size {
			return EINVAL
		}
		var w [sizeofTpacketReq3 / 4]uint32
		for i := range size / 4 {
			w[i] = binary.NativeEndian.Uint32(v[4*i:])
		}
		r := packet.RingSize{BlockSize: w[0], Blocks: w[1], FrameSize: w[2], Frames: w[3], Timeout: w[4], Private: w[5], Features: w[6]}
		return errnoOf(e.SetRing(dir, r, s.sockets.options.RingMemory))
	}
}

const (
	sizeofTpacketReq  = 16
	sizeofTpacketReq3 = 28
)

// Ring returns the memory of a packet socket's ring, which mmap(2) of the socket shows: the receive ring, and behind it
// the transmit ring. It is nil if there is none. While it is mapped, a runtime answers PACKET_RX_RING and
// PACKET_TX_RING with EBUSY.
func (s *Socket) Ring(dir packet.Direction) []byte {
	if e := s.packet(); e != nil {
		return e.Ring(dir)
	}
	return nil
}

// headerLen is PACKET_HDRLEN, which reads the version from the program's buffer.
func headerLen(value []byte) (int, Errno) {
	if len(value) < 4 {
		return 0, EINVAL
	}
	n := packet.HeaderSize(int(int32(binary.NativeEndian.Uint32(value))))
	if n == 0 {
		return 0, EINVAL
	}
	binary.NativeEndian.PutUint32(value, uint32(n))
	return 4, 0
}

// joinFanout takes an int, the number and the kind with its flags, or a struct fanout_args.
func (s *Socket) joinFanout(v []byte) Errno {
	if len(v) != 4 && len(v) != 8 {
		return EINVAL
	}
	typ := binary.NativeEndian.Uint16(v[2:])
	f := packet.Fanout{ID: binary.NativeEndian.Uint16(v), Kind: packet.FanoutKind(typ), Flags: typ &^ 0xff}
	if len(v) == 8 {
		f.Max = binary.NativeEndian.Uint32(v[4:])
	}
	return errnoOf(s.packet().JoinFanout(f))
}

func (s *Socket) fanout() int {
	f, _ := s.packet().Fanout()
	return int(f.ID) | int(f.Kind)<<16 | int(f.Flags)<<16
}

// fanoutData is for a caller who did not follow the pointer.
func (s *Socket) fanoutData(v []byte) Errno {
	f, ok := s.packet().Fanout()
	switch {
	case !ok:
		return EINVAL
	case f.Kind == packet.FanoutProgram && len(v) == sizeofFprog:
		return EFAULT
	case f.Kind == packet.FanoutExtended:
		return s.attachExtended(v)
	}
	return EINVAL
}

// AttachFanoutProgram is setsockopt(2) with PACKET_FANOUT_DATA, code as in AttachFilter.
//
// Errors: EINVAL for a program that may not run, or if the socket is in no group that goes by one; EPERM if its filter is
// locked.
func (s *Socket) AttachFanoutProgram(code []byte) Errno {
	e := s.packet()
	if e == nil {
		return ENOPROTOOPT
	}
	return errnoOf(e.SetFanoutProgram(code))
}

// rolloverStats writes a struct tpacket_rollover_stats.
func (s *Socket) rolloverStats(int) ([]byte, Errno) {
	n, err := s.packet().RolloverStatistics()
	b := binary.NativeEndian.AppendUint64(nil, n.Rolled)
	b = binary.NativeEndian.AppendUint64(b, n.Huge)
	return binary.NativeEndian.AppendUint64(b, n.Failed), errnoOf(err)
}
