package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// Conf is what the user may set of a connection. The shell owns it, options write it, and SetConf
// brings a change to a running machine. A listener's is copied to what it accepts.
type Conf struct {
	NoDelay    bool // TCP_NODELAY: no Nagle
	Cork       bool // TCP_CORK: full segments only, for at most 200 ms
	NoQuickAck bool // TCP_QUICKACK off: the connection begins as one whose answers carry the acknowledgements
	KeepAlive  bool // SO_KEEPALIVE
	OOBInline  bool // SO_OOBINLINE
	SACK       bool // offer and accept selective acknowledgement (RFC 2018)
	Scaling    bool // offer and accept window scaling (RFC 7323 §2)
	ECN        ECNMode
	ECNInsist  bool       // a SYN that asks for ECN asks for it when it is sent again, too (net.ipv4.tcp_ecn_fallback at 0)
	ECNOption  ECNReports // with accurate feedback: when bytes are reported in an option, too
	NoDSACK    bool       // net.ipv4.tcp_dsack off: duplicates are not reported
	RFC1337    bool       // net.ipv4.tcp_rfc1337: a RST does not end TIME-WAIT
	Timestamps tcpip.TimestampMode

	MaxSegment    int                      // TCP_MAXSEG: upper bound of the MSS both ways, bytes; 0 is none
	WindowClamp   int                      // TCP_WINDOW_CLAMP: upper bound of the advertised window, bytes; 0 is none
	NotSentLow    int                      // TCP_NOTSENT_LOWAT, bytes; 0 is none
	ReceiveLow    int                      // SO_RCVLOWAT, bytes: a receive buffer that tunes itself holds as many and their cost
	SynRetries    int                      // TCP_SYNCNT: retransmissions with a timeout that doubles
	SynLinear     int                      // net.ipv4.tcp_syn_linear_timeouts: those before, with one that does not
	SynAckRetries int                      // net.ipv4.tcp_synack_retries
	Retries       int                      // net.ipv4.tcp_retries2
	Linger        tcpip.Opt[time.Duration] // SO_LINGER: 0 makes Close a reset
	Linger2       time.Duration            // TCP_LINGER2: how long an orphan stays in FIN-WAIT-2; negative: not at all
	UserTimeout   time.Duration            // TCP_USER_TIMEOUT; 0 is the number of retries
	KeepIdle      time.Duration            // TCP_KEEPIDLE
	KeepInterval  time.Duration            // TCP_KEEPINTVL
	KeepCount     int                      // TCP_KEEPCNT
	DeferAccept   int                      // TCP_DEFER_ACCEPT, as a number of SYN-ACK retransmissions

	MaxPacingRate int64         // SO_MAX_PACING_RATE, bytes per second; 0 is none, and no pacing
	ThinLinear    bool          // TCP_THIN_LINEAR_TIMEOUTS: no backoff for the first timeouts of thin streams
	DelAckMax     time.Duration // TCP_DELACK_MAX_US: how long an acknowledgement may wait at most

	Congestion Congestion // TCP_CONGESTION

	// Buffers, in slab bytes. A fixed size turns tuning off, as SO_SNDBUF and SO_RCVBUF do.
	SendBuffer, ReceiveBuffer       tcpip.Opt[int]
	SendBufferMax, ReceiveBufferMax int // where tuning ends (net.ipv4.tcp_wmem[2], tcp_rmem[2])
	// Where it begins (tcp_wmem[1], tcp_rmem[1]); 0: Linux's default.
	SendBufferInitial, ReceiveBufferInitial int
	// What a connection may hold however short memory is (tcp_wmem[0], tcp_rmem[0]).
	SendBufferMin, ReceiveBufferMin int

	Probing         MTUProbing // net.ipv4.tcp_mtu_probing
	BaseMSS, MinMSS int        // net.ipv4.tcp_base_mss, tcp_min_snd_mss: where probing begins, and what is sent at least; bytes

	RTOMin, RTOMax time.Duration // 200 ms, 120 s on Linux

	CompressSACK int           // net.ipv4.tcp_comp_sack_nr: acknowledgements of what lies behind a gap that wait at most; 0: none waits
	SACKDelay    time.Duration // net.ipv4.tcp_comp_sack_delay_ns: how long

	MinSegments int // net.ipv4.tcp_min_tso_segs: segments of a super-segment, where a slow connection has as many to send
	WinDivisor  int // net.ipv4.tcp_tso_win_divisor: less than this part of the window waits for more to send at once

	Recovery           int           // net.ipv4.tcp_recovery: RecoveryStaticWindow, RecoveryNoDupThresh
	EarlyRetransmit    int           // net.ipv4.tcp_early_retrans: 3 and 4 send tail loss probes (RFC 8985 §7), others do not
	Reordering         int           // net.ipv4.tcp_reordering, segments: how many may overtake one at first
	MaxReordering      int           // net.ipv4.tcp_max_reordering, segments
	FRTO               bool          // net.ipv4.tcp_frto: find spurious timeouts (RFC 5682)
	SlowStartAfterIdle bool          // net.ipv4.tcp_slow_start_after_idle
	Collapse           bool          // net.ipv4.tcp_retrans_collapse: small segments are joined when they are sent again
	HyStartPlus        bool          // CUBIC and Reno leave the first slow start by RFC 9406 rather than as on Linux
	InitialWindow      int           // initial congestion window, segments (RFC 6928)
	InvalidInterval    time.Duration // net.ipv4.tcp_invalid_ratelimit: between answers to what is invalid
	RarelyChanged
	AnnouncedMSS int // the MSS of SYNs in place of what the link takes, bytes; 0: that
}

// RarelyChanged is the part of Conf that hardly anybody sets otherwise than Linux does.
type RarelyChanged struct {
	ShrinkWindow  bool // net.ipv4.tcp_shrink_window: the window's edge may go back, if it is scaled
	SignedWindow  bool // net.ipv4.tcp_workaround_signed_windows: an unscaled window is below 32 KB
	FixedReceive  bool // net.ipv4.tcp_moderate_rcvbuf off: the receive buffer does not tune itself
	UrgentLast    bool // net.ipv4.tcp_stdurg: the urgent pointer names the last urgent byte, not the one behind it
	PingPong      int  // net.ipv4.tcp_pingpong_thresh: answers after which acknowledgements wait for another; 0: 1
	OrphanRetries int  // net.ipv4.tcp_orphan_retries; 0: 8
	AppWindow     int  // net.ipv4.tcp_app_win: the window divided by so many powers of two is kept back at first, and a segment at least; 0: nothing

	BlackHoleRetries int           // net.ipv4.tcp_retries1: timeouts in a row after which a black hole is suspected
	ProbeFloor       int           // net.ipv4.tcp_mtu_probe_floor, bytes: the least MSS that probing goes down to
	ProbeThreshold   int           // net.ipv4.tcp_probe_threshold, bytes: the width at which the search ends
	ProbeInterval    time.Duration // net.ipv4.tcp_probe_interval: how long the end of a search holds

	ECNBeacon     int           // net.ipv4.tcp_ecn_option_beacon: reports per round trip, where they are sparing
	PaceSlowStart int           // net.ipv4.tcp_pacing_ss_ratio: per cent of the window in a round trip
	PaceAvoidance int           // net.ipv4.tcp_pacing_ca_ratio
	MinRTTWindow  time.Duration // net.ipv4.tcp_min_rtt_wlen: how long a shortest round trip counts; 0: the last one does
}

// DefaultRarelyChanged returns Linux's defaults.
func DefaultRarelyChanged() RarelyChanged {
	return RarelyChanged{
		AppWindow: 31, BlackHoleRetries: 3, ProbeFloor: minMSS, ProbeThreshold: 8, ProbeInterval: 10 * time.Minute,
		ECNBeacon: 3, PaceSlowStart: 200, PaceAvoidance: 120, MinRTTWindow: 5 * time.Minute,
	}
}

// Congestion names a congestion control algorithm (RFC 9293 §3.8.2, MAY-18).
type Congestion uint8

// The algorithms.
const (
	Cubic Congestion = iota // RFC 9438
	Reno                    // RFC 5681, 6582
	BBR                     // version 3: draft-ietf-ccwg-bbr
	DCTCP                   // RFC 8257, for networks of one owner: it asks for ECN, and without is Reno
)

// ECNMode says which connections use explicit congestion notification, with the values of net.ipv4.tcp_ecn.
type ECNMode uint8

// The modes.
const (
	ECNOff    ECNMode = iota
	ECNOn             // ask for it, and accept it
	ECNAccept         // accept it where the peer asks

	// With accurate feedback (RFC 9768), where the peer has it, too.
	ECNAccurate       // ask for it, and accept it
	ECNAccurateOnAsk  // accept it, and ask for ECN without
	ECNAccurateAccept // accept it
)

// ECNReports says which segments of a connection with accurate feedback have the option that counts bytes (RFC 9768
// §3.2.3), with the values of net.ipv4.tcp_ecn_option.
type ECNReports uint8

// The values. But for the first, segments of the handshake have it, too.
const (
	ReportNever   ECNReports = iota
	ReportSparing            // for another counter that has changed, and a few times per round trip
	ReportChanges            // whatever acknowledges something, or has news; unless options seem to be what makes packets get lost
	ReportAlways             // even then
)

// asks and accepts say what a mode means for connections of ours and of a peer's; accurate and acceptsAccurate say it of
// accurate feedback.
func (m ECNMode) asks() bool            { return m == ECNOn || m == ECNAccurate || m == ECNAccurateOnAsk }
func (m ECNMode) accepts() bool         { return m != ECNOff }
func (m ECNMode) accurate() bool        { return m == ECNAccurate }
func (m ECNMode) acceptsAccurate() bool { return m >= ECNAccurate }

// marks reports whether the congestion control algorithm lives on marks. It then asks for ECN and takes it, whatever
// the mode.
func (c *Conf) marks() bool {
	return int(c.Congestion) < len(algorithms) && algorithms[c.Congestion].marks
}

func (c *Conf) asksECN() bool { return c.ECN.asks() || c.marks() }

// acceptsECN reports whether the SYN s agrees upon ECN. One that is marked as ECN-capable itself does not: no sender of
// RFC 3168's does that (§6.1.1), and Linux takes it for a mistake on the way, unless the algorithm's own SYNs are.
func (c *Conf) acceptsECN(s *Segment) bool {
	return s.Flags&ecnSetup == ecnSetup && (c.ECN.accepts() && !s.ECT || c.marks())
}

// Path is what the shell knows of the way to the peer.
type Path struct {
	MTU        int  // bytes of the largest IP packet
	MinMTU     int  // what the protocol guarantees to get through (IPv6: 1280), bytes
	NetHeader  int  // bytes of IP header and options or extension headers in front of ours
	NetOptions int  // bytes of NetHeader that a peer's MSS does not allow for (RFC 6691 §2)
	AdvMSS     int  // MSS to announce: the link's MTU less fixed headers
	Options    int  // bytes of TCP options that the shell adds to every segment (RFC 2385)
	MaxSegment int  // payload bytes of the largest super-segment the link takes; 0: one wire segment at a time
	SameHost   bool // the peer is in this process or on this host
}

// Identity is what the shell chose for the connection.
type Identity struct {
	ISS      uint32 // RFC 6528
	TSOffset uint32 // added to the millisecond clock to give TSval
}

// DefaultConf returns Linux's defaults.
// No keep-alives, and they after two hours (RFC 9293 §3.8.4, MUST-25,
// MUST-28); R2 is 924 seconds (§3.8.3, SHLD-11).
func DefaultConf() Conf {
	return Conf{
		SACK: true, Scaling: true, Timestamps: tcpip.TimestampsOn, ECN: ECNAccept, ECNOption: ReportChanges,
		SynRetries: 6, SynLinear: 4, SynAckRetries: 5, Retries: 15,
		Linger2:  60 * time.Second,
		KeepIdle: 7200 * time.Second, KeepInterval: 75 * time.Second, KeepCount: 9,
		Probing: ProbingBlackHole, BaseMSS: 1024, MinMSS: minMSS,
		SendBufferMax: 4 << 20, ReceiveBufferMax: 6 << 20,
		RTOMin: 200 * time.Millisecond, RTOMax: 120 * time.Second, DelAckMax: 200 * time.Millisecond,
		InitialWindow: 10, InvalidInterval: InvalidInterval,
		CompressSACK: 44, SACKDelay: time.Millisecond, MinSegments: 2, WinDivisor: 3,
		Recovery: 1, EarlyRetransmit: 3, Reordering: dupThresh, MaxReordering: 300, FRTO: true, SlowStartAfterIdle: true, Collapse: true,
		RarelyChanged: DefaultRarelyChanged(),
	}
}
