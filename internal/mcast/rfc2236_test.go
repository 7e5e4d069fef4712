package mcast

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 2236 §3: a host says unasked that it has joined, twice, and that it leaves if it was the last to report.
func TestRFC2236JoinAndLeave(t *testing.T) {
	x := newTrace(t, Conf{Version: 2})
	x.join(g1)
	x.want("report 239.1.1.1")
	x.sleep(5*second - 1)
	x.want()
	x.sleep(1)
	x.want("report 239.1.1.1")
	x.sleep(time.Hour)
	x.want()
	x.leave(g1)
	x.want("leave 239.1.1.1")
	x.sleep(time.Hour)
	x.want()
	require.Empty(t, x.m.groups)
}

// RFC 2236 §3: one report per group is enough for the link; who was not the last to send it leaves in silence.
func TestRFC2236Suppression(t *testing.T) {
	x := newTrace(t, Conf{Version: 2})
	x.join(g1)
	x.join(g2)
	x.sleep(time.Minute)
	x.said = nil
	x.query(2, 10*second, "", "")
	x.m.Heard(x.now, addr(g1))
	x.sleep(time.Minute)
	x.want("report 239.1.1.2")
	x.leave(g1)
	x.leave(g2)
	x.want("leave 239.1.1.2")

	x.join(g1)
	x.want("report 239.1.1.1")
	x.m.Heard(x.now, addr(g1)) // the second one is not needed either
	x.sleep(time.Minute)
	x.want()
	x.m.Heard(x.now, addr(g2)) // nobody here
}

// RFC 2236 §3: each group has a delay of its own, and a shorter one replaces a longer.
func TestRFC2236Query(t *testing.T) {
	x := newTrace(t, Conf{Version: 2})
	x.join(g1)
	x.join(g2)
	x.sleep(time.Minute)
	x.said = nil
	x.query(2, 20*second, "", "")
	x.query(2, 2*second, g1, "")
	x.sleep(second)
	x.want("report 239.1.1.1")
	x.sleep(9 * second)
	x.want("report 239.1.1.2")
	x.query(2, 2*second, g1, "")
	x.query(2, 20*second, g1, "") // the running one is sooner
	x.sleep(second)
	x.want("report 239.1.1.1")
	x.sleep(time.Minute)
	x.want()
}

// RFC 1112 appendix I: reports within ten seconds, and no word of leaving.
func TestRFC1112(t *testing.T) {
	x := newTrace(t, Conf{Version: 1})
	x.join(g1)
	x.want("v1 report 239.1.1.1")
	x.sleep(time.Minute)
	x.said = nil
	x.query(1, 0, "", "")
	x.sleep(5*second - 1)
	x.want()
	x.sleep(1)
	x.want("v1 report 239.1.1.1")
	x.query(1, 0, "", "")
	x.m.Heard(x.now, addr(g1))
	x.sleep(time.Minute)
	x.want()
	x.leave(g1)
	x.sleep(time.Minute)
	x.want()
}
