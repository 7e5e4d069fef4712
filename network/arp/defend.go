package arp

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// defence is the last time that an address was defended.
type defence struct {
	nic  tcpip.NICID
	addr netip.Addr
	at   tcpip.Time
}

// conflict handles a message from another station that says it has our address: the address is defended
// by an announcement, but not twice within defendInterval (RFC 5227 §2.4 b), and is kept. It takes p.
func (a *Protocol) conflict(w *stack.Work, nic *stack.NIC, p *stack.Packet, addr netip.Addr) {
	p.Drop(tcpip.DropDuplicateAddr)
	if !a.mayDefend(nic, addr) {
		return
	}
	a.stack.Counters().Arp.OutRequests.Inc()
	a.send(w, nic, &header.ARPFields{Op: header.ARPRequest, SenderAddr: addr, TargetAddr: addr}, tcpip.BroadcastLinkAddr())
}

// mayDefend reports whether the last defence of addr is long enough ago, and notes a new one if so.
func (a *Protocol) mayDefend(nic *stack.NIC, addr netip.Addr) bool {
	now := a.stack.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.defended {
		d := &a.defended[i]
		if d.nic == nic.ID() && d.addr == addr {
			if now.Sub(d.at) < defendInterval {
				return false
			}
			d.at = now
			return true
		}
	}
	if oldest := &a.defended[a.next]; oldest.nic != 0 && now.Sub(oldest.at) < defendInterval {
		return false // more addresses in conflict than we keep count of
	}
	a.defended[a.next] = defence{nic.ID(), addr, now}
	a.next = (a.next + 1) % maxDefended
	return true
}
