package tcb

import (
	"math"
	"math/bits"

	"github.com/seed963a8790/netstack/header"
)

// Tally is a kind of thing that is counted over all connections of a stack, under the name that it has among
// Linux's TcpExt counters. What happens to a connection is told by TakeTallies, what a segment is by Out.
type Tally uint8

// The tallies.
const (
	TallyTimeouts       Tally = iota // retransmission timeouts
	TallySackRecovery                // fast recoveries with SACK
	TallyRenoRecovery                // and without
	TallySACKReneging                // times that the peer has taken back what it had selectively acknowledged
	TallyDSACKRecv                   // duplicates that the peer has reported (RFC 2883)
	TallyOFOQueue                    // segments that began behind a gap
	TallyDelayedACKs                 // acknowledgements that the timer has asked for
	TallyAbortOnTimeout              // connections given up because the peer was silent
	TallyAbortOnClose                // connections reset because the user closed with data unread
	TallyAbortOnData                 // connections reset because the user would not linger at all
	TallyAbortOnLinger               // connections reset because the user would not linger in FIN-WAIT-2

	TallyDSACKOfoRecv      // duplicates reported of data that lies behind a gap
	TallyLostRetransmit    // retransmissions that were lost
	TallyLossProbeRecovery // losses that a tail loss probe has repaired
	TallyFullUndo          // fast recoveries that were a mistake, found at their end
	TallyPartialUndo       // or before
	TallyDSACKUndo         // or by reports of duplicates
	TallyLossUndo          // timeouts that were a mistake
	TallySpuriousRTOs      // those that F-RTO has found
	TallyTSReorder         // times that segments came out of order, found by timestamps
	TallySACKReorder       // or by SACK
	TallyRenoReorder       // or by duplicate acknowledgements
	TallyHystartTrain      // times that HyStart has ended slow start because of the length of a train
	TallyHystartDelay      // or because of growing round trips

	TallyMTUPSuccess // path-MTU probes that arrived
	TallyMTUPFail    // and those that did not

	// What follows is noted in Out, so that nothing counts that was refused.

	TallyFastRetrans      // segments sent again in fast recovery
	TallySlowStartRetrans // segments sent again after a timeout, but for the first
	TallyLossProbes       // tail loss probes
	TallyKeepAlive        // keep-alive probes
	TallyWinProbe         // zero-window probes
	TallyFromZeroWindow   // windows opened
	TallyToZeroWindow     // windows closed
	TallyDSACKOldSent     // duplicates reported of data that was acknowledged
	TallyDSACKOfoSent     // and of data that lies behind a gap

	NumTallies // not a tally: their number
)

// tallySegment is the first of those that are noted in Out.
const tallySegment = TallyFastRetrans

// Tallies are the tallies that a segment belongs to.
type Tallies uint64

// Next takes the first tally off s, which must not be zero.
func (s *Tallies) Next() Tally {
	k := Tally(bits.TrailingZeros64(uint64(*s)))
	*s &= *s - 1
	return k
}

func (s *Tallies) add(k Tally) { *s |= 1 << k }

// tally counts n of what happens to a connection.
func (t *TCB) tally(k Tally, n int) {
	t.tallies[k] = uint16(min(int(t.tallies[k])+n, math.MaxUint16)) // taken after every call
	t.events |= EventTally
}

// TakeTallies returns what has been counted since the last call.
func (t *TCB) TakeTallies() (n [NumTallies]uint32) {
	for i, v := range t.tallies {
		n[i] = uint32(v)
	}
	clear(t.tallies[:])
	return n
}

// tallyAck notes in out what its acknowledgement, about to be completed, says for the first time: before is the
// window that was announced last.
func (t *TCB) tallyAck(out *Out, before int) {
	if d := t.ooo.dup; d.Start != d.End && out.Options.NumSACK > 0 {
		if d.End.LessEq(t.rcv.nxt) {
			out.Tallies.add(TallyDSACKOldSent)
		} else {
			out.Tallies.add(TallyDSACKOfoSent)
		}
	}
	switch open := out.Window > 0; {
	case out.Flags&header.SYN != 0 || open == (before > 0):
	case open:
		out.Tallies.add(TallyFromZeroWindow)
	default:
		out.Tallies.add(TallyToZeroWindow)
	}
}
