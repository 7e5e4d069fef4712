// Package dad is duplicate address detection for one IPv6 address (RFC 4862 §5.4, with the nonces of RFC
// 7527): a machine that says when to probe and what the answers mean. It is synchronous and knows
// nothing of packets.
package dad

import (
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// RetransTimer is the time between two probes, and after the last one (RFC 4861 §10 RETRANS_TIMER).
const RetransTimer = time.Second

// MaxDelay is the bound of the random delay before the first probe (RFC 4862 §5.4.2, RFC 4861 §10
// MAX_RTR_SOLICITATION_DELAY).
const MaxDelay = time.Second

// Nonce marks our own probes, so that they are not taken for another station's when they are looped back.
type Nonce [6]byte

// Machine is the detection for one address. The zero Machine is not running.
type Machine struct {
	deadline tcpip.Time
	left     int // probes to send
	nonce    Nonce
	loops    int
}

// Event is what the machine asks for.
type Event uint8

// The events.
const (
	Nothing Event = iota
	Probe         // send a neighbour solicitation with Nonce
	Unique        // nobody else has the address: it may be used
)

// Start begins with the given number of probes, at least one, the first of them after delay.
func (m *Machine) Start(now tcpip.Time, probes int, delay time.Duration, nonce Nonce) {
	*m = Machine{deadline: now.Add(delay), left: max(probes, 1), nonce: nonce}
}

// Stop ends the detection without a result.
func (m *Machine) Stop() { m.deadline = 0 }

// Running reports whether the detection has begun and not ended.
func (m *Machine) Running() bool { return m.deadline != 0 }

// Deadline returns when Advance is next needed; zero means never.
func (m *Machine) Deadline() tcpip.Time { return m.deadline }

// Nonce returns what the probes carry.
func (m *Machine) Nonce() Nonce { return m.nonce }

// Advance runs a deadline that has passed. It may be called early. One call returns one event.
func (m *Machine) Advance(now tcpip.Time) Event {
	if m.deadline == 0 || now < m.deadline {
		return Nothing
	}
	if m.left == 0 {
		m.deadline = 0
		return Unique
	}
	m.left--
	m.deadline = now.Add(RetransTimer)
	return Probe
}

// Solicited tells of a probe for the address that arrived, nonce being what it carried, if anything. It
// reports whether the address is a duplicate, and then ends. Our own probe is none; it makes the
// machine probe again, as RFC 7527 §4.1 has it, until maxLoops.
func (m *Machine) Solicited(nonce []byte) bool {
	if string(nonce) == string(m.nonce[:]) {
		if m.Running() && m.loops < maxLoops {
			m.loops++
			m.left = max(m.left, 1)
		}
		return false
	}
	return m.Advertised()
}

// Advertised tells that another station has said that the address is its own: the address is a
// duplicate, and the detection ends. It reports false if it had ended before.
func (m *Machine) Advertised() bool {
	was := m.Running()
	m.Stop()
	return was
}
