package tcp

import (
	"time"

	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Congestion names a congestion control algorithm.
type Congestion = tcb.Congestion

// The algorithms.
const (
	Cubic = tcb.Cubic // RFC 9438
	Reno  = tcb.Reno  // RFC 5681, RFC 6582
	BBR   = tcb.BBR   // version 3: draft-ietf-ccwg-bbr
	DCTCP = tcb.DCTCP // RFC 8257, for networks of one owner
)

// ECNMode says which connections use explicit congestion notification (RFC 3168, RFC 9768), with the values of
// net.ipv4.tcp_ecn.
type ECNMode = tcb.ECNMode

// The modes.
const (
	ECNOff    = tcb.ECNOff
	ECNOn     = tcb.ECNOn
	ECNAccept = tcb.ECNAccept

	ECNAccurate       = tcb.ECNAccurate // RFC 9768
	ECNAccurateOnAsk  = tcb.ECNAccurateOnAsk
	ECNAccurateAccept = tcb.ECNAccurateAccept
)

// ECNReports says which segments have the option of accurate feedback, with the values of net.ipv4.tcp_ecn_option.
type ECNReports = tcb.ECNReports

// The values.
const (
	ReportNever   = tcb.ReportNever
	ReportSparing = tcb.ReportSparing
	ReportChanges = tcb.ReportChanges
	ReportAlways  = tcb.ReportAlways
)

// MTUProbing says when connections probe for the path MTU, with the values of net.ipv4.tcp_mtu_probing.
type MTUProbing = tcb.MTUProbing

// The values.
const (
	ProbingOff       = tcb.ProbingOff
	ProbingBlackHole = tcb.ProbingBlackHole
	ProbingAlways    = tcb.ProbingAlways
)

// CookieMode says when a listener answers with SYN cookies (RFC 4987 §3.6), with the values of
// net.ipv4.tcp_syncookies.
type CookieMode uint8

// The modes.
const (
	CookiesOff    CookieMode = iota // a SYN that finds the queue full is dropped
	CookiesOnFull                   // a SYN that finds the queue full is answered with a cookie
	CookiesAlways                   // no SYN gets an entry
)

// ReuseMode says when a connect may take the port of a connection in TIME-WAIT (RFC 6191), with the values of
// net.ipv4.tcp_tw_reuse.
type ReuseMode uint8

// The modes.
const (
	ReuseOff ReuseMode = iota
	ReuseOn
	ReuseLoopback // between addresses of the host alone
)

// Options are the settings of TCP in one stack, each unset meaning Linux's default. They hold for
// endpoints made later; what an endpoint can set of its own begins with them.
type Options struct {
	Timestamps  tcpip.Opt[tcpip.TimestampMode] // net.ipv4.tcp_timestamps: on
	SACK        tcpip.Opt[bool]                // net.ipv4.tcp_sack: on
	Scaling     tcpip.Opt[bool]                // net.ipv4.tcp_window_scaling: on
	ECN         tcpip.Opt[ECNMode]             // net.ipv4.tcp_ecn: accept it
	ECNInsist   tcpip.Opt[bool]                // the opposite of net.ipv4.tcp_ecn_fallback: off
	ECNOption   tcpip.Opt[ECNReports]          // net.ipv4.tcp_ecn_option, which segments of accurate feedback count bytes, too: those with news
	Congestion  tcpip.Opt[Congestion]          // CUBIC
	HyStartPlus tcpip.Opt[bool]                // CUBIC and Reno leave slow start by HyStart++ (RFC 9406) rather than as on Linux: off

	// What each connection may hold while the stack's memory is short (net.ipv4.tcp_wmem, tcp_rmem), slab bytes: 4096
	// each, or less if the maximum is. Beyond it writers wait, and what arrives is dropped for the peer to send again. See stack.Options.MaxMemory.
	SendBufferMin    tcpip.Opt[int]
	ReceiveBufferMin tcpip.Opt[int]
	SendBuffer       tcpip.Opt[int] // slab bytes at which tuning begins (net.ipv4.tcp_wmem): 16 KB
	ReceiveBuffer    tcpip.Opt[int] // slab bytes at which tuning begins (net.ipv4.tcp_rmem): 128 KB
	SendBufferMax    tcpip.Opt[int] // slab bytes at which tuning ends (net.ipv4.tcp_wmem): 4 MB
	ReceiveBufferMax tcpip.Opt[int] // slab bytes at which tuning ends (net.ipv4.tcp_rmem): 6 MB

	SynRetries    tcpip.Opt[int]           // net.ipv4.tcp_syn_retries: 6
	DSACK         tcpip.Opt[bool]          // net.ipv4.tcp_dsack: on
	RFC1337       tcpip.Opt[bool]          // net.ipv4.tcp_rfc1337, whether a RST leaves TIME-WAIT alone: off
	SynLinear     tcpip.Opt[int]           // net.ipv4.tcp_syn_linear_timeouts: 4
	SynAckRetries tcpip.Opt[int]           // net.ipv4.tcp_synack_retries: 5
	Retries       tcpip.Opt[int]           // net.ipv4.tcp_retries2: 15
	FinTimeout    tcpip.Opt[time.Duration] // net.ipv4.tcp_fin_timeout: 60 s
	KeepIdle      tcpip.Opt[time.Duration] // net.ipv4.tcp_keepalive_time: 2 h
	KeepInterval  tcpip.Opt[time.Duration] // net.ipv4.tcp_keepalive_intvl: 75 s
	KeepCount     tcpip.Opt[int]           // net.ipv4.tcp_keepalive_probes: 9
	RTOMin        tcpip.Opt[time.Duration] // 200 ms
	RTOMax        tcpip.Opt[time.Duration] // 120 s
	InitialWindow tcpip.Opt[int]           // segments: 10 (RFC 6928)
	AnnouncedMSS  tcpip.Opt[int]           // bytes, in SYNs: what the link takes; the advmss of Linux's routes
	NotSentLow    tcpip.Opt[int]           // net.ipv4.tcp_notsent_lowat, bytes: no bound
	ThinLinear    tcpip.Opt[bool]          // net.ipv4.tcp_thin_linear_timeouts: off

	FastOpen          tcpip.Opt[FastOpenMode]  // net.ipv4.tcp_fastopen: for clients
	FastOpenKeys      tcpip.Opt[FastOpenKeys]  // net.ipv4.tcp_fastopen_key: random
	FastOpenBlackhole tcpip.Opt[time.Duration] // net.ipv4.tcp_fastopen_blackhole_timeout_sec: 0, which is off

	MinSegments  tcpip.Opt[int]           // net.ipv4.tcp_min_tso_segs: 2
	WinDivisor   tcpip.Opt[int]           // net.ipv4.tcp_tso_win_divisor: 3
	CompressSACK tcpip.Opt[int]           // net.ipv4.tcp_comp_sack_nr: 44
	SACKDelay    tcpip.Opt[time.Duration] // net.ipv4.tcp_comp_sack_delay_ns: 1 ms

	Recovery           tcpip.Opt[int]  // net.ipv4.tcp_recovery: 1
	EarlyRetransmit    tcpip.Opt[int]  // net.ipv4.tcp_early_retrans: 3, tail loss probes
	Reordering         tcpip.Opt[int]  // net.ipv4.tcp_reordering, segments: 3
	MaxReordering      tcpip.Opt[int]  // net.ipv4.tcp_max_reordering, segments: 300
	FRTO               tcpip.Opt[bool] // net.ipv4.tcp_frto: on
	SlowStartAfterIdle tcpip.Opt[bool] // net.ipv4.tcp_slow_start_after_idle: on
	Collapse           tcpip.Opt[bool] // net.ipv4.tcp_retrans_collapse: on

	// Probing for the path MTU (RFC 4821). Linux's default is off: a path that swallows large packets without an ICMP
	// error then stops connections for ever.
	MTUProbing tcpip.Opt[MTUProbing] // net.ipv4.tcp_mtu_probing: in black holes
	BaseMSS    tcpip.Opt[int]        // net.ipv4.tcp_base_mss, bytes: 1024; probing starts there
	MinMSS     tcpip.Opt[int]        // net.ipv4.tcp_min_snd_mss, bytes: 48; what is sent at least, whatever a peer or ICMP says

	SynBacklog      tcpip.Opt[int]        // net.ipv4.tcp_max_syn_backlog: 4096
	Cookies         tcpip.Opt[CookieMode] // net.ipv4.tcp_syncookies: when the queue is full
	AbortOnOverflow tcpip.Opt[bool]       // net.ipv4.tcp_abort_on_overflow: off
	TimeWaitMax     tcpip.Opt[int]        // net.ipv4.tcp_max_tw_buckets: 65536
	TimeWaitReuse   tcpip.Opt[ReuseMode]  // net.ipv4.tcp_tw_reuse: on, where timestamps make it safe
	OrphanMax       tcpip.Opt[int]        // net.ipv4.tcp_max_orphans: 16384
	ResetRate       tcpip.Opt[int]        // RSTs to nobody's segments per second: 10000
	ChallengeRate   tcpip.Opt[int]        // challenge ACKs per second: 1000

	InvalidInterval tcpip.Opt[time.Duration] // net.ipv4.tcp_invalid_ratelimit, between a connection's answers to what is invalid: 500 ms

	RareOptions
}

// config is Options with the defaults put in.
type config struct {
	initial    *endpointOptions // of a new endpoint; shared by all that have not set any
	prompt     *endpointOptions // with TCP_NODELAY, which is all that most Go programs set
	timestamps tcpip.TimestampMode

	synBacklog, timeWaitMax, maxBacklog int
	cookies                             CookieMode
	abortOnOverflow, reflectTOS         bool
	timeWaitReuse                       ReuseMode
	orphanMax                           int64
	finTimeout, timeWaitReuseDelay      time.Duration
}

// config puts the defaults in; sock are the options of the stack's new endpoints.
func (o *Options) config(sock tcpip.SocketConf) config {
	c := config{
		timestamps:      o.Timestamps.Or(tcpip.TimestampsOn),
		initial:         &endpointOptions{sock: sock},
		synBacklog:      o.SynBacklog.Or(synBacklog),
		timeWaitMax:     o.TimeWaitMax.Or(timeWaitMax),
		cookies:         o.Cookies.Or(CookiesOnFull),
		abortOnOverflow: o.AbortOnOverflow.Or(false),
		timeWaitReuse:   o.TimeWaitReuse.Or(ReuseOn),
		maxBacklog:      o.MaxBacklog.Or(maxBacklog),
		reflectTOS:      o.ReflectTOS.Or(false),
		orphanMax:       int64(o.OrphanMax.Or(orphanMax)),
		finTimeout:      o.FinTimeout.Or(60 * time.Second),

		timeWaitReuseDelay: o.TimeWaitReuseDelay.Or(timeWaitReuse),
	}
	c.initial.sock.SendBuffer, c.initial.sock.ReceiveBuffer = o.SendBuffer.Or(defaultSendBuffer), o.ReceiveBuffer.Or(defaultReceiveBuffer)
	c.initial.conf.Conf = tcb.Conf{
		SACK:                 o.SACK.Or(true),
		Scaling:              o.Scaling.Or(true),
		ECN:                  o.ECN.Or(ECNAccept),
		ECNInsist:            o.ECNInsist.Or(false),
		ECNOption:            o.ECNOption.Or(ReportChanges),
		Timestamps:           c.timestamps,
		SynRetries:           o.SynRetries.Or(6),
		SynLinear:            o.SynLinear.Or(4),
		NoDSACK:              !o.DSACK.Or(true),
		RFC1337:              o.RFC1337.Or(false),
		SynAckRetries:        o.SynAckRetries.Or(synAckRetries),
		Retries:              o.Retries.Or(15),
		Linger2:              c.finTimeout,
		KeepIdle:             o.KeepIdle.Or(2 * time.Hour),
		KeepInterval:         o.KeepInterval.Or(75 * time.Second),
		KeepCount:            o.KeepCount.Or(9),
		Congestion:           o.Congestion.Or(Cubic),
		HyStartPlus:          o.HyStartPlus.Or(false),
		SendBufferMin:        min(o.SendBufferMin.Or(bufferMin), o.SendBufferMax.Or(sendBufferMax)),
		ReceiveBufferMin:     min(o.ReceiveBufferMin.Or(bufferMin), o.ReceiveBufferMax.Or(receiveBufferMax)),
		SendBufferMax:        o.SendBufferMax.Or(sendBufferMax),
		ReceiveBufferMax:     o.ReceiveBufferMax.Or(receiveBufferMax),
		SendBufferInitial:    o.SendBuffer.Or(defaultSendBuffer),
		ReceiveBufferInitial: o.ReceiveBuffer.Or(defaultReceiveBuffer),
		NotSentLow:           o.NotSentLow.Or(0),
		ThinLinear:           o.ThinLinear.Or(false),
		RTOMin:               o.RTOMin.Or(rtoMin),
		RTOMax:               o.RTOMax.Or(rtoMax),
		InitialWindow:        o.InitialWindow.Or(10),
		AnnouncedMSS:         o.AnnouncedMSS.Or(0),
		InvalidInterval:      o.InvalidInterval.Or(tcb.InvalidInterval),
		DelAckMax:            200 * time.Millisecond,
		Probing:              o.MTUProbing.Or(ProbingBlackHole),
		BaseMSS:              o.BaseMSS.Or(1024),
		MinMSS:               o.MinMSS.Or(48),

		MinSegments:        o.MinSegments.Or(2),
		WinDivisor:         o.WinDivisor.Or(3),
		CompressSACK:       o.CompressSACK.Or(44),
		SACKDelay:          o.SACKDelay.Or(time.Millisecond),
		Recovery:           o.Recovery.Or(1),
		EarlyRetransmit:    o.EarlyRetransmit.Or(3),
		Reordering:         o.Reordering.Or(reordering),
		MaxReordering:      o.MaxReordering.Or(maxReordering),
		FRTO:               o.FRTO.Or(true),
		SlowStartAfterIdle: o.SlowStartAfterIdle.Or(true),
		Collapse:           o.Collapse.Or(true),
		RarelyChanged:      o.machine(),
	}
	c.initial.arrivals = c.initial.notesArrivals()
	prompt := *c.initial
	prompt.conf.NoDelay = true
	c.prompt = &prompt
	return c
}

// Defaults that others are compared with. What SO_SNDBUF and SO_RCVBUF say of a new TCP socket, and how far they grow:
// net.ipv4.tcp_wmem and tcp_rmem, bytes; bufferMin is the first number of either.
const (
	bufferMin            = 4096
	defaultSendBuffer    = 16384
	defaultReceiveBuffer = 131072
	sendBufferMax        = 4 << 20
	receiveBufferMax     = 6 << 20

	rtoMin, rtoMax            = 200 * time.Millisecond, 120 * time.Second
	reordering, maxReordering = 3, 300 // segments
)

// Configure changes the settings while the stack runs. They hold for endpoints made from now on; those that are no
// endpoint's own, such as the limits of TIME-WAIT, at once. What o leaves unset is Linux's default again.
//
// Errors: what Check finds wrong; then nothing changes.
func (t *Protocol) Configure(o Options) error {
	if err := o.Check(); err != nil {
		return err
	}
	c := o.config(t.stack.SocketConf())
	t.config.Store(&c)
	t.fastOpen.configure(&o)
	t.resets.setRate(o.ResetRate.Or(resetRate))
	t.challenges.setRate(o.ChallengeRate.Or(challengeRate))
	return nil
}

// New makes TCP for a stack, with Linux's defaults.
func New(s *stack.Stack) stack.TransportProtocol { return newProtocol(s, &Options{}) }

// NewWith returns what makes TCP for a stack with the given settings.
func NewWith(o Options) stack.NewTransport {
	return func(s *stack.Stack) stack.TransportProtocol { return newProtocol(s, &o) }
}
