package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// TCB is one end of one connection. It is embedded by value, never copied once Init has run, and
// starts with Init. The Conf is borrowed until the connection is Closed: its owner changes it and then
// calls SetConf.
type TCB struct {
	state  State
	err    tcpip.Error // why the connection failed
	soft   tcpip.Error // what ICMP last said; the error if the connection times out
	events Events
	closed bool // the user has closed: nobody reads any more
	deaf   bool // the user has ended reading

	conf *Conf
	path Path
	id   Identity
	born tcpip.Time

	stands tcpip.Time // since when it is a connection; zero: it is not yet

	snd      sendVars
	rcv      receiveVars
	due      duty
	deadline [numTimers]tcpip.Time

	sendQ sendQueue
	board scoreboard
	recvQ receiveQueue
	ooo   reassembly

	opt negotiated
	rtt rtt
	rec recovery
	ecn ecn
	cc  cc

	rack    rack
	tlp     tlp
	pending pending // what timerRexmit is set for

	tun tuning

	pushes *pushes // nil: none was forced yet

	acc  *accurate // nil: no accurate ECN
	fast *fastOpen // nil: the connection has not begun with fast open

	search  mtuSearch
	rate    rate
	chrono  chrono
	count   counters
	tallies [tallySegment]uint16
}

// sendVars are the send sequence variables of RFC 9293 §3.3.1 and what else sending remembers.
type sendVars struct {
	iss, una, nxt seq.Number
	wl1, wl2      seq.Number
	up            seq.Number // one after the urgent byte, if urgent
	pushed        seq.Number // end of what was pushed last (PSH)
	small         seq.Number // snd.nxt after the last segment that was not full (Minshall's Nagle)
	wnd, maxWnd   int        // bytes
	scale         uint8      // of the windows that the peer announces
	urgent        bool
	fin           bool // the user has finished: a FIN follows the queue
	more          bool // the user said that more follows (MSG_MORE)
	unpushed      bool // and so it is not pushed

	synAckTimeouts uint8 // how many of count.timeouts were of the SYN-ACK

	lastData tcpip.Time // when data was last sent; zero: never
	retries  int        // retransmission timeouts without progress
	probes   int        // zero-window or keep-alive probes without an answer
	paced    tcpip.Time // when the next data may leave, if it is paced
	since    tcpip.Time // when what is being sent again was sent first
	closed   tcpip.Time // since when the peer's window does not take what is to be sent, if probes ask for it
}

// receiveVars are the receive sequence variables of RFC 9293 §3.3.1 and what else receiving remembers.
type receiveVars struct {
	irs, nxt seq.Number
	adv      seq.Number // right edge of the window as announced: rcv.nxt + rcv.wnd
	acked    seq.Number // Last.ACK.sent (RFC 7323 §4.3)
	fin      seq.Number // sequence number of the FIN, if hasFin
	tsRecent uint32     // TS.Recent
	mss      int        // estimate of the segments that the peer sends, payload bytes
	scale    uint8      // of the windows that we announce
	known    bool       // irs is known
	hasFin   bool
	ended    bool // the FIN has been received, and counts in nxt
	urgent   urgent

	gap   seq.Number // nxt when segments behind it began to arrive,
	early uint8      // and how many did, up to dupThresh

	first    bool   // a client, with scaled windows, has heard nothing since the SYN-ACK: the next segment is news, as on Linux
	lastSize uint16 // of the last segment, if the next may prove that the peer sends such; or else zero

	echo       echo // of the segment under way
	tsRecentAt tcpip.Time

	last     tcpip.Time // arrival of the last acceptable segment
	lastData tcpip.Time // and of the last one with data
}

// echo is the timestamp that a segment has brought back, if it has.
type echo struct {
	val uint32
	ok  bool
}

// negotiated is what the two SYNs agreed upon.
type negotiated struct {
	timestamps, strict, sack, scaling, ecn bool
	crossed                                bool // our SYN and the peer's have: our SYN-ACK offers what the SYN did

	advMSS  uint16 // what we have announced, bytes
	peerMSS int    // bytes of payload and options that the peer takes in a segment, and the user lets us send
}

// counters are cumulative; Info shows them.
type counters struct {
	sentCounters

	segsIn, dataIn, timeouts, fastRecoveries             uint32
	dupAcksIn, outOfOrder, paws, noTimestamp, zeroWindow uint32
	reneged, dsackIn, refused, badSACK                   uint32
	delivered, deliveredMarked, timeoutSeries, lost      uint32
	dsackSegs                                            uint32

	bytesIn, bytesAcked uint64
}

// sentCounters are those that building a segment moves, and Refused moves back.
type sentCounters struct {
	segsOut, dataOut, retrans, dataRetrans, challenges, probesOut uint32

	bytesOut, bytesRetrans uint64
}

// defaultMSS is what a peer takes that does not say (RFC 9293 §3.7.1), and minMSS what we send at
// least, whatever a SYN or an ICMP error says; Linux calls it tcp_min_snd_mss. Bytes.
const (
	defaultMSS = 536
	minMSS     = 48
)

// TimeWaitLength is how long TIME-WAIT lasts: Linux's TCP_TIMEWAIT_LEN in place of 2 MSL.
const TimeWaitLength = 60 * time.Second

// Init makes t a closed connection that Connect can open.
func (t *TCB) Init(now tcpip.Time, conf *Conf, path Path, id Identity) {
	*t = TCB{state: StateClosed, conf: conf, path: path, id: id, born: now}
	t.opt.peerMSS = path.defaultMSS()
	t.snd.iss = seq.Number(id.ISS)
	t.snd.una, t.snd.nxt, t.snd.small = t.snd.iss, t.snd.iss, t.snd.iss
	t.snd.pushed = t.snd.iss + 1
	t.rcv.mss = leastReceiveMSS
	t.due.pingPong = conf.NoQuickAck
	t.rtt.init()
	t.rack.init(conf)
	t.tun.init(t)
}

// State returns the state.
func (t *TCB) State() State { return t.state }

// Err returns why the connection failed, OK while it has not.
func (t *TCB) Err() tcpip.Error { return t.err }

// Path returns what SetPath last said.
func (t *TCB) Path() Path { return t.path }

// TakeEvents returns what has happened since the last call.
func (t *TCB) TakeEvents() Events {
	e := t.events
	t.events = 0
	return e
}

// fail ends the connection with an error.
func (t *TCB) fail(now tcpip.Time, err tcpip.Error) {
	t.err = err
	t.events |= EventError
	t.step(now, &onTerminate)
}

// release gives back what a closed connection no longer needs. What was received stays readable
// until the user closes.
func (t *TCB) release() {
	t.sendQ.clear()
	t.board.clear()
	t.pushes = nil
	t.ooo.clear(t.due.reset == resetConnection) // whose RST reports what was there
	t.rtt.backoffs = 0                          // with nothing to send, as Linux shows it
	if t.closed {
		t.recvQ.clear()
	}
}

// flight returns the sequence numbers sent and not yet acknowledged.
func (t *TCB) flight() int { return t.snd.nxt.Sub(t.snd.una) }

// unsent returns the bytes queued and never sent.
func (t *TCB) unsent() int { return max(t.sendQ.end.Sub(t.snd.nxt), 0) }

// end returns the sequence number after all that the user has given us, FIN included.
func (t *TCB) end() seq.Number {
	if t.snd.fin {
		return t.sendQ.end + 1
	}
	return t.sendQ.end
}

// optionSize returns the bytes of options in a segment without SYN and SACK blocks.
func (t *TCB) optionSize() int {
	if t.opt.timestamps {
		return timestampSize + t.path.Options
	}
	return t.path.Options
}

const (
	timestampSize = 12
	sackSize      = 8 // a block
	sackBase      = 4 // kind, length and padding
)

// leastBounded is what a small window at least leaves of a segment, bytes of payload: Linux has an IP packet of 68 in mind.
const leastBounded = 68 - 20

// baseMSS returns how many bytes of options and payload a segment to the peer may carry. (RFC 9293 §3.7.1, MUST-16)
func (t *TCB) baseMSS() int {
	m := min(t.opt.peerMSS-t.path.NetOptions, t.mtu()-t.path.NetHeader-header.TCPSize)
	// Never more than half of the largest window seen, so that a small receiver still gets two
	// segments in (RFC 9293 §3.8.6.2.1), as Linux does.
	if w := t.snd.maxWnd; w > defaultMSS {
		m = min(m, w/2+t.optionSize())
	} else if w > 0 {
		m = min(m, max(w, leastBounded)+t.optionSize())
	}
	return max(m, t.leastMSS())
}

// mss returns the payload bytes of a full segment without SACK blocks: SMSS of RFC 5681.
func (t *TCB) mss() int { return t.baseMSS() - t.optionSize() }

// advMSS returns the MSS to announce: that of the largest packet of the link (RFC 9293 §3.7.1, MUST-67).
func advMSS(p Path, c *Conf) int {
	m := p.AdvMSS
	if c.AnnouncedMSS != 0 {
		m = c.AnnouncedMSS
	}
	if c.MaxSegment != 0 {
		m = min(m, c.MaxSegment)
	}
	return min(max(m, minMSS), 65535)
}

// defaultMSS is what a peer takes that does not say (RFC 9293 §3.7.1, MUST-15), bytes: over IPv6 more than over IPv4.
func (p Path) defaultMSS() int {
	return max(p.MinMTU-(p.NetHeader-p.NetOptions)-header.TCPSize, defaultMSS)
}

// limitMSS is what the user makes of an MSS that the peer announces, bytes. TCP_MAXSEG counts in the handshake only.
func (c *Conf) limitMSS(peer int) int {
	if c.MaxSegment != 0 {
		peer = min(peer, c.MaxSegment)
	}
	return max(peer, minMSS)
}

// tsClock returns the millisecond clock of RFC 7323 §5.4. Zero is left out: some peers take a TSecr
// of zero for none.
func tsClock(now tcpip.Time, offset uint32) uint32 {
	v := uint32(int64(now)/int64(time.Millisecond)) + offset
	if v == 0 {
		v = 1
	}
	return v
}
