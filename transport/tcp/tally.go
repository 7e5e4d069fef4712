package tcp

import (
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
)

// tallyCounters says where each of the machine's tallies is counted.
func tallyCounters(c *stack.Counters) [tcb.NumTallies]*stack.Counter {
	x := &c.TcpExt
	return [tcb.NumTallies]*stack.Counter{
		tcb.TallyTimeouts:          &x.TCPTimeouts,
		tcb.TallySackRecovery:      &x.TCPSackRecovery,
		tcb.TallyRenoRecovery:      &x.TCPRenoRecovery,
		tcb.TallySACKReneging:      &x.TCPSACKReneging,
		tcb.TallyDSACKRecv:         &x.TCPDSACKRecv,
		tcb.TallyOFOQueue:          &x.TCPOFOQueue,
		tcb.TallyDelayedACKs:       &x.DelayedACKs,
		tcb.TallyAbortOnTimeout:    &x.TCPAbortOnTimeout,
		tcb.TallyAbortOnClose:      &x.TCPAbortOnClose,
		tcb.TallyAbortOnData:       &x.TCPAbortOnData,
		tcb.TallyAbortOnLinger:     &x.TCPAbortOnLinger,
		tcb.TallyDSACKOfoRecv:      &x.TCPDSACKOfoRecv,
		tcb.TallyLostRetransmit:    &x.TCPLostRetransmit,
		tcb.TallyLossProbeRecovery: &x.TCPLossProbeRecovery,
		tcb.TallyFullUndo:          &x.TCPFullUndo,
		tcb.TallyPartialUndo:       &x.TCPPartialUndo,
		tcb.TallyDSACKUndo:         &x.TCPDSACKUndo,
		tcb.TallyLossUndo:          &x.TCPLossUndo,
		tcb.TallySpuriousRTOs:      &x.TCPSpuriousRTOs,
		tcb.TallyTSReorder:         &x.TCPTSReorder,
		tcb.TallySACKReorder:       &x.TCPSACKReorder,
		tcb.TallyRenoReorder:       &x.TCPRenoReorder,
		tcb.TallyHystartTrain:      &x.TCPHystartTrainDetect,
		tcb.TallyHystartDelay:      &x.TCPHystartDelayDetect,
		tcb.TallyLossProbes:        &x.TCPLossProbes,
		tcb.TallyMTUPSuccess:       &x.TCPMTUPSuccess,
		tcb.TallyMTUPFail:          &x.TCPMTUPFail,
		tcb.TallyFastRetrans:       &x.TCPFastRetrans,
		tcb.TallySlowStartRetrans:  &x.TCPSlowStartRetrans,
		tcb.TallyKeepAlive:         &x.TCPKeepAlive,
		tcb.TallyWinProbe:          &x.TCPWinProbe,
		tcb.TallyFromZeroWindow:    &x.TCPFromZeroWindowAdv,
		tcb.TallyToZeroWindow:      &x.TCPToZeroWindowAdv,
		tcb.TallyDSACKOldSent:      &x.TCPDSACKOldSent,
		tcb.TallyDSACKOfoSent:      &x.TCPDSACKOfoSent,
	}
}

// tally counts what the machine has counted since the last time.
func (e *Endpoint) tally() {
	for k, n := range e.tcb.TakeTallies() {
		if n != 0 {
			e.proto.tallies[k].Add(uint64(n))
		}
	}
}

// tallySent counts what a segment counts as that is sent and stands for segs on the wire.
func (t *Protocol) tallySent(out *tcb.Out, segs uint64) {
	for s := out.Tallies; s != 0; {
		k, n := s.Next(), uint64(1)
		if k == tcb.TallyFastRetrans || k == tcb.TallySlowStartRetrans {
			n = segs
		}
		t.tallies[k].Add(n)
	}
}
