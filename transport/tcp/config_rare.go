package tcp

import (
	"errors"
	"time"

	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/tcpip"
)

// RareOptions are the settings of TCP that hardly anybody sets otherwise than Linux does.
type RareOptions struct {
	ShrinkWindow    tcpip.Opt[bool] // net.ipv4.tcp_shrink_window, whether a scaled window may be taken back: off
	SignedWindow    tcpip.Opt[bool] // net.ipv4.tcp_workaround_signed_windows, whether an unscaled window is below 32 KB: off
	ModerateReceive tcpip.Opt[bool] // net.ipv4.tcp_moderate_rcvbuf, whether receive buffers tune themselves: on
	UrgentLast      tcpip.Opt[bool] // net.ipv4.tcp_stdurg, whether the urgent pointer names the last urgent byte (RFC 1122): off
	PingPong        tcpip.Opt[int]  // net.ipv4.tcp_pingpong_thresh, answers after which acknowledgements wait for another: 1
	OrphanRetries   tcpip.Opt[int]  // net.ipv4.tcp_orphan_retries: 0, which is 8
	AppWindow       tcpip.Opt[int]  // net.ipv4.tcp_app_win, which part of a new window is kept back, as a power of two: 31
	ReflectTOS      tcpip.Opt[bool] // net.ipv4.tcp_reflect_tos, whether what a listener accepts has the traffic class of its SYN: off
	MaxBacklog      tcpip.Opt[int]  // net.core.somaxconn, the largest backlog of a listener: 4096

	BlackHoleRetries tcpip.Opt[int]           // net.ipv4.tcp_retries1, timeouts after which a black hole is suspected: 3
	ProbeFloor       tcpip.Opt[int]           // net.ipv4.tcp_mtu_probe_floor, bytes of MSS: 48
	ProbeThreshold   tcpip.Opt[int]           // net.ipv4.tcp_probe_threshold, bytes: 8
	ProbeInterval    tcpip.Opt[time.Duration] // net.ipv4.tcp_probe_interval: 10 minutes

	ECNBeacon     tcpip.Opt[int]           // net.ipv4.tcp_ecn_option_beacon, reports per round trip of ReportSparing: 3
	PaceSlowStart tcpip.Opt[int]           // net.ipv4.tcp_pacing_ss_ratio, per cent of the window in a round trip: 200
	PaceAvoidance tcpip.Opt[int]           // net.ipv4.tcp_pacing_ca_ratio: 120
	MinRTTWindow  tcpip.Opt[time.Duration] // net.ipv4.tcp_min_rtt_wlen, how long a shortest round trip counts: 5 minutes

	TimeWaitReuseDelay tcpip.Opt[time.Duration] // net.ipv4.tcp_tw_reuse_delay: 1 s
}

// machine returns what a connection's machine is told of them.
func (o *RareOptions) machine() tcb.RarelyChanged {
	d := tcb.DefaultRarelyChanged()
	return tcb.RarelyChanged{
		ShrinkWindow:     o.ShrinkWindow.Or(d.ShrinkWindow),
		SignedWindow:     o.SignedWindow.Or(d.SignedWindow),
		FixedReceive:     !o.ModerateReceive.Or(!d.FixedReceive),
		UrgentLast:       o.UrgentLast.Or(d.UrgentLast),
		PingPong:         o.PingPong.Or(d.PingPong),
		OrphanRetries:    o.OrphanRetries.Or(d.OrphanRetries),
		AppWindow:        o.AppWindow.Or(d.AppWindow),
		BlackHoleRetries: o.BlackHoleRetries.Or(d.BlackHoleRetries),
		ProbeFloor:       o.ProbeFloor.Or(d.ProbeFloor),
		ProbeThreshold:   o.ProbeThreshold.Or(d.ProbeThreshold),
		ProbeInterval:    o.ProbeInterval.Or(d.ProbeInterval),
		ECNBeacon:        o.ECNBeacon.Or(d.ECNBeacon),
		PaceSlowStart:    o.PaceSlowStart.Or(d.PaceSlowStart),
		PaceAvoidance:    o.PaceAvoidance.Or(d.PaceAvoidance),
		MinRTTWindow:     o.MinRTTWindow.Or(d.MinRTTWindow),
	}
}

// check is Options.Check for them.
func (o *RareOptions) check() error {
	const p = "tcp: Options."
	return errors.Join(
		tcpip.CheckRange(p+"PingPong", o.PingPong, 1, 255),
		tcpip.CheckRange(p+"OrphanRetries", o.OrphanRetries, 0, 255),
		tcpip.CheckRange(p+"AppWindow", o.AppWindow, 0, 31),
		tcpip.CheckRange(p+"MaxBacklog", o.MaxBacklog, 0, largestTable),
		tcpip.CheckRange(p+"BlackHoleRetries", o.BlackHoleRetries, 0, 255),
		tcpip.CheckRange(p+"ProbeFloor", o.ProbeFloor, 48, 65535),
		tcpip.CheckRange(p+"ProbeThreshold", o.ProbeThreshold, 0, 65535),
		tcpip.CheckRange(p+"ProbeInterval", o.ProbeInterval, 0, longestTime),
		tcpip.CheckRange(p+"ECNBeacon", o.ECNBeacon, 0, 3),
		tcpip.CheckRange(p+"PaceSlowStart", o.PaceSlowStart, 0, 1000),
		tcpip.CheckRange(p+"PaceAvoidance", o.PaceAvoidance, 0, 1000),
		tcpip.CheckRange(p+"MinRTTWindow", o.MinRTTWindow, 0, longestTime),
		tcpip.CheckRange(p+"TimeWaitReuseDelay", o.TimeWaitReuseDelay, time.Millisecond, time.Minute),
	)
}
