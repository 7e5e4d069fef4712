package stack

import (
	"iter"
	"reflect"
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

// Counters are the counters of a stack, declared once, here. A field named as in a MIB (RFC 4293, RFC
// 4022, RFC 4113, RFC 4292 or Linux's /proc/net/netstat) counts what that says; its group is the prefix of the
// MIB's name.
type Counters struct {
	Ip struct {
		InReceives, InHdrErrors, InAddrErrors, InUnknownProtos, InDiscards, InDelivers  Counter
		OutRequests, OutDiscards, OutNoRoutes, ForwDatagrams                            Counter
		ReasmReqds, ReasmOKs, ReasmFails, ReasmTimeout, FragOKs, FragFails, FragCreates Counter
	}
	Ip6 struct {
		InReceives, InHdrErrors, InAddrErrors, InUnknownProtos, InDiscards, InDelivers  Counter
		OutRequests, OutDiscards, OutNoRoutes, OutForwDatagrams                         Counter
		ReasmReqds, ReasmOKs, ReasmFails, ReasmTimeout, FragOKs, FragFails, FragCreates Counter
	}
	Icmp struct {
		InMsgs, InErrors, InCsumErrors, OutMsgs, OutRateLimitGlobal, OutRateLimitHost Counter
		InDestUnreachs, InTimeExcds, InParmProbs, InRedirects, InEchos, InEchoReps    Counter
		OutDestUnreachs, OutTimeExcds, OutParmProbs, OutEchos, OutEchoReps            Counter
	}
	// Igmp counts messages of IGMP, for which Linux has no counters.
	Igmp struct {
		InMsgs, InErrors, InCsumErrors, InQueries, InReports, OutReports, OutLeaves Counter
	}
	Icmp6 struct {
		InMsgs, InErrors, InCsumErrors, OutMsgs, OutRateLimitHost                               Counter
		InDestUnreachs, InPktTooBigs, InTimeExcds, InParmProblems, InEchos, InEchoReplies       Counter
		OutDestUnreachs, OutPktTooBigs, OutTimeExcds, OutParmProblems, OutEchos, OutEchoReplies Counter
		InRouterSolicits, InRouterAdvertisements, InNeighborSolicits, InNeighborAdvertisements  Counter
		OutNeighborSolicits, OutNeighborAdvertisements, InRedirects, OutRouterSolicits          Counter
		InGroupMembQueries, InGroupMembResponses, InGroupMembReductions, InMLDv2Reports         Counter
		OutGroupMembResponses, OutGroupMembReductions, OutMLDv2Reports                          Counter
	}
	Tcp struct {
		ActiveOpens, PassiveOpens, AttemptFails, EstabResets        Counter
		InSegs, OutSegs, RetransSegs, InErrs, OutRsts, InCsumErrors Counter
	}
	TcpExt struct {
		SyncookiesSent, SyncookiesRecv, SyncookiesFailed, ListenOverflows, ListenDrops, EmbryonicRsts    Counter
		TW, PAWSEstab, DelayedACKs, TCPTimeouts, TCPChallengeACK, TCPSYNChallenge                        Counter
		TCPFastRetrans, TCPSlowStartRetrans, TCPSACKReneging, TCPSackRecovery, TCPRenoRecovery           Counter
		TCPKeepAlive, TCPBacklogDrop, TCPRcvQDrop, TCPOFODrop, TCPOFOQueue                               Counter
		TCPDSACKRecv, TCPDSACKOfoRecv, TCPDSACKOldSent, TCPDSACKOfoSent, TCPLostRetransmit               Counter
		TCPLossProbes, TCPLossProbeRecovery, TCPFullUndo, TCPPartialUndo, TCPDSACKUndo, TCPLossUndo      Counter
		TCPSpuriousRTOs, TCPTSReorder, TCPSACKReorder, TCPRenoReorder                                    Counter
		TCPHystartTrainDetect, TCPHystartDelayDetect                                                     Counter
		TCPMTUPFail, TCPMTUPSuccess, TCPMD5NotFound, TCPMD5Unexpected, TCPMD5Failure                     Counter
		TCPFastOpenActive, TCPFastOpenActiveFail, TCPFastOpenPassive, TCPFastOpenPassiveFail             Counter
		TCPFastOpenListenOverflow, TCPFastOpenCookieReqd, TCPFastOpenBlackhole, TCPFastOpenPassiveAltKey Counter
		TCPAbortOnTimeout, TCPAbortOnClose, TCPAbortOnData                                               Counter
		TCPAbortOnLinger, TCPAbortOnMemory, TCPZeroWindowDrop, TCPReqQFullDoCookies, TCPReqQFullDrop     Counter
		TCPFromZeroWindowAdv, TCPToZeroWindowAdv, TCPWinProbe                                            Counter
		TCPNoTimestamp                                                                                   Counter // segments that lacked a negotiated timestamp (not in Linux)
	}
	Udp struct {
		InDatagrams, NoPorts, InErrors, OutDatagrams, RcvbufErrors, SndbufErrors, InCsumErrors Counter
	}
	Udp6 struct {
		InDatagrams, NoPorts, InErrors, OutDatagrams, RcvbufErrors, SndbufErrors, InCsumErrors Counter
	}
	Arp struct {
		InRequests, InReplies, OutRequests, OutReplies Counter
	}
	// Drops counts discarded packets by reason.
	Drops [tcpip.NumDrops]Counter
}

// All walks all counters in the order of their declaration: names like "TcpRetransSegs", and "Drop."
// followed by the reason.
func (c *Counters) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		v := reflect.ValueOf(c).Elem()
		for i := range v.NumField() - 1 {
			group := v.Field(i)
			for j := range group.NumField() {
				n := group.Field(j).Addr().Interface().(*Counter)
				if !yield(v.Type().Field(i).Name+group.Type().Field(j).Name, n.Value()) {
					return
				}
			}
		}
		for d := range c.Drops {
			if d != int(tcpip.DropNone) && !yield("Drop."+tcpip.Drop(d).String(), c.Drops[d].Value()) {
				return
			}
		}
	}
}
