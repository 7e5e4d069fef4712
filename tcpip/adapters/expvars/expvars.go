// Package expvars shows what a stack has counted as a variable of the standard library's expvar:
//
//	expvar.Publish("netstack", expvars.Var(s))
package expvars

import (
	"expvar"
	"strings"

	"github.com/seed963a8790/netstack/stack"
)

// Var returns a variable whose value is a Snapshot of s: an object with what the stack holds, the counters by their
// MIB's names, the drops by their reasons, those that never happened left out, and the NICs by their names.
func Var(s *stack.Stack) expvar.Var {
	return expvar.Func(func() any { return value(s.Snapshot()) })
}

// variable is the value as JSON shows it.
type variable struct {
	Packets     int64             `json:"packets"`
	Memory      int64             `json:"memory_bytes"`
	MemoryLimit int64             `json:"memory_limit_bytes"`
	Endpoints   int               `json:"endpoints"`
	Routes      int               `json:"routes"`
	LostEvents  uint64            `json:"lost_events"`
	Counters    map[string]uint64 `json:"counters"`
	Drops       map[string]uint64 `json:"drops"`
	NICs        map[string]nic    `json:"nics"`
}

type nic struct {
	ID         int               `json:"id"`
	Up         bool              `json:"up"`
	MTU        int               `json:"mtu_bytes"`
	Addresses  []string          `json:"addresses"`
	Neighbours int               `json:"neighbours"`
	Queued     int               `json:"queued_packets"`
	Counters   map[string]uint64 `json:"counters"`
}

func value(s stack.Snapshot) variable {
	v := variable{
		Packets: s.Packets, Memory: s.Memory, MemoryLimit: s.MemoryLimit, Endpoints: s.Endpoints, Routes: s.Routes, LostEvents: s.LostEvents,
		Counters: map[string]uint64{}, Drops: map[string]uint64{}, NICs: map[string]nic{},
	}
	for name, n := range s.Counters.All() {
		if reason, ok := strings.CutPrefix(name, "Drop."); !ok {
			v.Counters[name] = n
		} else if n != 0 {
			v.Drops[reason] = n
		}
	}
	for i := range s.NICs {
		n := &s.NICs[i]
		one := nic{
			ID: int(n.ID), Up: n.Up, MTU: n.MTU, Neighbours: n.Neighbours, Queued: n.Queued,
			Addresses: []string{}, Counters: map[string]uint64{},
		}
		for _, a := range n.Addresses {
			one.Addresses = append(one.Addresses, a.String())
		}
		for name, c := range n.Counters.All() {
			one.Counters[name] = c
		}
		v.NICs[n.Name] = one
	}
	return v
}
