package packetdrill

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/internal/packetdrill/peer"
)

// plan is what a seed has decided before a recording begins.
type plan struct {
	name     string
	v6       bool
	active   bool // the system under test connects
	ecn      bool // the peer asks for it, or agrees to it
	settings []string
	options  []string // of the socket, as setsockopt takes them; later: of the connection
	later    []string

	nonblocking bool
	peer        peer.Plan
	acts        []act
	length      time.Duration
}

// act is a call of the user, at a time since the connection is there; %d in it is the connection.
type act struct {
	at   time.Duration
	call string
}

// dice draws what a plan is made of.
type dice struct{ *rand.Rand }

func (d dice) chance(p float64) bool { return d.Float64() < p }

// between returns a number of [from, to].
func (d dice) between(from, to int) int { return from + d.IntN(to-from+1) }

// pick returns one of a list.
func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

// ms returns one of a list, in milliseconds.
func (d dice) ms(list ...int) time.Duration {
	return time.Duration(pick(d, list...)) * time.Millisecond
}

// profiles are what recordings are about. A profile changes a plan that has been drawn before it.
var profiles = map[string]func(d dice, p *plan){
	"loss":     func(dice, *plan) {},
	"settings": drawSettings,
	"acks":     drawAcks,
	"window":   drawWindow,
	"ecn":      drawECN,
	"small":    drawSmall,
	"lowat":    drawLowWater,
	"double":   drawDouble,
	"renege":   drawRenege,
	"close":    drawClose,
	"big":      drawBig,
	"idle":     drawIdle,
	"open":     drawOpen,
}

// Profiles returns the names of what recordings are about.
func Profiles() []string { return slices.Sorted(maps.Keys(profiles)) }

// newPlan draws the plan of a profile and a seed.
func newPlan(profile string, seed uint64) (p plan, err error) {
	change, ok := profiles[profile]
	if !ok {
		return p, fmt.Errorf("there is no profile %q, only %s", profile, strings.Join(Profiles(), ", "))
	}
	d := dice{rand.New(rand.NewPCG(seed, 1))}
	p.name = fmt.Sprintf("%s, seed %d", profile, seed)
	p.settings = []string{"net.ipv4.tcp_no_metrics_save=1"}
	congestion := pick(d, "reno", "cubic", "cubic")
	p.options = []string{"SOL_SOCKET, SO_SNDBUF, [1000000], 4", fmt.Sprintf("SOL_TCP, TCP_CONGESTION, %q, %d", congestion, len(congestion))}
	p.active, p.v6 = d.chance(.2), d.chance(.1)
	stamps, sack := d.chance(.4), d.chance(.85)
	p.set("timestamps", stamps)
	p.set("sack", sack)
	if d.chance(.7) { // or else much hangs on whether an ACK comes within a millisecond
		p.set("min_tso_segs", 1)
	}
	p.peer = peer.Plan{
		RTT: d.ms(20, 40, 100, 100, 200), Loss: pick(d, .03, .05, .1, .2, .3), Reorder: pick(d, 0, 0, .1, .3),
		Burst: pick(d, 1, 1, 3, 6), AckLoss: pick(d, 0, 0, .1), AckDuplicate: pick(d, 0, 0, .05), Every: 1,
		SACK: sack, DSACK: d.chance(.9), Stamps: stamps, Window: 256000, Scale: 7, MSS: 1000, First: firstStamp,
	}
	if d.chance(.4) {
		p.peer.Every, p.peer.Delay = 2, 30*time.Millisecond
	}
	if d.chance(.7) {
		p.later = append(p.later, "SOL_TCP, TCP_NODELAY, [1], 4")
	}
	at := 10 * time.Millisecond
	for range d.between(2, 5) {
		p.write(at, pick(d, 1000, 3000, 5000, 10000, 10000, 20000, 30000, d.between(1, 20000)))
		at += pick(d, d.ms(10, 200, 500), time.Duration(d.IntN(3))*p.peer.RTT)
	}
	if d.chance(.1) {
		p.do(at+300*time.Millisecond, pick(d, "close(%d)", "shutdown(%d, SHUT_WR)"))
	}
	p.length = time.Duration(d.between(12, 30)) * 100 * time.Millisecond
	change(d, &p)
	slices.SortStableFunc(p.acts, func(a, b act) int { return int(a.at - b.at) })
	return p, nil
}

// set adds a setting of TCP.
func (p *plan) set(name string, value any) {
	if v, ok := value.(bool); ok {
		if value = 0; v {
			value = 1
		}
	}
	p.settings = append(p.settings, fmt.Sprintf("net.ipv4.tcp_%s=%v", name, value))
}

// do adds a call of the user.
func (p *plan) do(at time.Duration, call string) {
	p.acts = append(p.acts, act{at, call})
}

func (p *plan) write(at time.Duration, n int) { p.do(at, fmt.Sprintf("write(%%d, ..., %d)", n)) }

// head is what a script begins with.
func (p *plan) head() string {
	s := "# " + p.name + fmt.Sprintf(": rtt %v, loss %v, reordering %v\n", p.peer.RTT, p.peer.Loss, p.peer.Reorder)
	if p.v6 {
		s += "--ip_version=ipv6\n"
	}
	return s + "`sysctl -q " + strings.Join(p.settings, " ") + "`\n"
}

// synFlags and synOptions are the peer's SYN's.
func (p *plan) synFlags(answers bool) string {
	switch {
	case answers && p.ecn:
		return "SE."
	case answers:
		return "S."
	case p.ecn:
		return "SEW"
	}
	return "S"
}

func (p *plan) synOptions(stamps string) string {
	s := fmt.Sprint("mss ", p.peer.MSS)
	switch {
	case p.peer.SACK && p.peer.Stamps:
		s += ",sackOK," + stamps
	case p.peer.Stamps:
		s += ",nop,nop," + stamps
	case p.peer.SACK:
		s += ",nop,nop,sackOK"
	}
	if p.peer.Scale > 0 {
		s += fmt.Sprint(",nop,wscale ", p.peer.Scale)
	}
	return s
}
