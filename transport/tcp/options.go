package tcp

import (
	"math"
	"slices"
	"time"

	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/tcpip"
)

// TCP's options by their Linux numbers (tcp(7)). TCP_TIMESTAMP_MODE is our own: Linux has no such
// option per socket.
const (
	TCP_NODELAY        tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 1
	TCP_MAXSEG         tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 2
	TCP_CORK           tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 3
	TCP_KEEPIDLE       tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 4
	TCP_KEEPINTVL      tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 5
	TCP_KEEPCNT        tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 6
	TCP_SYNCNT         tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 7
	TCP_LINGER2        tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 8
	TCP_DEFER_ACCEPT   tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 9
	TCP_WINDOW_CLAMP   tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 10
	TCP_QUICKACK       tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 12
	TCP_USER_TIMEOUT   tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 18
	TCP_NOTSENT_LOWAT  tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 25
	TCP_TIMESTAMP_MODE tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 0x4001

	TCP_THIN_LINEAR_TIMEOUTS tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 16
	TCP_THIN_DUPACK          tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 17
	TCP_SAVE_SYN             tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 27
	TCP_INQ                  tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 36
	TCP_TX_DELAY             tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 37
	TCP_RTO_MAX_MS           tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 44
	TCP_RTO_MIN_US           tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 45
	TCP_DELACK_MAX_US        tcpip.OptionID = tcpip.IPPROTO_TCP<<16 | 46
	SO_MAX_PACING_RATE       tcpip.OptionID = tcpip.SOL_SOCKET<<16 | 47
)

// settings are a TCP endpoint's own options: those that the machine reads, and what the shell needs to
// show and inherit them.
type settings struct {
	tcb.Conf
	mode tcpip.Opt[tcpip.TimestampMode] // unset: the stack's

	saveSyn uint8          // TCP_SAVE_SYN
	inq     bool           // TCP_INQ
	clamped bool           // TCP_WINDOW_CLAMP was set
	txDelay int            // TCP_TX_DELAY, µs
	notSent int            // TCP_NOTSENT_LOWAT as it was set
	pacing  tcpip.Opt[int] // SO_MAX_PACING_RATE as it was set

	fastOpen                  int           // TCP_FASTOPEN
	fastConnect, fastNoCookie bool          // TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE
	fastKeys                  *FastOpenKeys // TCP_FASTOPEN_KEY; nil: the stack's
}

// endpointOptions are all options of an endpoint. Once an endpoint has them they are never changed, so
// that connections share them with their listener, and all with the defaults: an option that is set makes
// a copy.
type endpointOptions struct {
	sock tcpip.SocketConf
	conf settings
	md5  md5Keys // TCP_MD5SIG

	headers *sentHeaders // nil: plain ones

	arrivals bool // the user wants to know when data came
}

// The bounds of values, from tcp(7) and Linux's behaviour.
const (
	minMaxSegment  = 88    // TCP_MIN_MSS, bytes; 0 is none
	maxMaxSegment  = 32767 // MAX_TCP_WINDOW, bytes
	maxKeepTime    = 32767 // MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL, s
	maxRetryCount  = 127   // MAX_TCP_KEEPCNT and MAX_TCP_SYNCNT
	maxFinTimeout  = 120   // TCP_FIN_TIMEOUT_MAX, s
	minWindowClamp = tcpip.MinReceiveBuffer / 2
	maxLinger      = math.MaxInt32 // s
)

// EndpointOptions declares the options that only TCP endpoints have. Those that it shares with other endpoints are
// tcpip.SocketOptions.
var EndpointOptions = slices.Concat(connectionRows, timingRows, receptionRows, fastOpenRows)

var connectionRows = []tcpip.OptionRow[settings]{
	flag(tcpip.SO_KEEPALIVE, "SO_KEEPALIVE", func(c *settings) *bool { return &c.KeepAlive },
		"Probe a silent peer (RFC 9293 §3.8.4)."),
	flag(tcpip.SO_OOBINLINE, "SO_OOBINLINE", func(c *settings) *bool { return &c.OOBInline },
		"Leave the urgent byte in the stream."),
	{ID: tcpip.SO_LINGER, Name: "SO_LINGER", Unit: "s", Min: -1, Max: maxLinger, Default: -1, On: tcpip.KindTCP,
		Get: func(c *settings) int {
			d, set := c.Linger.Get()
			if !set {
				return -1
			}
			return int(d / time.Second)
		},
		Set: func(c *settings, v int) {
			c.Linger = tcpip.Opt[time.Duration]{}
			if v >= 0 {
				c.Linger = tcpip.Set(time.Duration(v) * time.Second)
			}
		},
		Doc: "How long close(2) may wait for queued data; -1 means off. With 0 Close is a reset. Close itself never waits: adapters do."},

	flag(TCP_NODELAY, "TCP_NODELAY", func(c *settings) *bool { return &c.NoDelay },
		"Send small segments at once (no Nagle, RFC 9293 §3.7.4)."),
	{ID: TCP_MAXSEG, Name: "TCP_MAXSEG", Unit: "bytes", Min: 0, Max: maxMaxSegment, On: tcpip.KindTCP,
		Except: tcpip.Set(tcpip.Range{Min: 1, Max: minMaxSegment - 1}),
		Get:    func(c *settings) int { return c.MaxSegment }, Set: func(c *settings, v int) { c.MaxSegment = v },
		Doc: "Upper bound of the MSS, both ways; 0 means none, 1 to 87 are refused. On a connection it shows the MSS in use."},
	flag(TCP_CORK, "TCP_CORK", func(c *settings) *bool { return &c.Cork },
		"Send full segments only, for at most 200 ms."),
	seconds(TCP_KEEPIDLE, "TCP_KEEPIDLE", 7200, func(c *settings) *time.Duration { return &c.KeepIdle },
		"Idle time before the first keep-alive probe."),
	seconds(TCP_KEEPINTVL, "TCP_KEEPINTVL", 75, func(c *settings) *time.Duration { return &c.KeepInterval },
		"Time between keep-alive probes."),
	count(TCP_KEEPCNT, "TCP_KEEPCNT", 9, func(c *settings) *int { return &c.KeepCount },
		"Keep-alive probes without an answer before the connection is given up."),
	count(TCP_SYNCNT, "TCP_SYNCNT", 6, func(c *settings) *int { return &c.SynRetries },
		"How long a connection attempt lasts, as a number of SYN retransmissions whose timeout doubles from one second. The first four come a second apart."),
	{ID: TCP_LINGER2, Name: "TCP_LINGER2", Unit: "s", Min: math.MinInt32, Max: math.MaxInt32, Default: 60, On: tcpip.KindTCP,
		Get: func(c *settings) int {
			if c.Linger2 < 0 {
				return -1
			}
			return int(c.Linger2 / time.Second)
		},
		Set: func(c *settings, v int) {
			switch {
			case v < 0:
				c.Linger2 = -1
			case v == 0:
				c.Linger2 = 60 * time.Second
			default:
				c.Linger2 = time.Duration(min(v, maxFinTimeout)) * time.Second
			}
		},
		Doc: "How long a closed connection stays in FIN-WAIT-2; negative means not at all, 0 the default."},
	{ID: TCP_DEFER_ACCEPT, Name: "TCP_DEFER_ACCEPT", Unit: "s", Min: math.MinInt32, Max: math.MaxInt32, On: tcpip.KindTCP,
		Get: func(c *settings) int { return retransToSeconds(c.DeferAccept) },
		Set: func(c *settings, v int) { c.DeferAccept = secondsToRetrans(v) },
		Doc: "Accept only connections that have sent data, for about as long; rounded up to a number of SYN-ACK retransmissions."},
	{ID: TCP_WINDOW_CLAMP, Name: "TCP_WINDOW_CLAMP", Unit: "bytes", Min: math.MinInt32, Max: math.MaxInt32, On: tcpip.KindTCP,
		Get: func(c *settings) int { return c.WindowClamp },
		Set: func(c *settings, v int) {
			c.clamped = true
			if c.WindowClamp = 0; v != 0 {
				c.WindowClamp = max(v, minWindowClamp)
			}
		},
		Doc: "Upper bound of the advertised window; 0 means none."},
	{ID: TCP_QUICKACK, Name: "TCP_QUICKACK", Unit: "bool", Max: 1, Default: 1, On: tcpip.KindTCP,
		Get: func(c *settings) int { return boolToInt(!c.NoQuickAck) },
		Set: func(c *settings, v int) { c.NoQuickAck = v == 0 },
		Doc: "Acknowledge without waiting for an answer to carry it; as on Linux it is turned on and off by what happens, too."},
	{ID: TCP_USER_TIMEOUT, Name: "TCP_USER_TIMEOUT", Unit: "ms", Min: 0, Max: math.MaxInt32, On: tcpip.KindTCP,
		Get: func(c *settings) int { return int(c.UserTimeout / time.Millisecond) },
		Set: func(c *settings, v int) { c.UserTimeout = time.Duration(v) * time.Millisecond },
		Doc: "How long sent data may stay unacknowledged (RFC 5482); 0 means that retransmissions are counted instead."},
	{ID: TCP_NOTSENT_LOWAT, Name: "TCP_NOTSENT_LOWAT", Unit: "bytes", Min: math.MinInt32, Max: math.MaxInt32, On: tcpip.KindTCP,
		Get: func(c *settings) int { return c.notSent },
		Set: func(c *settings, v int) { c.notSent, c.NotSentLow = v, max(v, 0) },
		Doc: "Bytes not yet sent from which on no more is taken, and half of which make the endpoint not writable; 0 and less mean no bound."},
	{ID: TCP_TIMESTAMP_MODE, Name: "TCP_TIMESTAMP_MODE", Min: -1, Max: int(tcpip.TimestampsStrict), Default: -1, On: tcpip.KindTCP,
		Get: func(c *settings) int {
			m, set := c.mode.Get()
			if !set {
				return -1
			}
			return int(m)
		},
		Set: func(c *settings, v int) {
			c.mode = tcpip.Opt[tcpip.TimestampMode]{}
			if v >= 0 {
				c.mode = tcpip.Set(tcpip.TimestampMode(v))
			}
		},
		Doc: "Use of timestamps, a TimestampMode; -1 means the stack's. Connections take it up when they begin."},
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func flag(id tcpip.OptionID, name string, field func(*settings) *bool, doc string) tcpip.OptionRow[settings] {
	return tcpip.OptionRow[settings]{ID: id, Name: name, Unit: "bool", Max: 1, On: tcpip.KindTCP, Doc: doc,
		Get: func(c *settings) int { return boolToInt(*field(c)) },
		Set: func(c *settings, v int) { *field(c) = v != 0 },
	}
}

func seconds(id tcpip.OptionID, name string, byDefault int, field func(*settings) *time.Duration, doc string) tcpip.OptionRow[settings] {
	return tcpip.OptionRow[settings]{ID: id, Name: name, Unit: "s", Min: 1, Max: maxKeepTime, Default: byDefault, On: tcpip.KindTCP, Doc: doc,
		Get: func(c *settings) int { return int(*field(c) / time.Second) },
		Set: func(c *settings, v int) { *field(c) = time.Duration(v) * time.Second },
	}
}

func count(id tcpip.OptionID, name string, byDefault int, field func(*settings) *int, doc string) tcpip.OptionRow[settings] {
	return tcpip.OptionRow[settings]{ID: id, Name: name, Min: 1, Max: maxRetryCount, Default: byDefault, On: tcpip.KindTCP, Doc: doc,
		Get: func(c *settings) int { return *field(c) },
		Set: func(c *settings, v int) { *field(c) = v },
	}
}

// secondsToRetrans returns how many SYN-ACK retransmissions it takes to wait for so many seconds, the
// first coming after one and each later one after twice the time, 120 s at most.
func secondsToRetrans(s int) (n int) {
	if s <= 0 {
		return 0
	}
	n = 1
	for period, timeout := 1, 1; s > period && n < 255; n++ {
		timeout = min(2*timeout, 120)
		period += timeout
	}
	return n
}

// retransToSeconds is the inverse, as far as there is one.
func retransToSeconds(n int) (period int) {
	for timeout := 1; n > 0; n-- {
		period += timeout
		timeout = min(2*timeout, 120)
	}
	return period
}
