package testnet

import (
	"sync/atomic"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// WatchDrops looks at everything that s drops from now on. What it returns says where the drop tap and the counters
// disagree: by how many, and for which reasons.
func WatchDrops(s *stack.Stack) (disagree func() map[tcpip.Drop]int) {
	var seen [tcpip.NumDrops]atomic.Int64
	for d := range seen {
		seen[d].Store(int64(s.Counters().Drops[d].Value()))
	}
	s.AddDropTap(func(_ *stack.Packet, d tcpip.Drop) { seen[d].Add(1) })
	return func() map[tcpip.Drop]int {
		var by map[tcpip.Drop]int
		for d := range seen {
			if n := seen[d].Load() - int64(s.Counters().Drops[d].Value()); n != 0 {
				if by == nil {
					by = map[tcpip.Drop]int{}
				}
				by[tcpip.Drop(d)] = int(n)
			}
		}
		return by
	}
}
