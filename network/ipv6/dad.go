package ipv6

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/seed963a8790/netstack/internal/dad"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// detections is the shell of duplicate address detection: a machine per tentative address, and one timer.
// The stack bounds the addresses of a NIC, and so the machines.
type detections struct {
	ip *Protocol

	mu     sync.Mutex
	list   []*detection // in the order in which they began
	timer  tcpip.Timer
	closed bool
}

type detection struct {
	nic  *stack.NIC
	addr netip.Addr
	m    dad.Machine
}

// start begins detection for an address.
func (d *detections) start(nic *stack.NIC, a netip.Addr) {
	s := d.ip.stack
	var nonce dad.Nonce
	_, _ = s.Random().Read(nonce[:])
	delay := time.Duration(s.Random().IntN(int(dad.MaxDelay)))
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	e := d.find(nic, a)
	if e == nil {
		e = &detection{nic: nic, addr: a}
		d.list = append(d.list, e)
	}
	e.m.Start(s.Now(), nic.DADProbes(), delay, nonce)
	d.arm()
}

func (d *detections) find(nic *stack.NIC, a netip.Addr) *detection {
	for _, e := range d.list {
		if e.nic == nic && e.addr == a {
			return e
		}
	}
	return nil
}

// stop ends detection for an address, or for all of the NIC's if a is zero.
func (d *detections) stop(nic *stack.NIC, a netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = slices.DeleteFunc(d.list, func(e *detection) bool { return e.nic == nic && (e.addr == a || !a.IsValid()) })
}

// close ends all.
func (d *detections) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed, d.list = true, nil
	if d.timer != nil {
		d.timer.Stop()
	}
}

// arm sets the timer to the earliest deadline. d.mu is held.
func (d *detections) arm() {
	var next tcpip.Time
	for _, e := range d.list {
		next = tcpip.Earliest(next, e.m.Deadline())
	}
	if next.IsZero() {
		return
	}
	wait := next.Sub(d.ip.stack.Now())
	if d.timer == nil {
		d.timer = d.ip.stack.Clock().AfterFunc(wait, d.expire)
	} else {
		d.timer.Reset(wait)
	}
}

// expire runs what is due.
func (d *detections) expire() {
	s := d.ip.stack
	now := s.Now()
	w := s.Begin()
	d.mu.Lock()
	var due []detection // with what to do in the machine's stead, done below without the lock
	var events []dad.Event
	for _, e := range d.list {
		if ev := e.m.Advance(now); ev != dad.Nothing {
			due, events = append(due, *e), append(events, ev)
		}
	}
	d.list = slices.DeleteFunc(d.list, func(e *detection) bool { return !e.m.Running() })
	if !d.closed {
		d.arm()
	}
	d.mu.Unlock()
	for i, e := range due {
		switch events[i] {
		case dad.Probe:
			nonce := e.m.Nonce()
			d.ip.probe(w, e.nic, e.addr, nonce)
		case dad.Unique:
			if e.nic.SetAddressState(e.addr, stack.AddressPreferred) {
				d.ip.announce(w, e.nic, e.addr)
				d.ip.reportFrom(e.nic, e.addr)
				d.ip.discover.detected(w, e.nic, e.addr, true)
			}
		}
	}
	w.End()
}

// solicited handles a probe of another station for an address that is tentative here, and advertised an
// advertisement of it; both report whether the address has turned out to be a duplicate.
func (d *detections) solicited(w *stack.Work, nic *stack.NIC, a netip.Addr, nonce []byte) bool {
	return d.heard(w, nic, a, func(m *dad.Machine) bool { return m.Solicited(nonce) })
}

func (d *detections) advertised(w *stack.Work, nic *stack.NIC, a netip.Addr) bool {
	return d.heard(w, nic, a, (*dad.Machine).Advertised)
}

func (d *detections) heard(w *stack.Work, nic *stack.NIC, a netip.Addr, f func(*dad.Machine) bool) bool {
	d.mu.Lock()
	e := d.find(nic, a)
	duplicate := e != nil && f(&e.m)
	if duplicate {
		d.list = slices.DeleteFunc(d.list, func(o *detection) bool { return o == e })
	}
	d.mu.Unlock()
	if duplicate {
		nic.SetAddressState(a, stack.AddressDuplicated)
		d.ip.discover.detected(w, nic, a, false)
	}
	return duplicate
}
