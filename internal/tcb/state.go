package tcb

import "github.com/seed963a8790/netstack/tcpip"

// State is a state of RFC 9293 §3.3.2, with the number that Linux's tcp_info has for it.
type State uint8

// The states.
const (
	StateEstablished State = iota + 1
	StateSynSent
	StateSynRcvd
	StateFinWait1
	StateFinWait2
	StateTimeWait
	StateClosed
	StateCloseWait
	StateLastAck
	StateListen // of a listening endpoint; a TCB is never in it
	StateClosing

	numStates
)

// stay in a table of transitions means that the event changes nothing.
const stay State = 0

var stateNames = [numStates]string{
	"NONE", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED",
	"CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING",
}

// String returns the RFC's name.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "UNKNOWN"
}

// stateSet is a set of states.
type stateSet uint16

func states(of ...State) (set stateSet) {
	for _, s := range of {
		set |= 1 << s
	}
	return set
}

func (set stateSet) has(s State) bool { return set>>s&1 != 0 }

// What a connection may do in its state. All are sets, so that no condition is spelled out twice.
var (
	// synchronized states have seen both SYNs and ours acknowledged.
	synchronized = states(StateEstablished, StateFinWait1, StateFinWait2, StateCloseWait, StateClosing, StateLastAck, StateTimeWait)
	// mayWrite: the user may still queue data.
	mayWrite = states(StateSynSent, StateSynRcvd, StateEstablished, StateCloseWait)
	// maySend: queued data, and then the FIN, may go out.
	maySend = states(StateEstablished, StateCloseWait, StateFinWait1, StateClosing, StateLastAck)
	// mayReceive: the peer may still send data.
	mayReceive = states(StateEstablished, StateFinWait1, StateFinWait2)
	// peerDone: the peer's FIN has been received.
	peerDone = states(StateCloseWait, StateClosing, StateLastAck, StateTimeWait)
)

// The transitions of RFC 9293 §3.3.2 Figure 5, a table per event.
var (
	onConnect   = [numStates]State{StateClosed: StateSynSent}
	onSynRcvd   = [numStates]State{StateSynSent: StateSynRcvd}
	onSynAcked  = [numStates]State{StateSynSent: StateEstablished, StateSynRcvd: StateEstablished}
	onClose     = [numStates]State{StateSynRcvd: StateFinWait1, StateEstablished: StateFinWait1, StateCloseWait: StateLastAck}
	onFinRcvd   = [numStates]State{StateSynRcvd: StateCloseWait, StateEstablished: StateCloseWait, StateFinWait1: StateClosing, StateFinWait2: StateTimeWait}
	onFinAcked  = [numStates]State{StateFinWait1: StateFinWait2, StateClosing: StateTimeWait, StateLastAck: StateClosed}
	onPassive   = [numStates]State{StateClosed: StateSynRcvd}
	onTerminate = [numStates]State{
		StateSynSent: StateClosed, StateSynRcvd: StateClosed, StateEstablished: StateClosed, StateFinWait1: StateClosed,
		StateFinWait2: StateClosed, StateCloseWait: StateClosed, StateClosing: StateClosed, StateLastAck: StateClosed,
		StateTimeWait: StateClosed,
	}
)

// step applies one event. It is the only code that writes t.state.
// TIME-WAIT begins with its time (RFC 9293 §3.6.1, MUST-13).
func (t *TCB) step(now tcpip.Time, event *[numStates]State) {
	next := event[t.state]
	if next == stay {
		return
	}
	if next == StateClosed && (t.state == StateEstablished || t.state == StateCloseWait) {
		t.events |= EventBroken
	}
	t.state = next
	t.events |= EventState
	switch next {
	case StateTimeWait:
		t.stopTimers()
		t.deadline[timerWait] = now.Add(TimeWaitLength)
		t.events |= EventTimeWait
	case StateFinWait2:
		t.armFinWait2(now, resetAnswer)
	case StateClosed:
		t.stopTimers()
		t.release()
		t.events |= EventClosed | EventReadable | EventWritable
	}
}
