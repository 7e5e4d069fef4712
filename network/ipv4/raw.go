package ipv4

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// alert shows a packet that is to be forwarded to who asked for those with a router alert (RFC 2113), and reports
// whether that was its end. Fragments go on: each would be half a message.
func (ip *Protocol) alert(w *stack.Work, p *stack.Packet, h header.IPv4) bool {
	options, _, drop := header.ParseIPv4Options(h.Options())
	if drop != tcpip.DropNone || h.IsFragment() {
		return false
	}
	// The one value that is defined asks routers to look (RFC 2113 §2.1).
	if alert := options.Find(header.IPv4OptRouterAlert); len(alert) != 4 || alert[2]|alert[3] != 0 || !ip.stack.DeliverAlert(w, p, 0) {
		return false
	}
	p.Release()
	return true
}

// sendIncluded sends p along r, whose front begins with its sender's header: at least 20 bytes of it, and all that it
// says to have. What is larger than the path MTU is cut, or, with DF set, refused, and its sender told by ICMP too.
func (ip *Protocol) sendIncluded(w *stack.Work, r *stack.Route, p *stack.Packet, o *stack.SendOptions) tcpip.Error {
	c := &ip.stack.Counters().Ip
	h := header.IPv4(p.Front())
	size := h.HeaderLen()
	if h.Src().IsUnspecified() {
		h.SetSrc(r.Local)
	}
	p.Src, p.Dst, p.Proto, p.TTL, p.TOS = h.Src(), h.Dst(), h.Protocol(), h.TTL(), h.TOS()
	p.Astray = r.Loopback && p.Dst != r.Remote
	df := h.Flags()&header.IPv4DontFragment != 0
	if h.ID() == 0 && !df {
		h.SetID(ip.ids.next(p.Src, p.Dst, p.Proto, 1))
	}
	h.SetTotalLength(uint16(p.Len()))
	h[:size].UpdateChecksum()
	p.SetNetwork(size)
	if ip.stack.Filtered(stack.Out, r.NIC, p) {
		c.OutDiscards.Inc()
		w.Drop(p, tcpip.DropFiltered)
		return tcpip.ErrPermission
	}
	if (r.Multicast || r.Broadcast) && !o.NoLoop {
		ip.loop(w, r, p)
	}
	mtu, _ := r.PathMTU()
	if p.Len() <= mtu {
		return r.Output(w, p)
	}
	if df {
		c.FragFails.Inc()
		ip.SendError(w, p, stack.ICMPTooBig, mtu)
		w.Drop(p, tcpip.DropTooBig)
		return tcpip.ErrMessageSize
	}
	return ip.fragment(w, r, p, mtu)
}
