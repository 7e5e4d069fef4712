package tcp

import (
	"crypto/md5"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// send puts the segment sc.out on its way and reports false if it was refused for the moment. Without a
// route it counts as sent: it will be sent again.
func (e *Endpoint) send(w *stack.Work, sc *scratch, routed bool) bool {
	out := &sc.out
	t := e.proto
	if out.Challenge && !t.challenges.allow(e.lock.now) {
		releaseData(out)
		return true
	}
	e.pathless = false
	if !routed {
		releaseData(out)
		if e.id.Remote.Addr().Is6() {
			t.counters.Ip6.OutNoRoutes.Inc()
		} else {
			t.counters.Ip.OutNoRoutes.Inc()
		}
		return true
	}
	o := &sc.send
	*o = stack.SendOptions{Proto: header.ProtocolTCP, DF: e.df, MTU: e.mtu, NoFlowLabel: !e.opts.sock.AutoFlowLabel}
	p := t.build(out, e.id, e.secret(), e.opts.headers.put(o, e.id.Remote.Addr(), &sc.options))
	if p == nil {
		return false
	}
	p.Hash = e.hash
	charge := 0
	if out.Len > 0 {
		charge = p.Len()
		e.below.Add(int64(charge))
		p.SetOwner(e, charge)
		if e.seldom != nil && e.seldom.stamps != nil && !out.Retransmit {
			e.stamped(w, out, p, charge, o)
		}
	}
	if e.seldom != nil {
		o.FlowLabel = e.seldom.label
	}
	o.TOS, o.TTL = trafficOf(&e.opts.sock, e.route, t.stack)
	if out.Probe {
		o.DF, o.MTU = true, e.route.MTU()
	}
	if out.ECT {
		o.TOS |= ect0
	}
	switch err := e.route.Net.Send(w, e.route, p, o); err {
	case tcpip.ErrNoBuffers, tcpip.ErrNoMemory:
		// Its completion will be reported, too, but makes no room.
		e.below.Add(int64(-charge))
		e.refused.Add(int64(charge))
		return false
	case tcpip.ErrMessageSize: // the path has become narrower since it was looked up
		e.reroute()
	}
	t.count(out)
	return true
}

// trafficOf returns the TOS, or traffic class, and the TTL, or hop limit, that c asks for along r. The ECN
// bits are the connection's. What c says may change at any time (RFC 9293 §3.9.1.9, MUST-48, SHLD-21, SHLD-22; §3.9.2,
// MUST-49).
func trafficOf(c *tcpip.SocketConf, r *stack.Route, s *stack.Stack) (tos, ttl uint8) {
	class, hops := c.TOS, c.TTL
	if r.Remote.Is6() {
		class, hops = c.TrafficClass, c.Hops
	}
	if hops < 0 {
		return uint8(class) &^ ecnMask, s.DefaultTTL()
	}
	return uint8(class) &^ ecnMask, uint8(hops)
}

// pmtuMode returns c's mode of path-MTU discovery towards remote.
func pmtuMode(c *tcpip.SocketConf, remote netip.Addr) tcpip.PMTUMode {
	if remote.Is6() {
		return c.PMTU6
	}
	return c.PMTU4
}

// build makes the packet of out, taking its data: the transport header in front, the checksum left to
// whoever puts the packet on a wire (RFC 9293 §3.1, MUST-2), and signed if there is a secret. There is room for so many bytes of extension
// headers; if memory is too short for them there is no packet.
func (t *Protocol) build(out *tcb.Out, id stack.FlowID, secret []byte, room int) *stack.Packet {
	p := t.stack.NewPacketRoom(room)
	if p == nil {
		releaseData(out)
		return nil
	}
	for i := range out.Data {
		p.AppendData(out.Data[i])
	}
	out.Data = out.Data[:0]
	if secret != nil {
		out.Options.MD5 = make([]byte, md5.Size) // its place
	}
	n := header.TCPSize + out.Options.Size()
	f := header.TCPFields{
		SrcPort: id.Local.Port(), DstPort: id.Remote.Port(),
		Seq: out.Seq, Ack: out.Ack, Flags: out.Flags, Window: out.Window, Urgent: out.Urgent,
	}
	f.Checksum = header.PseudoHeader(header.ProtocolTCP, id.Local.Addr(), id.Remote.Addr(), n+out.Len).Fold()
	h := f.Encode(p.Prepend(n), &out.Options)
	if secret != nil {
		signMD5(h, id, p.Data(), out.Len, secret)
	}
	p.SetTransport()
	p.Checksum = stack.ChecksumPartial
	if out.Len > out.SegSize && out.SegSize > 0 {
		p.SegSize = uint16(out.SegSize)
	}
	return p
}

// count counts a segment that is sent.
func (t *Protocol) count(out *tcb.Out) {
	segs := uint64(1)
	if out.SegSize > 0 && out.Len > out.SegSize {
		segs = uint64((out.Len + out.SegSize - 1) / out.SegSize)
	}
	c := t.counters
	if out.Tallies != 0 {
		t.tallySent(out, segs)
	}
	if out.Retransmit { // not among OutSegs, says RFC 4022
		c.Tcp.RetransSegs.Add(segs)
		if out.Flags&header.SYN != 0 {
			c.TcpExt.TCPSynRetrans.Inc()
		}
		return
	}
	c.Tcp.OutSegs.Add(segs)
	switch {
	case out.Flags&header.RST != 0:
		c.Tcp.OutRsts.Inc()
	case out.Challenge:
		c.TcpExt.TCPChallengeACK.Inc()
	}
}

func releaseData(out *tcb.Out) {
	for i := range out.Data {
		out.Data[i].Release()
	}
	out.Data = out.Data[:0]
}

// reroute looks the way to the peer up afresh.
func (e *Endpoint) reroute() bool {
	q := e.query(e.id.Remote.Addr(), e.id.Local.Addr(), e.routeNIC())
	q.AnySource = true // a connection keeps its address (RFC 9293 §3.9.1.1, MUST-45), and may even have begun with a foreign one
	r, err := e.proto.stack.FindRoute(q)
	if err != tcpip.OK {
		return false
	}
	e.setRoute(r)
	if p := e.path(); p != e.tcb.Path() {
		e.tcb.SetPath(e.lock.now, p)
	}
	return true
}

// setRoute makes r the way to the peer.
func (e *Endpoint) setRoute(r *stack.Route) {
	e.route, e.pathAt = r, e.lock.now
	e.df, e.mtu = policy(r, &e.opts.sock)
}

// policy is Route.PMTUPolicy for TCP, which adapts its segments to the path in every mode that is not about DF
// alone: as measured, on IPv4 only PMTUWant and PMTUDo set it.
func policy(r *stack.Route, c *tcpip.SocketConf) (df bool, mtu int) {
	mode := pmtuMode(c, r.Remote)
	switch {
	case mode == tcpip.PMTUWant || mode == tcpip.PMTUDo:
	case r.Remote.Is4() || mode == tcpip.PMTUProbe:
		mode = tcpip.PMTUDont
	}
	return r.PMTUPolicy(mode)
}

// path describes the way to the peer to the machine.
func (e *Endpoint) path() tcb.Path {
	p := signedPath(pathOf(e.route, e.mtu), e.secret())
	return e.opts.headers.lengthen(p, e.id.Remote.Addr())
}

// routeNIC returns the NIC that routes must leave through, 0 for any.
func (e *Endpoint) routeNIC() tcpip.NICID {
	if e.opts.sock.BoundNIC != 0 {
		return e.opts.sock.BoundNIC
	}
	if a := e.id.Remote.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		return e.scope
	}
	return 0
}

// pathOf describes the way along r, with packets of at most mtu bytes, to a machine.
func pathOf(r *stack.Route, mtu int) tcb.Path {
	gso, limit := stack.OffloadTSO4, header.MaxPacket // an IPv4 packet's length counts its header
	h := r.Net.HeaderLen()
	if r.Remote.Is6() {
		gso, limit = stack.OffloadTSO6, limit+h
	}
	adv, _ := r.PathMTU()
	size := softwareGSO
	if info := r.NIC.Info(); info.Offload&gso != 0 && info.GSOMax > 0 {
		size = info.GSOMax
	}
	least := 0
	if r.Remote.Is6() {
		least = minPathMTU6
	}
	return tcb.Path{
		MTU: min(mtu, limit), MinMTU: least, NetHeader: h, AdvMSS: min(adv, limit) - h - header.TCPSize,
		MaxSegment: max(min(size, limit)-h-header.TCPMaxSize, 0), SameHost: r.Loopback,
	}
}

// softwareGSO is the largest super-segment, in bytes, for a NIC that has to cut it: what passes through
// locks, demux and queues as one packet is cheaper than what passes as many.
const softwareGSO = 65535

// reply sends a segment that belongs to no endpoint's machine: a RST to nobody's segment, or what a
// record answers. There is nobody to tell if it is refused.
func (t *Protocol) reply(w *stack.Work, r *stack.Route, id stack.FlowID, sc *scratch, c *tcpip.SocketConf) {
	sc.send = stack.SendOptions{NoFlowLabel: !c.AutoFlowLabel}
	t.replyWith(w, r, id, sc, c)
}

// replyHeaded is reply for a listener's options, with headers that may be nil.
func (t *Protocol) replyHeaded(w *stack.Work, r *stack.Route, id stack.FlowID, sc *scratch, o *endpointOptions, h *sentHeaders) {
	sc.send = stack.SendOptions{NoFlowLabel: !o.sock.AutoFlowLabel}
	h.put(&sc.send, id.Remote.Addr(), &sc.options)
	t.replyWith(w, r, id, sc, &o.sock)
}

// replyWith is reply with what sc.send says of the flow label and other headers.
func (t *Protocol) replyWith(w *stack.Work, r *stack.Route, id stack.FlowID, sc *scratch, c *tcpip.SocketConf) {
	room := 0
	if sc.send.Extensions != nil {
		room = sc.send.Extensions.Len()
	}
	p := t.build(&sc.out, id, sc.secret, room)
	if p == nil {
		return
	}
	p.Hash = t.stack.FlowHash(id)
	o := &sc.send
	o.Proto = header.ProtocolTCP
	o.TOS, o.TTL = trafficOf(c, r, t.stack)
	if sc.out.ECT {
		o.TOS |= ect0
	}
	o.DF, o.MTU = policy(r, c)
	if sc.out.Flags&(header.SYN|header.ACK) == header.SYN|header.ACK {
		o.DF = true // as measured: a packet that fits every link is never fragmented
	}
	t.count(&sc.out)
	r.Net.Send(w, r, p, o)
}
