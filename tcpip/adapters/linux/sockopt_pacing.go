package linux

import (
	"encoding/binary"
	"math"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// pacingOthers is SO_MAX_PACING_RATE, which has the size of a long, and may be given as an int.
var pacingOthers = map[tcpip.OptionID]other{
	tcp.SO_MAX_PACING_RATE: {on: tcpip.KindAny, set: (*Socket).setMaxPacingRate, get: (*Socket).getMaxPacingRate,
		name: "SO_MAX_PACING_RATE", form: "unsigned long (bytes/s)", byDefault: "18446744073709551615",
		doc: "Data of a TCP connection is spread over time so that no more is sent in it, headers included. On other sockets it is stored: on Linux it acts through the scheduler fq."},
}

// setMaxPacingRate takes an unsigned int, of which all ones is no limit, or an unsigned long.
func (s *Socket) setMaxPacingRate(v []byte) Errno {
	var rate uint64
	switch {
	case len(v) < 4:
		return EINVAL
	case len(v) == 8:
		rate = binary.NativeEndian.Uint64(v)
	default:
		if rate = uint64(binary.NativeEndian.Uint32(v)); rate == math.MaxUint32 {
			rate = math.MaxUint64
		}
	}
	n := int(min(rate, math.MaxInt))
	if rate == math.MaxUint64 {
		n = -1
	}
	if s.stream() {
		return errnoOf(s.ep.SetOption(tcp.SO_MAX_PACING_RATE, n))
	}
	s.mu.Lock()
	s.store(tcp.SO_MAX_PACING_RATE, n)
	s.mu.Unlock()
	return 0
}

// maxPacingRate returns the limit, all ones if there is none.
func (s *Socket) maxPacingRate() (uint64, Errno) {
	n, ok := 0, false
	if s.stream() {
		v, err := s.ep.Option(tcp.SO_MAX_PACING_RATE)
		if err != nil {
			return 0, errnoOf(err)
		}
		n, ok = v, true
	} else {
		s.mu.Lock()
		n, ok = s.stored[tcp.SO_MAX_PACING_RATE]
		s.mu.Unlock()
	}
	if !ok || n < 0 {
		return math.MaxUint64, 0
	}
	return uint64(n), 0
}

func (s *Socket) getMaxPacingRate(size int) ([]byte, Errno) {
	rate, err := s.maxPacingRate()
	switch {
	case err != 0:
		return nil, err
	case size < 8:
		return binary.NativeEndian.AppendUint32(nil, uint32(min(rate, math.MaxUint32))), 0
	}
	return binary.NativeEndian.AppendUint64(nil, rate), 0
}
