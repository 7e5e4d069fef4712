package stack

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/nud"
	"github.com/seed963a8790/netstack/tcpip"
)

// neighbourTable has the neighbours of one family on one link: the shell around nud.Entry. The packet path
// passes it by (neighbour.published); what comes here is rare.
type neighbourTable struct {
	nic       *NIC
	etherType header.EtherType

	mu       sync.Mutex // comes before a transmit queue's
	index    map[netip.Addr]*neighbour
	classes  [numNeighbourClasses]list.List // of *neighbour, the longest in its state first
	conf     nud.Conf
	base     time.Duration // what conf.Reachable is drawn around
	redraw   tcpip.Time    // when conf.Reachable is drawn anew
	timer    tcpip.Timer
	deadline tcpip.Time // for which timer is set; 0: it is not
}

type neighbourPlace = list.Element

// The classes of neighbours, by what they are worth when the table is full.
const (
	neighbourUnresolved = iota // INCOMPLETE, FAILED
	neighbourUnused            // STALE
	neighbourInUse             // REACHABLE, DELAY, PROBE
	neighbourStatic            // PERMANENT
	numNeighbourClasses
)

var neighbourClasses = [...]int8{
	nud.None: neighbourUnresolved, nud.Incomplete: neighbourUnresolved, nud.Failed: neighbourUnresolved,
	nud.Stale: neighbourUnused, nud.Reachable: neighbourInUse, nud.Delay: neighbourInUse, nud.Probe: neighbourInUse,
	nud.Permanent: neighbourStatic,
}

// reachableRedraw is how often the time a confirmation holds is drawn anew (RFC 4861 §6.3.4: every few hours).
const reachableRedraw = 2 * time.Hour

func (t *neighbourTable) init(n *NIC, e header.EtherType) {
	t.nic, t.etherType = n, e
	t.index = make(map[netip.Addr]*neighbour)
	t.conf, t.base = nud.DefaultConf(), nud.BaseReachable
}

// errand is what is to be done once mu is released.
type errand struct {
	action  nud.Action
	addr    netip.Addr
	source  netip.Addr     // of a packet that waits
	link    tcpip.LinkAddr // SolicitOne: whom to ask
	packets packetList     // to drop
	reason  tcpip.Drop
}

// output sends p to addr, or leaves it waiting. b is the entry if the caller knows it; the entry is returned.
func (t *neighbourTable) output(w *Work, b *neighbour, addr netip.Addr, p *Packet) (*neighbour, tcpip.Error) {
	now := t.nic.stack.Now()
	t.mu.Lock()
	if !t.nic.Up() {
		t.mu.Unlock()
		w.Drop(p, tcpip.DropLinkDown)
		return nil, tcpip.OK
	}
	var evicted errand
	if b == nil || b.place == nil {
		if b = t.index[addr]; b == nil {
			if b = t.create(now, addr, &evicted); b == nil {
				t.mu.Unlock()
				w.Drop(p, tcpip.DropNeighbourQueue)
				return nil, tcpip.ErrNoBuffers
			}
		}
	}
	todo := t.after(w, now, b, b.entry.Use(now, &t.conf))
	if link := b.entry.Link(); !link.IsZero() {
		t.mu.Unlock()
		p.Link.Dst = link
		t.do(w, &evicted)
		t.do(w, &todo)
		return b, t.nic.output(w, p)
	}
	p.Compact()
	b.pending.push(p)
	b.bytes += p.Cost()
	for b.bytes > t.nic.stack.limits.NeighbourQueue && b.pending.n > 1 {
		old := b.pending.pop()
		b.bytes -= old.Cost()
		todo.packets.push(old)
		todo.reason = tcpip.DropNeighbourQueue
	}
	if todo.action == nud.SolicitAll {
		todo.source = p.Src
	}
	t.mu.Unlock()
	t.do(w, &evicted)
	t.do(w, &todo)
	return b, tcpip.OK
}

// create makes an entry for addr. Where the table is full, an unresolved one makes room, else one that is not
// in use; nil is returned if there is none (RFC 6583 §7.1). mu is held.
func (t *neighbourTable) create(now tcpip.Time, addr netip.Addr, evicted *errand) *neighbour {
	if now >= t.redraw {
		t.draw(now)
	}
	if old := t.surplus(now); old != nil {
		t.remove(old, evicted, tcpip.DropNeighbourQueue)
	} else if len(t.index) >= t.nic.stack.limits.Neighbours {
		return nil
	}
	b := &neighbour{addr: addr, touched: now}
	b.place = t.classes[neighbourUnresolved].PushBack(b)
	t.index[addr] = b
	return b
}

// surplus returns the entry that a new one is to replace, nil if there is none or room for both.
func (t *neighbourTable) surplus(now tcpip.Time) *neighbour {
	first := func(class int) *neighbour {
		if e := t.classes[class].Front(); e != nil {
			return e.Value.(*neighbour)
		}
		return nil
	}
	full := len(t.index) >= t.nic.stack.limits.Neighbours
	if full || t.classes[neighbourUnresolved].Len() >= t.nic.stack.limits.UnresolvedNeighbours {
		if b := first(neighbourUnresolved); b != nil {
			return b
		}
	}
	if len(t.index) < neighboursKept {
		return nil
	}
	if b := first(neighbourUnused); b != nil && (full || now.Sub(b.touched) > neighbourStaleTime) {
		return b
	}
	return nil
}

// remove takes b out of the table and leaves its packets to the errand. mu is held.
func (t *neighbourTable) remove(b *neighbour, e *errand, reason tcpip.Drop) {
	delete(t.index, b.addr)
	t.classes[b.class].Remove(b.place)
	b.place = nil
	b.published.Store(0)
	e.packets, e.reason = b.pending, reason
	b.pending, b.bytes = packetList{}, 0
	if b.told.Addr.IsValid() {
		t.nic.stack.tell(Event{Kind: EventNeighbourRemoved, NIC: t.nic.state(), Neighbour: b.shown()})
	}
}

// tell tells what has become of b, if anybody wants to know. mu is held.
func (t *neighbourTable) tell(now tcpip.Time, b *neighbour) {
	if s := t.nic.stack; s.events.wants(EventNeighbourChanged | EventNeighbourRemoved) {
		if seen := b.shown(); seen != b.told {
			b.told = seen
			s.tell(Event{Kind: EventNeighbourChanged, At: now, NIC: t.nic.state(), Neighbour: seen})
		}
	}
}

// after brings everything in line with b's entry, which has just taken an event, and returns what is to be done
// outside. Packets that waited go to the transmit queue before the link address is published. mu is held.
func (t *neighbourTable) after(w *Work, now tcpip.Time, b *neighbour, a nud.Action) (e errand) {
	e.action, e.addr, e.link = a, b.addr, b.entry.Link()
	state := b.entry.State()
	if class, d := neighbourClasses[state], b.entry.Deadline(); class != b.class || d != b.deadline || a != nud.Nothing {
		t.classes[b.class].Remove(b.place)
		b.class, b.deadline, b.touched = class, d, now
		b.place = t.classes[class].PushBack(b)
		b.confirmed.Store(false) // what was confirmed was the state before
	}
	switch a {
	case nud.Resolved:
		for p := b.pending.pop(); p != nil; p = b.pending.pop() {
			p.Link.Dst = e.link
			if !t.nic.Enqueue(w, p) {
				e.packets.push(p)
				e.reason = tcpip.DropQueueFull
			}
		}
		b.bytes = 0
	case nud.GiveUp:
		e.packets, e.reason = b.pending, tcpip.DropNeighbourFailed
		b.pending, b.bytes = packetList{}, 0
	case nud.SolicitAll:
		if p := b.pending.head; p != nil {
			e.source = p.Src
		}
	}
	b.publish()
	t.tell(now, b)
	t.arm(now, b.entry.Deadline())
	return e
}

// arm makes the timer fire at d at the latest. mu is held.
func (t *neighbourTable) arm(now, d tcpip.Time) {
	if d == 0 || t.deadline != 0 && t.deadline <= d {
		return
	}
	t.deadline = d
	if t.timer == nil {
		t.timer = t.nic.stack.clock.AfterFunc(d.Sub(now), t.fire)
	} else {
		t.timer.Reset(d.Sub(now))
	}
}

// fire is the timer.
func (t *neighbourTable) fire() {
	w := t.nic.stack.Begin()
	defer w.End()
	now := t.nic.stack.Now()
	var todo []errand
	t.mu.Lock()
	t.deadline = 0
	if now >= t.redraw {
		t.draw(now)
	}
	next := tcpip.Time(0)
	for _, class := range [...]int{neighbourInUse, neighbourUnresolved} {
		for e, n := t.classes[class].Front(), t.classes[class].Len(); n > 0; n-- {
			b := e.Value.(*neighbour)
			e = e.Next()
			if d := b.entry.Deadline(); d != 0 && d <= now {
				if b.confirmed.Load() {
					t.after(w, now, b, b.entry.Confirm(now, &t.conf))
				} else {
					todo = append(todo, t.after(w, now, b, b.entry.Advance(now, &t.conf)))
				}
			}
			next = tcpip.Earliest(next, b.entry.Deadline())
		}
	}
	t.arm(now, next)
	t.mu.Unlock()
	for i := range todo {
		t.do(w, &todo[i])
	}
}

// draw chooses how long confirmations hold: half to one and a half times the base (RFC 4861 §6.3.2).
func (t *neighbourTable) draw(now tcpip.Time) {
	half := int(t.base / 2 / time.Millisecond)
	t.conf.Reachable = time.Duration(half+t.nic.stack.random.IntN(2*half+1)) * time.Millisecond
	t.redraw = now.Add(reachableRedraw)
}

// setReachable and setRetrans change times of conf; 0 means the default.
func (t *neighbourTable) setReachable(d time.Duration) {
	if d == 0 {
		d = nud.BaseReachable
	}
	d = min(max(d, minReachable), maxReachable)
	t.mu.Lock()
	defer t.mu.Unlock()
	if d != t.base {
		t.base = d
		t.draw(t.nic.stack.Now())
	}
}

func (t *neighbourTable) setRetrans(d time.Duration) {
	if d == 0 {
		d = nud.DefaultConf().Retrans
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conf.Retrans = min(max(d, minRetrans), maxRetrans)
}

// heard feeds what a station has said to its entry.
func (t *neighbourTable) heard(w *Work, a *NeighbourAdvert) {
	now := t.nic.stack.Now()
	t.mu.Lock()
	b := t.index[a.Addr]
	var evicted, todo errand
	if b == nil && a.Unsolicited && !a.Link.IsZero() && t.nic.Up() {
		b = t.create(now, a.Addr, &evicted)
	}
	if b != nil {
		var action nud.Action
		if a.Unsolicited {
			action = b.entry.Solicited(now, &t.conf, a.Link)
		} else {
			action = b.entry.Advertised(now, &t.conf, nud.Advert{Link: a.Link, Solicited: a.Solicited, Override: a.Override, Router: a.Router})
		}
		todo = t.after(w, now, b, action)
	}
	t.mu.Unlock()
	t.do(w, &evicted)
	t.do(w, &todo)
}

// suspect has b probed.
func (t *neighbourTable) suspect(w *Work, b *neighbour) {
	now := t.nic.stack.Now()
	t.mu.Lock()
	var todo errand
	if b.place != nil {
		todo = t.after(w, now, b, b.entry.Suspect(now, &t.conf))
	}
	t.mu.Unlock()
	t.do(w, &todo)
}

// add makes a permanent entry.
func (t *neighbourTable) add(w *Work, a netip.Addr, link tcpip.LinkAddr) tcpip.Error {
	now := t.nic.stack.Now()
	t.mu.Lock()
	var evicted errand
	b := t.index[a]
	if b == nil {
		b = t.create(now, a, &evicted)
	}
	if b == nil {
		t.mu.Unlock()
		return tcpip.ErrTooMany
	}
	todo := t.after(w, now, b, b.entry.Set(now, &t.conf, link))
	t.mu.Unlock()
	t.do(w, &evicted)
	t.do(w, &todo)
	return tcpip.OK
}

// drop removes the entry for a and reports whether there was one.
func (t *neighbourTable) drop(w *Work, a netip.Addr) bool {
	t.mu.Lock()
	var e errand
	b := t.index[a]
	if b != nil {
		t.remove(b, &e, tcpip.DropNeighbourFailed)
	}
	t.mu.Unlock()
	t.do(w, &e)
	return b != nil
}

// flush removes all but permanent entries.
func (t *neighbourTable) flush(w *Work) {
	t.mu.Lock()
	var todo []errand
	for class := range neighbourStatic {
		for e := t.classes[class].Front(); e != nil; e = t.classes[class].Front() {
			todo = append(todo, errand{})
			t.remove(e.Value.(*neighbour), &todo[len(todo)-1], tcpip.DropLinkDown)
		}
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	t.deadline = 0
	t.mu.Unlock()
	for i := range todo {
		t.do(w, &todo[i])
	}
}

func (t *neighbourTable) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.index)
}

func (t *neighbourTable) list(list []Neighbour) []Neighbour {
	t.mu.Lock()
	defer t.mu.Unlock()
	for class := range t.classes {
		for e := t.classes[class].Front(); e != nil; e = e.Next() {
			b := e.Value.(*neighbour)
			list = append(list, b.shown())
		}
	}
	return list
}
