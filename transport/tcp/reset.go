package tcp

import (
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// answerReset drops p, a segment to no connection, and answers it with a RST (RFC 9293 §3.10.7.1), unless
// it is one itself, is to more than one host, or too many were sent.
func (t *Protocol) answerReset(w *stack.Work, p *stack.Packet, id stack.FlowID, why tcpip.Drop) {
	sc := t.getScratch()
	var s tcb.Segment
	decode(p, &s)
	releaseSegment(&s)
	switch {
	case s.Options.MD5 != nil: // a RST that is not signed as well would not be believed (RFC 2385 §4.1)
	case !tcb.BuildReset(&s, &sc.out):
	case p.NIC != nil && p.NIC.Classify(p.Dst) == stack.DestinationBroadcast:
		why = tcpip.DropMartianDestination
	case !t.resets.allow(p.At):
		why = tcpip.DropRateLimited
	default:
		t.sendReset(w, p, id, sc)
	}
	t.putScratch(sc)
	p.Drop(why)
}

// sendReset sends the RST in sc.out back to where p, which it borrows, came from.
func (t *Protocol) sendReset(w *stack.Work, p *stack.Packet, id stack.FlowID, sc *scratch) {
	if r, err := t.routeBack(p, id, 0); err == tcpip.OK {
		t.reply(w, r, id, sc, &t.config.Load().initial.sock)
	}
}

// routeBack finds the route for an answer to p, which may have been sent to an address that the stack
// does not have.
func (t *Protocol) routeBack(p *stack.Packet, id stack.FlowID, bound tcpip.NICID) (*stack.Route, tcpip.Error) {
	return t.routeBackBy(nil, p, id, bound)
}

// routeBackBy is routeBack for an answer with headers of its own.
func (t *Protocol) routeBackBy(h *sentHeaders, p *stack.Packet, id stack.FlowID, bound tcpip.NICID) (*stack.Route, tcpip.Error) {
	q := stack.RouteQuery{Destination: id.Remote.Addr(), Source: id.Local.Addr(), NIC: bound, AnySource: true}
	if a := id.Remote.Addr(); bound == 0 && a.Is6() && a.IsLinkLocalUnicast() && p.NIC != nil {
		q.NIC = p.NIC.ID()
	}
	h.guide(&q)
	return t.stack.FindRoute(q)
}
