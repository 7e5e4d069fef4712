package transport

import (
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// SocketFilter is the endpoint's BPF program. It sees a datagram from where the endpoint's header begins: UDP's and
// ICMP's, and of raw endpoints for IPv4 the IP header.
func (d *Datagram) SocketFilter() *stack.SocketFilter { return &d.filter }

// filtered asks the filter about a packet that is to be queued and cuts it to what the filter keeps, which is at
// least the header that the endpoint's user does not see. It reports false if that was the end of p: it was dropped,
// or, a super-segment, queued in its parts, about each of which the filter is asked.
func (d *Datagram) filtered(w *stack.Work, p *stack.Packet, from netip.AddrPort, front int) bool {
	if p.SegSize > 0 {
		var few [8]*stack.Packet
		parts, drop := p.Cut(few[:0])
		if drop != tcpip.DropNone {
			d.refuse(p, 1, drop)
			return false
		}
		for _, q := range parts {
			if q.SegSize == 0 {
				d.Queue(w, q, from, front)
			} else {
				d.refuse(q, 1, tcpip.DropBadOffload)
			}
		}
		return false
	}
	start := min(len(p.Front())-len(p.Transport()), front)
	keep := d.filter.Keep(p, start)
	if keep == 0 {
		m := d.proto.counters(p.Dst.Is6())
		m.InErrors.Inc()
		p.Drop(tcpip.DropFiltered)
		return false
	}
	if n := start + max(keep, front-start); n < p.Len() {
		p.Truncate(n)
	}
	return true
}

// AttachReuse sets the program that chooses among the endpoints that share a port (stack.ReuseGroup).
//
// Errors: ErrInvalid without SO_REUSEPORT, or bound without it, or for a program that may not run.
func (d *Datagram) AttachReuse(code []byte) tcpip.Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.claim.bound {
		if !d.conf.ReusePort {
			return tcpip.ErrInvalid
		}
		if d.group == nil {
			d.group = new(stack.ReuseGroup)
		}
		return d.group.Attach(code)
	}
	if d.claim.binding.Group == nil {
		return tcpip.ErrInvalid
	}
	return d.claim.binding.Group.Attach(code)
}

// DetachReuse takes that program away.
//
// Errors: ErrNotFound if there is none; ErrInvalid if there can be none.
func (d *Datagram) DetachReuse() tcpip.Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.group
	if d.claim.bound {
		g = d.claim.binding.Group
	}
	switch {
	case g != nil:
		return g.Detach()
	case d.conf.ReusePort:
		return tcpip.ErrNotFound
	}
	return tcpip.ErrInvalid
}
