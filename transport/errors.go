package transport

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// DeliverError takes note of an ICMP error about a packet of this endpoint. The path MTU is learnt
// unless IP_MTU_DISCOVER says to keep away from it (BEHAVIOUR B2, B3). The program is told as Linux does it:
// with IP_RECVERR of every error, through the error queue; otherwise, if it is connected, of hard ones.
//
// As measured on Linux, a "too big" is hard but for PMTUDont, which over IPv4 does not tell of it at all;
// over IPv6 the modes that do not learn do not tell either, while over IPv4 they do.
func (d *Datagram) DeliverError(w *stack.Work, e *stack.ICMPError) {
	remote := e.Remote.Addr()
	hard := e.Hard
	switch e.Kind {
	case stack.ICMPTooBig:
		told := false
		if told, hard = d.tooBig(e); !told {
			return
		}
	case stack.ICMPNotice:
		if d.proto.shape.Kind != tcpip.KindPing {
			return
		}
	}
	if d.reportsErrors(remote) {
		quoted := e.Quoted
		if !d.proto.shape.UserHeader {
			quoted = quoted[min(d.proto.shape.HeaderSize, len(quoted)):]
		}
		d.report(tcpip.FullAddress{Addr: remote, Port: e.Remote.Port()}, tcpip.ErrorReport{
			Err: e.Err, Origin: e.Origin, Type: e.Type, Code: e.Code, Info: infoOf(e), Data: d.extensions(e, quoted), Offender: e.Offender,
		}, quoted, e.Packet)
	} else if !hard || !d.connected.Load() {
		return
	}
	d.err.Store(uint32(e.Err))
	w.Wake(d.proto.stack, &d.waiters, waiter.Error)
}

// infoOf returns what Linux tells beside type and code: of ICMPv6 the word behind them whatever it means, of ICMP the
// MTU or the pointer.
func infoOf(e *stack.ICMPError) uint32 {
	if e.Origin == tcpip.OriginICMP6 && e.Packet != nil {
		if h := e.Packet.Transport(); len(h) >= 8 {
			return binary.BigEndian.Uint32(h[4:])
		}
	}
	switch e.Kind {
	case stack.ICMPTooBig, stack.ICMPParameter, stack.ICMPParameterHeader, stack.ICMPParameterOption, stack.ICMPNotice:
		return uint32(e.MTU)
	}
	return 0
}

// extensions is what IP_RECVERR_RFC4884 and IPV6_RECVERR_RFC4884 ask for.
func (d *Datagram) extensions(e *stack.ICMPError, quoted []byte) uint32 {
	flag := flagExtensions4
	if e.Remote.Addr().Is6() {
		flag = flagExtensions6
	}
	if d.flags.Load()&flag == 0 {
		return 0
	}
	return extended(e, quoted)
}

// tooBig learns a path MTU, and says whether the program is told, and whether the error is a hard one. Each kind of
// socket has its own rules, as measured on Linux: raw ones are told whatever their mode, over IPv6 they learn only
// what they are told, and ping over IPv6 never fails because of it.
func (d *Datagram) tooBig(e *stack.ICMPError) (told, hard bool) {
	remote := e.Remote.Addr()
	v6, mode := remote.Is6(), d.modeFor(remote)
	ignored := int(mode) < len(ignores) && ignores[mode]
	if v6 && d.raw != nil {
		if told = d.connected.Load() || d.reportsErrors(remote); told {
			d.proto.stack.LearnPathMTU(remote, e.MTU)
		}
		return told, mode == tcpip.PMTUDo
	}
	if !ignored {
		d.proto.stack.LearnPathMTU(remote, e.MTU)
	}
	switch {
	case d.raw != nil:
		return true, mode != tcpip.PMTUDont
	case v6 && d.proto.shape.Kind == tcpip.KindPing:
		return true, false
	}
	return !(v6 && ignored || !v6 && mode == tcpip.PMTUDont), mode != tcpip.PMTUDont
}

// report puts an entry on the error queue, which shares the receive queue's limit. message is the ICMP error, nil if
// there was none.
func (d *Datagram) report(to tcpip.FullAddress, report tcpip.ErrorReport, quoted []byte, message *stack.Packet) {
	p := d.proto
	e := p.newDatagram()
	e.meta = meta{nic: to.NIC, at: p.stack.Now()}
	if m := message; m != nil {
		e.meta = meta{dst: m.Dst, local: m.Local, at: m.At, ttl: m.TTL, tos: m.TOS}
		if m.NIC != nil {
			e.nic = m.NIC.ID()
		}
	}
	e.from = netip.AddrPortFrom(to.Addr, to.Port)
	e.report = &report
	if len(quoted) > 0 {
		if piece, ok := p.stack.Slabs.Copy(quoted); ok {
			e.pieces = append(e.pieces, piece)
			e.size = len(quoted)
		}
	}
	d.enqueueReport(e, to.Addr.Is6())
}

// enqueueReport puts an entry, which it takes, on the error queue, if there is room.
func (d *Datagram) enqueueReport(e *datagram, v6 bool) {
	p, q := d.proto, &d.queue
	e.charge = ReportCost(e.size)
	q.mu.Lock()
	full := q.closed || q.bytes+e.charge >= q.limit
	if !full {
		q.bytes += e.charge
		q.errors.push(e)
	}
	q.mu.Unlock()
	if full {
		p.counters(v6).RcvbufErrors.Inc()
		p.free(e)
	}
}

// ReportCost is what an entry of the error queue that shows n bytes of a packet is charged: as on Linux about what a
// packet of that size with the headers around them takes, and at least half of the memory that it takes here.
func ReportCost(n int) int {
	n += reportRoom
	for _, size := range [...]int{576, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10} {
		if n <= size {
			return datagramCost + size
		}
	}
	return datagramCost + slab.Large
}

// reportRoom is what ReportCost counts beside the bytes: headers, and what Linux keeps behind a packet.
const reportRoom = 2*(header.IPv4Size+header.UDPSize) + 351

// readError takes the oldest entry of the error queue. SO_ERROR then tells of the next ICMP error, or of
// none, as on Linux.
func (d *Datagram) readError(b []byte) (tcpip.Received, error) {
	q := &d.queue
	q.mu.Lock()
	e := q.errors.head
	if e == nil {
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return tcpip.Received{}, tcpip.ErrClosed
		}
		return tcpip.Received{}, tcpip.ErrWouldBlock
	}
	r := tcpip.Received{
		Count: e.copyTo(b, 0),
		Total: e.size,
		From:  tcpip.FullAddress{Addr: e.from.Addr(), Port: e.from.Port()},
	}
	if needsZone(r.From.Addr) {
		r.From.NIC = e.nic
	}
	r.Control.Has = tcpip.HasError
	r.Control.Rare().Err = *e.report
	d.controlOfReport(&r.Control, e)
	q.errors.pop()
	q.bytes -= e.charge
	if e.report.Origin == tcpip.OriginZeroCopy {
		q.zeros--
	}
	switch next := q.errors.head; {
	case next != nil && fromICMP(next):
		d.err.Store(uint32(next.report.Err))
	case fromICMP(e):
		d.err.Store(0)
	}
	q.mu.Unlock()
	d.proto.free(e)
	return r, nil
}

// controlOfReport fills in what the options ask for beside the report itself: when it was, and of an ICMP error
// what they would say of a datagram.
func (d *Datagram) controlOfReport(c *tcpip.Control, e *datagram) {
	f := d.flags.Load()
	if e.stamped && f&flagStampReport != 0 {
		c.Has |= tcpip.HasTimestamping
		c.Timestamp = e.at
	}
	if e.dst.IsValid() {
		d.control(c, e, f)
		c.PacketInfo.Local = netip.Addr{} // as measured
	} else if f&flagTimestamp != 0 {
		c.Has |= tcpip.HasTimestamp
		c.Timestamp = e.at
	}
}

func fromICMP(e *datagram) bool {
	return e.report.Origin == tcpip.OriginICMP || e.report.Origin == tcpip.OriginICMP6
}

// purgeErrors empties the error queue, but for completions.
func (q *queue) purgeErrors(p *Protocol) {
	q.mu.Lock()
	defer q.mu.Unlock()
	errors := q.errors
	q.errors = list{}
	for e := errors.pop(); e != nil; e = errors.pop() {
		if e.report.Origin == tcpip.OriginZeroCopy {
			q.errors.push(e)
			continue
		}
		q.bytes -= e.charge
		p.free(e)
	}
}
