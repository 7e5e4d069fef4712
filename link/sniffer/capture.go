package sniffer

import (
	"slices"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/pcapng"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// capture is the copy of one batch: finished blocks without comments, and where each begins.
type capture struct {
	direction pcapng.Direction
	blocks    []byte
	records   []record
	comments  []byte // the blocks again, with comments
}

// record is one packet of a capture.
type record struct {
	packet *stack.Packet // to recognise it by; it may be gone
	at     int           // where its block begins
	data   int           // bytes of it that were kept
	len    int
	drop   tcpip.Drop
}

// begin copies a batch, which it borrows, before it is given away.
func (l *Sniffer) begin(r stack.Receiver, dir pcapng.Direction, batch []*stack.Packet) *capture {
	c, _ := l.pool.Get().(*capture)
	if c == nil {
		c = new(capture)
	}
	c.direction = dir
	clock := r.Stack().Clock()
	now := clock.Wall(clock.Now())
	for _, p := range batch {
		c.add(l, now, p)
	}
	l.mu.Lock()
	l.captures = append(l.captures, c)
	l.mu.Unlock()
	return c
}

// end writes the first n packets of the batch, of which the others were not taken.
func (l *Sniffer) end(c *capture, n int) {
	l.mu.Lock()
	if i := slices.Index(l.captures, c); i >= 0 {
		l.captures = slices.Delete(l.captures, i, i+1)
	}
	l.mu.Unlock()
	l.write(c.finish(n))
	clear(c.records)
	c.records, c.blocks = c.records[:0], c.blocks[:0]
	if cap(c.blocks) <= maxKept && cap(c.comments) <= maxKept {
		l.pool.Put(c)
	}
}

// add appends a block for p.
func (c *capture) add(l *Sniffer, now time.Time, p *stack.Packet) {
	b, at := pcapng.BeginPacket(c.blocks, &pcapng.Packet{Time: now})
	from := len(b)
	if l.ethernet {
		src := p.Link.Src
		if src.IsZero() && c.direction == pcapng.Outbound {
			src = l.lower.Info().Address
		}
		f := header.EthernetFields{Dst: p.Link.Dst, Src: src, Type: p.EtherType}
		b = slices.Grow(b, header.EthernetSize)[:from+header.EthernetSize]
		f.Encode(b[from:])
	}
	packet := len(b)
	b = slices.Grow(b, p.Len())[:packet+p.Len()]
	p.CopyTo(b[packet:])
	if p.Checksum == stack.ChecksumPartial || p.SegSize > 0 {
		stack.FinishChecksum(b[min(packet+l.opaque, len(b)):])
	}
	n := len(b) - from
	if snap := l.options.SnapLen; snap > 0 && n > snap {
		b = b[:from+snap]
	}
	c.records = append(c.records, record{packet: p, at: at, data: len(b) - from, len: n})
	c.blocks = pcapng.EndPacket(b, at, n, c.direction, "")
}

// finish returns the blocks of the first n packets, with comments.
func (c *capture) finish(n int) []byte {
	if n == 0 {
		return nil
	}
	blocks := c.blocks
	if n < len(c.records) {
		blocks = blocks[:c.records[n].at]
	}
	if !slices.ContainsFunc(c.records[:n], func(r record) bool { return r.drop != tcpip.DropNone }) {
		return blocks
	}
	out := c.comments[:0]
	for i, r := range c.records[:n] {
		end := len(blocks)
		if i+1 < n {
			end = c.records[i+1].at
		}
		if r.drop == tcpip.DropNone {
			out = append(out, blocks[r.at:end]...)
			continue
		}
		at := len(out)
		out = append(out, blocks[r.at:r.at+pcapng.PacketHead+r.data]...)
		out = pcapng.EndPacket(out, at, r.len, c.direction, "dropped: "+r.drop.String())
	}
	c.comments = out
	return out
}
