package tcb

import (
	"cmp"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// Info is what struct tcp_info says of a connection.
type Info struct {
	State      State
	Phase      string // "open", "disorder", "recovery" or "loss": Linux's ca_state
	Congestion string
	Options    InfoOptions

	Retransmits, Probes, Backoff uint8 // in a row, without an answer
	SendScale, ReceiveScale      uint8

	RTO, ATO                  time.Duration
	RTT, RTTVar, MinRTT       time.Duration
	ReceiverRTT               time.Duration
	SendMSS, ReceiveMSS, PMTU int // bytes
	AdvertisedMSS             int
	Cwnd, Ssthresh            int // segments; Ssthresh is math.MaxInt32 while there is none
	SendWindow, ReceiveWindow int // bytes
	ReceiveSpace              int // bytes, what right-sizing has measured

	Unacked, NotSent int // bytes in flight, and behind them, a FIN counting as one

	UnackedSegments, Sacked, Lost, Retransmitting int // segments in flight, and those of each kind

	// Ago, since the connection stands; zero before. That no data was ever sent or received is not told apart.
	LastDataSent, LastDataReceived, LastAckReceived time.Duration
	Age                                             time.Duration // of the connection

	SegmentsIn, SegmentsOut, DataSegmentsIn, DataSegmentsOut, TotalRetransmits uint32
	BytesReceived, BytesAcked, BytesSent, BytesRetransmitted                   uint64

	Delivered, DeliveredMarked uint32 // segments that the peer has, and those of them that it reported congestion with

	// Bytes per second. PacingRate is what a paced connection would send at, with twice the window per round trip in
	// slow start and 1.2 of it later, as Linux computes it; MaxPacingRate is SO_MAX_PACING_RATE. Zero is no limit.
	DeliveryRate, PacingRate, MaxPacingRate int64
	AppLimited                              bool // the last round trip measured the application rather than the path

	// How long there has been data to send, and of that how long the peer's window, and the send buffer, held it back.
	BusyTime, WindowLimited, BufferLimited time.Duration

	ReorderSeen, Reordering int // times that segments came out of order, and by how many they may without being taken for lost
	ReceiveSsthresh         int // bytes: the largest window that the receive buffer allows at present
	AnnouncedWindow         int // bytes, as of the last acknowledgement

	// Payload that has come with the marks of RFC 3168, and that the peer has reported (RFC 9768), bytes.
	ReceivedMarks, DeliveredMarks MarkBytes
	AccECNOption                  AccECNOption  // what has become of the peer's reports
	AccECNFailure                 AccECNFailure // what of accurate ECN does not get through

	FastFailure FastFailure // why data could not go with the SYN

	PeerFin bool // the peer's FIN has come, which tcp_info counts among the bytes received

	AcceptQueue, AcceptBacklog int // of a listener: connections that wait to be accepted, and how many may

	TimeoutRecoveries uint32 // series of retransmission timeouts, and how long they took
	TimeoutTime       time.Duration
	Rehashes          uint32 // timeouts after which Linux has a flow hashed to another path: all but those of SYN-ACKs

	SendBufferUsed, SendBufferSize, ReceiveBufferUsed, ReceiveBufferSize int // slab bytes

	// What tcp_info lacks, for counters and tests.
	Timeouts, FastRecoveries, DuplicateAcks, OutOfOrder, PAWS, NoTimestamp uint32
	Challenges, ZeroWindows, ProbesSent, Reneged, DuplicateSACKs, BadSACKs uint32
	Refused, Marked                                                        uint32
}

// UnopenedInfo is what there is to say of an endpoint that has had no connection.
func UnopenedInfo(c *Conf) Info {
	return Info{
		State: StateClosed, Phase: phaseNames[phaseOpen], Congestion: algorithms[c.Congestion].name, RTO: initialRTO,
		SendMSS: defaultMSS, Cwnd: c.InitialWindow, Ssthresh: infiniteSsthresh, Reordering: c.Reordering,
		AppLimited: true, MaxPacingRate: c.MaxPacingRate,
	}
}

// InfoOptions are the TCPI_OPT_* bits.
type InfoOptions uint8

// The bits, with Linux's numbers.
const (
	InfoTimestamps InfoOptions = 1 << iota
	InfoSACK
	InfoScaling
	InfoECN
	InfoECNSeen // the peer has sent packets that are marked as ECN-capable
	InfoSynData // the data of the SYN was taken
)

// InfoFastChild is set of a connection that was given to its user before the handshake was complete.
const (
	InfoFastChild InfoOptions = 1 << 7
)

// Info describes the connection.
func (t *TCB) Info(now tcpip.Time) Info {
	c := &t.count
	i := Info{
		State: t.state, Phase: phaseNames[t.rec.phase],
		Retransmits: uint8(t.snd.retries), Probes: uint8(t.snd.probes), Backoff: t.rtt.backoffs,
		SendScale: t.snd.scale, ReceiveScale: t.rcv.scale,
		RTO: t.rtt.rto, ATO: t.due.ato, RTT: t.rtt.srtt, RTTVar: cmp.Or(t.rtt.mdev, t.initialDeviation()), MinRTT: t.rtt.min, ReceiverRTT: t.tun.rtt,
		SendMSS: t.mss(), ReceiveMSS: t.rcv.mss, PMTU: t.path.MTU, AdvertisedMSS: int(t.opt.advMSS),
		Cwnd: t.cc.cwnd, Ssthresh: t.cc.ssthresh, SendWindow: t.snd.wnd, ReceiveWindow: max(t.rcv.adv.Sub(t.rcv.nxt), 0),
		ReceiveSpace: t.tun.space,
		Unacked:      t.flight(), NotSent: t.NotSent(), UnackedSegments: t.board.segs, Sacked: t.sackedOut(), Lost: t.board.lost, Retransmitting: t.board.resent,
		LastDataSent: ago(now, cmp.Or(t.snd.lastData, t.stands)), LastDataReceived: ago(now, cmp.Or(t.rcv.lastData, t.stands)), LastAckReceived: ago(now, t.rcv.last),
		Age:        now.Sub(t.born),
		PeerFin:    t.rcv.ended,
		Reordering: t.rack.reordering, ReorderSeen: int(t.rack.seen), ReceiveSsthresh: t.tun.earned, AnnouncedWindow: max(t.rcv.adv.Sub(t.rcv.acked), 0),
		Delivered: c.delivered, DeliveredMarked: c.deliveredMarked,
		SegmentsIn: c.segsIn, SegmentsOut: c.segsOut, DataSegmentsIn: c.dataIn, DataSegmentsOut: c.dataOut + c.dataRetrans, TotalRetransmits: c.retrans,
		BytesReceived: c.bytesIn, BytesAcked: c.bytesAcked, BytesSent: c.bytesOut + c.bytesRetrans, BytesRetransmitted: c.bytesRetrans,
		SendBufferUsed: t.sendQ.cost, SendBufferSize: t.tun.sendLimit, ReceiveBufferUsed: t.held(), ReceiveBufferSize: t.tun.receiveLimit,
		Timeouts: c.timeouts, Rehashes: c.timeouts - uint32(t.snd.synAckTimeouts), FastRecoveries: c.fastRecoveries, DuplicateAcks: c.dupAcksIn, OutOfOrder: c.outOfOrder, PAWS: c.paws,
		NoTimestamp: c.noTimestamp, Challenges: c.challenges, ZeroWindows: c.zeroWindow, ProbesSent: c.probesOut, Reneged: c.reneged,
		DuplicateSACKs: c.dsackSegs, BadSACKs: c.badSACK, Refused: c.refused, Marked: t.ecn.marked,
	}
	if f := t.fast; f != nil {
		i.FastFailure = f.failure
		if f.accepted {
			i.Options |= InfoSynData
		}
		if f.child {
			i.Options |= InfoFastChild
		}
	}
	if t.cc.algorithm != nil {
		i.Congestion = t.cc.algorithm.name
	}
	if t.rcv.known {
		i.AdvertisedMSS -= t.optionSize() - t.path.Options
	} else { // what was not agreed upon yet does not count
		i.SendScale, i.ReceiveScale, i.AnnouncedWindow, i.ReceiveSpace, i.ReceiveMSS = 0, 0, t.tun.synWindow, 0, leastReceiveMSS
	}
	if t.state == StateSynRcvd && t.opt.crossed {
		i.ReceiveSpace = 0
	}
	if t.FastChild() && t.board.recs.len() > 0 && t.board.recs.first().seq == t.snd.iss {
		t.hideSynAck(&i)
	}
	t.fillRates(now, &i)
	i.ReceivedMarks = t.ecn.bytes
	if a := t.acc; a != nil {
		i.DeliveredMarks, i.AccECNOption, i.AccECNFailure = a.peer, a.seen, a.failure()
	}
	for _, o := range [...]struct {
		on  bool
		bit InfoOptions
	}{{t.opt.timestamps, InfoTimestamps}, {t.opt.sack, InfoSACK}, {t.opt.scaling, InfoScaling}, {t.opt.ecn, InfoECN}, {t.ecn.seen, InfoECNSeen}} {
		if o.on && (t.rcv.known || o.bit == InfoECN) { // it is asked for; the others are agreed upon
			i.Options |= o.bit
		}
	}
	return i
}

// initialDeviation is the mean deviation that Linux takes while the round trip is unknown: more once the connection stands.
func (t *TCB) initialDeviation() time.Duration {
	if t.stands == 0 {
		return initialRTO / 4
	}
	return fallbackRTO / 4
}

// hideSynAck takes the SYN-ACK out of what i says is in flight.
func (t *TCB) hideSynAck(i *Info) {
	syn := t.board.recs.first()
	i.UnackedSegments--
	if syn.flags&recLost != 0 {
		i.Lost--
	}
	if syn.flags&recResent != 0 {
		i.Retransmitting--
	}
}

func ago(now, then tcpip.Time) time.Duration {
	if then == 0 {
		return 0
	}
	return now.Sub(then)
}
