package transport

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// looksForPath reports whether a write along r makes the path to the peer known again, as on Linux: a plain one of UDP to
// the peer, which over IPv4 no option keeps from gateways, and that no control message guides.
func (d *Datagram) looksForPath(r *stack.Route, o *tcpip.WriteOptions) bool {
	gateways := !d.conf.DontRoute && o.Flags&tcpip.WriteDontRoute == 0
	return d.proto.shape.Kind == tcpip.KindUDP && o.To == (tcpip.FullAddress{}) && o.Control.Has == 0 && !r.Multicast &&
		(gateways || r.Remote.Is6())
}

// refuses says of each mode whether a datagram over the MTU that counts is refused rather than
// fragmented (BEHAVIOUR B2–B7).
var refuses = [...]bool{tcpip.PMTUDo: true, tcpip.PMTUProbe: true, tcpip.PMTUInterface: true, tcpip.PMTUOmit: false}

// ignores says of each mode whether the endpoint keeps away from learnt path MTUs: it does not even
// store them.
var ignores = [...]bool{tcpip.PMTUInterface: true, tcpip.PMTUOmit: true}

// budget is how large a datagram may become, decided when its way is known.
type budget struct {
	mtu      int // of the way, bytes
	piece    int // of the largest packet that what does not fit is cut into, and of what may not be cut, bytes
	limit    int // of the whole datagram with its network header, bytes
	head     int // the network header, bytes
	added    int // what of head options and extension headers take, bytes
	extra    int // as much as Linux counts twice: the destination options, bytes
	df       bool
	refuses  bool // what is larger than piece is not fragmented
	dontFrag bool // because the user said so
}

// whole reports whether a transport part of n bytes leaves in one packet.
func (b *budget) whole(n int) bool { return b.head+n <= b.mtu }

// packets returns the size of the packets that a transport part of n bytes leaves in.
func (b *budget) packets(n int) int {
	if b.whole(n) {
		return b.mtu
	}
	return b.piece
}

// dontFragment reports whether the DF bit is set on a transport part of n bytes. Where what is too large would be
// fragmented it is not, though what leaves in segments never is.
func (b *budget) dontFragment(n int) bool { return b.df && (b.refuses || b.whole(n)) }

// mayRefuseToCut reports whether IPV6_DONTFRAG counts for a protocol, as on Linux.
func mayRefuseToCut(p header.Protocol) bool {
	return p == header.ProtocolUDP || p == header.ProtocolICMPv6 || p == protocolRaw
}

// plan decides how a datagram with headers leaves along r: with DF or not, in packets of what size.
func (d *Datagram) plan(r *stack.Route, to tcpip.FullAddress, h *sentHeaders, c *tcpip.Control) budget {
	v6 := to.Addr.Is6()
	mode := d.modeFor(to.Addr)
	df, mtu := r.PMTUPolicy(mode)
	b := budget{mtu: mtu, piece: mtu, df: df, head: r.Net.HeaderLen(), refuses: refuses[mode]}
	b.limit = maxWrite // total length over IPv4, payload length over IPv6
	if v6 {
		b.limit += b.head
		if own := d.conf.MTU6; own != 0 {
			b.piece = min(own, mtu)
		}
		if b.dontFrag = d.conf.DontFragment6; c.Has&tcpip.HasDontFragment != 0 {
			b.dontFrag = c.DontFragment
		}
		b.dontFrag = b.dontFrag && mayRefuseToCut(d.number(true))
		b.refuses = b.refuses || b.dontFrag
	}
	if h != nil {
		b.added = h.size(v6)
		b.head += b.added
		if v6 {
			b.extra = len(h.extensions.Options)
		}
	}
	return b
}

// fit says whether a datagram may have a transport part of n bytes; one that is to leave in segments need not be
// fragmented. With IP_RECVERR a refusal is put on the error queue too, with the MTU.
func (d *Datagram) fit(w *stack.Work, b *budget, to tcpip.FullAddress, n, segment int) tcpip.Error {
	size, mtu := b.head+b.extra+n, b.piece
	if segment > 0 {
		mtu = b.limit
	}
	if size <= b.limit && (size <= mtu || !b.refuses) && b.head+header.IPv6FragmentSize < b.piece {
		return tcpip.OK
	}
	mtu = min(mtu, b.limit) - b.added
	if b.dontFrag {
		d.tellPathMTU(to, mtu)
	}
	return d.tooLong(w, to, mtu)
}

// tooLong is ErrMessageSize, which with IP_RECVERR is put on the error queue too, with the MTU.
func (d *Datagram) tooLong(w *stack.Work, to tcpip.FullAddress, mtu int) tcpip.Error {
	if d.reportsErrors(to.Addr) {
		if to.Addr.Is4() && !d.connected.Load() {
			to.Port = 0 // as Linux has it
		}
		if d.proto.shape.Kind == tcpip.KindPing && to.Addr.Is6() {
			to.Port = uint16(header.ICMPv6Echo) << 8 // type and code, which Linux keeps where ports are
		}
		d.report(to, tcpip.ErrorReport{Err: tcpip.ErrMessageSize, Origin: tcpip.OriginLocal, Info: uint32(mtu)}, nil, nil)
		w.Wake(d.proto.stack, &d.waiters, waiter.Error)
	}
	return tcpip.ErrMessageSize
}
