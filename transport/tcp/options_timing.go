package tcp

import (
	"math"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// tick is the unit that times are rounded up to where Linux counts them in its own, as measured with 250 Hz.
const tick = 4 * time.Millisecond

func ticks(d time.Duration) time.Duration { return (d + tick - 1) / tick * tick }

// timingRows are the options about when segments are sent.
var timingRows = []tcpip.OptionRow[settings]{
	{ID: SO_MAX_PACING_RATE, Name: "SO_MAX_PACING_RATE", Unit: "bytes/s", Min: math.MinInt, Max: math.MaxInt, Default: -1, On: tcpip.KindTCP,
		Get: func(c *settings) int { return c.pacing.Or(-1) },
		Set: func(c *settings, v int) {
			c.pacing = tcpip.Set(max(v, -1))
			c.MaxPacingRate = int64(max(v, 0))
		},
		Doc: "Data is spread over time so that no more is sent in it, headers included; 0 and less mean no pacing."},
	number(TCP_THIN_LINEAR_TIMEOUTS, "TCP_THIN_LINEAR_TIMEOUTS", "", tcpip.Range{Max: 1}, 0,
		func(c *settings) int { return boolToInt(c.ThinLinear) }, func(c *settings, v int) { c.ThinLinear = v != 0 },
		"Do not double the timeout for the first six retransmissions of a stream with fewer than four segments in flight."),
	hinted(number(TCP_TX_DELAY, "TCP_TX_DELAY", "µs", tcpip.Range{Max: 1<<28 - 1}, 0,
		func(c *settings) int { return c.txDelay }, func(c *settings, v int) { c.txDelay = v },
		"Linux delays packets by it where the packet scheduler is fq, which is not here.")),
	number(TCP_RTO_MAX_MS, "TCP_RTO_MAX_MS", "ms", tcpip.Range{Min: 1000, Max: 120000}, 120000,
		func(c *settings) int { return int(c.RTOMax / time.Millisecond) },
		func(c *settings, v int) { c.RTOMax = ticks(time.Duration(v) * time.Millisecond) },
		"Upper bound of the retransmission timeout; rounded up to 4 ms."),
	number(TCP_RTO_MIN_US, "TCP_RTO_MIN_US", "µs", tcpip.Range{Min: int(tick/time.Microsecond) + 1, Max: 200000}, 200000,
		func(c *settings) int { return int(c.RTOMin / time.Microsecond) },
		func(c *settings, v int) { c.RTOMin = ticks(time.Duration(v) * time.Microsecond) },
		"Lower bound of what the retransmission timeout adds to the round trip; rounded up to 4 ms."),
	number(TCP_DELACK_MAX_US, "TCP_DELACK_MAX_US", "µs", tcpip.Range{Min: int(tick/time.Microsecond) + 1, Max: 200000}, 200000,
		func(c *settings) int { return int(c.DelAckMax / time.Microsecond) },
		func(c *settings, v int) { c.DelAckMax = ticks(time.Duration(v) * time.Microsecond) },
		"Longest time that an acknowledgement is delayed; rounded up to 4 ms."),
}

// receptionRows are the options about what is told of what has arrived.
var receptionRows = []tcpip.OptionRow[settings]{
	number(TCP_SAVE_SYN, "TCP_SAVE_SYN", "", tcpip.Range{Max: 2}, 0,
		func(c *settings) int { return int(c.saveSyn) }, func(c *settings, v int) { c.saveSyn = uint8(v) },
		"Let a listener keep the headers of SYNs for TCP_SAVED_SYN of the connections that come of them: 1 from IP on, 2 with the link's."),
	number(TCP_INQ, "TCP_INQ", "", tcpip.Range{Max: 1}, 0,
		func(c *settings) int { return boolToInt(c.inq) }, func(c *settings, v int) { c.inq = v != 0 },
		"Report in a control message with each receive how many bytes are left to read."),
}

func number(id tcpip.OptionID, name, unit string, r tcpip.Range, byDefault int, get func(*settings) int, set func(*settings, int), doc string) tcpip.OptionRow[settings] {
	return tcpip.OptionRow[settings]{ID: id, Name: name, Unit: unit, Min: r.Min, Max: r.Max, Default: byDefault, On: tcpip.KindTCP, Get: get, Set: set, Doc: doc}
}

func hinted(r tcpip.OptionRow[settings]) tcpip.OptionRow[settings] {
	r.Hint = true
	return r
}
