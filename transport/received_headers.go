package transport

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// The flags beside those of options.go, from the other end.
const (
	flagOptions4 uint64 = 1 << (modeShift4 - 1 - iota) // the network header: IPv4 options
	flagOptions6                                       // the network header: IPv6 extension headers
	flagOriginal4
	flagOriginal6
	flagFragment4
	flagFragment6
	flagSum
	flagFlowInfo
	flagPathMTU
	flagOldInfo // IPV6_2292PKTINFO and IPV6_2292HOPLIMIT, which tell what the new ones do
	flagOldHops

	flagsOfHeaders = flagOptions4 | flagOptions6 | flagOriginal4 | flagOriginal6 | flagFragment4 | flagFragment6 | flagSum | flagFlowInfo
)

// flagsOfIP packs what of an IPConf delivery and reading go by.
func flagsOfIP(c *tcpip.IPConf) (f uint64) {
	for _, o := range [...]struct {
		on   bool
		flag uint64
	}{
		{c.ReceiveOptions || c.ReturnOptions, flagOptions4},
		{c.ReceiveHopOpts || c.ReceiveRouting || c.ReceiveDestOpts || c.OldHopOpts || c.OldRouting || c.OldDestOpts, flagOptions6},
		{c.ReceiveOriginal4, flagOriginal4}, {c.ReceiveOriginal6, flagOriginal6},
		{c.ReceiveFragment4, flagFragment4}, {c.ReceiveFragment6, flagFragment6},
		{c.ReceiveSum, flagSum}, {c.ReceiveFlowInfo, flagFlowInfo}, {c.ReceivePathMTU, flagPathMTU},
		{c.OldPacketInfo, flagOldInfo}, {c.OldHopLimit, flagOldHops},
	} {
		if o.on {
			f |= o.flag
		}
	}
	return f
}

// arrived is what is kept of the headers of a datagram.
type arrived struct {
	port     uint16 // of the destination: what stands third and fourth in the transport header
	fragment uint16 // bytes of the largest fragment that it came in
	flow     uint32 // IPv6: traffic class and flow label
	ported   bool   // there is so much of a transport header
	summed   bool   // its checksum was verified here
	unasked  bool   // nobody wanted to know where it came in
}

// keep notes what of p's headers options ask for. Options and extension headers are kept in any case, as on Linux:
// they may be asked for when the datagram is read.
func (d *Datagram) keep(e *datagram, p *stack.Packet) {
	if !p.HasTransport() || p.TransportLen() < 0 { // a filter has left less than the headers
		return
	}
	a := &e.arrived
	a.fragment = p.FragMax
	a.unasked = d.proto.shape.Kind != tcpip.KindPing && d.flags.Load()&(flagInfo4|flagInfo6|flagOldInfo) == 0
	t, n := p.Transport(), p.NetworkLen()
	var ports [4]byte
	if a.ported = peek(p, ports[:]); a.ported { // of a raw endpoint whatever stands there
		a.port = binary.BigEndian.Uint16(ports[2:])
	}
	base := header.IPv4Size
	if p.Dst.Is6() {
		base = header.IPv6Size
		a.flow = header.IPv6(p.Network()).FlowInfo()
	} else {
		a.summed = d.raw == nil && p.Checksum == stack.ChecksumUnverified && p.FragMax == 0 &&
			(p.Proto != header.ProtocolUDP || len(t) >= header.UDPSize && header.UDP(t).Checksum() != 0)
	}
	if n > base {
		if piece, ok := d.proto.stack.Slabs.Copy(p.Network()[:n]); ok {
			e.network = piece
			e.charge += piece.Cost()
		}
	}
}

// headers tells the reader of a datagram's headers what the flags ask for.
func (d *Datagram) tellHeaders(c *tcpip.Control, e *datagram, f uint64) {
	v6 := e.dst.Is6()
	options, original, fragment := flagOptions4, flagOriginal4, flagFragment4
	if v6 {
		options, original, fragment = flagOptions6, flagOriginal6, flagFragment6
	}
	rare := c.Rare()
	if f&options != 0 && e.network.Len() > 0 {
		c.Has |= tcpip.HasNetwork
		rare.Network = append([]byte(nil), e.network.Bytes()...)
	}
	if f&original != 0 && e.arrived.ported {
		c.Has |= tcpip.HasOriginal
		rare.Original = netip.AddrPortFrom(e.dst, e.arrived.port)
	}
	if f&fragment != 0 && e.arrived.fragment != 0 {
		c.Has |= tcpip.HasFragment
		rare.Fragment = int(e.arrived.fragment)
	}
	if f&flagSum != 0 && e.summed && !v6 {
		c.Has |= tcpip.HasSum
		rare.Sum = e.sum()
	}
	if f&flagFlowInfo != 0 && v6 && e.flow != 0 {
		c.Has |= tcpip.HasFlowInfo
		rare.FlowInfo = e.flow
	}
}

// summedAtOnce is up to how many bytes of payload Linux verifies a checksum when a datagram arrives, so that it has a sum.
const summedAtOnce = 68

// sum returns the sum of the bytes as the kernel has it, one's complement of 32-bit words in the machine's order,
// where zero has all bits set.
func (e *datagram) sum() uint32 {
	var sum, at uint64
	for i := range e.pieces {
		for _, b := range e.pieces[i].Bytes() {
			shift := at % 4 * 8
			if bigEndian {
				shift = 24 - shift
			}
			sum += uint64(b) << shift
			at++
		}
	}
	for sum>>32 != 0 {
		sum = sum>>32 + sum&0xffffffff
	}
	if sum == 0 {
		return 0xffffffff
	}
	return uint32(sum)
}

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// tellPathMTU has the next read tell that a datagram to `to` was too large to be sent without being fragmented
// (IPV6_RECVPATHMTU). As on Linux one such message is kept, nothing says that it is there, and ping endpoints tell of
// none.
func (d *Datagram) tellPathMTU(to tcpip.FullAddress, mtu int) {
	if d.flags.Load()&flagPathMTU == 0 || d.proto.shape.Kind == tcpip.KindPing {
		return
	}
	to.Port = 0
	d.queue.mu.Lock()
	d.queue.pathMTU = &pathMTU{to, mtu}
	d.queue.mu.Unlock()
}

// pathMTU is a message of tellPathMTU.
type pathMTU struct {
	to  tcpip.FullAddress
	mtu int
}

// takePathMTU returns the message of tellPathMTU, if there is one.
func (d *Datagram) takePathMTU() (r tcpip.Received, ok bool) {
	q := &d.queue
	q.mu.Lock()
	m := q.pathMTU
	q.pathMTU = nil
	q.mu.Unlock()
	if m == nil {
		return r, false
	}
	r.From = m.to
	r.Control.Has = tcpip.HasPathMTU
	r.Control.Rare().PathMTU = m.mtu
	return r, true
}
