package tcp

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// SocketFilter is e's BPF program, made on first use. It sees segments from the TCP header on; of a listener, those
// that begin connections too, which inherit it.
func (e *Endpoint) SocketFilter() *stack.SocketFilter {
	for {
		if f := e.filter.Load(); f != nil {
			return f
		}
		e.filter.CompareAndSwap(nil, new(stack.SocketFilter))
	}
}

// passes asks the filter about a segment, which it cuts to what the filter keeps, the header at least. It reports
// false if it has dropped p. No lock is needed.
func (e *Endpoint) passes(p *stack.Packet) bool {
	f := e.filter.Load()
	if f == nil || !f.On() {
		return true
	}
	start := len(p.Front()) - len(p.Transport())
	keep := f.Keep(p, start)
	if keep == 0 {
		p.Drop(tcpip.DropFiltered)
		return false
	}
	if n := start + max(keep, header.TCP(p.Transport()).HeaderLen()); n < p.Len() {
		p.Truncate(n)
	}
	return true
}

// inheritFilter makes e filter as its listener does.
func (e *Endpoint) inheritFilter(l *Endpoint) {
	if f := l.filter.Load(); f != nil {
		e.SocketFilter().Inherit(f)
	}
}

// AttachReuse sets the program that chooses among the listeners that share a port (stack.ReuseGroup).
//
// Errors: ErrInvalid without SO_REUSEPORT, or listening without it, or for a program that may not run.
func (e *Endpoint) AttachReuse(code []byte) tcpip.Error {
	w := e.begin()
	defer e.end(w)
	g := e.reuseGroup()
	if g == nil {
		if !e.opts.sock.ReusePort || e.phase == phaseListening {
			return tcpip.ErrInvalid
		}
		g = new(stack.ReuseGroup)
		if e.binding == nil {
			e.rarely().group = g
		} else if err := e.proto.stack.Demux.Rebind(e.binding, func(b *stack.Binding) { b.Group = g }); err != tcpip.OK {
			return err
		}
	}
	return g.Attach(code)
}

// reuseGroup returns the group that e is one of, or would begin; nil if there is none. The lock is held.
func (e *Endpoint) reuseGroup() *stack.ReuseGroup {
	switch {
	case e.binding != nil:
		return e.binding.Group
	case e.seldom != nil:
		return e.seldom.group
	}
	return nil
}

// DetachReuse takes that program away.
//
// Errors: ErrNotFound if there is none; ErrInvalid if there can be none.
func (e *Endpoint) DetachReuse() tcpip.Error {
	w := e.begin()
	defer e.end(w)
	g := e.reuseGroup()
	switch {
	case g != nil:
		return g.Detach()
	case e.opts.sock.ReusePort:
		return tcpip.ErrNotFound
	}
	return tcpip.ErrInvalid
}
