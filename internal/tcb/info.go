package tcb

import (
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
	Cwnd, Ssthresh            int // bytes; tcp_info has segments
	SendWindow, ReceiveWindow int // bytes
	ReceiveSpace              int // bytes, what right-sizing has measured

	Unacked, Sacked, Lost, Retransmitting, NotSent int // bytes in flight of each kind, and behind them

	LastDataSent, LastDataReceived, LastAckReceived time.Duration // ago; zero if never

	SegmentsIn, SegmentsOut, DataSegmentsIn, DataSegmentsOut, TotalRetransmits uint32
	BytesReceived, BytesAcked, BytesSent, BytesRetransmitted                   uint64

	SendBufferUsed, SendBufferSize, ReceiveBufferUsed, ReceiveBufferSize int // slab bytes

	// What tcp_info lacks, for counters and tests.
	Timeouts, FastRecoveries, DuplicateAcks, OutOfOrder, PAWS, NoTimestamp uint32
	Challenges, ZeroWindows, ProbesSent, Reneged, DuplicateSACKs, BadSACKs uint32
	Refused, Marked                                                        uint32
}

// InfoOptions are the TCPI_OPT_* bits.
type InfoOptions uint8

// The bits, with Linux's numbers.
const (
	InfoTimestamps InfoOptions = 1 << iota
	InfoSACK
	InfoScaling
	InfoECN
)

// Info describes the connection.
func (t *TCB) Info(now tcpip.Time) Info {
	c := &t.count
	i := Info{
		State: t.state, Phase: phaseNames[t.rec.phase],
		Retransmits: uint8(t.snd.retries), Probes: uint8(t.snd.probes), Backoff: t.rtt.backoffs,
		SendScale: t.snd.scale, ReceiveScale: t.rcv.scale,
		RTO: t.rtt.rto, ATO: t.due.ato, RTT: t.rtt.srtt, RTTVar: t.rtt.rttvar, MinRTT: t.rtt.min, ReceiverRTT: t.tun.rtt,
		SendMSS: t.mss(), ReceiveMSS: t.rcv.mss, PMTU: t.path.MTU, AdvertisedMSS: advMSS(t.path, t.conf),
		Cwnd: t.cc.cwnd, Ssthresh: t.cc.ssthresh, SendWindow: t.snd.wnd, ReceiveWindow: max(t.rcv.adv.Sub(t.rcv.nxt), 0),
		ReceiveSpace: t.tun.space,
		Unacked:      t.flight(), Sacked: t.board.sacked, Lost: t.board.lost, Retransmitting: t.board.resent, NotSent: t.unsent(),
		LastDataSent: ago(now, t.snd.lastData), LastDataReceived: ago(now, t.rcv.lastData), LastAckReceived: ago(now, t.rcv.last),
		SegmentsIn: c.segsIn, SegmentsOut: c.segsOut, DataSegmentsIn: c.dataIn, DataSegmentsOut: c.dataOut, TotalRetransmits: c.retrans,
		BytesReceived: c.bytesIn, BytesAcked: c.bytesAcked, BytesSent: c.bytesOut + c.bytesRetrans, BytesRetransmitted: c.bytesRetrans,
		SendBufferUsed: t.sendQ.cost, SendBufferSize: t.tun.sendLimit, ReceiveBufferUsed: t.held(), ReceiveBufferSize: t.tun.receiveLimit,
		Timeouts: c.timeouts, FastRecoveries: c.fastRecoveries, DuplicateAcks: c.dupAcksIn, OutOfOrder: c.outOfOrder, PAWS: c.paws,
		NoTimestamp: c.noTimestamp, Challenges: c.challenges, ZeroWindows: c.zeroWindow, ProbesSent: c.probesOut, Reneged: c.reneged,
		DuplicateSACKs: c.dsackIn, BadSACKs: c.badSACK, Refused: c.refused, Marked: c.marked,
	}
	if t.cc.algorithm != nil {
		i.Congestion = t.cc.algorithm.name
	}
	for _, o := range [...]struct {
		on  bool
		bit InfoOptions
	}{{t.opt.timestamps, InfoTimestamps}, {t.opt.sack, InfoSACK}, {t.opt.scaling, InfoScaling}, {t.opt.ecn, InfoECN}} {
		if o.on {
			i.Options |= o.bit
		}
	}
	return i
}

func ago(now, then tcpip.Time) time.Duration {
	if then == 0 {
		return 0
	}
	return now.Sub(then)
}
