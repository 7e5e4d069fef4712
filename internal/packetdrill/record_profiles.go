package packetdrill

import (
	"fmt"
	"time"
)

// drawSettings is about the settings of loss recovery.
func drawSettings(d dice, p *plan) {
	for _, s := range []struct {
		name   string
		values []int
	}{
		{"reordering", []int{1, 2, 5, 10, 30}}, {"max_reordering", []int{3, 4, 6, 20}}, {"recovery", []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{"early_retrans", []int{0, 1, 2, 4}}, {"frto", []int{0, 1}}, {"thin_linear_timeouts", []int{1}}, {"min_tso_segs", []int{1, 4, 16}},
		{"tso_win_divisor", []int{0, 1, 8}}, {"slow_start_after_idle", []int{0}}, {"retrans_collapse", []int{0}}, {"rto_min_us", []int{50000, 100000, 300000}},
		{"rto_max_ms", []int{1000, 2000}}, {"dsack", []int{0}},
	} {
		if d.chance(.25) {
			p.set(s.name, pick(d, s.values...))
		}
	}
	if d.chance(.2) {
		p.later = append(p.later, "SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, [1], 4")
	}
	p.peer.Loss = pick(d, .05, .1, .2, .4)
}

// drawAcks is about ACKs that are few, many, late or old.
func drawAcks(d dice, p *plan) {
	p.peer.AckLoss, p.peer.AckLate, p.peer.AckDuplicate = pick(d, 0, .1, .3), pick(d, 0, .1, .4), pick(d, 0, .1)
	p.peer.Split = pick(d, 0, .2, .5)
	p.peer.Every, p.peer.Delay = d.between(1, 8), d.ms(10, 30, 40)
	p.peer.Batch, p.peer.Thin = d.ms(0, 10, 25), d.chance(.5)
}

// drawWindow is about receivers with little room.
func drawWindow(d dice, p *plan) {
	p.peer.Scale = pick(d, uint8(0), 0, 3, 7)
	p.peer.Window = uint32(pick(d, 1000, 2000, 3000, 4500, 8000, 20000, d.between(200, 12000))) >> p.peer.Scale << p.peer.Scale
	p.peer.Read, p.peer.ReadMax = d.ms(0, 20, 100, 300, 700), uint32(pick(d, 500, 1000, 4000, 50000))
	p.peer.Loss = pick(d, 0, 0, .05, .2)
	if d.chance(.3) {
		p.peer.Every, p.peer.Delay = 2, 40*time.Millisecond
	}
}

// drawECN is about marks.
func drawECN(d dice, p *plan) {
	p.ecn = true
	p.set("ecn", 1)
	p.peer.Mark, p.peer.Loss = pick(d, .02, .1, .5), pick(d, 0, 0, .05, .2)
	p.write(d.ms(100, 400), pick(d, 10000, 30000))
}

// drawSmall is about segments that are not full: Nagle, TCP_CORK, MSG_MORE and other sizes of segments.
func drawSmall(d dice, p *plan) {
	p.peer.MSS = uint32(pick(d, 100, 536, 1000, 1460, d.between(88, 1460)))
	p.peer.Loss = pick(d, 0, .05, .1, .2)
	p.later, p.acts = nil, nil
	if d.chance(.4) {
		p.later = append(p.later, "SOL_TCP, TCP_NODELAY, [1], 4")
	}
	if d.chance(.2) {
		p.options = append(p.options, fmt.Sprintf("SOL_TCP, TCP_MAXSEG, [%d], 4", d.between(88, 1460)))
	}
	at := 10 * time.Millisecond
	for range d.between(4, 16) {
		n := pick(d, 1, 50, 100, 300, 536, 900, 1000, 1460, 2500, 5000)
		switch {
		case d.chance(.1):
			p.do(at, fmt.Sprintf("setsockopt(%%d, SOL_TCP, TCP_CORK, [%d], 4)", d.IntN(2)))
		case d.chance(.1):
			p.do(at, fmt.Sprintf("setsockopt(%%d, SOL_TCP, TCP_NODELAY, [%d], 4)", d.IntN(2)))
		case d.chance(.2):
			p.do(at, fmt.Sprintf("send(%%d, ..., %d, %s)", n, pick(d, "MSG_MORE", "MSG_EOR", "MSG_OOB")))
		default:
			p.write(at, n)
		}
		at += time.Duration(pick(d, 0, 0, 1, 5, 30, 100, 250)) * time.Millisecond
	}
}

// drawLowWater is about how much the socket takes.
func drawLowWater(d dice, p *plan) {
	p.nonblocking = true
	p.acts = nil
	if d.chance(.7) {
		p.later = append(p.later, fmt.Sprintf("SOL_TCP, TCP_NOTSENT_LOWAT, [%d], 4", pick(d, 1, 1000, 5000, 20000)))
	}
	at := 10 * time.Millisecond
	for range d.between(5, 15) {
		p.write(at, pick(d, 500, 1000, 3000, 10000, 30000))
		at += time.Duration(pick(d, 0, 1, 20, 50, 100)) * time.Millisecond
	}
}

// drawDouble is about segments that come twice or late, and what undoes a reduction.
func drawDouble(d dice, p *plan) {
	p.peer.Duplicate, p.peer.Reorder, p.peer.DSACK = pick(d, .05, .2, .5), pick(d, 0, .1, .3, .6), d.chance(.9)
	p.peer.Loss = pick(d, 0, .02, .1)
}

// drawRenege is about a receiver that throws away what it had reported.
func drawRenege(d dice, p *plan) {
	p.peer.Renege = time.Duration(d.between(100, 600)) * time.Millisecond
	p.peer.Loss, p.peer.Burst = pick(d, .1, .2, .4), pick(d, 1, 3)
	p.length += time.Second
}

// drawClose is about ends with data under way.
func drawClose(d dice, p *plan) {
	p.peer.Loss = pick(d, .05, .2, .4)
	p.do(time.Duration(d.between(10, 600))*time.Millisecond, pick(d, "close(%d)", "shutdown(%d, SHUT_WR)"))
}

// drawBig is about long flights.
func drawBig(d dice, p *plan) {
	p.acts = nil
	p.peer.MSS, p.peer.Loss, p.peer.Burst = uint32(pick(d, 1000, 1460)), pick(d, 0, .01, .03), pick(d, 1, 5, 20)
	p.peer.Window = 1 << 20
	for i := range d.between(1, 3) {
		p.write(time.Duration(10+300*i)*time.Millisecond, d.between(30000, 90000))
	}
	p.peer.Batch, p.peer.Every = d.ms(0, 0, 20), pick(d, 1, 2, 4)
	p.peer.Delay = 20 * time.Millisecond
}

// drawIdle is about a few segments at a time.
func drawIdle(d dice, p *plan) {
	p.acts = nil
	at := 10 * time.Millisecond
	for range d.between(4, 12) {
		p.write(at, pick(d, 1, 100, 1000, 2000, 3500, 12000))
		at += time.Duration(pick(d, 20, 100, 150, 300, 600)) * time.Millisecond
	}
	p.length = min(at+time.Second, 4*time.Second)
	p.peer.Loss = pick(d, 0, .1, .3, .5)
	p.set("slow_start_after_idle", d.chance(.8))
}

// drawOpen is about connections that begin here, and IPv6.
func drawOpen(d dice, p *plan) {
	p.active, p.v6 = true, d.chance(.5)
}
