package linux

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// The counters of each group, in Linux's order. What the stack does not count is 0.
const (
	snmpIP = "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers " +
		"OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits"
	snmpICMP = "InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps " +
		"InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs " +
		"OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks " +
		"OutAddrMaskReps"
	snmpTCP = "RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs " +
		"RetransSegs InErrs OutRsts InCsumErrors"
	snmpUDP = "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors"

	snmp6IP = "InReceives InHdrErrors InTooBigErrors InNoRoutes InAddrErrors InUnknownProtos InTruncatedPkts InDiscards InDelivers " +
		"OutForwDatagrams OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails " +
		"FragCreates InMcastPkts OutMcastPkts InOctets OutOctets InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets " +
		"InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts OutTransmits"
	snmp6ICMP = "InMsgs InErrors OutMsgs OutErrors InCsumErrors OutRateLimitHost InDestUnreachs InPktTooBigs InTimeExcds " +
		"InParmProblems InEchos InEchoReplies InGroupMembQueries InGroupMembResponses InGroupMembReductions InRouterSolicits " +
		"InRouterAdvertisements InNeighborSolicits InNeighborAdvertisements InRedirects InMLDv2Reports OutDestUnreachs OutPktTooBigs " +
		"OutTimeExcds OutParmProblems OutEchos OutEchoReplies OutGroupMembQueries OutGroupMembResponses OutGroupMembReductions " +
		"OutRouterSolicits OutRouterAdvertisements OutNeighborSolicits OutNeighborAdvertisements OutRedirects OutMLDv2Reports"
	snmp6UDP     = "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors"
	snmp6UDPLite = "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors MemErrors"

	netstatTCP = "SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps " +
		"LockDroppedIcmps ArpFilter TW TWRecycled TWKilled PAWSActive PAWSEstab BeyondWindow TSEcrRejected PAWSOldAck PAWSTimewait " +
		"DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows ListenDrops TCPHPHits TCPPureAcks TCPHPAcks TCPRenoRecovery " +
		"TCPSackRecovery TCPSACKReneging TCPSACKReorder TCPRenoReorder TCPTSReorder TCPFullUndo TCPPartialUndo TCPDSACKUndo " +
		"TCPLossUndo TCPLostRetransmit TCPRenoFailures TCPSackFailures TCPLossFailures TCPFastRetrans TCPSlowStartRetrans TCPTimeouts " +
		"TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail TCPSackRecoveryFail TCPRcvCollapsed TCPBacklogCoalesce " +
		"TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory " +
		"TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed TCPMemoryPressures TCPMemoryPressuresChrono TCPSACKDiscard " +
		"TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo TCPSpuriousRTOs TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted " +
		"TCPSackMerged TCPSackShiftFallback TCPBacklogDrop PFMemallocDrop TCPMinTTLDrop TCPDeferAcceptDrop IPReversePathFilter " +
		"TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop TCPRetransFail TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge " +
		"TCPChallengeACK TCPSYNChallenge TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail " +
		"TCPFastOpenListenOverflow TCPFastOpenCookieReqd TCPFastOpenBlackhole TCPSpuriousRtxHostQueues BusyPollRxPackets " +
		"TCPAutoCorking TCPFromZeroWindowAdv TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent " +
		"TCPHystartTrainDetect TCPHystartTrainCwnd TCPHystartDelayDetect TCPHystartDelayCwnd TCPACKSkippedSynRecv TCPACKSkippedPAWS " +
		"TCPACKSkippedSeq TCPACKSkippedFinWait2 TCPACKSkippedTimeWait TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail " +
		"TCPMTUPSuccess TCPDelivered TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig " +
		"TCPFastOpenPassiveAltKey TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs TCPDSACKIgnoredDubious " +
		"TCPMigrateReqSuccess TCPMigrateReqFailure TCPPLBRehash TCPAORequired TCPAOBad TCPAOKeyNotFound TCPAOGood TCPAODroppedIcmps"
	netstatIP = "InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets " +
		"OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps"
)

// Constants among the counters of TCP (RFC 4022): how the RTO is computed, its bounds in ms, and no limit of connections.
const (
	rtoAlgorithm = 1
	rtoMin       = 200
	rtoMax       = 120000
	noLimit      = -1
)

// counts are the stack's counters by their names, and what is added to them here.
type counts map[string]int64

func (n *Sockets) counts() counts {
	c := counts{}
	for name, v := range n.stack.Counters().All() {
		c[name] = int64(v)
	}
	s := n.stack
	c["IpForwarding"] = 2 // RFC 4293: 1 is forwarding
	for _, nic := range s.NICs() {
		if nic.Forwarding() {
			c["IpForwarding"] = 1
		}
	}
	c["IpDefaultTTL"] = int64(s.DefaultTTL())
	for _, v := range []string{"Ip", "Ip6"} { // what was sent, ours and forwarded, each fragment a packet
		c[v+"OutTransmits"] = c[v+"OutRequests"] + c[v+"ForwDatagrams"] + c[v+"OutForwDatagrams"] - c[v+"FragOKs"] + c[v+"FragCreates"]
	}
	for t, name := range icmpByType {
		c["IcmpIn"+name], c["IcmpOut"+name] = c["IcmpMsgInType"+t], c["IcmpMsgOutType"+t]
	}
	c["TcpRtoAlgorithm"], c["TcpRtoMin"], c["TcpRtoMax"], c["TcpMaxConn"] = rtoAlgorithm, rtoMin, rtoMax, noLimit
	for _, ep := range s.Endpoints() {
		if e, ok := ep.(*tcp.Endpoint); ok && (e.State() == tcp.StateEstablished || e.State() == tcp.StateCloseWait) {
			c["TcpCurrEstab"]++
		}
	}
	return c
}

// pair writes a group as two lines: names, and values.
func (c counts) pair(b *bytes.Buffer, group, counters, names string) {
	fmt.Fprintf(b, "%s: %s\n%s:", group, names, group)
	for name := range strings.FieldsSeq(names) {
		fmt.Fprintf(b, " %d", c[counters+name])
	}
	b.WriteByte('\n')
}

// lines writes a group as a line for each counter.
func (c counts) lines(b *bytes.Buffer, group, names string) {
	for name := range strings.FieldsSeq(names) {
		fmt.Fprintf(b, "%-32s\t%d\n", group+name, c[group+name])
	}
}

func (n *Sockets) procSNMP(b *bytes.Buffer) {
	c := n.counts()
	c.pair(b, "Ip", "Ip", snmpIP)
	c.pair(b, "Icmp", "Icmp", snmpICMP)
	c.messages(b)
	c.pair(b, "Tcp", "Tcp", snmpTCP)
	c.pair(b, "Udp", "Udp", snmpUDP)
	c.pair(b, "UdpLite", "UdpLite", snmpUDP)
}

// icmpByType are the counters of ICMP for types that the stack does not count by name.
var icmpByType = map[string]string{"4": "SrcQuenchs", "13": "Timestamps", "14": "TimestampReps", "17": "AddrMasks", "18": "AddrMaskReps"}

// messages writes the ICMP messages by their types, those that there were.
func (c counts) messages(b *bytes.Buffer) {
	var names, values strings.Builder
	for _, way := range []string{"InType", "OutType"} {
		for t := range 256 {
			name := fmt.Sprint(way, t)
			if v := c["IcmpMsg"+name]; v != 0 {
				fmt.Fprintf(&names, " %s", name)
				fmt.Fprintf(&values, " %d", v)
			}
		}
	}
	if names.Len() > 0 {
		fmt.Fprintf(b, "IcmpMsg:%s\nIcmpMsg:%s\n", names.String(), values.String())
	}
}

// types writes a line for each type of ICMPv6 message that there was.
func (c counts) types(b *bytes.Buffer) {
	for _, way := range []string{"InType", "OutType"} {
		for t := range 256 {
			if name := fmt.Sprint("Icmp6", way, t); c[name] != 0 {
				c.lines(b, "Icmp6", name[len("Icmp6"):])
			}
		}
	}
}

func (n *Sockets) procSNMP6(b *bytes.Buffer) {
	c := n.counts()
	c.lines(b, "Ip6", snmp6IP)
	c.lines(b, "Icmp6", snmp6ICMP)
	c.types(b)
	c.lines(b, "Udp6", snmp6UDP)
	c.lines(b, "UdpLite6", snmp6UDPLite)
}

func (n *Sockets) procNetstat(b *bytes.Buffer) {
	c := n.counts()
	c.pair(b, "TcpExt", "TcpExt", netstatTCP)
	c.pair(b, "IpExt", "IpExt", netstatIP)
}

// census is how many sockets of each kind there are, of one family or both.
type census struct{ tcp, orphan, udp, raw int }

func (n *Sockets) census(v6 bool) (c census, all int) {
	for _, ep := range n.stack.Endpoints() {
		all++
		if f, ok := ep.(sixed); ok && f.IPv6() != v6 {
			continue
		}
		switch e := ep.(type) {
		case *tcp.Endpoint:
			if e.State() != tcp.StateClosed {
				c.tcp++
				if n.files.socket(ep) == nil && e.State() > tcp.StateEstablished {
					c.orphan++
				}
			}
		case *udp.Endpoint:
			if ep.LocalAddress() != (tcpip.FullAddress{}) {
				c.udp++
			}
		case *raw.Endpoint:
			c.raw++
		case *icmp.Endpoint:
		}
	}
	return c, all
}

func (n *Sockets) procSockstat(b *bytes.Buffer) {
	c, all := n.census(false)
	six, _ := n.census(true)
	waiting := 0
	if t := n.tcp(); t != nil {
		waiting = len(t.TimeWaits())
	}
	fmt.Fprintf(b, "sockets: used %d\nTCP: inuse %d orphan %d tw %d alloc %d mem 0\nUDP: inuse %d mem 0\nUDPLITE: inuse 0\nRAW: inuse %d\nFRAG: inuse 0 memory 0\n",
		all, c.tcp, c.orphan+six.orphan, waiting, c.tcp+six.tcp, c.udp, c.raw)
}

func (n *Sockets) procSockstat6(b *bytes.Buffer) {
	c, _ := n.census(true)
	fmt.Fprintf(b, "TCP6: inuse %d\nUDP6: inuse %d\nUDPLITE6: inuse 0\nRAW6: inuse %d\nFRAG6: inuse 0 memory 0\n", c.tcp, c.udp, c.raw)
}
