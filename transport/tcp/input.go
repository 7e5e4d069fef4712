package tcp

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Receive validates a segment and hands it to its endpoint, or answers that there is none.
func (t *Protocol) Receive(w *stack.Work, p *stack.Packet) {
	t.counters.Tcp.InSegs.Add(uint64(max(p.Segs, 1)))
	if d := t.validate(p); d != tcpip.DropNone {
		t.counters.Tcp.InErrs.Inc()
		if d == tcpip.DropBadChecksum {
			t.counters.Tcp.InCsumErrors.Inc()
		}
		p.Drop(d)
		return
	}
	t.dispatch(w, p)
}

// validate checks the header's form and the checksum (RFC 9293 §3.1, MUST-3), and leaves the header alone in the front.
func (t *Protocol) validate(p *stack.Packet) tcpip.Drop {
	before := len(p.Front()) - len(p.Transport())
	if len(p.Transport()) < header.TCPSize && !p.Pull(before+header.TCPSize) {
		return tcpip.DropShort
	}
	n := header.TCP(p.Transport()).HeaderLen()
	if len(p.Transport()) < n && !p.Pull(before+n) {
		return tcpip.DropShort
	}
	if _, d := header.ParseTCP(p.Transport()); d != tcpip.DropNone {
		return d
	}
	if p.Checksum == stack.ChecksumUnverified {
		sum := header.PseudoHeader(header.ProtocolTCP, p.Src, p.Dst, p.TransportLen()).Add(p.Transport())
		for _, d := range p.Data() {
			sum = sum.Add(d.Bytes())
		}
		if sum.Checksum() != 0 {
			return tcpip.DropBadChecksum
		}
		p.Checksum = stack.ChecksumVerified
	}
	if p.Dst.IsMulticast() || p.Src.IsMulticast() || p.Link.Type == stack.PacketBroadcast || p.Link.Type == stack.PacketMulticast {
		return tcpip.DropMartianDestination // TCP speaks to one host only (RFC 9293 §3.9.2.3, MUST-57)
	}
	if !p.SplitFront(before + n) {
		return tcpip.DropNoMemory
	}
	return tcpip.DropNone
}

// dispatch gives a valid segment to its endpoint.
func (t *Protocol) dispatch(w *stack.Work, p *stack.Packet) {
	id := flowOf(p)
	r := t.stack.Demux.FindFor(id, p, t.stack.FlowHash(id))
	if e, ok := r.(*Endpoint); ok && !e.hears(p.NIC) {
		r = t.stack.Demux.FindClaim(id, p.NIC, t.stack.FlowHash(id))
	}
	if r != nil {
		r.Deliver(w, p)
		return
	}
	if h := t.handler.Load(); h != nil && h.take(w, p, id, tcpip.Opt[uint32]{}) {
		return
	}
	t.answerReset(w, p, id, tcpip.DropNoPort)
}

// hears reports whether what arrives on a NIC is for a connection: one that is bound to another device is a stranger
// there, as on Linux.
func (e *Endpoint) hears(nic *stack.NIC) bool {
	d := e.device.Load()
	return d == 0 || nic == nil || tcpip.NICID(d) == nic.ID()
}

// redeliver gives a segment whose endpoint was gone when it came to it to the demux again. No lock is
// held.
func (t *Protocol) redeliver(w *stack.Work, p *stack.Packet) {
	if p.Redelivered++; p.Redelivered > redeliveries {
		p.Drop(tcpip.DropEndpointClosed)
		return
	}
	t.dispatch(w, p)
}

// flowOf returns the flow of a received segment, as we see it.
func flowOf(p *stack.Packet) stack.FlowID {
	h := header.TCP(p.Transport())
	return stack.FlowID{
		Proto:  header.ProtocolTCP,
		Local:  netip.AddrPortFrom(p.Dst, h.DstPort()),
		Remote: netip.AddrPortFrom(p.Src, h.SrcPort()),
	}
}

// decode makes p a segment for the machine, which takes p's data. The segment aliases p, which must
// not be released before it is done with. Options count in every segment (RFC 9293 §3.1, MUST-5).
func decode(p *stack.Packet, s *tcb.Segment) {
	h := header.TCP(p.Transport())
	s.At = p.At
	s.Seq, s.Ack, s.Flags, s.Window, s.Urgent = h.Seq(), h.Ack(), h.Flags(), h.Window(), h.Urgent()
	header.DecodeTCPOptions(h.Options(), &s.Options)
	s.Wire, s.CE = int(max(p.Segs, 1)), int(p.CE)
	s.Mark = p.TOS & 3
	s.ECT = s.Mark != 0
	if p.TOS&3 == 3 && p.CE == 0 {
		s.CE = s.Wire
	}
	s.TTL, s.TOS = p.TTL, p.TOS
	s.Len = p.DataLen()
	s.Data = p.TakeData(p.Data()[:0])
}

func releaseSegment(s *tcb.Segment) {
	releasePieces(s.Data)
	s.Data = s.Data[:0]
}

func releasePieces(pieces []slab.Piece) {
	for i := range pieces {
		pieces[i].Release()
	}
}

// receive feeds a segment to the machine. The lock is held.
func (e *Endpoint) receive(w *stack.Work, p *stack.Packet) {
	if st := e.tcb.State(); !e.running || !e.entered || st == tcb.StateClosed || st == tcb.StateTimeWait {
		e.rarely().strays.Push(p) // settle will have taken e out of the demux before they go back there
		return
	}
	if p.TTL < e.opts.sock.FewestHops(p.Dst.Is6()) {
		e.proto.countDrop(tcpip.DropMinTTL)
		p.Drop(tcpip.DropMinTTL)
		return
	}
	var s tcb.Segment
	decode(p, &s)
	if s.Options.MD5 != nil || e.opts.md5 != nil {
		if d := e.proto.checkMD5(p, &s, e.secret()); d != tcpip.DropNone {
			releaseSegment(&s)
			p.Drop(d)
			return
		}
	}
	lacksTimestamp := !s.Options.HasTimestamp
	una, received := e.tcb.Una(), e.tcb.Received()
	e.tcb.SetShort(e.proto.stack.Slabs.Short())
	if e.claimed.Load() {
		e.tcb.Accepted()
	}
	d := e.tcb.Segment(e.lock.now, &s)
	if e.opts.arrivals {
		e.arrived(received, p.At)
	}
	if d != tcpip.DropNone {
		e.proto.countDrop(d)
		p.Drop(d)
		return
	}
	if lacksTimestamp && e.tcb.Timestamps() {
		e.proto.counters.TcpExt.TCPNoTimestamp.Inc()
	}
	// Only what is newly acknowledged proves that our segments arrive (RFC 4861 §7.3.1; BEHAVIOUR E4).
	if e.tcb.Una() != una && e.lock.now.Sub(e.confirmedAt) > confirmInterval && e.route != nil {
		e.confirmedAt = e.lock.now
		e.route.Confirm()
	}
	p.Release()
}

// countDrop counts a drop under its MIB's name, too, where it has one.
func (t *Protocol) countDrop(d tcpip.Drop) {
	c := &t.counters.TcpExt
	switch d {
	case tcpip.DropPAWS:
		c.PAWSEstab.Inc()
	case tcpip.DropNoTimestamp:
		c.TCPNoTimestamp.Inc()
	case tcpip.DropSynInWindow:
		c.TCPSYNChallenge.Inc()
		t.counters.Tcp.InErrs.Inc()
	case tcpip.DropMinTTL:
		c.TCPMinTTLDrop.Inc()
	case tcpip.DropReceiveQueue:
		c.TCPRcvQDrop.Inc()
	case tcpip.DropOutOfOrder:
		c.TCPOFODrop.Inc()
	case tcpip.DropZeroWindow:
		c.TCPZeroWindowDrop.Inc()
	case tcpip.DropAfterClose:
		c.TCPAbortOnData.Inc()
	}
}

// packetCost returns what p keeps in use, in slab bytes. A slab that others share, such as the sender's in this
// process or a super-segment that was cut, is charged as far as p fills it: the window, which the peer may fill
// while the lock is held, counts no more.
func packetCost(p *stack.Packet) int {
	cost := slab.Small
	for _, d := range p.Data() {
		if d.Sole() {
			cost += d.Cost()
		} else {
			cost += max(slab.Small, d.Len())
		}
	}
	return cost
}

// ReceiveError tells the endpoint of the quoted segment of an ICMP error (RFC 9293 §3.9.2.2, MUST-54).
func (t *Protocol) ReceiveError(w *stack.Work, e *stack.ICMPError) {
	id := stack.FlowID{Proto: header.ProtocolTCP, Local: e.Local, Remote: e.Remote}
	r := t.stack.Demux.Lookup(id)
	if r == nil {
		e.Unknown(t.stack)
		return
	}
	r.DeliverError(w, e)
}

// quotedSeq returns the sequence number of the segment that e quotes. Eight bytes of it are there.
func quotedSeq(e *stack.ICMPError) seq.Number {
	return seq.Number(binary.BigEndian.Uint32(e.Quoted[4:]))
}

// DeliverError takes an ICMP error about a segment of e's. No lock is held, and none is waited for: if somebody has
// e's, a copy is left to him.
func (e *Endpoint) DeliverError(w *stack.Work, i *stack.ICMPError) {
	at := e.proto.stack.Now()
	if e.lock.tryEnter(at) {
		e.receiveError(w, i)
		e.unlock(w)
		return
	}
	entered, queued := e.lock.putOffError(i, at)
	if !queued {
		i.Drop(e.proto.stack, tcpip.DropBacklog)
	}
	if entered {
		e.unlock(w)
	}
}

// receiveError is DeliverError with the lock held.
func (e *Endpoint) receiveError(w *stack.Work, i *stack.ICMPError) {
	d := tcpip.DropICMPNoFlow
	switch {
	case !e.running || !e.entered:
	case i.Hops != 0 && i.Hops < e.opts.sock.FewestHops(e.id.Remote.Addr().Is6()):
		d = tcpip.DropMinTTL
	default:
		d = e.icmpError(i)
	}
	if d != tcpip.DropNone {
		i.Drop(e.proto.stack, d)
	} else if e.hasReports() {
		w.Wake(e.proto.stack, &e.waiters, waiter.Error)
	}
}

func (e *Endpoint) icmpError(i *stack.ICMPError) tcpip.Drop {
	if i.Kind == stack.ICMPTooBig {
		return e.tooBig(i)
	}
	state := e.tcb.State()
	d := e.tcb.Unreachable(e.lock.now, i.Err, 0, quotedSeq(i))
	if d == tcpip.DropNone && state == tcb.StateSynSent && (e.reportsErrors() || e.id.Remote.Addr().Is4()) {
		e.report(i)
	}
	return d
}

// tooBig learns a path MTU. Where packets may be fragmented nothing is lost, and as on Linux only what is written
// next takes notice. The user is not told.
func (e *Endpoint) tooBig(i *stack.ICMPError) tcpip.Drop {
	mode, mtu := pmtuMode(&e.opts.sock, e.id.Remote.Addr()), i.MTU
	v4 := e.id.Remote.Addr().Is4()
	switch {
	case v4:
		mtu = max(mtu, minPathMTU4) // BEHAVIOUR B8
	case mode == tcpip.PMTUInterface || mode == tcpip.PMTUOmit:
		return tcpip.DropNone
	case mtu < minPathMTU6 || e.tcb.Fits(mtu):
		return tcpip.DropICMPBadMTU
	}
	if v4 && (mode == tcpip.PMTUDont || mode == tcpip.PMTUInterface || mode == tcpip.PMTUOmit) {
		if !e.tcb.InFlight(quotedSeq(i)) {
			return tcpip.DropICMPSequence
		}
		e.proto.stack.LearnPathMTU(e.id.Remote.Addr(), i.MTU)
		e.stale = true
		return tcpip.DropNone
	}
	d := e.tcb.Unreachable(e.lock.now, tcpip.ErrMessageSize, mtu, quotedSeq(i))
	if d == tcpip.DropNone {
		e.proto.stack.LearnPathMTU(e.id.Remote.Addr(), i.MTU)
		e.reroute()
	}
	return d
}

// report puts an ICMP error into the error queue, as Linux does while a connection is attempted, over IPv4 even where
// nobody has asked for it.
func (e *Endpoint) report(i *stack.ICMPError) {
	info := uint32(0)
	switch h := i.Packet; {
	case i.Origin == tcpip.OriginICMP6 && h != nil && len(h.Transport()) >= 8: // whatever it means
		info = binary.BigEndian.Uint32(h.Transport()[4:])
	case i.Kind == stack.ICMPParameter, i.Kind == stack.ICMPParameterHeader, i.Kind == stack.ICMPParameterOption:
		info = uint32(i.MTU)
	}
	e.queueReport(report{
		ErrorReport: tcpip.ErrorReport{Err: i.Err, Origin: i.Origin, Type: i.Type, Code: i.Code, Info: info, Offender: i.Offender},
		to:          e.id.Remote,
		quoted:      append([]byte(nil), i.Quoted[:min(len(i.Quoted), maxQuoted)]...),
	})
}

// reportsErrors reports whether the user asked for IP_RECVERR (RFC 9293 §3.9.1.8, SHLD-20).
func (e *Endpoint) reportsErrors() bool {
	if e.id.Remote.Addr().Is6() {
		return e.opts.sock.ReceiveError6
	}
	return e.opts.sock.ReceiveError4
}
