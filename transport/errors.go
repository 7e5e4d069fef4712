package transport

import (
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// DeliverError takes note of an ICMP error about a packet of this endpoint. The path MTU is learnt
// unless IP_MTU_DISCOVER says to keep away from it (BEHAVIOUR B2, B3). The program is told as Linux does it:
// with IP_RECVERR of every error, through the error queue; otherwise, if it is connected, of hard ones.
//
// As measured on Linux, a "too big" is hard but for PMTUDont, which over IPv4 does not tell of it at all;
// over IPv6 the modes that do not learn do not tell either, while over IPv4 they do.
func (d *Datagram) DeliverError(w *stack.Work, e *stack.ICMPError) {
	remote := e.Remote.Addr()
	hard := e.Hard
	if e.Kind == stack.ICMPTooBig {
		mode := d.modeFor(remote)
		ignored := int(mode) < len(ignores) && ignores[mode]
		if !ignored {
			d.proto.stack.LearnPathMTU(remote, e.MTU)
		}
		if remote.Is4() && mode == tcpip.PMTUDont || remote.Is6() && ignored {
			return
		}
		hard = mode != tcpip.PMTUDont
	}
	if d.reportsErrors(remote) {
		quoted := e.Quoted
		if !d.proto.shape.UserHeader {
			quoted = quoted[min(d.proto.shape.HeaderSize, len(quoted)):]
		}
		info := uint32(0)
		if e.Kind == stack.ICMPTooBig {
			info = uint32(e.MTU)
		}
		d.report(tcpip.FullAddress{Addr: remote, Port: e.Remote.Port()}, tcpip.ErrorReport{
			Err: e.Err, Origin: e.Origin, Type: e.Type, Code: e.Code, Info: info, Offender: e.Offender,
		}, quoted)
	} else if !hard || !d.connected.Load() {
		return
	}
	d.err.Store(uint32(e.Err))
	w.Wake(d.proto.stack, &d.waiters, waiter.Error)
}

// report puts an entry on the error queue, which shares the receive queue's limit.
func (d *Datagram) report(to tcpip.FullAddress, report tcpip.ErrorReport, quoted []byte) {
	p := d.proto
	e := p.newDatagram()
	e.meta = meta{from: netip.AddrPortFrom(to.Addr, to.Port), nic: to.NIC}
	e.report = &report
	e.charge = datagramCost
	if len(quoted) > 0 {
		if piece, ok := p.stack.Slabs.Copy(quoted); ok {
			e.pieces = append(e.pieces, piece)
			e.charge += piece.Cost()
			e.size = len(quoted)
		}
	}
	q := &d.queue
	q.mu.Lock()
	full := q.closed || q.bytes+e.charge > q.limit
	if !full {
		q.bytes += e.charge
		q.errors.push(e)
	}
	q.mu.Unlock()
	if full {
		p.counters(to.Addr.Is6()).RcvbufErrors.Inc()
		p.free(e)
	}
}

// readError takes the oldest entry of the error queue. SO_ERROR then tells of the next ICMP error, or of
// none, as on Linux.
func (d *Datagram) readError(b []byte, flags tcpip.ReadFlags) (tcpip.Received, error) {
	q := &d.queue
	q.mu.Lock()
	e := q.errors.head
	if e == nil {
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return tcpip.Received{}, tcpip.ErrClosed
		}
		return tcpip.Received{}, tcpip.ErrWouldBlock
	}
	r := tcpip.Received{
		Count: e.copyTo(b),
		Total: e.size,
		From:  tcpip.FullAddress{NIC: e.nic, Addr: e.from.Addr(), Port: e.from.Port()},
	}
	r.Control.Has = tcpip.HasError
	r.Control.Err = *e.report
	if flags&tcpip.ReadPeek != 0 {
		q.mu.Unlock()
		return r, nil
	}
	q.errors.pop()
	q.bytes -= e.charge
	switch next := q.errors.head; {
	case next != nil && fromICMP(next):
		d.err.Store(uint32(next.report.Err))
	case fromICMP(e):
		d.err.Store(0)
	}
	q.mu.Unlock()
	d.proto.free(e)
	return r, nil
}

func fromICMP(e *datagram) bool {
	return e.report.Origin == tcpip.OriginICMP || e.report.Origin == tcpip.OriginICMP6
}

// purgeErrors empties the error queue.
func (q *queue) purgeErrors(p *Protocol) {
	q.mu.Lock()
	errors := q.errors
	q.errors = list{}
	for e := errors.head; e != nil; e = e.next {
		q.bytes -= e.charge
	}
	q.mu.Unlock()
	p.freeAll(errors.head)
}
