package stack

import (
	"iter"
	"reflect"
	"strconv"
	"sync/atomic"

	"github.com/seed963a8790/netstack/tcpip"
)

// Counter is a number of events since the stack was made. Its zero value is ready to use.
type Counter struct{ v atomic.Uint64 }

// Add adds n.
func (c *Counter) Add(n uint64) { c.v.Add(n) }

// Inc adds one.
func (c *Counter) Inc() { c.v.Add(1) }

// Value returns the number.
func (c *Counter) Value() uint64 { return c.v.Load() }

// Counters are the counters of a stack.
type Counters = CounterSet[Counter]

// CounterValues are the values of Counters, as they were when a Snapshot was taken.
type CounterValues = CounterSet[uint64]

// CounterSet declares the counters of a stack, once. A field named as in a MIB (RFC 4293, RFC
// 4022, RFC 4113, RFC 4292 or Linux's /proc/net/netstat) counts what that says; its group is the prefix of the
// MIB's name.
type CounterSet[C any] struct {
	Ip struct {
		InReceives, InHdrErrors, InAddrErrors, InUnknownProtos, InDiscards, InDelivers  C
		OutRequests, OutDiscards, OutNoRoutes, ForwDatagrams                            C
		ReasmReqds, ReasmOKs, ReasmFails, ReasmTimeout, FragOKs, FragFails, FragCreates C
	}
	Ip6 struct {
		InReceives, InHdrErrors, InAddrErrors, InUnknownProtos, InDiscards, InDelivers  C
		OutRequests, OutDiscards, OutNoRoutes, OutForwDatagrams, InTruncatedPkts        C
		ReasmReqds, ReasmOKs, ReasmFails, ReasmTimeout, FragOKs, FragFails, FragCreates C
	}
	Icmp struct {
		InMsgs, InErrors, InCsumErrors, OutMsgs, OutRateLimitGlobal, OutRateLimitHost C
		InDestUnreachs, InTimeExcds, InParmProbs, InRedirects, InEchos, InEchoReps    C
		OutDestUnreachs, OutTimeExcds, OutParmProbs, OutEchos, OutEchoReps            C
	}
	// Igmp counts messages of IGMP, for which Linux has no counters.
	Igmp struct {
		InMsgs, InErrors, InCsumErrors, InQueries, InReports, OutReports, OutLeaves C
	}
	Icmp6 struct {
		InMsgs, InErrors, InCsumErrors, OutMsgs, OutRateLimitHost                               C
		InDestUnreachs, InPktTooBigs, InTimeExcds, InParmProblems, InEchos, InEchoReplies       C
		OutDestUnreachs, OutPktTooBigs, OutTimeExcds, OutParmProblems, OutEchos, OutEchoReplies C
		InRouterSolicits, InRouterAdvertisements, InNeighborSolicits, InNeighborAdvertisements  C
		OutNeighborSolicits, OutNeighborAdvertisements, InRedirects, OutRouterSolicits          C
		InGroupMembQueries, InGroupMembResponses, InGroupMembReductions, InMLDv2Reports         C
		OutGroupMembResponses, OutGroupMembReductions, OutMLDv2Reports                          C
	}
	Tcp struct {
		ActiveOpens, PassiveOpens, AttemptFails, EstabResets        C
		InSegs, OutSegs, RetransSegs, InErrs, OutRsts, InCsumErrors C
	}
	TcpExt struct {
		SyncookiesSent, SyncookiesRecv, SyncookiesFailed, ListenOverflows, ListenDrops, EmbryonicRsts    C
		TW, PAWSEstab, DelayedACKs, TCPTimeouts, TCPChallengeACK, TCPSYNChallenge                        C
		TCPFastRetrans, TCPSlowStartRetrans, TCPSACKReneging, TCPSackRecovery, TCPRenoRecovery           C
		TCPKeepAlive, TCPBacklogDrop, TCPRcvQDrop, TCPOFODrop, TCPOFOQueue                               C
		TCPDSACKRecv, TCPDSACKOfoRecv, TCPDSACKOldSent, TCPDSACKOfoSent, TCPLostRetransmit               C
		TCPLossProbes, TCPLossProbeRecovery, TCPFullUndo, TCPPartialUndo, TCPDSACKUndo, TCPLossUndo      C
		TCPSpuriousRTOs, TCPTSReorder, TCPSACKReorder, TCPRenoReorder                                    C
		TCPHystartTrainDetect, TCPHystartDelayDetect                                                     C
		TCPMTUPFail, TCPMTUPSuccess, TCPMD5NotFound, TCPMD5Unexpected, TCPMD5Failure                     C
		TCPFastOpenActive, TCPFastOpenActiveFail, TCPFastOpenPassive, TCPFastOpenPassiveFail             C
		TCPFastOpenListenOverflow, TCPFastOpenCookieReqd, TCPFastOpenBlackhole, TCPFastOpenPassiveAltKey C
		TCPAbortOnTimeout, TCPAbortOnClose, TCPAbortOnData                                               C
		TCPAbortOnLinger, TCPAbortOnMemory, TCPZeroWindowDrop, TCPReqQFullDoCookies, TCPReqQFullDrop     C
		TCPFromZeroWindowAdv, TCPToZeroWindowAdv, TCPWinProbe, TCPSynRetrans, TCPMinTTLDrop              C
		TCPNoTimestamp                                                                                   C // segments that lacked a negotiated timestamp (not in Linux)
	}
	Udp struct {
		InDatagrams, NoPorts, InErrors, OutDatagrams, RcvbufErrors, SndbufErrors, InCsumErrors C
	}
	Udp6 struct {
		InDatagrams, NoPorts, InErrors, OutDatagrams, RcvbufErrors, SndbufErrors, InCsumErrors C
	}
	// IpExt counts what Linux counts of IPv4 beside the MIB.
	IpExt struct {
		InTruncatedPkts, InCsumErrors C
	}
	Arp struct {
		InRequests, InReplies, OutRequests, OutReplies C
	}
	// Messages of ICMP by their types.
	IcmpMsgInType, IcmpMsgOutType, Icmp6InType, Icmp6OutType [256]C
	// Drops counts discarded packets by reason.
	Drops [tcpip.NumDrops]C
}

// NICCounters count what passes a NIC.
type NICCounters = NICCounterSet[Counter]

// NICCounterValues are the values of NICCounters, as they were when a Snapshot was taken.
type NICCounterValues = NICCounterSet[uint64]

// NICCounterSet declares the counters of a NIC, in packets as the stack sees them and bytes without link headers.
type NICCounterSet[C any] struct {
	RxPackets, RxBytes, TxPackets, TxBytes, RxDropped, TxDropped, RxMulticast C
}

// All walks all counters in the order of their declaration: names like "TcpRetransSegs", "IcmpMsgInType" followed by
// a type of which there were messages, and "Drop." followed by the reason.
func (c *CounterSet[C]) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		v := reflect.ValueOf(c).Elem()
		for i := range v.NumField() - 1 {
			group := v.Field(i)
			if group.Kind() == reflect.Array {
				for j := range group.Len() {
					if n := number(group.Index(j)); n != 0 && !yield(v.Type().Field(i).Name+strconv.Itoa(j), n) {
						return
					}
				}
				continue
			}
			for j := range group.NumField() {
				if !yield(v.Type().Field(i).Name+group.Type().Field(j).Name, number(group.Field(j))) {
					return
				}
			}
		}
		drops := v.FieldByName("Drops")
		for d := tcpip.DropNone + 1; d < tcpip.NumDrops; d++ {
			if !yield("Drop."+d.String(), number(drops.Index(int(d)))) {
				return
			}
		}
	}
}

// All walks the counters in the order of their declaration.
func (c *NICCounterSet[C]) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		v := reflect.ValueOf(c).Elem()
		for i := range v.NumField() {
			if !yield(v.Type().Field(i).Name, number(v.Field(i))) {
				return
			}
		}
	}
}

// number returns the value of a counter, or of what was one.
func number(v reflect.Value) uint64 {
	if c, ok := v.Addr().Interface().(*Counter); ok {
		return c.Value()
	}
	return v.Uint()
}

// copyValues sets the numbers of to, a CounterValues or NICCounterValues, to those of the counters of from, whose
// fields are the same.
func copyValues(to, from reflect.Value) {
	switch to.Kind() {
	case reflect.Uint64:
		to.SetUint(number(from))
	case reflect.Array:
		for i := range to.Len() {
			copyValues(to.Index(i), from.Index(i))
		}
	default:
		for i := range to.NumField() {
			copyValues(to.Field(i), from.Field(i))
		}
	}
}
