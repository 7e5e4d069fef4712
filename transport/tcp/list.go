package tcp

import (
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// IPv6 reports whether e was made for IPv6, IPv4 peers or not.
func (e *Endpoint) IPv6() bool { return e.v6 }

// Remnant is a connection that has no endpoint: half open, or in TIME-WAIT.
type Remnant struct {
	Local, Remote tcpip.FullAddress
	Left          time.Duration // until it is given up, or a SYN-ACK is sent again
}

func (t *Protocol) remnant(id *stack.FlowID, due tcpip.Time) Remnant {
	return Remnant{
		Local:  tcpip.FullAddress{Addr: id.Local.Addr(), Port: id.Local.Port()},
		Remote: tcpip.FullAddress{Addr: id.Remote.Addr(), Port: id.Remote.Port()},
		Left:   due.Sub(t.clock.Now()),
	}
}

// TimeWaits returns the connections in TIME-WAIT, in the order in which they expire.
func (t *Protocol) TimeWaits() (all []Remnant) {
	l := &t.timeWaits
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := l.first; r != nil; r = r.next {
		all = append(all, t.remnant(&r.id, r.due))
	}
	return all
}

// HalfOpen returns the connections whose SYN-ACK waits for its ACK, in no order that means anything.
func (t *Protocol) HalfOpen() (all []Remnant) {
	l := &t.halfOpen
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.heap {
		all = append(all, t.remnant(&r.id, r.due))
	}
	return all
}
