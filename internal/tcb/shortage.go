package tcb

// What a connection does while the stack's memory is short (Linux's net.ipv4.tcp_mem): it keeps what it is sure of,
// ReceiveBufferMin and SendBufferMin, gives up what the peer can send again, and lets the peer send little.

// SetShort says whether memory is short. The shell does so before it feeds segments and asks for room.
func (t *TCB) SetShort(short bool) { t.tun.short = short }

// shortWindow is up to how many full segments are announced while memory is short, as on Linux.
const shortWindow = 4

// bound returns how many bytes the receive queues may be charged when more is to be kept.
func (u *tuning) bound(c *Conf) int {
	if u.short {
		return min(u.receiveLimit, c.ReceiveBufferMin)
	}
	return u.receiveLimit
}

// Starved reports whether there is no room to write for want of memory alone: SendBufferMin is used. A writer is told
// once something was acknowledged. While nothing waits to be, there is always room.
func (t *TCB) Starved() bool {
	if used := t.sendQ.used(t.snd.una); used == 0 || used < t.conf.SendBufferMin {
		return false
	}
	t.tun.full, t.tun.starved = true, true
	return true
}
