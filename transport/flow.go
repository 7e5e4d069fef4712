package transport

import (
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/stack"
)

// Flow returns what there is to say of a connected endpoint; ok is false of another.
func (d *Datagram) Flow() (f stack.Flow, ok bool) {
	sent, received, unread := d.counts()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || !d.connected.Load() {
		return f, false
	}
	b := &d.claim.binding
	return stack.Flow{
		Protocol: d.number(d.v6), NIC: b.NIC, Local: netip.AddrPortFrom(b.Local, b.Port), Remote: netip.AddrPortFrom(d.peer.Addr, d.peer.Port),
		Age: d.age(), Sent: sent, Received: received, SendQueue: int(d.sent.Load()), ReceiveQueue: unread, Endpoint: d.outer,
	}, true
}

// Listener returns what there is to say of an endpoint that is bound and not connected; ok is false of another.
func (d *Datagram) Listener() (l stack.Listener, ok bool) {
	sent, received, _ := d.counts()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.connected.Load() || !d.claim.bound {
		return l, false
	}
	b := &d.claim.binding
	return stack.Listener{
		Protocol: d.number(d.v6), NIC: b.NIC, Local: netip.AddrPortFrom(b.Local, b.Port), Sent: sent, Received: received, Endpoint: d.outer,
	}, true
}

// age returns how long ago the endpoint was made. mu is held.
func (d *Datagram) age() time.Duration { return d.proto.stack.Now().Sub(d.born) }

// counts returns what has passed, and the bytes that wait to be read.
func (d *Datagram) counts() (sent, received stack.FlowCount, unread int) {
	d.mu.Lock()
	sent = d.passed
	d.mu.Unlock()
	q := &d.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for e := q.data.head; e != nil; e = e.next {
		unread += e.size
	}
	return sent, q.passed, unread
}
