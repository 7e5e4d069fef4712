package linux

import (
	"bytes"
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// tcpOthers are those of IPPROTO_TCP.
var tcpOthers = map[tcpip.OptionID]other{
	TCP_CONGESTION: {on: tcpip.KindTCP, set: (*Socket).setCongestion, get: (*Socket).congestion,
		name: "TCP_CONGESTION", form: "string", byDefault: "cubic",
		doc: "Name of the congestion control algorithm: cubic, reno, bbr (version 3) or dctcp, which asks for ECN."},
	TCP_INFO: {on: tcpip.KindTCP, set: refuse, get: (*Socket).tcpInfo,
		name: "TCP_INFO", form: "struct tcp_info",
		doc: "What the connection knows of itself and of the path. Read only."},
	TCP_CC_INFO: {on: tcpip.KindTCP, set: refuse, get: (*Socket).congestionInfo,
		name: "TCP_CC_INFO", form: "union tcp_cc_info",
		doc: "What the algorithm says of itself: bbr a struct tcp_bbr_info, dctcp a struct tcp_dctcp_info, cubic and reno nothing. Read only."},
	TCP_SAVED_SYN: {on: tcpip.KindTCP, set: refuse, get: (*Socket).savedSyn,
		name: "TCP_SAVED_SYN", form: "bytes",
		doc: "The headers of the SYN that the connection came of, once, if the listener had TCP_SAVE_SYN. Read only."},
	tcp.TCP_THIN_DUPACK: {on: tcpip.KindTCP, set: (*Socket).setThinDupAck, get: constant(0), hint: true,
		name: "TCP_THIN_DUPACK", form: "bool", byDefault: "0",
		doc: "Accepted and forgotten, as on Linux since 4.15."},
	TCP_ULP: {on: tcpip.KindTCP, set: (*Socket).setULP, get: nothing,
		name: "TCP_ULP", form: "string",
		doc: "Name of the protocol on top, of which there is none: setting one is ENOENT, as without the module."},
	TCP_TIMESTAMP: {on: tcpip.KindTCP, set: repairOnly(EPERM), get: telling(func(s *Socket) int { return int(int32(s.ep.(*tcp.Endpoint).Timestamp())) }),
		name: "TCP_TIMESTAMP", form: "int (ms)",
		doc: "The clock of the connection's timestamps. Read only: setting it is for sockets under repair."},
	TCP_IS_MPTCP: {on: tcpip.KindTCP, set: refuse, get: constant(0),
		name: "TCP_IS_MPTCP", form: "bool", byDefault: "0",
		doc: "Whether the connection is Multipath TCP: never. Read only."},
	TCP_REPAIR: {on: tcpip.KindTCP, set: repairOnly(EPERM), get: constant(0),
		name: "TCP_REPAIR", form: "int", byDefault: "0",
		doc: "Never granted, as to a program without CAP_NET_ADMIN. Read only."},
	TCP_REPAIR_QUEUE: {on: tcpip.KindTCP, set: repairOnly(EPERM), get: failing(EINVAL),
		name: "TCP_REPAIR_QUEUE", form: "int", doc: "For sockets under repair only, which there are none of."},
	TCP_QUEUE_SEQ: {on: tcpip.KindTCP, set: (*Socket).setQueueSeq, get: failing(EINVAL),
		name: "TCP_QUEUE_SEQ", form: "int", doc: "For sockets under repair only, which there are none of."},
	TCP_REPAIR_OPTIONS: {on: tcpip.KindTCP, set: repairOnly(EINVAL),
		name: "TCP_REPAIR_OPTIONS", form: "struct tcp_repair_opt[]", doc: "For sockets under repair only, which there are none of."},
	TCP_REPAIR_WINDOW: {on: tcpip.KindTCP, set: repairOnly(EPERM), get: failing(EINVAL),
		name: "TCP_REPAIR_WINDOW", form: "struct tcp_repair_window", doc: "For sockets under repair only, which there are none of."},
	TCP_AO_REPAIR: {on: tcpip.KindTCP, set: (*Socket).setAORepair, get: func(s *Socket, _ int) ([]byte, Errno) { return nil, s.setAORepair(make([]byte, 4)) },
		name: "TCP_AO_REPAIR", form: "struct tcp_ao_repair", doc: "Refused as on a kernel without TCP-AO: on a listener with EPERM."},
	tcp.TCP_FASTOPEN_KEY: {on: tcpip.KindTCP, set: (*Socket).setFastOpenKey, get: (*Socket).fastOpenKey,
		name: "TCP_FASTOPEN_KEY", form: "16 or 32 bytes",
		doc: "The key that a listener's fast-open cookies are made with, and one more whose cookies are honoured; without, the stack's."},
}

func nothing(*Socket, int) ([]byte, Errno) { return nil, 0 }

func failing(err Errno) func(*Socket, int) ([]byte, Errno) {
	return func(*Socket, int) ([]byte, Errno) { return nil, err }
}

// repairOnly refuses what sockets under repair alone can set.
func repairOnly(err Errno) func(*Socket, []byte) Errno {
	return func(_ *Socket, v []byte) Errno {
		if len(v) < 4 {
			return EINVAL
		}
		return err
	}
}

func (s *Socket) setAORepair(v []byte) Errno {
	switch {
	case len(v) < 4:
		return EINVAL
	case listening(s) != 0:
		return EPERM
	}
	return ENOPROTOOPT
}

func (s *Socket) setQueueSeq(v []byte) Errno {
	if len(v) < 4 || s.ep.(*tcp.Endpoint).State() == tcp.StateClosed {
		return EINVAL
	}
	return EPERM
}

func (s *Socket) setFastOpenKey(v []byte) Errno {
	var k tcp.FastOpenKeys
	switch len(v) {
	case 2 * len(k.Primary):
		k.Backup = tcpip.Set(tcp.FastOpenKey(v[len(k.Primary):]))
	case len(k.Primary):
	default:
		return EINVAL
	}
	copy(k.Primary[:], v)
	return errnoOf(s.ep.(*tcp.Endpoint).SetFastOpenKeys(k))
}

func (s *Socket) fastOpenKey(size int) ([]byte, Errno) {
	k, ok := s.ep.(*tcp.Endpoint).FastOpenKeys()
	if !ok {
		return nil, 0
	}
	b := k.Primary[:]
	if backup, has := k.Backup.Get(); has {
		b = append(b[:len(b):len(b)], backup[:]...)
	}
	return b[:min(size, len(b))], 0
}

func (s *Socket) setThinDupAck(v []byte) Errno {
	if len(v) < 4 || binary.NativeEndian.Uint32(v) > 1 {
		return EINVAL
	}
	return 0
}

func (s *Socket) setULP(v []byte) Errno {
	if len(v) < 1 {
		return EINVAL
	}
	return ENOENT
}

func (s *Socket) savedSyn(size int) ([]byte, Errno) {
	b, _, err := s.ep.(*tcp.Endpoint).SavedSyn(size)
	return b, errnoOf(err)
}

func (s *Socket) setCongestion(v []byte) Errno {
	if len(v) < 1 {
		return EINVAL
	}
	v = v[:min(len(v), congestionSize-1)]
	if i := bytes.IndexByte(v, 0); i >= 0 {
		v = v[:i]
	}
	if s.ep.(*tcp.Endpoint).SetCongestion(string(v)) != nil {
		return ENOENT
	}
	return 0
}

func (s *Socket) congestion(size int) ([]byte, Errno) {
	b := make([]byte, min(size, congestionSize))
	copy(b, s.ep.(*tcp.Endpoint).Congestion())
	return b, 0
}

// congestionInfo encodes struct tcp_bbr_info or struct tcp_dctcp_info.
func (s *Socket) congestionInfo(size int) ([]byte, Errno) {
	e := s.ep.(*tcp.Endpoint)
	if i, ok := e.DCTCP(); ok {
		b := encodeDCTCP(i)
		return b[:min(size, len(b))], 0
	}
	i, ok := e.BBR()
	if !ok {
		return nil, 0
	}
	var b []byte
	for _, v := range [...]uint32{uint32(i.Bandwidth), uint32(i.Bandwidth >> 32), uint32(i.MinRTT.Microseconds()), uint32(i.PacingGain), uint32(i.WindowGain)} {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b[:min(size, len(b))], 0
}

// encodeDCTCP makes a struct tcp_dctcp_info, which is all zeroes where the connection has no ECN.
func encodeDCTCP(i tcp.DCTCPInfo) []byte {
	bit := map[bool]uint16{true: 1}
	b := binary.NativeEndian.AppendUint16(nil, bit[i.Enabled])
	b = binary.NativeEndian.AppendUint16(b, bit[i.CE])
	for _, v := range [...]int{i.Alpha, i.Marked, i.Acked} {
		b = binary.NativeEndian.AppendUint32(b, uint32(v))
	}
	return b
}
