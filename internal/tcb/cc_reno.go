package tcb

import "github.com/seed963a8790/netstack/tcpip"

// renoAvoid doubles the window per round trip in slow start and then adds one segment (RFC 5681 §3.1; RFC 9293 §3.8.2,
// MUST-19).
func renoAvoid(t *TCB, _ tcpip.Time, acked int) {
	c := &t.cc
	if !c.inUse() {
		return
	}
	if c.slowStart() {
		if acked = t.slowStartGrow(acked); acked == 0 {
			return
		}
	}
	c.additive(c.cwnd, acked)
}

func renoSsthresh(t *TCB, _ tcpip.Time) int { return max(t.cc.cwnd/2, 2) }
