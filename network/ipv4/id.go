package ipv4

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
)

// identifiers makes the identification of datagrams that are not atomic: unique per source, destination
// and protocol for as long as the field allows (RFC 6864 §4.3), and telling an observer of one flow nothing
// of another (BEHAVIOUR F3). A counter is chosen by a keyed hash, offset by the same hash, and runs on by
// a random amount for the time in which it stood still, so that it cannot be used to count packets.
type identifiers struct {
	stack *stack.Stack
	slots [identifierSlots]atomic.Uint64 // milliseconds of the last use << 32 | counter
}

func (t *identifiers) init(s *stack.Stack) { t.stack = s }

// next returns the first of n consecutive identifications.
func (t *identifiers) next(src, dst netip.Addr, proto header.Protocol, n int) uint16 {
	hash := t.stack.FlowHash(stack.FlowID{Proto: proto, Local: netip.AddrPortFrom(src, 0), Remote: netip.AddrPortFrom(dst, 0)})
	slot := &t.slots[hash%identifierSlots]
	now := uint32(int64(t.stack.Now()) / int64(time.Millisecond))
	for {
		old := slot.Load()
		count := uint32(old)
		if still := now - uint32(old>>32); still > 0 && int32(still) > 0 {
			count += uint32(t.stack.Random().IntN(int(min(still, maxIdentifierStep)) + 1))
		}
		if slot.CompareAndSwap(old, uint64(now)<<32|uint64(count+uint32(n))) {
			return uint16(count + hash>>16)
		}
	}
}
