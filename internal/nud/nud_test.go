package nud

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

const start = tcpip.Time(1000 * time.Second)

var (
	mac1 = tcpip.LinkAddr{2, 0, 0, 0, 0, 1}
	mac2 = tcpip.LinkAddr{2, 0, 0, 0, 0, 2}
)

var actionNames = [...]string{Nothing: "", SolicitAll: "who-has", SolicitOne: "still-there?", Resolved: "send", GiveUp: "give-up"}

// trace drives one entry; time is seconds since the start.
type trace struct {
	t   *testing.T
	e   Entry
	c   Conf
	now tcpip.Time
}

func begin(t *testing.T) *trace {
	return &trace{t: t, c: DefaultConf(), now: start}
}

// known begins with an entry in the given state with the address mac1.
func known(t *testing.T, s State) *trace {
	x := begin(t)
	switch s {
	case None:
	case Permanent:
		x.e.Set(x.now, &x.c, mac1)
	default:
		x.use("who-has")
		if s == Incomplete {
			return x
		}
		if s == Failed {
			x.sleep(3, "who-has who-has give-up")
			return x
		}
		x.na(Advert{Link: mac1, Solicited: true, Override: true}, "send")
		if s == Reachable {
			return x
		}
		x.sleep(30, "")
		if s == Stale {
			return x
		}
		x.use("")
		if s == Delay {
			return x
		}
		x.sleep(5, "still-there?")
	}
	x.want(s)
	return x
}

func (x *trace) check(a Action, want string) {
	x.t.Helper()
	if got := actionNames[a]; got != want {
		x.t.Errorf("t=%v in %v: did %q, want %q", x.now.Sub(start), x.e.State(), got, want)
	}
	x.invariants()
}

func (x *trace) invariants() {
	x.t.Helper()
	if err := check(&x.e); err != nil {
		x.t.Error(err)
	}
}

// check returns what must never be.
func check(e *Entry) error {
	_, timed := map[State]bool{Incomplete: true, Reachable: true, Delay: true, Probe: true}[e.state]
	_, blind := map[State]bool{None: true, Incomplete: true, Failed: true}[e.state]
	switch {
	case timed == (e.deadline == 0):
		return fmt.Errorf("%v with deadline %v", e.state, e.deadline)
	case blind != e.link.IsZero():
		return fmt.Errorf("%v with link address %v", e.state, e.link)
	}
	return nil
}

func (x *trace) use(want string)     { x.t.Helper(); x.check(x.e.Use(x.now, &x.c), want) }
func (x *trace) confirm()            { x.t.Helper(); x.check(x.e.Confirm(x.now, &x.c), "") }
func (x *trace) suspect(want string) { x.t.Helper(); x.check(x.e.Suspect(x.now, &x.c), want) }
func (x *trace) na(a Advert, want string) {
	x.t.Helper()
	x.check(x.e.Advertised(x.now, &x.c, a), want)
}
func (x *trace) ns(l tcpip.LinkAddr, w string) {
	x.t.Helper()
	x.check(x.e.Solicited(x.now, &x.c, l), w)
}

// sleep runs the deadlines of the next seconds and says what was done at them, in order.
func (x *trace) sleep(seconds int, want string) {
	x.t.Helper()
	end, did := x.now.Add(time.Duration(seconds)*time.Second), ""
	for d := x.e.Deadline(); d != 0 && d <= end; d = x.e.Deadline() {
		if a := x.e.Advance(d-1, &x.c); a != Nothing {
			x.t.Errorf("did %s before its time", actionNames[a])
		}
		x.now = d
		if a := x.e.Advance(d, &x.c); a != Nothing {
			if did != "" {
				did += " "
			}
			did += actionNames[a]
		}
		x.invariants()
	}
	x.now = end
	if did != want {
		x.t.Errorf("until t=%v: did %q, want %q", end.Sub(start), did, want)
	}
}

func (x *trace) want(s State) {
	x.t.Helper()
	if x.e.State() != s {
		x.t.Errorf("t=%v: %v, want %v", x.now.Sub(start), x.e.State(), s)
	}
}

func (x *trace) wantLink(l tcpip.LinkAddr) {
	x.t.Helper()
	if x.e.Link() != l {
		x.t.Errorf("link address %v, want %v", x.e.Link(), l)
	}
}

// RFC 4861 §7.2.2: three solicitations, a second apart, then failure.
func TestResolutionFails(t *testing.T) {
	x := begin(t)
	x.want(None)
	x.use("who-has")
	x.want(Incomplete)
	x.use("") // more packets ask for nothing more
	x.sleep(2, "who-has who-has")
	x.want(Incomplete)
	x.sleep(1, "give-up")
	x.want(Failed)
	x.sleep(1000, "")
	x.use("who-has") // the next packet tries afresh
	x.want(Incomplete)
}

// RFC 4861 §7.3.3: the life of a neighbour that answers.
func TestLife(t *testing.T) {
	x := begin(t)
	x.use("who-has")
	x.na(Advert{Link: mac1, Solicited: true, Override: true}, "send")
	x.want(Reachable)
	x.wantLink(mac1)
	x.use("")
	x.sleep(29, "")
	x.want(Reachable)
	x.sleep(1, "")
	x.want(Stale)
	x.sleep(100000, "")
	x.want(Stale) // as long as nobody asks
	x.use("")
	x.want(Delay)
	x.sleep(5, "still-there?")
	x.want(Probe)
	x.na(Advert{Solicited: true}, "") // without its address: nothing new
	x.want(Reachable)
	x.wantLink(mac1)
}

// BEHAVIOUR E4: STALE, DELAY, PROBE three times, then resolved afresh.
func TestUnreachable(t *testing.T) {
	x := known(t, Stale)
	x.use("")
	x.want(Delay)
	x.sleep(7, "still-there? still-there? still-there?")
	x.want(Probe)
	x.wantLink(mac1) // still used
	x.sleep(1, "give-up")
	x.want(Failed)
	x.use("who-has")
	x.na(Advert{Link: mac2, Solicited: true, Override: true}, "send")
	x.wantLink(mac2)
}

// RFC 4861 §7.3.1: upper layers confirm, and no probe is sent.
func TestConfirmed(t *testing.T) {
	for _, s := range []State{Reachable, Stale, Delay, Probe} {
		x := known(t, s)
		x.sleep(0, "")
		x.confirm()
		x.want(Reachable)
		x.sleep(29, "")
		x.want(Reachable)
	}
	for _, s := range []State{None, Incomplete, Failed, Permanent} {
		x := known(t, s)
		x.confirm()
		x.want(s)
	}
}

// An upper layer that misses progress has the neighbour probed at once.
func TestSuspected(t *testing.T) {
	for _, s := range []State{Reachable, Stale, Delay} {
		x := known(t, s)
		x.suspect("still-there?")
		x.want(Probe)
		x.wantLink(mac1)
	}
	for _, s := range []State{None, Incomplete, Probe, Failed, Permanent} {
		x := known(t, s)
		x.suspect("")
		x.want(s)
	}
}

// RFC 4861 §7.2.5 and Appendix C, each state and each combination of flags. link is that of the entry
// afterwards, 0 for none.
func TestAdvertised(t *testing.T) {
	none, same, other := tcpip.LinkAddr{}, mac1, mac2
	for _, c := range []struct {
		in                  State
		link                tcpip.LinkAddr
		solicited, override bool
		want                State
		wantLink            tcpip.LinkAddr
		did                 string
	}{
		{None, other, true, true, None, none, ""},
		{Failed, other, true, true, Failed, none, ""},

		{Incomplete, none, true, true, Incomplete, none, ""},
		{Incomplete, other, true, false, Reachable, other, "send"},
		{Incomplete, other, true, true, Reachable, other, "send"},
		{Incomplete, other, false, false, Stale, other, "send"},
		{Incomplete, other, false, true, Stale, other, "send"},

		{Reachable, other, true, false, Stale, same, ""},
		{Reachable, other, false, false, Stale, same, ""},
		{Reachable, other, true, true, Reachable, other, "send"},
		{Reachable, other, false, true, Stale, other, "send"}, // BEHAVIOUR E3
		{Reachable, same, true, false, Reachable, same, ""},
		{Reachable, same, false, false, Reachable, same, ""},
		{Reachable, same, false, true, Reachable, same, ""},
		{Reachable, none, true, false, Reachable, same, ""},
		{Reachable, none, false, true, Reachable, same, ""},

		{Stale, other, true, false, Stale, same, ""},
		{Stale, other, false, false, Stale, same, ""},
		{Stale, other, true, true, Reachable, other, "send"},
		{Stale, other, false, true, Stale, other, "send"},
		{Stale, same, true, false, Reachable, same, ""},
		{Stale, same, false, true, Stale, same, ""},
		{Stale, none, true, false, Reachable, same, ""},

		{Delay, other, true, false, Delay, same, ""},
		{Delay, other, true, true, Reachable, other, "send"},
		{Delay, other, false, true, Stale, other, "send"},
		{Delay, same, true, true, Reachable, same, ""},
		{Delay, same, false, true, Delay, same, ""},

		{Probe, other, true, false, Probe, same, ""},
		{Probe, other, true, true, Reachable, other, "send"},
		{Probe, other, false, true, Stale, other, "send"},
		{Probe, same, true, false, Reachable, same, ""},
		{Probe, same, false, false, Probe, same, ""},

		{Permanent, other, true, true, Permanent, same, ""},
	} {
		t.Run(fmt.Sprintf("%v link=%v solicited=%v override=%v", c.in, c.link, c.solicited, c.override), func(t *testing.T) {
			x := known(t, c.in)
			x.na(Advert{Link: c.link, Solicited: c.solicited, Override: c.override, Router: true}, c.did)
			x.want(c.want)
			x.wantLink(c.wantLink)
		})
	}
}

func TestRouterFlag(t *testing.T) {
	x := known(t, Reachable)
	x.na(Advert{Link: mac1, Solicited: true, Router: true}, "")
	if !x.e.Router() {
		t.Error("not a router")
	}
	x.na(Advert{Link: mac2}, "") // not believed, not in this either
	if !x.e.Router() {
		t.Error("a doubtful advertisement changed the router flag")
	}
	x.na(Advert{Link: mac1}, "")
	if x.e.Router() {
		t.Error("still a router")
	}
}

// RFC 4861 §7.2.3: a solicitation from the neighbour shows where it is, not that we reach it.
func TestSolicited(t *testing.T) {
	for _, c := range []struct {
		in, want State
		link     tcpip.LinkAddr
		did      string
	}{
		{None, Stale, mac2, "send"},
		{Failed, Stale, mac2, "send"},
		{Incomplete, Stale, mac2, "send"},
		{Reachable, Reachable, mac1, ""},
		{Reachable, Stale, mac2, "send"},
		{Delay, Delay, mac1, ""},
		{Probe, Stale, mac2, "send"},
		{Permanent, Permanent, mac2, ""},
	} {
		x := known(t, c.in)
		x.ns(c.link, c.did)
		x.want(c.want)
		if c.in != Permanent {
			x.wantLink(c.link)
		}
	}
	x := known(t, Incomplete)
	x.ns(tcpip.LinkAddr{}, "")
	x.want(Incomplete)
}

// Whatever happens, the invariants hold, a deadline lies ahead after Advance, and at most three probes are
// sent in a row.
func FuzzEntry(f *testing.F) {
	f.Add([]byte{0, 9, 9, 9, 0, 1, 9, 0, 9})
	f.Add([]byte{0, 0x71, 9, 9, 0, 9, 9, 9, 9, 9})
	f.Fuzz(func(t *testing.T, events []byte) {
		var e Entry
		c, now, asked := DefaultConf(), start, 0
		for _, b := range events {
			var a Action
			link := [...]tcpip.LinkAddr{{}, mac1, mac2, {0xfe, 1}}[b>>3&3]
			switch b & 7 {
			case 0:
				a = e.Use(now, &c)
			case 1:
				a = e.Advertised(now, &c, Advert{Link: link, Solicited: b&0x20 != 0, Override: b&0x40 != 0, Router: b&0x80 != 0})
			case 2:
				a = e.Solicited(now, &c, link)
			case 3:
				a = e.Confirm(now, &c)
			case 4:
				a = e.Suspect(now, &c)
			case 5:
				now = now.Add(time.Duration(b>>3) * time.Second)
			default:
				if d := e.Deadline(); d > now {
					now = d
				}
				a = e.Advance(now, &c)
				if d := e.Deadline(); d != 0 && d <= now {
					t.Fatalf("%v: deadline %v at %v", e.State(), d, now)
				}
				if a == SolicitAll || a == SolicitOne {
					if asked++; asked > 3 {
						t.Fatalf("%v: asked %d times", e.State(), asked)
					}
				} else {
					asked = 0
				}
				continue
			}
			asked = 0
			if err := check(&e); err != nil {
				t.Fatal(err)
			}
			if a == Resolved && e.Link().IsZero() {
				t.Fatal("resolved to nothing")
			}
		}
	})
}

func TestStateNames(t *testing.T) {
	for s := range numStates {
		if s.String() == "" || s.String() == "UNKNOWN" {
			t.Errorf("state %d has no name", s)
		}
	}
	if numStates.String() != "UNKNOWN" {
		t.Error("the number of states has a name")
	}
}
