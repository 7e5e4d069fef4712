package tcp

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// The ranges of settings that have one of Linux's, or of good sense: what lies outside is a mistake.
const (
	largestBuffer = 1 << 30              // bytes
	largestTable  = 1 << 24              // entries
	longestTime   = 365 * 24 * time.Hour // of timers
	longestRTO    = 120 * time.Second    // Linux's TCP_RTO_MAX (RFC 6298 §2.5 wants 60 s or more)
)

// Check returns what is wrong with the options, nil if nothing is: every value that lies outside its range, and those that
// contradict one another.
func (o *Options) Check() error {
	const p = "tcp: Options."
	return errors.Join(
		tcpip.CheckRange(p+"Timestamps", o.Timestamps, tcpip.TimestampsOff, tcpip.TimestampsStrict),
		tcpip.CheckRange(p+"ECN", o.ECN, ECNOff, ECNAccurateAccept),
		tcpip.CheckRange(p+"ECNOption", o.ECNOption, ReportNever, ReportAlways),
		tcpip.CheckRange(p+"Congestion", o.Congestion, Cubic, DCTCP),
		tcpip.CheckRange(p+"SendBufferMin", o.SendBufferMin, 1, largestBuffer),
		tcpip.CheckRange(p+"ReceiveBufferMin", o.ReceiveBufferMin, 1, largestBuffer),
		tcpip.CheckRange(p+"SendBuffer", o.SendBuffer, 1, largestBuffer),
		tcpip.CheckRange(p+"ReceiveBuffer", o.ReceiveBuffer, 1, largestBuffer),
		tcpip.CheckRange(p+"SendBufferMax", o.SendBufferMax, 1, largestBuffer),
		tcpip.CheckRange(p+"ReceiveBufferMax", o.ReceiveBufferMax, 1, largestBuffer),
		tcpip.CheckRange(p+"SynRetries", o.SynRetries, 0, 127),
		tcpip.CheckRange(p+"SynLinear", o.SynLinear, 0, 127),
		tcpip.CheckRange(p+"SynAckRetries", o.SynAckRetries, 0, 255),
		tcpip.CheckRange(p+"Retries", o.Retries, 0, 255),
		tcpip.CheckRange(p+"FinTimeout", o.FinTimeout, 0, longestTime),
		tcpip.CheckRange(p+"KeepIdle", o.KeepIdle, time.Millisecond, longestTime),
		tcpip.CheckRange(p+"KeepInterval", o.KeepInterval, time.Millisecond, longestTime),
		tcpip.CheckRange(p+"KeepCount", o.KeepCount, 1, 127),
		tcpip.CheckRange(p+"RTOMin", o.RTOMin, time.Millisecond, longestRTO),
		tcpip.CheckRange(p+"RTOMax", o.RTOMax, time.Millisecond, longestRTO),
		tcpip.CheckRange(p+"InitialWindow", o.InitialWindow, 1, 1024),
		tcpip.CheckRange(p+"InvalidInterval", o.InvalidInterval, 0, longestTime),
		tcpip.CheckRange(p+"AnnouncedMSS", o.AnnouncedMSS, 48, 65495),
		tcpip.CheckRange(p+"NotSentLow", o.NotSentLow, 0, 1<<31-1),
		tcpip.CheckRange(p+"FastOpenBlackhole", o.FastOpenBlackhole, 0, longestTime),
		tcpip.CheckRange(p+"MinSegments", o.MinSegments, 1, 1<<16),
		tcpip.CheckRange(p+"WinDivisor", o.WinDivisor, 0, 1<<16),
		tcpip.CheckRange(p+"CompressSACK", o.CompressSACK, 0, 255),
		tcpip.CheckRange(p+"SACKDelay", o.SACKDelay, 0, time.Second),
		tcpip.CheckRange(p+"Recovery", o.Recovery, 0, 7),
		tcpip.CheckRange(p+"EarlyRetransmit", o.EarlyRetransmit, 0, 4),
		tcpip.CheckRange(p+"Reordering", o.Reordering, 1, 1<<16),
		tcpip.CheckRange(p+"MaxReordering", o.MaxReordering, 1, 1<<16),
		tcpip.CheckRange(p+"MTUProbing", o.MTUProbing, ProbingOff, ProbingAlways),
		tcpip.CheckRange(p+"BaseMSS", o.BaseMSS, 1, 65535),
		tcpip.CheckRange(p+"MinMSS", o.MinMSS, 1, 65535),
		tcpip.CheckRange(p+"SynBacklog", o.SynBacklog, 1, largestTable),
		tcpip.CheckRange(p+"Cookies", o.Cookies, CookiesOff, CookiesAlways),
		tcpip.CheckRange(p+"TimeWaitReuse", o.TimeWaitReuse, ReuseOff, ReuseLoopback),
		tcpip.CheckRange(p+"TimeWaitMax", o.TimeWaitMax, 0, largestTable),
		tcpip.CheckRange(p+"OrphanMax", o.OrphanMax, 0, largestTable),
		tcpip.CheckRange(p+"ResetRate", o.ResetRate, 0, 1<<30),
		tcpip.CheckRange(p+"ChallengeRate", o.ChallengeRate, 0, 1<<30),
		o.check(),
		ordered("SendBuffer", o.SendBuffer, defaultSendBuffer, "SendBufferMax", o.SendBufferMax, sendBufferMax),
		ordered("ReceiveBuffer", o.ReceiveBuffer, defaultReceiveBuffer, "ReceiveBufferMax", o.ReceiveBufferMax, receiveBufferMax),
		ordered("RTOMin", o.RTOMin, rtoMin, "RTOMax", o.RTOMax, rtoMax),
	)
}

// ordered refuses two settings of which the first is larger than the second, if either was set.
func ordered[T int | time.Duration](low string, a tcpip.Opt[T], aDefault T, high string, b tcpip.Opt[T], bDefault T) error {
	x, y := a.Or(aDefault), b.Or(bDefault)
	if x > y && (a.IsSet() || b.IsSet()) {
		return fmt.Errorf("tcp: Options.%s is %v, more than %s, %v: %w", low, x, high, y, tcpip.ErrInvalid)
	}
	return nil
}
