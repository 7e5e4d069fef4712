package transport

import "github.com/seed963a8790/netstack/tcpip"

// Unread returns the bytes of the datagram that Read would take, 0 if there is none (FIONREAD).
func (d *Datagram) Unread() int {
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	if e := d.queue.data.head; e != nil {
		return e.size
	}
	return 0
}

// Memory returns what the receive queue and what is being sent are charged for, bytes, and how many datagrams the
// queue had no room for (SO_MEMINFO).
func (d *Datagram) Memory() (received, sent, drops int) {
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	return d.queue.bytes, int(d.sent.Load()), int(d.queue.drops)
}

// Unsent returns what is charged for datagrams that no link has taken yet, bytes (SIOCOUTQ).
func (d *Datagram) Unsent() int { return int(d.sent.Load()) }

// LastArrival returns when the datagram that was read last had arrived (SIOCGSTAMP). The endpoint remembers it from
// the first call on.
func (d *Datagram) LastArrival() (tcpip.Time, bool) {
	d.arrival.CompareAndSwap(-1, 0)
	at := d.arrival.Load()
	return tcpip.Time(at), at > 0
}
