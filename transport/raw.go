package transport

import (
	"net/netip"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// ICMPFilter says which types of ICMP messages a raw endpoint does not receive: bit t%32 of word t/32. Of IPv4's,
// only the types below 32 can be kept out, as on Linux.
type ICMPFilter [8]uint32

// Blocks reports whether a type is kept out.
func (f *ICMPFilter) Blocks(t uint8) bool { return f[t/32]&(1<<(t%32)) != 0 }

// raw is what only raw endpoints have. They are not in the demux: each sees every packet of its protocol.
type raw struct {
	number uint16 // the IP protocol; above 255 nothing is received
	v6     bool
	filter atomic.Pointer[ICMPFilter]
	// spot is what the endpoint is bound and connected to, for delivery; nil: it receives nothing. Its
	// Binding is never changed, only replaced.
	spot     atomic.Pointer[stack.Binding]
	checksum atomic.Int32 // IPV6_CHECKSUM: an offset in bytes, -1: none
	header   atomic.Bool  // IP_HDRINCL, IPV6_HDRINCL
	alert    atomic.Bool  // IP_ROUTER_ALERT
	alert6   atomic.Int64 // IPV6_ROUTER_ALERT: the value, counted from 1; 0: none
	gone     bool         // disconnected once: as on Linux it never receives again
}

// protocolRaw is the protocol of endpoints that send with headers of their own (IPPROTO_RAW).
const protocolRaw = 255

// InitRaw is Init for a raw endpoint of an IP protocol.
func (d *Datagram) InitRaw(p *Protocol, outer Outer, netProto header.EtherType, number uint16) tcpip.Error {
	d.raw = &raw{number: number, v6: netProto == header.EtherTypeIPv6}
	if err := d.Init(p, outer, netProto); err != tcpip.OK {
		return err
	}
	err := d.settle()
	if err != tcpip.OK {
		d.Close()
	}
	return err
}

// settle gives a new raw endpoint its defaults and its place.
func (d *Datagram) settle() tcpip.Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return tcpip.ErrClosed
	}
	number := d.raw.number
	d.conf.HeaderIncluded4, d.conf.HeaderIncluded6 = number == protocolRaw, number == protocolRaw
	if d.v6 && number == uint16(header.ProtocolICMPv6) {
		d.conf.ChecksumOffset = icmpChecksumAt
	}
	d.apply()
	if number <= 255 {
		if err := d.proto.stack.AddRaw(header.Protocol(number), d); err != tcpip.OK {
			return err
		}
	}
	d.claim.bound = true
	d.claim.binding = stack.Binding{V4: !d.v6, V6: d.v6, Port: number, Receiver: d.outer}
	d.claim.base = d.claim.binding
	d.place()
	return tcpip.OK
}

// icmpChecksumAt is the offset of the checksum in an ICMPv6 message, bytes.
const icmpChecksumAt = 2

// configure takes over what the options say.
func (r *raw) configure(c *tcpip.SocketConf) {
	r.checksum.Store(int32(c.ChecksumOffset))
	r.alert.Store(c.RouterAlert)
	r.header.Store(c.HeaderIncluded4 && !r.v6 || c.HeaderIncluded6 && r.v6)
}

// enter gives the endpoint the place that its claim says: in the demux, or that of a raw endpoint, where there is
// always room.
func (d *Datagram) enter() tcpip.Error {
	if d.raw == nil {
		return d.proto.stack.Demux.Bind(&d.claim.binding)
	}
	d.claim.binding.Port = d.raw.port()
	d.claim.base.Port = d.raw.port()
	d.place()
	return tcpip.OK
}

// rebind changes the endpoint's place.
func (d *Datagram) rebind(change func(*stack.Binding)) tcpip.Error {
	if d.raw == nil {
		return d.proto.stack.Demux.Rebind(&d.claim.binding, change)
	}
	change(&d.claim.binding)
	d.place()
	return tcpip.OK
}

// port is what stands for the port of a raw endpoint: its protocol, while it receives.
func (r *raw) port() uint16 {
	if r.gone {
		return 0
	}
	return r.number
}

// number returns the IP protocol of what is sent to a family.
func (d *Datagram) number(v6 bool) header.Protocol {
	if d.raw != nil {
		return header.Protocol(d.raw.number)
	}
	return d.proto.number(v6)
}

// place tells delivery where a raw endpoint stands.
func (d *Datagram) place() {
	if d.raw.gone || d.closed {
		d.raw.spot.Store(nil)
		return
	}
	b := d.claim.binding
	d.raw.spot.Store(&b)
}

// leaveRaw takes a raw endpoint that is closed off the stack's list.
func (d *Datagram) leaveRaw() {
	d.raw.spot.Store(nil)
	if d.raw.number <= 255 {
		d.proto.stack.RemoveRaw(header.Protocol(d.raw.number), d)
	}
}

// disconnectRaw undoes connect and bind, as Linux does, and with them receiving.
func (d *Datagram) disconnectRaw() {
	d.peer, d.cache = tcpip.FullAddress{}, cache{}
	d.connected.Store(false)
	d.raw.gone = true
	d.claim = claim{bound: true, binding: stack.Binding{V4: !d.v6, V6: d.v6, Receiver: d.outer}}
	d.claim.base = d.claim.binding
	d.place()
}

// matches reports whether a packet from remote to local that arrived on nic is for b. IPv6 gives a packet to a group
// to whoever wants that, wherever it is bound, as Linux does.
func (d *Datagram) matches(b *stack.Binding, local, remote netip.Addr, nic tcpip.NICID) bool {
	switch {
	case b == nil || local.Is6() != d.v6:
		return false
	case b.NIC != 0 && b.NIC != nic:
		return false
	case b.Remote.Addr().IsValid() && b.Remote.Addr() != remote:
		return false
	case !b.Local.IsValid() || b.Local == local:
		return true
	}
	return d.v6 && local.IsMulticast() && d.Wants(local, remote, nic)
}

// ReceiveRaw queues a copy of p, which shares its payload, if the endpoint wants it: IPv4 with the network
// header, IPv6 without. It borrows p. It reports whether somebody was there for p and had room.
func (d *Datagram) ReceiveRaw(w *stack.Work, p *stack.Packet) bool {
	b := d.raw.spot.Load()
	if !d.matches(b, p.Dst, p.Src, p.NIC.ID()) {
		return false
	}
	return !d.admits(p) || d.queueRaw(w, p) || d.filter.On()
}

// ReceiveAlert is ReceiveRaw for a packet to be forwarded that has a router alert: endpoints with IP_ROUTER_ALERT, or
// with IPV6_ROUTER_ALERT for its value, take it, wherever they are bound and connected.
func (d *Datagram) ReceiveAlert(w *stack.Work, p *stack.Packet, value uint16) bool {
	b := d.raw.spot.Load()
	v6 := p.EtherType == header.EtherTypeIPv6
	if b == nil || d.v6 != v6 || b.NIC != 0 && b.NIC != p.NIC.ID() ||
		!v6 && !d.raw.alert.Load() || v6 && d.raw.alert6.Load() != int64(value)+1 {
		return false
	}
	if v6 { // which is shown with its header
		if c := p.Clone(d.proto.stack); c != nil {
			d.Queue(w, c, netip.AddrPortFrom(p.Src, 0), len(c.Front())-len(c.Network()))
		}
		return true
	}
	d.queueRaw(w, p)
	return true
}

// SetRouterAlert makes a raw endpoint of IPv6 that is of protocol 255 receive what is to be forwarded and has a router
// alert of a value (RFC 2711, IPV6_ROUTER_ALERT); a negative value ends that.
//
// Errors: as on Linux ErrNoProtocolOption on another endpoint, ErrAddrInUse if it has a value already, ErrNoBuffers if it
// has none to end, ErrClosed.
func (d *Datagram) SetRouterAlert(value int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return tcpip.ErrClosed
	case d.raw == nil || !d.v6 || d.raw.number != protocolRaw:
		return tcpip.ErrNoProtocolOption
	case value >= 0 && d.raw.alert6.Load() != 0:
		return tcpip.ErrAddrInUse
	case value < 0 && d.raw.alert6.Load() == 0:
		return tcpip.ErrNoBuffers
	}
	d.raw.alert6.Store(int64(max(value, -1)) + 1)
	return nil
}

// RouterAlert reports whether SetRouterAlert has set a value.
func (d *Datagram) RouterAlert() bool { return d.raw != nil && d.raw.alert6.Load() != 0 }

// queueRaw queues a copy of p.
func (d *Datagram) queueRaw(w *stack.Work, p *stack.Packet) bool {
	c := p.Clone(d.proto.stack)
	if c == nil {
		d.proto.stack.Miss(p, tcpip.DropNoMemory)
		return true
	}
	c.SegSize = 0 // it stays whole
	front := len(c.Front()) - len(c.Network())
	if d.v6 {
		front = len(c.Front()) - len(c.Transport())
	}
	return d.Queue(w, c, netip.AddrPortFrom(p.Src, 0), front)
}

// admits goes by the groups, the ICMP filter and the checksum.
func (d *Datagram) admits(p *stack.Packet) bool {
	if p.Dst.Is4() && p.Dst.IsMulticast() && !d.Wants(p.Dst, p.Src, p.NIC.ID()) {
		return false
	}
	proto := header.Protocol(d.raw.number)
	if !d.v6 && proto == header.ProtocolICMPv4 || d.v6 && proto == header.ProtocolICMPv6 {
		least := header.ICMPv4Size
		if d.v6 {
			least = icmpChecksumAt + 2
		}
		var b [1]byte
		if p.TransportLen() < least || !peek(p, b[:]) {
			return false
		}
		if f := d.raw.filter.Load(); f != nil && f.Blocks(b[0]) && (d.v6 || b[0] < 32) {
			return false
		}
	}
	if d.v6 && d.raw.checksum.Load() >= 0 && p.Checksum == stack.ChecksumUnverified {
		sum := header.PseudoHeader(p.Proto, p.Src, p.Dst, p.TransportLen()).Add(p.Transport())
		for _, piece := range p.Data() {
			sum = sum.Add(piece.Bytes())
		}
		return sum.Checksum() == 0
	}
	return true
}

// peek copies the first bytes behind p's network header, and reports false if there are fewer.
func peek(p *stack.Packet, b []byte) bool {
	n := copy(b, p.Transport())
	for _, piece := range p.Data() {
		if n == len(b) {
			break
		}
		n += copy(b[n:], piece.Bytes())
	}
	return n == len(b)
}

// ReceiveRawError tells of an ICMP error about a packet that the endpoint could have sent.
func (d *Datagram) ReceiveRawError(w *stack.Work, e *stack.ICMPError) bool {
	b := d.raw.spot.Load()
	nic := tcpip.NICID(0)
	if e.NIC != nil {
		nic = e.NIC.ID()
	}
	if e.Kind == stack.ICMPNotice || !d.matches(b, e.Local.Addr(), e.Remote.Addr(), nic) {
		return false
	}
	own := *e
	own.Remote = netip.AddrPortFrom(e.Remote.Addr(), 0)
	if d.raw.header.Load() {
		own.Quoted = e.QuotedPacket
	}
	d.DeliverError(w, &own)
	return true
}

// SetICMPFilter says which types of ICMP messages a raw endpoint does not receive.
//
// Errors: ErrNoProtocolOption on one that is not of ICMP, ErrClosed.
func (d *Datagram) SetICMPFilter(f ICMPFilter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return tcpip.ErrClosed
	case !d.ofICMP():
		return tcpip.ErrNoProtocolOption
	}
	d.raw.filter.Store(&f)
	return nil
}

// ICMPFilter returns what was set; a new endpoint receives everything.
//
// Errors: ErrNoProtocolOption.
func (d *Datagram) ICMPFilter() (ICMPFilter, error) {
	if !d.ofICMP() {
		return ICMPFilter{}, tcpip.ErrNoProtocolOption
	}
	if f := d.raw.filter.Load(); f != nil {
		return *f, nil
	}
	return ICMPFilter{}, nil
}

func (d *Datagram) ofICMP() bool {
	if d.raw == nil {
		return false
	}
	own := header.ProtocolICMPv4
	if d.v6 {
		own = header.ProtocolICMPv6
	}
	return d.raw.number == uint16(own)
}

// checkRaw refuses what Linux does: IPv4 on an endpoint for IPv6, and an ICMP message without type and code.
func (d *Datagram) checkRaw(b []byte, to netip.Addr) tcpip.Error {
	switch {
	case len(b) < 2 && d.ofICMP() && !d.raw.header.Load():
		return tcpip.ErrFault
	}
	return tcpip.OK
}

// encodeRaw puts the checksum that IPV6_CHECKSUM asks for into a packet whose bytes are all in its payload, which
// nobody else has yet.
func (d *Datagram) encodeRaw(p *stack.Packet, flow stack.FlowID) tcpip.Error {
	at := d.conf.ChecksumOffset
	if !d.v6 || at < 0 {
		return tcpip.OK
	}
	if at+2 > p.DataLen() {
		return tcpip.ErrInvalid
	}
	sum := header.PseudoHeader(flow.Proto, flow.Local.Addr(), flow.Remote.Addr(), p.DataLen())
	var field [2][]byte
	for _, piece := range p.Data() {
		b := piece.Bytes()
		for i := range field {
			if at+i >= 0 && at+i < len(b) {
				field[i] = b[at+i : at+i+1]
				field[i][0] = 0
			}
		}
		at -= len(b)
		sum = sum.Add(b)
	}
	v := sum.Checksum()
	if v == 0 && flow.Proto == header.ProtocolUDP {
		v = header.UDPChecksumZero
	}
	field[0][0], field[1][0] = byte(v>>8), byte(v)
	return tcpip.OK
}

// included sends a packet whose network header is the program's (IP_HDRINCL). It must fit into the link's MTU.
func (d *Datagram) included(w *stack.Work, r *stack.Route, to tcpip.FullAddress, b []byte, c *tcpip.Control) tcpip.Error {
	if c.Has&tcpip.HasOptions != 0 && !d.v6 {
		return tcpip.ErrInvalid // which would have to be put into the program's header
	}
	if len(b) > r.NIC.MTU() {
		d.tooLong(w, to, r.NIC.MTU())
		return tcpip.ErrMessageSize
	}
	size := header.IPv4Size
	if d.v6 {
		size = header.IPv6Size
	}
	if len(b) < size {
		return tcpip.ErrInvalid
	}
	if err := d.takeError(); err != tcpip.OK {
		return err
	}
	if d.shut&tcpip.ShutdownWrite != 0 {
		return tcpip.ErrPipe
	}
	if d.sent.Load() >= int64(d.conf.SendBuffer) {
		return tcpip.ErrWouldBlock
	}
	if !d.v6 {
		size = header.IPv4(b).HeaderLen()
	}
	if len(b) < size || size < header.IPv4Size {
		return tcpip.ErrInvalid
	}
	s := d.proto.stack
	p := s.NewPacket()
	copy(p.Prepend(size), b)
	charge, ok := fill(&s.Slabs, p.AppendData, b[size:])
	if !ok {
		p.Release()
		return tcpip.ErrNoBuffers
	}
	p.Hash = d.cache.hash
	charge += packetCost
	d.sent.Add(int64(charge))
	p.SetOwner(d, charge)
	d.sendConf = stack.SendOptions{HeaderIncluded: true, NoLoop: r.Multicast && (d.v6 && !d.conf.MulticastLoop6 || !d.v6 && !d.conf.MulticastLoop4)}
	err := r.Net.Send(w, r, p, &d.sendConf)
	if err == tcpip.ErrNoBuffers && !d.reportsErrors(to.Addr) {
		return tcpip.OK
	}
	return err
}
