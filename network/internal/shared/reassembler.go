package shared

import (
	"sync"

	"github.com/seed963a8790/netstack/internal/frag"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Reassembler is the shell of a frag.Table: its lock and its timer. It is safe for concurrent use.
type Reassembler struct {
	stack   *stack.Stack
	count   ReassemblyCounters
	expired func(*stack.Work, *stack.Packet)

	mu      sync.Mutex // a leaf
	table   frag.Table
	scratch frag.Datagram
	timer   tcpip.Timer
	armed   tcpip.Time // when the timer fires; zero: it does not
	closed  bool
}

// ReassemblyCounters are the counters of a family.
type ReassemblyCounters struct {
	Reqds, OKs, Fails, Timeout *stack.Counter
}

// Init makes the table empty. When the time of a datagram is over whose first fragment has come, expired
// is called with that, headers in front; it borrows the packet, and no lock is held.
func (r *Reassembler) Init(s *stack.Stack, c frag.Conf, n ReassemblyCounters, expired func(*stack.Work, *stack.Packet)) {
	r.stack, r.count, r.expired = s, n, expired
	r.table.Init(c, &s.Slabs)
}

// Add takes p, a fragment whose front holds headers bytes in front of the fragment's data; f says what
// they say. If that completes a datagram Add returns it: its front has the Head of the first fragment, to
// be mended for the whole, and at least the transport header; ce says that a fragment was marked.
func (r *Reassembler) Add(w *stack.Work, p *stack.Packet, headers int, f *frag.Fragment) (whole *stack.Packet, ce bool) {
	r.count.Reqds.Inc()
	all := p.Len()
	if !p.SplitFront(headers) {
		r.count.Fails.Inc()
		p.Drop(tcpip.DropNoMemory)
		return nil, false
	}
	f.Arrived, f.Size = p.NIC.ID(), all
	f.Data = p.Data()

	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		p.Drop(tcpip.DropFragmentLimit)
		return nil, false
	}
	d := &r.scratch
	res := r.table.Add(r.stack.Now(), f, d)
	if res.Drop == tcpip.DropNone {
		var taken [scratchPieces]slab.Piece
		p.TakeData(taken[:0])
	}
	if res.Complete {
		whole, ce = r.build(d), d.CE
	}
	r.arm()
	r.mu.Unlock()

	r.lose(res.Killed, res.Drop)
	r.lose(res.Evicted, tcpip.DropFragmentLimit)
	switch {
	case res.Drop != tcpip.DropNone:
		// What comes after a datagram has been given up fails no more.
		if res.Drop != tcpip.DropOldData && (res.Drop != tcpip.DropFragmentOverlap || res.Killed > 0) {
			r.count.Fails.Inc()
		}
		p.Drop(res.Drop)
		return nil, false
	case res.Evicted > 0:
		r.count.Fails.Inc()
	}
	if whole != nil {
		r.count.OKs.Inc()
		whole.NIC, whole.At, whole.EtherType, whole.Link, whole.Local = p.NIC, p.At, p.EtherType, p.Link, p.Local
		whole.Looped, whole.Mark, whole.Priority = p.Looped, p.Mark, p.Priority
		whole.Src, whole.Dst, whole.Proto, whole.TTL, whole.TOS = p.Src, p.Dst, p.Proto, p.TTL, p.TOS
	}
	p.Release()
	return whole, ce
}

// build makes a packet of a datagram, from which it takes everything.
func (r *Reassembler) build(d *frag.Datagram) *stack.Packet {
	head := d.Head.Bytes()
	behind := min(transportRoom, d.Len)
	var p *stack.Packet
	if len(head)+behind <= stack.FrontRoom {
		p = r.stack.NewPacket()
		front := p.Prepend(len(head) + behind)
		front = front[copy(front, head):]
		for i := range d.Data {
			piece := &d.Data[i]
			n := copy(front, piece.Bytes())
			front = front[n:]
			if piece.TrimFront(n); piece.Len() == 0 {
				piece.Release()
				continue
			}
			p.AppendData(*piece)
		}
		d.Head.Release()
	} else {
		p = r.stack.NewPacketFrom(d.Head)
		for _, piece := range d.Data {
			p.AppendData(piece)
		}
		p.Pull(len(head) + behind)
	}
	d.Head, d.Data = slab.Piece{}, d.Data[:0]
	p.FragMax = uint16(min(d.Size, 65535))
	return p
}

// arm sets the timer if it would fire too late. r.mu is held.
func (r *Reassembler) arm() {
	next := r.table.Deadline()
	if next.IsZero() || !r.armed.IsZero() && r.armed <= next {
		return
	}
	r.armed = next
	wait := next.Sub(r.stack.Now())
	if r.timer == nil {
		r.timer = r.stack.Clock().AfterFunc(wait, r.expire)
	} else {
		r.timer.Reset(wait)
	}
}

// expire drops what has waited for too long.
func (r *Reassembler) expire() {
	w := r.stack.Begin()
	now := r.stack.Now()
	var d frag.Datagram
	r.mu.Lock()
	r.armed = 0
	for r.table.Expire(now, &d) {
		r.mu.Unlock()
		r.lost(w, &d)
		r.mu.Lock()
	}
	if !r.closed {
		r.arm()
	}
	r.mu.Unlock()
	w.End()
}

// lost counts a datagram whose time is over, and has the sender told if its first fragment has come.
func (r *Reassembler) lost(w *stack.Work, d *frag.Datagram) {
	r.count.Fails.Inc()
	r.count.Timeout.Inc()
	nic := r.stack.NIC(d.Arrived)
	if d.Head.IsZero() || nic == nil {
		r.lose(d.Fragments, tcpip.DropFragmentTimeout)
		d.Release()
		return
	}
	r.lose(d.Fragments-1, tcpip.DropFragmentTimeout)
	headers, prefix := d.Head.Len(), d.Prefix
	p := r.build(d)
	p.Truncate(headers + prefix)
	p.NIC, p.Src, p.Dst = nic, d.Src, d.Dst
	r.expired(w, p)
	p.Drop(tcpip.DropFragmentTimeout)
}

// lose counts n fragments of which there is nothing to show.
func (r *Reassembler) lose(n int, why tcpip.Drop) {
	for range n {
		r.stack.Lose(nil, why)
	}
}

// Close drops everything and stops the timer.
func (r *Reassembler) Close() {
	r.mu.Lock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	left := r.table.Clear()
	r.mu.Unlock()
	r.lose(left, tcpip.DropFragmentTimeout)
}
