package transport

import (
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Alarm is the one timer of what waits in the order of its deadlines. Its zero value is not set. The mutex of what
// waits guards it.
type Alarm struct {
	timer tcpip.Timer
	set   bool
}

// Set has fire called at due, unless the alarm is set: then it is called no later. fire begins with Rang.
func (a *Alarm) Set(s *stack.Stack, due tcpip.Time, fire func()) {
	if a.set {
		return
	}
	a.set = true
	d := due.Sub(s.Now())
	if a.timer == nil {
		a.timer = s.Clock().AfterFunc(d, fire)
		return
	}
	a.timer.Reset(d)
}

// Rang says that fire has begun.
func (a *Alarm) Rang() { a.set = false }

// Stop is for when nothing waits any more. A fire that has begun comes by all the same.
func (a *Alarm) Stop() {
	if a.set && a.timer.Stop() {
		a.set = false
	}
}
