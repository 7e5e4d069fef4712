// Package nud is neighbour unreachability detection: the state machine of RFC 4861 §7.3 for one
// neighbour. ARP uses it too, with its replies as solicited advertisements (RFC 1122 §2.3.2.1 asks for
// much the same). It has no clock, no lock and no packets; every method takes the time, and Deadline says when
// Advance is next needed.
package nud

import (
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// State is the state of a neighbour (RFC 4861 §7.3.2), with two that Linux adds.
type State uint8

// The states.
const (
	None       State = iota // nothing known, nothing asked
	Incomplete              // being resolved: packets wait
	Reachable               // confirmed a short while ago
	Stale                   // not confirmed for a while, and not used since
	Delay                   // used since: upper layers are given time to confirm it
	Probe                   // being asked for a sign of life
	Failed                  // did not answer; the next use resolves afresh
	Permanent               // told by the user: never changes

	numStates
)

var stateNames = [numStates]string{"NONE", "INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "PERMANENT"}

// String returns the state as ip-neighbour(8) writes it.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "UNKNOWN"
}

// Conf is what all neighbours of one link share.
type Conf struct {
	Reachable       time.Duration // how long a confirmation holds; drawn at random by the owner (RFC 4861 §6.3.2)
	Retrans         time.Duration // between solicitations
	Delay           time.Duration // DELAY_FIRST_PROBE_TIME
	MulticastProbes int           // solicitations to everybody before INCOMPLETE fails
	UnicastProbes   int           // solicitations to the neighbour before PROBE fails
}

// BaseReachable is what Conf.Reachable is drawn around, from half of it to half as much again.
const BaseReachable = 30 * time.Second

// DefaultConf returns the values of RFC 4861 §10, which are Linux's.
func DefaultConf() Conf {
	return Conf{Reachable: BaseReachable, Retrans: time.Second, Delay: 5 * time.Second, MulticastProbes: 3, UnicastProbes: 3}
}

// Action is what the owner of an Entry is to do after an event.
type Action uint8

// The actions.
const (
	Nothing    Action = iota
	SolicitAll        // ask everybody on the link for the link address
	SolicitOne        // ask the neighbour itself
	Resolved          // send what waits, to Link
	GiveUp            // report what waits as unreachable
)

// Advert is what a neighbour has said of itself.
type Advert struct {
	Link      tcpip.LinkAddr // zero: not said
	Solicited bool           // in answer to a solicitation of ours: proves that the way there works
	Override  bool           // Link replaces what is known
	Router    bool           // it forwards
}

// Entry is what is known of one neighbour. Its zero value knows nothing.
type Entry struct {
	state    State
	router   bool
	link     tcpip.LinkAddr
	probes   int        // solicitations sent in this state
	deadline tcpip.Time // of this state; 0: it lasts
}

// State returns the entry's state.
func (e *Entry) State() State { return e.state }

// Link returns the neighbour's link address; zero if it is not known.
func (e *Entry) Link() tcpip.LinkAddr { return e.link }

// Router reports whether the neighbour has said that it is a router.
func (e *Entry) Router() bool { return e.router }

// Deadline returns when Advance is next needed, 0 for never.
func (e *Entry) Deadline() tcpip.Time { return e.deadline }

// stay is one state: how long, how often it asks and whom, and what comes when time has run out.
type stay struct {
	lasts func(*Conf) time.Duration // nil: until an event
	ask   Action                    // on entering and at each deadline
	asks  func(*Conf) int           // how often; nil: never
	next  State                     // when that is over
	then  Action
}

// stays is the part of RFC 4861 §7.3.2 and Appendix C that time drives.
var stays = [numStates]stay{
	Incomplete: {retrans, SolicitAll, func(c *Conf) int { return c.MulticastProbes }, Failed, GiveUp},
	Reachable:  {lasts: func(c *Conf) time.Duration { return c.Reachable }, next: Stale},
	Delay:      {lasts: func(c *Conf) time.Duration { return c.Delay }, next: Probe},
	Probe:      {retrans, SolicitOne, func(c *Conf) int { return c.UnicastProbes }, Failed, GiveUp},
}

func retrans(c *Conf) time.Duration { return c.Retrans }

// The states that events other than time lead to. A missing entry changes nothing.
var (
	onUse     = [numStates]State{None: Incomplete, Failed: Incomplete, Stale: Delay}
	onConfirm = [numStates]State{Reachable: Reachable, Stale: Reachable, Delay: Reachable, Probe: Reachable}
	onSuspect = [numStates]State{Reachable: Probe, Stale: Probe, Delay: Probe}
)

// event applies one of the tables above.
func (e *Entry) event(now tcpip.Time, c *Conf, table *[numStates]State) Action {
	if next := table[e.state]; next != None {
		return e.enter(now, c, next)
	}
	return Nothing
}

// enter begins a state. It is the only code that writes e.state.
func (e *Entry) enter(now tcpip.Time, c *Conf, next State) Action {
	e.state, e.probes, e.deadline = next, 0, 0
	if next == Incomplete || next == Failed {
		e.link = tcpip.LinkAddr{}
	}
	s := &stays[next]
	if s.lasts != nil {
		e.deadline = now.Add(s.lasts(c))
	}
	if s.asks == nil {
		return Nothing
	}
	e.probes = 1
	return s.ask
}

// Use tells that a packet is to be sent. If Link is zero afterwards, it has to wait.
func (e *Entry) Use(now tcpip.Time, c *Conf) Action { return e.event(now, c, &onUse) }

// Confirm tells that an upper layer has seen forward progress by way of the neighbour (RFC 4861 §7.3.1).
func (e *Entry) Confirm(now tcpip.Time, c *Conf) Action { return e.event(now, c, &onConfirm) }

// Suspect tells that an upper layer misses progress: the neighbour is probed at once.
func (e *Entry) Suspect(now tcpip.Time, c *Conf) Action { return e.event(now, c, &onSuspect) }

// Advance does what is due.
func (e *Entry) Advance(now tcpip.Time, c *Conf) Action {
	if e.deadline == 0 || now < e.deadline {
		return Nothing
	}
	s := &stays[e.state]
	if s.asks != nil && e.probes < s.asks(c) {
		e.probes++
		e.deadline = now.Add(s.lasts(c))
		return s.ask
	}
	then := s.then
	if a := e.enter(now, c, s.next); a != Nothing {
		return a
	}
	return then
}

// Solicited takes a message that the neighbour sent for reasons of its own, with its link address: a
// neighbour or router solicitation, a redirect, an ARP request (RFC 4861 §7.2.3). It shows where the neighbour
// is, not that we reach it.
func (e *Entry) Solicited(now tcpip.Time, c *Conf, link tcpip.LinkAddr) Action {
	if link.IsZero() || e.state == Permanent || link == e.link {
		return Nothing
	}
	return e.learn(now, c, link, Stale)
}

// Advertised takes a neighbour advertisement or an ARP reply (RFC 4861 §7.2.5).
func (e *Entry) Advertised(now tcpip.Time, c *Conf, a Advert) Action {
	differs := !a.Link.IsZero() && a.Link != e.link
	switch {
	case e.state == None, e.state == Failed, e.state == Permanent:
		return Nothing // nobody asked
	case e.state == Incomplete:
		e.router = a.Router
		if a.Link.IsZero() {
			return Nothing
		}
		if a.Solicited {
			return e.learn(now, c, a.Link, Reachable)
		}
		return e.learn(now, c, a.Link, Stale)
	case differs && !a.Override:
		// I. Somebody else may have answered for it: to be found out by probing, if it was believed.
		if e.state == Reachable {
			return e.enter(now, c, Stale)
		}
		return Nothing
	}
	// II.
	e.router = a.Router
	switch {
	case a.Solicited && differs:
		return e.learn(now, c, a.Link, Reachable)
	case a.Solicited:
		return e.enter(now, c, Reachable)
	case differs:
		return e.learn(now, c, a.Link, Stale)
	}
	return Nothing
}

// learn takes over a link address. What waits can be sent.
func (e *Entry) learn(now tcpip.Time, c *Conf, link tcpip.LinkAddr, next State) Action {
	e.enter(now, c, next)
	e.link = link
	return Resolved
}

// Set makes the entry permanent.
func (e *Entry) Set(now tcpip.Time, c *Conf, link tcpip.LinkAddr) Action {
	return e.learn(now, c, link, Permanent)
}
