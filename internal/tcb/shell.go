package tcb

import (
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// PollAck is Poll for a shell that takes no data for the time being, because enough of it waits below:
// it builds what is no data and owes its time to the peer, a reset or an acknowledgement.
func (t *TCB) PollAck(now tcpip.Time, out *Out) bool {
	out.undo.kind = undoNothing
	out.clear()
	if t.due.reset != resetNone {
		return t.sendReset(now, out)
	}
	return t.state != StateClosed && t.sendAck(now, out)
}

// Rate returns the bytes per second that the congestion window lets through, none while the round trip
// is unknown.
func (t *TCB) Rate() int64 {
	if t.rtt.srtt <= 0 {
		return 0
	}
	return int64(t.cc.bytes()) * 1_000_000_000 / int64(t.rtt.srtt)
}

// Timestamps reports whether timestamps were negotiated, or are being offered.
func (t *TCB) Timestamps() bool { return t.opt.timestamps }

// Timestamps reports whether timestamps were negotiated.
func (r *Request) Timestamps() bool { return r.timestamps }

// ISS returns the initial sequence number.
func (r *Request) ISS() uint32 { return r.id.ISS }

// Timestamps reports whether timestamps were in use.
func (w *TimeWait) Timestamps() bool { return w.timestamps }

// UrgentReady reports whether an urgent byte is there and was not read.
func (t *TCB) UrgentReady() bool { return t.rcv.urgent.state == urgentThere }

// PassesOver reports whether the next read passes over the urgent byte, which then counts in ReadableLen and
// cannot be read.
func (t *TCB) PassesOver() bool { return t.atHole() }

// Unacked returns what was written, the end included, and not acknowledged; NotSent what of it was not sent.
// Both are sequence numbers, and stay as they were at the end of a connection.
func (t *TCB) Unacked() int { return max(t.end().Sub(t.snd.una), 0) }

// NotSent: see Unacked.
func (t *TCB) NotSent() int { return max(t.end().Sub(t.snd.nxt), 0) }

// MaxWindow returns the largest window that the peer has announced, bytes.
func (t *TCB) MaxWindow() int { return t.snd.maxWnd }

// GotFin reports whether the peer's FIN has come.
func (t *TCB) GotFin() bool { return t.rcv.ended }

// WindowClamp returns the largest window that may be announced at present, bytes (TCP_WINDOW_CLAMP).
func (t *TCB) WindowClamp() int {
	if !t.rcv.known {
		return 65535 << t.rcv.scale
	}
	return t.fullWindow()
}

// SendLimit returns the slab bytes that the send buffer holds, which tuning changes.
func (t *TCB) SendLimit() int { return t.tun.sendLimit }

// Una returns snd.una: that it moves is the proof that what we send arrives.
func (t *TCB) Una() seq.Number { return t.snd.una }

// Crossed reports whether our SYN and the peer's have crossed: the connection is opened from both sides.
func (t *TCB) Crossed() bool { return t.opt.crossed }

// Retries returns how many retransmission timeouts have passed in a row.
func (t *TCB) Retries() int { return t.snd.retries }

// MSS returns the payload bytes of a full segment.
func (t *TCB) MSS() int { return t.mss() }

// ReceiveLimit returns the bound of the receive queues, slab bytes.
func (t *TCB) ReceiveLimit() int { return t.tun.receiveLimit }

// TSVal returns the timestamp that a segment carries now.
func (t *TCB) TSVal(now tcpip.Time) uint32 { return tsClock(now, t.id.TSOffset) }

// Written returns the sequence number after the last byte that the user has queued.
func (t *TCB) Written() seq.Number { return t.sendQ.end }

// Received returns the sequence number after the last byte received in order, and Copied that of the next byte that
// the user will read.
func (t *TCB) Received() seq.Number {
	if t.rcv.ended {
		return t.rcv.nxt - 1
	}
	return t.rcv.nxt
}

// Copied: see Received.
func (t *TCB) Copied() seq.Number { return t.copied() }
