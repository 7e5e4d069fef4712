package tcb

import "github.com/seed963a8790/netstack/tcpip"

// renoAvoid adds one segment per round trip (RFC 5681 §3.1; RFC 9293 §3.8.2, MUST-19).
func renoAvoid(t *TCB, _ tcpip.Time, acked int) {
	t.cc.additive(t.cc.cwnd, acked)
}

func renoSsthresh(t *TCB, _ tcpip.Time) int { return max(t.cc.cwnd/2, 2) }
