package linux

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/seed963a8790/netstack/transport/tcp"
)

// sizeofTCPInfo is the length of struct tcp_info, bytes (Linux 6.18).
const sizeofTCPInfo = 280

// caStates are the numbers of Info.Phase (TCP_CA_*).
var caStates = map[string]byte{"open": 0, "disorder": 1, "cwr": 2, "recovery": 3, "loss": 4}

// tcpInfo is TCP_INFO: struct tcp_info, field by field. What the stack cannot have is 0, as on a kernel that has not
// met it: fackets and last_ack_sent, which Linux does not keep either.
func (s *Socket) tcpInfo(int) ([]byte, Errno) {
	i := s.ep.(*tcp.Endpoint).Info()
	w := infoWriter{make([]byte, 0, sizeofTCPInfo)}
	w.bytes(byte(i.State), caStates[i.Phase], i.Retransmits, i.Probes, i.Backoff, byte(i.Options), i.SendScale|i.ReceiveScale<<4, flagByte(i.AppLimited)|byte(i.FastFailure)<<1)
	listening := i.State == tcp.StateListen
	unacked, sacked := i.UnackedSegments, i.Sacked
	if listening {
		unacked, sacked = i.AcceptQueue, i.AcceptBacklog
		w.u32(make([]int, 4)...)
	} else {
		w.us(i.RTO, i.ATO)
		w.u32(i.SendMSS, i.ReceiveMSS)
	}
	w.u32(unacked, sacked, i.Lost, i.Retransmitting, 0)
	w.ms(i.LastDataSent, 0, i.LastDataReceived, i.LastAckReceived)
	w.u32(i.PMTU, i.ReceiveSsthresh)
	w.us(i.RTT, i.RTTVar)
	w.u32(i.Ssthresh, i.Cwnd, i.AdvertisedMSS, i.Reordering)
	w.us(i.ReceiverRTT)
	w.u32(i.ReceiveSpace, int(i.TotalRetransmits))
	maxPacing, _ := s.maxPacingRate()
	w.u64(limitless(i.PacingRate), maxPacing, i.BytesAcked, i.BytesReceived+uint64(flagByte(i.PeerFin)))
	w.u32(int(i.SegmentsOut), int(i.SegmentsIn), i.NotSent)
	minRTT := uint64(i.MinRTT / time.Microsecond)
	if i.MinRTT == 0 && !listening {
		minRTT = math.MaxUint32
	}
	w.u32(int(minRTT), int(i.DataSegmentsIn), int(i.DataSegmentsOut))
	w.u64(uint64(i.DeliveryRate), micros(i.BusyTime), micros(i.WindowLimited), micros(i.BufferLimited))
	w.u32(int(i.Delivered), int(i.DeliveredMarked))
	w.u64(i.BytesSent, i.BytesRetransmitted)
	w.u32(int(i.DuplicateSACKs), i.ReorderSeen, int(i.OutOfOrder), i.SendWindow, i.AnnouncedWindow, int(i.Rehashes))
	w.b = binary.NativeEndian.AppendUint16(w.b, uint16(i.Timeouts))
	w.b = binary.NativeEndian.AppendUint16(w.b, uint16(i.TimeoutRecoveries))
	w.ms(i.TimeoutTime)
	w.u32(int(i.Marked))
	for _, b := range [...]tcp.MarkBytes{i.DeliveredMarks, i.ReceivedMarks} {
		w.u32(int(b.E1), int(b.E0), int(b.CE))
	}
	w.b = binary.NativeEndian.AppendUint16(w.b, uint16(i.AccECNFailure))
	w.b = binary.NativeEndian.AppendUint16(w.b, uint16(i.AccECNOption))
	return w.b[:sizeofTCPInfo], 0
}

func flagByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func micros(d time.Duration) uint64 { return uint64(d / time.Microsecond) }

// limitless shows a rate as the kernel does, for which none is all ones.
func limitless(rate int64) uint64 {
	if rate <= 0 {
		return math.MaxUint64
	}
	return uint64(rate)
}

// infoWriter lays out the members of a struct.
type infoWriter struct{ b []byte }

func (w *infoWriter) bytes(v ...byte) { w.b = append(w.b, v...) }

func (w *infoWriter) u32(v ...int) {
	for _, n := range v {
		w.b = binary.NativeEndian.AppendUint32(w.b, uint32(n))
	}
}

func (w *infoWriter) u64(v ...uint64) {
	for _, n := range v {
		w.b = binary.NativeEndian.AppendUint64(w.b, n)
	}
}

func (w *infoWriter) us(v ...time.Duration) {
	for _, d := range v {
		w.u32(int(d / time.Microsecond))
	}
}

func (w *infoWriter) ms(v ...time.Duration) {
	for _, d := range v {
		w.u32(int(d / time.Millisecond))
	}
}
