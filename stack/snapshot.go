package stack

import (
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// Snapshot is what a stack has counted, and what it holds, at one time. It is a plain value that nothing changes any
// more. Each number was read atomically; those that belong together may differ by what passed meanwhile.
type Snapshot struct {
	At   tcpip.Time // by the stack's clock
	Wall time.Time

	Counters CounterValues
	NICs     []NICSnapshot // in the order in which they were added

	Packets     int64 // that exist
	Memory      int64 // bytes of slabs in packets and buffers
	MemoryLimit int64 // bytes; 0: none
	Endpoints   int
	Routes      int    // those of addresses included
	LostEvents  uint64 // of all subscriptions
}

// NICSnapshot is the part of a Snapshot about one NIC.
type NICSnapshot struct {
	ID         tcpip.NICID
	Name       string
	Up         bool
	MTU        int // bytes
	Addresses  []netip.Prefix
	Neighbours int
	Queued     int // packets in transmit queues
	Counters   NICCounterValues
}

// Snapshot reads all counters. It takes about 20 microseconds, and no lock that packets wait for.
func (s *Stack) Snapshot() Snapshot {
	c := s.conf.Load()
	now := s.Now()
	snap := Snapshot{
		At: now, Wall: s.clock.Wall(now),
		Packets: s.LivePackets(), Memory: s.Slabs.Live(), MemoryLimit: s.options.MaxMemory.Or(0),
		Endpoints: s.endpoints.count(), Routes: len(c.routes.v4.rows) + len(c.routes.v6.rows),
		LostEvents: s.events.lost.Load(),
	}
	copyValues(reflect.ValueOf(&snap.Counters).Elem(), reflect.ValueOf(&s.counters).Elem())
	for _, n := range c.nics {
		snap.NICs = append(snap.NICs, n.snapshot(c))
	}
	return snap
}

func (n *NIC) snapshot(c *config) NICSnapshot {
	snap := NICSnapshot{ID: n.id, Name: n.name, Up: n.Up(), MTU: n.MTU(), Neighbours: n.neighbours.count()}
	for _, a := range c.addresses.byNIC[n] {
		snap.Addresses = append(snap.Addresses, a.address().Prefix)
	}
	snap.Addresses = slices.Clip(snap.Addresses)
	for _, q := range n.queues {
		snap.Queued += q.len()
	}
	copyValues(reflect.ValueOf(&snap.Counters).Elem(), reflect.ValueOf(&n.counters).Elem())
	return snap
}
