package stack

import (
	"iter"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Flow is what there is to say of one connection, or of one datagram endpoint that is connected. It is a plain value.
type Flow struct {
	Protocol      header.Protocol
	NIC           tcpip.NICID // bound to; 0: to none
	Local, Remote netip.AddrPort
	State         string        // TCP's, as "ESTABLISHED"; "" of datagrams
	Age           time.Duration // since the connection or the endpoint was begun; 0 if that is not kept
	Left          time.Duration // of a record without an endpoint: until it is given up, or sends again

	Sent, Received FlowCount
	Retransmitted  uint64 // segments that were sent again

	RTT, RTTVar, MinRTT time.Duration // 0: not measured
	SendQueue           int           // bytes that the peer has not acknowledged, or that have not left
	ReceiveQueue        int           // bytes that nobody has read

	Endpoint Endpoint // nil: it is a small record, half open or in TIME-WAIT
}

// FlowCount counts what passed in one direction: bytes of payload, with what was sent again, and packets as they are on
// the wire.
type FlowCount struct{ Bytes, Packets uint64 }

// Listener is an endpoint that waits for peers: of TCP one that listens, of datagrams one that is bound and not
// connected.
type Listener struct {
	Protocol header.Protocol
	NIC      tcpip.NICID    // bound to; 0: to none
	Local    netip.AddrPort // without an address: every one
	Waiting  int            // TCP: connections to be accepted
	Backlog  int            // TCP: how many may
	Received FlowCount      // datagrams
	Sent     FlowCount
	Endpoint Endpoint
}

// FlowEndpoint is an endpoint that can be shown as a Flow or as a Listener. ok is false if it is not one at present.
type FlowEndpoint interface {
	Flow() (f Flow, ok bool)
	Listener() (l Listener, ok bool)
}

// FlowKeeper is a transport protocol that has flows without endpoints.
type FlowKeeper interface {
	Remnants() []Flow
}

// Flows walks the connections: those of endpoints, in the order in which these were made, then half-open ones and those in
// TIME-WAIT. What begins or ends meanwhile may or may not be there.
func (s *Stack) Flows() iter.Seq[Flow] {
	return func(yield func(Flow) bool) {
		for _, e := range s.Endpoints() {
			if shown, ok := e.(FlowEndpoint); ok {
				if f, ok := shown.Flow(); ok && !yield(f) {
					return
				}
			}
		}
		for _, t := range s.transports {
			if k, ok := t.(FlowKeeper); ok {
				for _, f := range k.Remnants() {
					if !yield(f) {
						return
					}
				}
			}
		}
	}
}

// Listeners walks the endpoints that wait for peers, in the order in which they were made.
func (s *Stack) Listeners() iter.Seq[Listener] {
	return func(yield func(Listener) bool) {
		for _, e := range s.Endpoints() {
			if shown, ok := e.(FlowEndpoint); ok {
				if l, ok := shown.Listener(); ok && !yield(l) {
					return
				}
			}
		}
	}
}
