package transport

// Unread returns the bytes of the datagram that Read would take, 0 if there is none (FIONREAD).
func (d *Datagram) Unread() int {
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	if e := d.queue.data.head; e != nil {
		return e.size
	}
	return 0
}

// Unsent returns what is charged for datagrams that no link has taken yet, bytes (SIOCOUTQ).
func (d *Datagram) Unsent() int { return int(d.sent.Load()) }
