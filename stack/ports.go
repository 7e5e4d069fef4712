package stack

import (
	"net/netip"
	"sync/atomic"

	"github.com/seed963a8790/netstack/tcpip"
)

// ports chooses ephemeral ports.
type ports struct {
	span     atomic.Uint32               // the first port and the last: first<<16 | last
	counters [portCounters]atomic.Uint32 // the table of RFC 6056 §3.3.4
}

// The range that ports are chosen from unless SetPortRange says otherwise: Linux's ip_local_port_range.
const (
	firstEphemeral = 32768
	lastEphemeral  = 60999
)

func (p *ports) init(s *Stack) {
	p.span.Store(firstEphemeral<<16 | lastEphemeral)
	for i := range p.counters {
		p.counters[i].Store(s.random.Uint32())
	}
}

// portRange returns the first ephemeral port and how many there are.
func (p *ports) portRange() (first uint16, n int) {
	v := p.span.Load()
	return uint16(v >> 16), int(v&0xffff) - int(v>>16) + 1
}

// within returns the first port and how many there are for somebody who asks for those from the low 16 bits of
// span to the high ones (IP_LOCAL_PORT_RANGE): a bound that is 0 or outside of the stack's range counts for nothing.
func (p *ports) within(span uint32) (first uint16, n int) {
	first, n = p.portRange()
	if span == 0 {
		return first, n
	}
	last := first + uint16(n-1)
	low, high := uint16(span), uint16(span>>16)
	if low < first || low > last {
		low = first
	}
	if high < first || high > last {
		high = last
	}
	if low > high {
		return first, n
	}
	return low, int(high-low) + 1
}

// PortRange returns the first and the last ephemeral port.
func (s *Stack) PortRange() (first, last uint16) {
	first, n := s.ports.portRange()
	return first, first + uint16(n-1)
}

// SetPortRange sets the ephemeral ports, those that a bind or connect without a port chooses from.
//
// Errors: ErrInvalid if last < first or first is 0.
func (s *Stack) SetPortRange(first, last uint16) error {
	if first == 0 || last < first {
		return tcpip.ErrInvalid
	}
	s.ports.span.Store(uint32(first)<<16 | uint32(last))
	return nil
}

// ConnectPort chooses a local port for a flow from id.Local's address to id.Remote and enters r for it, as
// Insert does. The ports to one destination come in sequence from a secret start (double-hash selection,
// RFC 6056 §3.3.4), so that they are not soon used again and tell nothing of ports to others. A port that
// somebody has bound is not taken; one that other flows use is, if their remote ends differ.
//
// span limits the choice to its low 16 bits to its high ones, 0 to the stack's range.
//
// Errors: ErrNoPort if all are taken.
func (d *Demux) ConnectPort(id FlowID, r Receiving, span uint32) (uint16, tcpip.Error) {
	p := &d.stack.ports
	first, n := p.within(span)
	k := keyOf(id)
	k.ports &^= 0xffff << 16
	h := k.hash(&d.stack.keys.Port)
	offset, counter := h>>32, &p.counters[h%portCounters]
	for range n {
		port := first + uint16((offset+uint64(counter.Add(1)))%uint64(n))
		flow := id
		flow.Local = netip.AddrPortFrom(id.Local.Addr(), port)
		if d.insert(flow, r, (*portClaims).unbound) == tcpip.OK {
			return port, tcpip.OK
		}
	}
	return 0, tcpip.ErrNoPort
}

// unbound reports whether nobody has bound the port.
func (p *portClaims) unbound() bool { return p.count() == 0 }
