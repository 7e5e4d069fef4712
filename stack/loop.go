package stack

import (
	"github.com/seed963a8790/netstack/tcpip"
)

// Loop makes nic receive p, which it takes, once the frame holds no lock: a multicast or broadcast packet
// that this stack has sent, on its way to the sender's own members. p is marked as Looped.
func (w *Work) Loop(nic *NIC, p *Packet) {
	p.NIC = nic
	p.Looped = true
	if w.loops.n >= workPackets {
		p.Drop(tcpip.DropQueueFull)
		return
	}
	w.loops.push(p)
}

// loop receives what Loop has collected and reports whether there was anything.
func (w *Work) loop() bool {
	if w.loops.n == 0 {
		return false
	}
	for p := w.loops.pop(); p != nil; p = w.loops.pop() {
		n := p.NIC
		if !n.Up() {
			p.Drop(tcpip.DropLinkDown)
			continue
		}
		n.receive(w, n.stack.Now(), p)
	}
	return true
}
