package tcb

import (
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// MTUProbing says when a connection looks for the path MTU itself instead of waiting for ICMP errors that may
// never come (RFC 4821), with the values of net.ipv4.tcp_mtu_probing.
type MTUProbing uint8

// The values.
const (
	ProbingOff       MTUProbing = iota
	ProbingBlackHole            // once retransmissions go unanswered
	ProbingAlways               // from the start, beginning at the base MSS
)

// probeWindow11 is how many segments of window a probe needs, so that its loss can be noticed and mended, as on Linux.
const probeWindow11 = 11

// mtuSearch is packetisation-layer path MTU discovery (RFC 4821 §7): MTUs up to low are known to work, those above
// high not to, and a probe is one segment of a size between. All are bytes of IP packets.
type mtuSearch struct {
	on        bool
	probing   bool // start and end are those of a probe in flight
	held      bool // low does not bound what is sent: the search began with the connection, and nothing is found, as on Linux
	low, high int32
	size      int32
	start     seq.Number
	end       seq.Number
	since     tcpip.Time // when the search began
}

// mtu returns the bytes of the largest packet to send.
func (t *TCB) mtu() int {
	if t.search.on && !t.search.held {
		return min(t.path.MTU, int(t.search.low))
	}
	return t.path.MTU
}

// mtuOf returns the MTU that an MSS of n bytes stands for, and no less than the protocol below guarantees.
func (t *TCB) mtuOf(n int) int {
	return max(max(n, t.leastMSS())+t.path.NetHeader+tcpHeader, t.path.MinMTU)
}

const tcpHeader = 20

// leastMSS is what we send at least, options included.
func (t *TCB) leastMSS() int { return max(minMSS, t.conf.MinMSS) }

// startSearch begins probing at the base MSS.
func (t *TCB) startSearch(now tcpip.Time) {
	t.search = mtuSearch{on: true, low: int32(min(t.mtuOf(t.conf.BaseMSS), t.path.MTU)), high: int32(t.path.MTU), since: now}
}

// suspectBlackHole is called for every timeout from the BlackHoleRetries-th in a row on: segments of the size that
// the path is said to take do not arrive. First the base MSS is tried, then half of what was, until something
// comes back (BEHAVIOUR B10).
func (t *TCB) suspectBlackHole(now tcpip.Time) {
	if t.conf.Probing == ProbingOff || !synchronized.has(t.state) {
		return
	}
	m := &t.search
	if !m.on {
		t.startSearch(now)
	} else {
		half := (int(m.low) - t.path.NetHeader - tcpHeader) / 2
		m.low, m.held = min(m.low, int32(t.mtuOf(max(min(half, t.conf.BaseMSS), t.conf.ProbeFloor)))), false
	}
	t.cc.setMSS(t.mss())
}

// sendMTUProbe sends a probe, if the search is on and there is enough data and window to notice its loss by the
// segments behind it, and to mend it.
func (t *TCB) sendMTUProbe(now tcpip.Time, out *Out) bool {
	m := &t.search
	if m.probing || t.rec.phase != phaseOpen || t.board.sacked > 0 || t.board.lost > 0 || !mayWrite.has(t.state) ||
		t.snd.una == t.snd.iss || t.snd.urgent || t.cc.cwnd < probeWindow11 {
		return false
	}
	m.high = min(m.high, int32(t.path.MTU))
	if int(m.high-m.low) < t.conf.ProbeThreshold {
		if now.Sub(m.since) >= t.conf.ProbeInterval { // the path may have become wider
			m.high, m.since = int32(t.searchEnd()), now
		}
		return false
	}
	size := (m.low + m.high + 1) / 2
	t.header(now, out)
	n := int(size) - t.path.NetHeader - tcpHeader - out.Options.Size() - t.path.Options
	need := n + (dupThresh+1)*t.cc.mss
	if t.unsent() < need || t.windowRoom() < need || t.pipe()+1 > t.cc.cwnd || n <= out.SegSize && !m.held {
		return false
	}
	out.SegSize = n
	from := t.snd.nxt
	t.save(out, undoNew, record{})
	t.fill(out, from, n)
	out.Probe = true
	t.snd.nxt = from.Add(out.Len)
	m.probing, m.size, m.start, m.end = true, size, from, t.snd.nxt
	t.cc.cwnd-- // as on Linux: its bytes may have to be sent again besides
	t.sentNew(now, out, 1)
	return true
}

// searchEnd returns the largest MTU that is worth a probe.
func (t *TCB) searchEnd() int {
	return min(t.path.MTU, t.opt.peerMSS+t.path.NetHeader+tcpHeader)
}

// judgeProbe looks after an acknowledgement whether the probe has arrived.
func (t *TCB) judgeProbe() {
	m := &t.search
	if m.probing && m.end.LessEq(t.snd.una) {
		m.probing, m.held = false, false
		m.low = max(m.low, m.size)
		if was := t.cc.mss; was > 0 { // as many bytes as before
			t.cc.setMSS(t.mss())
			t.cc.cwnd = max(t.cc.cwnd*was/max(t.cc.mss, 1), 1)
			t.cc.credit = 0
		}
		t.tally(TallyMTUPSuccess, 1)
	}
}

// probeLost takes note that what is lost is the probe, which says nothing about congestion (RFC 4821 §7.6.2), and
// reports whether that is so.
func (t *TCB) probeLost() bool {
	m := &t.search
	if !m.probing || t.snd.una != m.start {
		return false
	}
	m.probing = false
	m.high = m.size - 1
	t.tally(TallyMTUPFail, 1)
	t.cc.cwnd++
	t.resendLarge()
	return true
}
