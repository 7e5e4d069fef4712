package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
)

// receivedSocket writes the messages of SOL_SOCKET and IPPROTO_UDP, which come before those of IP.
func (w *controlWriter) receivedSocket(s *Socket, r *tcpip.Received) {
	c := &r.Control
	if c.Has&(tcpip.HasTimestamp|tcpip.HasTimestamping) != 0 {
		w.timestamps(s, c)
	}
	if c.Has&tcpip.HasDrops != 0 {
		w.int(tcpip.SO_RXQ_OVFL, int(c.Drops))
	}
	ping := s.kind.endpoint == tcpip.KindPing // which does not tell, as measured
	if c.Has&tcpip.HasMark != 0 && !ping {
		w.int(tcpip.SO_MARK, int(c.Mark))
	}
	if c.Has&tcpip.HasPriority != 0 && !ping {
		w.int(tcpip.SO_PRIORITY, int(c.Priority))
	}
	if r.SegmentBy != 0 {
		w.int(tcpip.UDP_GRO, r.SegmentBy)
	}
}

// parseSocket reads a control message of SOL_SOCKET.
func parseSocket(s *Socket, typ int, m []byte, c *tcpip.Control) Errno {
	word := func() uint32 { return binary.NativeEndian.Uint32(m) }
	switch id := tcpip.Option(SOL_SOCKET, typ); {
	case typ < 0:
		return EINVAL
	case id == scmRights || id == scmCredentials:
		return 0
	case id == scmDeviceMemory && len(m) == 4: // which streams alone look at, later
		return 0
	case id == tcpip.SO_MARK && len(m) == 4:
		c.Has |= tcpip.HasMark
		c.Rare().Mark = word()
	case id == tcpip.SO_PRIORITY && len(m) == 4:
		c.Has |= tcpip.HasPriority
		c.Rare().Priority = word()
	case (id == tcpip.SO_TIMESTAMPING || id == SO_TIMESTAMPING_NEW) && len(m) == 4:
		if tcpip.TimestampFlags(word())&^tcpip.TimestampFlagsSends != 0 {
			return EINVAL
		}
		c.Has |= tcpip.HasStamps
		c.Rare().Stamps = tcpip.TimestampFlags(word())
	case id == scmTimestampingOptID && len(m) == 4:
		if v, err := s.ep.Option(tcpip.SO_TIMESTAMPING); err != nil || v&int(tcpip.TimestampNumber) == 0 {
			return EINVAL
		}
		c.Has |= tcpip.HasStampID
		c.Rare().StampID = word()
	case id == SO_TXTIME && len(m) == 8:
		s.mu.Lock()
		_, set := s.stored[SO_TXTIME]
		s.mu.Unlock()
		if !set {
			return EINVAL
		}
	default:
		return EINVAL
	}
	return 0
}

// parseUDP reads a control message of IPPROTO_UDP.
func parseUDP(typ int, m []byte, c *tcpip.Control) Errno {
	if typ != tcpip.UDP_SEGMENT.Number() || len(m) != 2 {
		return EINVAL
	}
	c.Has |= tcpip.HasSegmentBy
	c.SegmentBy = binary.NativeEndian.Uint16(m)
	return 0
}

// ofDevice reports whether control messages say that what is sent is in a device's memory, which nothing is here.
func ofDevice(control []byte) (is bool) {
	_ = eachControl(control, func(level, typ int, data []byte) Errno {
		if level == SOL_SOCKET && tcpip.Option(level, typ) == scmDeviceMemory {
			is = binary.NativeEndian.Uint32(data) != 0
		}
		return 0
	})
	return is
}
