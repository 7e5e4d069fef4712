package transport

import (
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// cork is a datagram in the making, which writes add to while UDP_CORK is set or they say that more follows.
// Where it goes and how is decided by the first of them, as on Linux.
type cork struct {
	to      tcpip.FullAddress
	query   stack.RouteQuery
	route   *stack.Route
	flow    stack.FlowID
	hash    uint32
	conf    stack.SendOptions
	hops    bool // conf.TTL was given, and does not follow the option
	fits    budget
	segment int
	wish    *wish
	tag     tag
	pieces  []slab.Piece
	begun   bool // by a write that has succeeded
	size    int  // bytes in pieces
	charge  int  // of pieces, against SO_SNDBUF
}

// corks reports whether a write does not end its datagram.
func (d *Datagram) corks(o *tcpip.WriteOptions) bool {
	return d.conf.Cork || o.Flags&tcpip.WriteMore != 0 && d.proto.shape.Corks
}

// collect adds b to the datagram in the making, and sends it if nothing more is to follow. After an error
// nothing is left of it.
func (d *Datagram) collect(w *stack.Work, b []byte, o *tcpip.WriteOptions) tcpip.Error {
	c := d.corked
	if len(b) > maxWrite && c.to.Addr.Is4() {
		return tcpip.ErrMessageSize
	}
	err := d.append(w, c, b)
	if err == tcpip.OK {
		err = c.wished(d, o)
	}
	switch {
	case err != tcpip.OK:
		d.uncork(w)
	case !d.corks(o):
		err = d.push(w)
	}
	return err
}

// wished notes what the program wants to be told of the datagram: of times the first write decides.
func (c *cork) wished(d *Datagram, o *tcpip.WriteOptions) (err tcpip.Error) {
	switch {
	case !c.begun:
		c.wish, err = d.wishFor(o)
	case d.conf.ZeroCopy && o.Flags&tcpip.WriteZeroCopy != 0:
		if (c.wish == nil || !c.wish.zero) && !d.queue.holdZero() {
			return tcpip.ErrNoBuffers
		}
		if c.wish == nil {
			c.wish = &wish{}
		}
		c.wish.zeroCopied(d)
	}
	c.begun = true
	return err
}

func (d *Datagram) append(w *stack.Work, c *cork, b []byte) tcpip.Error {
	if err := d.fit(w, &c.fits, c.to, d.wire(c.size+len(b)), c.segment); err != tcpip.OK {
		return err
	}
	if d.sent.Load() >= int64(d.conf.SendBuffer) {
		return tcpip.ErrWouldBlock
	}
	pool := &d.proto.stack.Slabs
	for len(b) > 0 {
		if n := len(c.pieces); n > 0 {
			if m := c.pieces[n-1].Append(b); m > 0 {
				c.size += m
				b = b[m:]
				continue
			}
		}
		piece, ok := pool.Get(chunk(len(b)))
		if !ok {
			d.proto.counters(c.to.Addr.Is6()).SndbufErrors.Inc()
			return tcpip.ErrNoBuffers
		}
		c.pieces = append(c.pieces, piece)
		c.charge += piece.Cost()
		d.sent.Add(int64(piece.Cost()))
	}
	return tcpip.OK
}

// push sends the datagram in the making, if there is one.
func (d *Datagram) push(w *stack.Work) tcpip.Error {
	c := d.corked
	if c == nil {
		return tcpip.OK
	}
	r := c.route
	if !r.Valid() {
		var err tcpip.Error
		if r, err = d.proto.stack.FindRoute(c.query); err != tcpip.OK {
			d.uncork(w)
			return err
		}
	}
	d.sendConf = c.conf
	d.sendConf.Summed = true // as on Linux, of what is made of several writes
	d.sendConf.MTU = c.fits.packets(d.wire(c.size))
	d.sendConf.DF = c.fits.dontFragment(d.wire(c.size))
	if c.segment > 0 {
		if err := d.segments(&c.fits, c.size, c.segment); err != tcpip.OK {
			d.uncork(w)
			return err
		}
	}
	if c.to.Addr.Is4() { // whose port and TTL Linux looks at last
		if err := d.autobind(); err != tcpip.OK {
			d.uncork(w)
			return err
		}
		c.flow = d.flow(r, c.to)
		if !c.hops {
			d.sendConf.TTL = d.hops(r)
		}
	}
	p := d.newPacket()
	if p == nil {
		d.proto.counters(c.to.Addr.Is6()).SndbufErrors.Inc()
		d.uncork(w)
		return tcpip.ErrNoBuffers
	}
	d.corked = nil
	d.wish, d.tag = c.wish, c.tag
	p.Prepend(d.proto.shape.HeaderSize)
	p.SetTransport()
	for _, piece := range c.pieces {
		p.AppendData(piece)
	}
	p.Hash = c.hash
	d.sent.Add(int64(-c.charge))
	return d.launch(w, r, c.flow, p, c.charge, c.segment)
}

// redirect leads the datagram in the making to the peer that the endpoint was connected to meanwhile. Over IPv6 it
// keeps its way, as on Linux, and so does one that was to stay on the host.
func (d *Datagram) redirect(q stack.RouteQuery, r *stack.Route, to tcpip.FullAddress) {
	c := d.corked
	if c == nil || c.to.Addr.Is6() || to.Addr.Is6() {
		return
	}
	if was := c.route; was.NIC != r.NIC && was.NIC.Info().Kind == stack.LinkLoopback {
		q.NIC, q.Source, q.AnySource = was.NIC.ID(), r.Local, true
		var err tcpip.Error
		if r, err = d.proto.stack.FindRoute(q); err != tcpip.OK {
			return
		}
	}
	c.query, c.route, c.to = q, r, to
}

// Corked reports whether a datagram is in the making, and whether it is one of IPv6: the writes that follow
// cannot choose another destination.
func (d *Datagram) Corked() (corked, v6 bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.corked == nil {
		return false, false
	}
	return true, d.corked.to.Addr.Is6()
}

// uncork throws the datagram in the making away.
func (d *Datagram) uncork(w *stack.Work) {
	c := d.corked
	if c == nil {
		return
	}
	d.corked = nil
	for i := range c.pieces {
		c.pieces[i].Release()
	}
	c.wish.tellZero(w, d)
	if c.charge > 0 {
		d.Completed(w, c.charge)
	}
}
