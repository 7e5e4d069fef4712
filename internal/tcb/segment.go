package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// Segment is one arriving segment, parsed and with its checksum verified: a wire segment, or a
// super-segment of several that arrived back to back. The machine takes the pieces of Data and
// releases or queues each; the rest is only read during the call.
type Segment struct {
	At      tcpip.Time // arrival, for samples; may lie before now, never after
	Seq     seq.Number
	Ack     seq.Number // meaningful if Flags has ACK
	Flags   header.TCPFlags
	Window  uint16 // as on the wire, unscaled
	Urgent  uint16
	Options header.TCPOptions

	Data []slab.Piece // payload in order
	Len  int          // bytes of Data

	Wire int   // segments on the wire that this one stands for; at least 1
	CE   int   // how many of them carried the CE mark
	ECT  bool  // the IP header said ECN-capable (ECT(0), ECT(1) or CE)
	Mark uint8 // the ECN codepoint of the IP header
	TTL  uint8 // of the IP header
	TOS  uint8 // of the IP header, or the traffic class
}

// Out is the next segment to send. The machine fills it in Poll; Data shares the send queue's slabs,
// and its pieces belong to the caller, who releases them or gives them away with the packet.
type Out struct {
	Seq, Ack seq.Number
	Flags    header.TCPFlags
	Window   uint16 // as it goes on the wire
	Urgent   uint16
	Options  header.TCPOptions

	Data    []slab.Piece // reuses the slice's array from call to call
	Len     int          // bytes of Data
	SegSize int          // payload bytes per wire segment; Len > SegSize makes it a super-segment

	ECT        bool // mark the IP header ECN-capable
	Retransmit bool // bytes that were sent before
	Probe      bool // a path-MTU probe: DF set, whatever the mode
	Challenge  bool // a challenge ACK (RFC 5961): counts against the stack's budget for them

	Tallies Tallies // what it counts as, once it is sent

	undo undo // how to take it back
}

// Events is what happened since the last TakeEvents.
type Events uint16

// The events.
const (
	EventReadable  Events = 1 << iota // Readable, or the end of the stream, has become longer
	EventWritable                     // Room has become usable again
	EventConnected                    // the handshake is complete
	EventUrgent                       // an urgent byte was announced
	EventPeerFin                      // the peer will send no more
	EventError                        // Err is set
	EventClosed                       // the state is Closed: nothing more will happen
	EventTimeWait                     // the state is TimeWait: the shell may replace the TCB by a TimeWait record
	EventState                        // the state changed
	EventSoftError                    // SoftError has something
	EventTally                        // TakeTallies has something
	EventFastOpen                     // FastResult has something
	EventBroken                       // the state went from ESTABLISHED or CLOSE-WAIT to Closed: a reset (RFC 4022)
)
