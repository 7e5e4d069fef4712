package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// renoAvoid adds one segment per window acknowledged (RFC 5681 §3.1, RFC 3465 with L = 1 in bytes).
func renoAvoid(c *cc, _ tcpip.Time, acked int, _ time.Duration) { c.additive(acked, c.cwnd) }

// additive adds one segment to the window for every per bytes acknowledged.
func (c *cc) additive(acked, per int) {
	c.credit += acked
	if c.credit >= per {
		n := c.credit / per
		c.credit -= n * per
		c.cwnd += n * c.mss
	}
}

func renoReact(c *cc, _ tcpip.Time) int { return c.cwnd / 2 }
