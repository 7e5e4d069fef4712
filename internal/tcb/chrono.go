package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// chrono is a stop watch for why a sender takes its time: the sums of TCP_INFO's busy_time, rwnd_limited and
// sndbuf_limited. Time is charged to one of them.
type chrono struct {
	what  chronoKind
	since tcpip.Time
	spent [numChronos - 1]time.Duration // of all but chronoIdle
}

type chronoKind uint8

const (
	chronoIdle   chronoKind = iota
	chronoBusy              // sending, or waiting for the congestion window
	chronoWindow            // waiting for the peer's window
	chronoBuffer            // waiting for the user, who finds the send buffer full

	numChronos
)

// turn says what the sender does from now on.
func (c *chrono) turn(now tcpip.Time, what chronoKind) {
	if c.what == what {
		return
	}
	if c.what != chronoIdle {
		c.spent[c.what-1] += now.Sub(c.since)
	}
	c.what, c.since = what, now
}

func (c *chrono) total(now tcpip.Time, what chronoKind) time.Duration {
	spent := c.spent[what-1]
	if c.what == what {
		spent += now.Sub(c.since)
	}
	return spent
}

// watch is called where there is no more to send for the moment, and notes why and how much of the window is in use.
func (t *TCB) watch(now tcpip.Time) {
	what := chronoBusy
	switch unsent := t.unsent(); {
	case unsent == 0 && t.sendQ.chunks.len() == 0:
		what = chronoIdle
	case unsent > 0 && t.windowRoom() < min(unsent, t.cc.mss) && maySend.has(t.state):
		what = chronoWindow
	case unsent == 0 && t.tun.full:
		what = chronoBuffer
	}
	t.chrono.turn(now, what)
	if t.due.sent || t.due.limited {
		t.validate(now, t.due.limited)
		t.due.sent, t.due.limited = false, false
	}
	if t.cc.controls() { // the draft looks whenever there is nothing more to send, Linux when there is a write
		t.noteLimited()
	}
}
