package stack

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// FlowID names a flow as we see it.
type FlowID struct {
	Proto         header.Protocol
	Local, Remote netip.AddrPort
}

// Demux finds the endpoint of a packet. It has two tables: flows with both ends known, and claims on local
// ports (Binding). Finding takes no lock, but for a port with many claims, and does not allocate. Its
// methods are safe for concurrent use and may be called with an endpoint locked.
type Demux struct {
	stack *Stack
	flows [demuxShards]flowTable[Receiving]
	ports [demuxShards]flowTable[*portClaims]
}

func (d *Demux) init(s *Stack) { d.stack = s }

// flow returns the shard and the hash of a flow.
func (d *Demux) flow(k *flowKey) (*flowTable[Receiving], uint64) {
	h := k.hash(&d.stack.keys.Flow)
	return &d.flows[h>>32%demuxShards], h
}

// port returns the shard, the key and the hash of the claims on a local port.
func (d *Demux) port(proto header.Protocol, port uint16) (*flowTable[*portClaims], flowKey, uint64) {
	k := flowKey{ports: uint64(proto)<<32 | uint64(port)<<16}
	h := k.hash(&d.stack.keys.Flow)
	return &d.ports[h>>32%demuxShards], k, h
}

// Insert enters r for exactly this flow.
//
// Errors: ErrAddrInUse if the flow is taken.
func (d *Demux) Insert(id FlowID, r Receiving) tcpip.Error { return d.insert(id, r, nil) }

// insert is Insert on condition that the claims on the local port pass the test; nil passes all.
func (d *Demux) insert(id FlowID, r Receiving, test func(*portClaims) bool) tcpip.Error {
	k := keyOf(id)
	class := classOf(r)
	flows, h := d.flow(&k)
	ports, pk, ph := d.port(id.Proto, id.Local.Port())
	ports.mu.Lock()
	defer ports.mu.Unlock()
	c, _ := ports.lookup(ph, pk)
	if c != nil && test != nil && !test(c) {
		return tcpip.ErrAddrInUse
	}
	flows.mu.Lock()
	ok := flows.insert(&d.stack.keys.Flow, h, k, r, class)
	flows.mu.Unlock()
	if !ok {
		return tcpip.ErrAddrInUse
	}
	if c == nil {
		c = &portClaims{memory: claimMemory{begun: true}}
		ports.insert(&d.stack.keys.Flow, ph, pk, c, 0)
	}
	c.flows.add(k.local, class)
	return tcpip.OK
}

// classOf returns what r allows others.
func classOf(r Receiving) claimClass {
	if r, ok := r.(Sharing); ok {
		return shareClass(r.Shares())
	}
	return 0
}

// Reshare brings what r, a Sharing that has the flow, allows others up to date.
func (d *Demux) Reshare(id FlowID, r Receiving) {
	k := keyOf(id)
	class := classOf(r)
	flows, h := d.flow(&k)
	ports, pk, ph := d.port(id.Proto, id.Local.Port())
	ports.mu.Lock()
	defer ports.mu.Unlock()
	flows.mu.Lock()
	was, ok := flows.reclass(h, k, r, class)
	flows.mu.Unlock()
	c, _ := ports.lookup(ph, pk)
	if !ok || c == nil {
		return
	}
	c.flows.remove(k.local, was)
	c.flows.add(k.local, class)
}

// Replace puts r in the place of old, atomically: every packet finds one or the other. It reports false if
// old is not there.
func (d *Demux) Replace(id FlowID, old, r Receiving) bool {
	k := keyOf(id)
	flows, h := d.flow(&k)
	flows.mu.Lock()
	defer flows.mu.Unlock()
	_, ok := flows.replace(h, k, old, &r)
	return ok
}

// Remove takes r out, and reports false if it is not there.
func (d *Demux) Remove(id FlowID, r Receiving) bool {
	k := keyOf(id)
	flows, h := d.flow(&k)
	ports, pk, ph := d.port(id.Proto, id.Local.Port())
	ports.mu.Lock()
	defer ports.mu.Unlock()
	flows.mu.Lock()
	class, ok := flows.replace(h, k, r, nil)
	flows.mu.Unlock()
	if !ok {
		return false
	}
	if c, _ := ports.lookup(ph, pk); c != nil {
		c.flows.remove(k.local, class)
		d.tidy(ports, ph, pk, c)
	}
	return true
}

// tidy takes the claims on a port out of the table if there are none left. The shard's mu is held.
func (d *Demux) tidy(ports *flowTable[*portClaims], h uint64, k flowKey, c *portClaims) {
	if c.flows.none() && c.count() == 0 {
		ports.replace(h, k, c, nil)
	}
}

// Lookup returns what Insert entered, nil if there is nothing.
func (d *Demux) Lookup(id FlowID) Receiving {
	k := keyOf(id)
	flows, h := d.flow(&k)
	r, _ := flows.lookup(h, k)
	return r
}

// Find returns the best receiver for a packet of flow id that arrived on nic, nil if there is none: the exact
// flow, else the best claim on the local port as Linux rates them (see claim.score), the newest of equals.
// Members of a SO_REUSEPORT group share by hash, which is the flow's, keyed (FlowHash).
func (d *Demux) Find(id FlowID, nic *NIC, hash uint32) Receiving {
	k := keyOf(id)
	flows, h := d.flow(&k)
	if r, ok := flows.lookup(h, k); ok {
		return r
	}
	return d.findClaim(id, &k, nic, hash)
}

// FindClaim is Find among the claims alone.
func (d *Demux) FindClaim(id FlowID, nic *NIC, hash uint32) Receiving {
	k := keyOf(id)
	return d.findClaim(id, &k, nic, hash)
}

func (d *Demux) findClaim(id FlowID, k *flowKey, nic *NIC, hash uint32) Receiving {
	ports, pk, ph := d.port(id.Proto, id.Local.Port())
	c, _ := ports.lookup(ph, pk)
	if c == nil {
		return nil
	}
	p := arrivalOf(id, k, nic)
	if best := c.find(&p, hash); best != nil {
		return best.Receiver
	}
	return nil
}

// Each calls f for every claim that a multicast or broadcast packet of flow id, arrived on nic, matches, the
// oldest first. What f gets is a snapshot, which it must not change.
func (d *Demux) Each(id FlowID, nic *NIC, f func(*Binding)) {
	ports, pk, ph := d.port(id.Proto, id.Local.Port())
	c, _ := ports.lookup(ph, pk)
	if c == nil {
		return
	}
	k := keyOf(id)
	p := arrivalOf(id, &k, nic)
	for i, l := 0, c.claimsOf(); i < l.len(); i++ {
		if m := l.at(i); m != nil && m.score(&p) >= 0 {
			f(&m.Binding)
		}
	}
}
