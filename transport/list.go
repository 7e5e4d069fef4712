package transport

// IPv6 reports whether the endpoint was made for IPv6, IPv4 peers or not.
func (d *Datagram) IPv6() bool { return d.v6 }

// Held returns how much the receive queue holds, in slab bytes, and how many datagrams it has refused.
func (d *Datagram) Held() (bytes int, dropped uint32) {
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	return d.queue.bytes, d.queue.drops
}
