// Package sniffer wraps a link and writes what passes it to a pcapng capture, with the reasons of drops
// as comments.
package sniffer

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/gate"
	"github.com/seed963a8790/netstack/internal/pcapng"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Options configure a Sniffer. The zero value records packets whole.
type Options struct {
	Name    string // of the interface in the capture; "": none
	SnapLen int    // bytes of a packet that are kept; 0: all
	// LinkType is the LINKTYPE_ number of the packets' form; 0: raw IP or Ethernet, as the link's Kind
	// says. A link under link/ethernet is to be given 1, Ethernet, since its frames are opaque to it.
	LinkType int
}

// Sniffer is a stack.Link that records. Packets are stamped with the wall time of the stack's clock. A
// super-segment is one packet, as the stack sees it; partial checksums are finished in the copy. A
// packet that is dropped while its batch is delivered, or sent, has a comment that says why; a later
// drop shows in the stack's counters only.
//
// The writer is called in the packets' way, once per batch, one call at a time: it must not call the
// stack, and should be fast. It is safe for concurrent use.
type Sniffer struct {
	lower    stack.Link
	options  Options
	loopback bool
	ethernet bool // put an Ethernet header in front
	opaque   int  // bytes of the header that is there already
	receiver atomic.Pointer[stack.Receiver]
	gate     *gate.Gate // of the calls that record what is sent

	mu       sync.Mutex
	captures []*capture // whose batches are under way, oldest first
	pool     sync.Pool

	out    sync.Mutex // guards what is below; taken after mu never
	writer io.Writer
	err    error
}

// New returns a recorder of lower, which it owns from then on, to out, to which it writes the beginning
// of a capture at once. The writer remains the caller's to close, after Wait.
func New(lower stack.Link, out io.Writer, o Options) *Sniffer {
	l := &Sniffer{lower: lower, options: o, writer: out, gate: gate.New()}
	kind := lower.Info().Kind
	l.loopback = kind == stack.LinkLoopback
	ethernet := kind == stack.LinkEthernet
	if o.LinkType == 0 {
		o.LinkType = int(pcapng.LinkTypeRaw)
		if ethernet {
			o.LinkType = int(pcapng.LinkTypeEthernet)
		}
	}
	switch {
	case o.LinkType != int(pcapng.LinkTypeEthernet):
	case ethernet:
		l.ethernet = true
	default:
		l.opaque = header.EthernetSize
	}
	head := pcapng.AppendSection(nil, "netstack")
	l.write(pcapng.AppendInterface(head, &pcapng.Interface{
		LinkType: pcapng.LinkType(o.LinkType), SnapLen: o.SnapLen, Name: o.Name,
	}))
	return l
}

// Err returns the first error of the writer, after which nothing more is written.
func (l *Sniffer) Err() error {
	l.out.Lock()
	defer l.out.Unlock()
	return l.err
}

// Lower returns the recorded link.
func (l *Sniffer) Lower() stack.Link { return l.lower }

// Info describes the lower link.
func (l *Sniffer) Info() stack.LinkInfo { return l.lower.Info() }

// Attach connects the link with r.
//
// Errors: ErrExists if it is attached, and those of the lower link.
func (l *Sniffer) Attach(r stack.Receiver) error {
	if !l.receiver.CompareAndSwap(nil, &r) {
		return tcpip.ErrExists
	}
	if err := l.lower.Attach((*upward)(l)); err != nil {
		l.receiver.Store(nil)
		return err
	}
	return nil
}

// Transmit records what the lower link takes of the batch. What comes straight back over a loopback is
// recorded there only.
func (l *Sniffer) Transmit(w *stack.Work, queue int, batch []*stack.Packet) int {
	r := l.receiver.Load()
	if r == nil || l.loopback || !l.gate.Enter() {
		return l.lower.Transmit(w, queue, batch)
	}
	defer l.gate.Leave()
	c := l.begin(*r, pcapng.Outbound, batch)
	n := l.lower.Transmit(w, queue, batch)
	l.end(c, n)
	return n
}

// Close closes the lower link.
func (l *Sniffer) Close() {
	l.gate.Close()
	l.lower.Close()
}

// Wait returns when the lower link has ended and nothing more will be written, or with ctx's error.
func (l *Sniffer) Wait(ctx context.Context) error {
	if err := l.lower.Wait(ctx); err != nil {
		return err
	}
	return l.gate.Wait(ctx)
}

// upward is the Sniffer as the lower link sees it.
type upward Sniffer

func (u *upward) above() stack.Receiver { return *u.receiver.Load() }

func (u *upward) Deliver(w *stack.Work, batch []*stack.Packet) {
	l, r := (*Sniffer)(u), u.above()
	c := l.begin(r, pcapng.Inbound, batch)
	n := len(batch)
	r.Deliver(w, batch)
	l.end(c, n)
}

func (u *upward) TxReady(w *stack.Work, queue int)      { u.above().TxReady(w, queue) }
func (u *upward) LinkChanged(w *stack.Work)             { u.above().LinkChanged(w) }
func (u *upward) Stack() *stack.Stack                   { return u.above().Stack() }
func (u *upward) Dropped(p *stack.Packet, d tcpip.Drop) { u.above().Dropped(p, d) } // comes back as ObserveDrop

// ObserveDrop gives the packet's record its comment, if its batch is under way, and tells the lower link,
// if it wants to know. A packet that a lower link dropped on its way up is recorded now.
func (l *Sniffer) ObserveDrop(p *stack.Packet, d tcpip.Drop) {
	fromBelow := p.NIC == nil
	if !l.comment(p, d) && fromBelow {
		if r := l.receiver.Load(); r != nil {
			one := [1]*stack.Packet{p}
			c := l.begin(*r, pcapng.Inbound, one[:])
			c.records[0].drop = d
			l.end(c, 1)
		}
	}
	if o, ok := l.lower.(stack.DropObserver); ok {
		o.ObserveDrop(p, d)
	}
}

// comment notes the reason at the newest record of p and reports whether there is one.
func (l *Sniffer) comment(p *stack.Packet, d tcpip.Drop) bool {
	received := p.NIC == nil || !p.At.IsZero() // else a new packet, maybe in the place of a received one
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.captures) - 1; i >= 0; i-- {
		c := l.captures[i]
		if c.direction == pcapng.Inbound && !received {
			continue
		}
		for j := range c.records {
			if r := &c.records[j]; r.packet == p && r.drop == tcpip.DropNone {
				r.drop = d
				return true
			}
		}
	}
	return false
}

// write passes blocks to the writer.
func (l *Sniffer) write(b []byte) {
	l.out.Lock()
	defer l.out.Unlock()
	if l.err != nil || len(b) == 0 {
		return
	}
	n, err := l.writer.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	l.err = err
}
