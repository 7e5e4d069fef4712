package stack

import (
	"slices"
	"sync"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Watcher is an endpoint that is shown packets beside the protocols that they are for: a packet socket. As an Owner
// it is not shown what it has sent itself, on its way out.
type Watcher interface {
	Owner

	// Watched shows a packet, which it borrows, with p.NIC being the NIC that it passes. It lies in the front and the
	// payload without its link header. way is PacketOutgoing for what is about to be given to the link, cut and
	// summed as the link needs it; else to whom it was addressed. It runs in the middle of the packet's way, with no
	// lock held, and must not call back but for the Work.
	Watched(w *Work, p *Packet, way PacketType)

	// WatchEnds tells that the NIC that Watch was called for has gone down, or is up again.
	WatchEnds(w *Work, nic *NIC, up bool)

	// CloseWatch ends the watcher with its stack.
	CloseWatch(w *Work)
}

// Watch says what a Watcher wants to see.
type Watch struct {
	NIC       tcpip.NICID      // 0: all
	EtherType header.EtherType // 0: all, and what is sent too; else only what is received
	Watcher   Watcher
}

func (v *Watch) wants(p *Packet, way PacketType) bool {
	return (v.NIC == 0 || v.NIC == p.NIC.id) && (v.EtherType == 0 || v.EtherType == p.EtherType && way != PacketOutgoing)
}

// SetWatch makes v hold for its Watcher, in the place of what held before; nil ends what held. It reports
// ErrTooMany if there are too many watchers, ErrClosed if the stack is closed.
func (s *Stack) SetWatch(r Watcher, v *Watch) tcpip.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Watch
	if old := s.watches.Load(); old != nil {
		list = slices.DeleteFunc(slices.Clone(*old), func(o Watch) bool { return o.Watcher == r })
	}
	switch {
	case v == nil:
	case s.closed.Load():
		return tcpip.ErrClosed
	case len(list) >= s.limits.Watchers:
		return tcpip.ErrTooMany
	default:
		list = append(list, *v)
	}
	if len(list) == 0 {
		s.watches.Store(nil)
		return tcpip.OK
	}
	s.watches.Store(&list)
	return tcpip.OK
}

// watched shows a packet to everybody who wants to see it.
func (n *NIC) watched(w *Work, list []Watch, p *Packet, way PacketType) {
	for i := range list {
		if v := &list[i]; v.wants(p, way) && (p.owner == nil || p.owner != Owner(v.Watcher)) {
			v.Watcher.Watched(w, p, way)
		}
	}
}

// watchTransmit shows what is about to be given to the link, once.
func (n *NIC) watchTransmit(w *Work, list []Watch, batch []*Packet) {
	for _, p := range batch {
		if !p.watched {
			p.watched = true
			n.watched(w, list, p, PacketOutgoing)
		}
	}
}

// watchChanged tells watchers of n that it went up or down.
func (n *NIC) watchChanged(w *Work, up bool) {
	if list := n.stack.watches.Load(); list != nil {
		for _, v := range *list {
			if v.NIC == n.id {
				v.Watcher.WatchEnds(w, n, up)
			}
		}
	}
}

// closeWatches ends every watcher.
func (s *Stack) closeWatches(w *Work) {
	if list := s.watches.Load(); list != nil {
		for _, v := range *list {
			v.Watcher.CloseWatch(w)
		}
	}
}

// Copy returns a copy of p for a watcher, in the pools of s, with at most n bytes that begin with p's link header if
// linked is set. It borrows p, and shares its bytes but for those that its owner may yet change: the first
// copiedFront. nil if memory is short. The copy has no owner and is compact.
func (p *Packet) Copy(s *Stack, n int, linked LinkPrefix) *Packet {
	c := s.NewPacket()
	front := min(len(p.Front()), copiedFront)
	if p.store.IsZero() {
		front = len(p.Front()) // what is inline cannot be shared, and fits
	}
	if front <= copiedFront {
		c.off = frontRoom - front
		copy(c.buf[c.off:], p.Front()[:front])
	} else {
		piece, ok := s.Slabs.Get(cloneHeadroom + front)
		if !ok {
			c.Release()
			return nil
		}
		piece.Reserve(cloneHeadroom)
		piece.Append(p.Front()[:front])
		c.store, c.buf = piece, piece.Storage()
		c.off, c.end = cloneHeadroom, cloneHeadroom+front
	}
	if rest := p.end - p.off - front; rest > 0 {
		at := p.off + front - p.store.Headroom()
		c.AppendData(p.store.Slice(at, at+rest))
	}
	for _, d := range p.data {
		c.AppendData(d.Share())
	}
	c.NIC, c.EtherType, c.Link, c.At, c.Hash, c.Mark, c.Priority = p.NIC, p.EtherType, p.Link, p.At, p.Hash, p.Mark, p.Priority
	c.Checksum, c.SegSize, c.Segs, c.CE = p.Checksum, p.SegSize, p.Segs, p.CE
	if linked == WithLink {
		var link [header.EthernetSize]byte
		b := p.AppendLinkHeader(link[:0])
		copy(c.Prepend(len(b)), b)
	}
	if n < c.Len() {
		c.Truncate(n)
	}
	c.Compact()
	return c
}

// LinkPrefix says whether a copy begins with the link's header.
type LinkPrefix bool

// The ways to copy.
const (
	WithLink    LinkPrefix = true
	WithoutLink LinkPrefix = false
)

// WatchGroups is where watchers that share what they see find each other, by number. It is safe for concurrent use.
type WatchGroups struct {
	mu     sync.Mutex
	groups map[uint16]any
}

// WatchGroups returns the stack's.
func (s *Stack) WatchGroups() *WatchGroups { return &s.groups }

// Change calls f with group id, nil if there is none, and keeps what f returns in its place, nothing if that is nil. f
// must not call back.
func (g *WatchGroups) Change(id uint16, f func(group any) any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if was := f(g.groups[id]); was != nil {
		if g.groups == nil {
			g.groups = make(map[uint16]any)
		}
		g.groups[id] = was
		return
	}
	delete(g.groups, id)
}

// Free returns the lowest number that no group has.
func (g *WatchGroups) Free() (uint16, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id := range 1 << 16 {
		if g.groups[uint16(id)] == nil {
			return uint16(id), true
		}
	}
	return 0, false
}
