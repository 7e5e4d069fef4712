package tcp

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
)

// Flow returns what there is to say of e's connection; ok is false while it has none.
func (e *Endpoint) Flow() (f stack.Flow, ok bool) {
	w := e.begin()
	defer e.end(w)
	if !e.running {
		return f, false
	}
	i := e.tcb.Info(e.lock.now)
	return stack.Flow{
		Protocol: header.ProtocolTCP, NIC: e.scope, Local: e.id.Local, Remote: e.id.Remote, State: i.State.String(), Age: i.Age,
		Sent:          stack.FlowCount{Bytes: i.BytesSent, Packets: uint64(i.SegmentsOut)},
		Received:      stack.FlowCount{Bytes: i.BytesReceived, Packets: uint64(i.SegmentsIn)},
		Retransmitted: uint64(i.TotalRetransmits), RTT: i.RTT, RTTVar: i.RTTVar, MinRTT: i.MinRTT,
		SendQueue: e.tcb.Unacked(), ReceiveQueue: e.tcb.Unread(), Endpoint: e,
	}, true
}

// Listener returns what there is to say of a listening endpoint; ok is false of another.
func (e *Endpoint) Listener() (s stack.Listener, ok bool) {
	l := e.listener.Load()
	if l == nil {
		return s, false
	}
	a := e.LocalAddress()
	s = stack.Listener{Protocol: header.ProtocolTCP, NIC: a.NIC, Local: netip.AddrPortFrom(a.Addr, a.Port), Endpoint: e}
	s.Waiting, s.Backlog = l.waiting()
	return s, true
}

// Remnants returns the connections without an endpoint as flows.
func (t *Protocol) Remnants() (all []stack.Flow) {
	add := func(state State, list []Remnant) {
		for _, r := range list {
			all = append(all, stack.Flow{
				Protocol: header.ProtocolTCP, State: state.String(), Left: r.Left,
				Local: netip.AddrPortFrom(r.Local.Addr, r.Local.Port), Remote: netip.AddrPortFrom(r.Remote.Addr, r.Remote.Port),
			})
		}
	}
	add(StateSynRcvd, t.HalfOpen())
	add(StateTimeWait, t.TimeWaits())
	return all
}

var (
	_ stack.FlowEndpoint = (*Endpoint)(nil)
	_ stack.FlowKeeper   = (*Protocol)(nil)
)
