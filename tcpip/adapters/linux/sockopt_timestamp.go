package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/tcpip"
)

// timestampOthers are the forms of SO_TIMESTAMP and SO_TIMESTAMPING: with microseconds or nanoseconds, and with a
// time of 64 bits everywhere (the NEW ones, which on 64-bit Linux differ in their numbers alone). Setting one replaces
// another.
var timestampOthers = map[tcpip.OptionID]other{
	tcpip.SO_TIMESTAMP: {on: tcpip.KindAny, set: setStamp(0), get: getStamp(0, stampNano|stampNew),
		name: "SO_TIMESTAMP", form: "bool", byDefault: "0", doc: "Report the time of arrival as a struct timeval."},
	SO_TIMESTAMPNS: {on: tcpip.KindAny, set: setStamp(stampNano), get: getStamp(stampNano, stampNano|stampNew),
		name: "SO_TIMESTAMPNS", form: "bool", byDefault: "0", doc: "Report the time of arrival as a struct timespec."},
	SO_TIMESTAMP_NEW: {on: tcpip.KindAny, set: setStamp(stampNew), get: getStamp(stampNew, stampNew),
		name: "SO_TIMESTAMP_NEW", form: "bool", byDefault: "0", doc: "SO_TIMESTAMP under another number. It is 1 after SO_TIMESTAMPNS_NEW too, as on Linux."},
	SO_TIMESTAMPNS_NEW: {on: tcpip.KindAny, set: setStamp(stampNano | stampNew), get: getStamp(stampNano|stampNew, stampNano|stampNew),
		name: "SO_TIMESTAMPNS_NEW", form: "bool", byDefault: "0", doc: "SO_TIMESTAMPNS under another number."},
	tcpip.SO_TIMESTAMPING: {on: tcpip.KindTCP | tcpip.KindDatagram, set: setStamping(0), get: getStamping(0),
		name: "SO_TIMESTAMPING", form: "struct so_timestamping", byDefault: "0 0",
		doc: "Report when packets arrive, reach the transmit queue and leave (the software stamps of Linux). The clock of a network card is refused."},
	SO_TIMESTAMPING_NEW: {on: tcpip.KindTCP | tcpip.KindDatagram, set: setStamping(stampNew), get: getStamping(stampNew),
		name: "SO_TIMESTAMPING_NEW", form: "struct so_timestamping", byDefault: "0 0", doc: "SO_TIMESTAMPING under another number."},
}

// The forms of time stamps, bits of what a socket has stored under SO_TIMESTAMPNS.
const (
	stampNano = 1 << iota
	stampNew
)

func (s *Socket) stampForm() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored[SO_TIMESTAMPNS]
}

// setStamp turns the reports on in one form, or all off.
func setStamp(form int) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) < 4 {
			return EINVAL
		}
		on := binary.NativeEndian.Uint32(v) != 0
		if err := s.ep.SetOption(tcpip.SO_TIMESTAMP, one(on)); err != nil {
			return errnoOf(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if on {
			s.store(SO_TIMESTAMPNS, form)
		} else {
			s.store(SO_TIMESTAMPNS, s.stored[SO_TIMESTAMPNS]&^stampNano)
		}
		return 0
	}
}

// getStamp shows whether the reports are on in one form, of which the bits in mask count.
func getStamp(form, mask int) func(*Socket, int) ([]byte, Errno) {
	return telling(func(s *Socket) int { return one(s.flag(tcpip.SO_TIMESTAMP) && s.stampForm()&mask == form) })
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// setStamping takes the flags as an int, or a struct so_timestamping, whose clock of a network card is not looked at
// unless the flags ask for it.
func setStamping(form int) func(*Socket, []byte) Errno {
	return func(s *Socket, v []byte) Errno {
		if len(v) < 4 {
			return EINVAL
		}
		if err := s.ep.SetOption(tcpip.SO_TIMESTAMPING, int(int32(binary.NativeEndian.Uint32(v)))); err != nil {
			return errnoOf(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.store(SO_TIMESTAMPNS, s.stored[SO_TIMESTAMPNS]&^stampNew|form)
		return 0
	}
}

func getStamping(form int) func(*Socket, int) ([]byte, Errno) {
	return func(s *Socket, _ int) ([]byte, Errno) {
		v, err := s.ep.Option(tcpip.SO_TIMESTAMPING)
		if err != nil {
			return nil, errnoOf(err)
		}
		if form&^s.stampForm() != 0 {
			v = 0
		}
		return append(binary.NativeEndian.AppendUint32(nil, uint32(v)), 0, 0, 0, 0), 0
	}
}

// timestamps writes when a datagram arrived or left, in the forms that were asked for.
func (w *controlWriter) timestamps(s *Socket, c *tcpip.Control) {
	t := s.sockets.stack.Clock().Wall(c.Timestamp)
	form := s.stampForm()
	spec := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, uint64(t.Unix())), uint64(t.Nanosecond()))
	if c.Has&tcpip.HasTimestamp != 0 {
		if form&stampNano != 0 {
			w.bytes([...]tcpip.OptionID{SO_TIMESTAMPNS, SO_TIMESTAMPNS_NEW}[form>>1], spec)
		} else {
			val := binary.NativeEndian.AppendUint64(nil, uint64(t.Unix()))
			val = binary.NativeEndian.AppendUint64(val, uint64(t.Nanosecond()/1000))
			w.bytes([...]tcpip.OptionID{tcpip.SO_TIMESTAMP, SO_TIMESTAMP_NEW}[form>>1], val)
		}
	}
	if c.Has&tcpip.HasTimestamping != 0 { // the stack's, and two of network cards
		w.bytes([...]tcpip.OptionID{tcpip.SO_TIMESTAMPING, SO_TIMESTAMPING_NEW}[form>>1], append(spec, make([]byte, 32)...))
	}
}

// selectsErrors reports whether POLLPRI accompanies POLLERR (SO_SELECT_ERR_QUEUE).
func (s *Socket) selectsErrors() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored[SO_SELECT_ERR_QUEUE] != 0
}
