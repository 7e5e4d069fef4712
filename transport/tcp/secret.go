package tcp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/internal/siphash"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// identity chooses the initial sequence number (RFC 6528 §3: a clock of 4 µs plus a keyed hash of the
// flow) and the offset of the timestamps, keyed too, of a connection. A flow that comes again finds both
// grown (RFC 9293 §3.4.1, MUST-8, SHLD-1, MUST-9).
func (t *Protocol) identity(id stack.FlowID, now tcpip.Time, mode tcpip.TimestampMode) tcb.Identity {
	keys := t.stack.Keys()
	i := tcb.Identity{ISS: uint32(hashFlow(keys.ISN, id)) + uint32(now/tcpip.Time(4*time.Microsecond))}
	if mode != tcpip.TimestampsNoOffset {
		i.TSOffset = uint32(hashFlow(keys.Timestamp, id))
	}
	return i
}

func hashFlow(key [2]uint64, id stack.FlowID) uint64 {
	lh, ll := words(id.Local.Addr())
	rh, rl := words(id.Remote.Addr())
	return siphash.Sum(key, lh, ll, rh, rl, uint64(id.Local.Port())<<16|uint64(id.Remote.Port()))
}

func words(a netip.Addr) (hi, lo uint64) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}
