package packetdrill

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/pcapng"
)

// patience is how long an expected packet is waited for beyond its time.
const patience = 2 * time.Second

// anyPatience bounds the wait for a packet that may come at any time.
const anyPatience = 10 * time.Minute

// next returns the next packet that a socket of the script sends, waiting until the time.
func (r *Run) next(until time.Duration) (h *heldPacket, w wire, f *flow) {
	for {
		if h = r.held; h == nil {
			b, at, ok := r.sent()
			if !ok {
				if r.system.Now() >= until {
					return nil, w, nil
				}
				var got bool
				r.system.Wait(until, func() bool {
					if !got {
						b, at, got = r.sent()
					}
					return got
				})
				if !got {
					return nil, w, nil
				}
			}
			h = &heldPacket{b, at}
		}
		r.held = nil
		if w, ok := parseWire(h.b); ok {
			if f = r.flowOf(&w); f != nil && (r.wantICMP || w.tcp != nil || w.udp != nil) {
				return h, w, f
			}
		}
	}
}

// flowOf finds the flow of a packet that was sent; a new connection of ours makes one.
func (r *Run) flowOf(w *wire) *flow {
	if w.proto == header.ProtocolICMPv4 || w.proto == header.ProtocolICMPv6 && len(w.rest) > 0 && w.rest[0] < 130 {
		if r.current != nil {
			return r.current
		}
		return nil
	}
	syn := w.tcp != nil && w.tcp.Flags()&(header.SYN|header.ACK) == header.SYN
	if syn && w.dst == r.redial && !r.begun(w) {
		r.redial = netip.AddrPort{}
		return r.begin(&flow{proto: w.proto, local: w.src, remote: w.dst})
	}
	for i := len(r.flows) - 1; i >= 0; i-- {
		f := r.flows[i]
		if f.owns(w.proto, w.src, w.dst) {
			return f
		}
		// A connection that has just begun: its own port becomes known with the first packet.
		if f.proto == w.proto && f.local.Port() == 0 && f.remote == w.dst && (syn || w.tcp == nil) {
			f.local = w.src
			return f
		}
	}
	return nil
}

// begun reports whether a SYN is one of a connection that is known.
func (r *Run) begun(w *wire) bool {
	return slices.ContainsFunc(r.flows, func(f *flow) bool {
		return f.owns(w.proto, w.src, w.dst) && (!f.localKnown || f.localLive == uint32(w.tcp.Seq())) || f.local.Port() == 0 && f.remote == w.dst
	})
}

// expect waits for a packet and compares it.
func (r *Run) expect(e *Event, at, until, gap time.Duration) {
	deadline := until + patience
	if e.Time.Kind == AnyTime {
		deadline = r.system.Now() + anyPatience
	}
	r.wantICMP = e.Packet.ICMP != nil
	h, w, f := r.next(deadline)
	if h == nil {
		scriptFail("no packet was sent")
	}
	h, w = r.whole(e.Packet, h, w, f, deadline)
	if k := e.Packet.TCP; k != nil && w.tcp != nil && !f.localKnown && k.Flags&w.tcp.Flags()&header.SYN != 0 {
		f.localScript, f.localLive, f.localKnown = k.Seq, uint32(w.tcp.Seq()), true
	}
	r.note("%s", f.render(&w))
	f.keep(h.b)
	if err := f.match(e.Packet, &w); err != nil {
		scriptFail("%v: %s", err, f.render(&w))
	}
	r.onTime(e, h.at, at, until, gap)
	r.last = h.at
}

// whole joins segments until the expected length is there, as one that the system has cut on its way out.
func (r *Run) whole(k *Packet, h *heldPacket, w wire, f *flow, deadline time.Duration) (*heldPacket, wire) {
	if r.conf.Strict || k.TCP == nil || w.tcp == nil {
		return h, w
	}
	size := len(w.tcp.Payload())
	for len(w.tcp.Payload()) < k.TCP.Length {
		more, v, g := r.next(min(deadline, h.at+patience))
		if more == nil {
			return h, w
		}
		joined, ok := []byte(nil), false
		if g == f && v.tcp != nil && len(v.tcp.Payload()) <= size {
			joined, ok = join(&w, &v)
		}
		j, parsed := parseWire(joined)
		if !ok || !parsed || len(j.tcp.Payload()) > k.TCP.Length {
			r.held = more
			return h, w
		}
		f.keep(more.b)
		h, w = &heldPacket{joined, h.at}, j
		if len(v.tcp.Payload()) < size {
			return h, w
		}
	}
	return h, w
}

// inject makes a packet arrive.
func (r *Run) inject(k *Packet) {
	f := r.flowFor(k)
	if k.TCP != nil && k.TCP.Flags&header.SYN != 0 && !f.remoteKnown {
		f.remoteScript, f.remoteLive, f.remoteKnown = k.TCP.Seq, k.TCP.Seq, true
		f.undecided = k.TCP.Seq != 0
	}
	if k.TCP != nil {
		f.ended[0] = f.ended[0] || k.TCP.Flags&header.FIN != 0
		if k.TCP.Flags&(header.SYN|header.ACK) == header.SYN && f.localKnown && (f.over || f.ended == [2]bool{true, true}) {
			f.anew = &k.TCP.Seq
		}
	}
	for i := range tcpOptionsOf(k) {
		if o := &k.TCP.Options[i]; o.Kind == kindWScale && k.TCP.Flags&header.SYN != 0 {
			f.scaled = true
		}
	}
	b, err := f.build(k)
	if err != nil {
		scriptFail("%v", err)
	}
	if w, ok := parseWire(b); ok {
		r.note("< %s", strings.TrimPrefix(f.renderInbound(k, &w), "> "))
	}
	r.capture.add(r, b, r.system.Now(), pcapng.Inbound)
	if err := r.system.Inject(b); err != nil {
		scriptFail("%v", err)
	}
	if k.TCP != nil && k.TCP.Flags&header.RST != 0 {
		f.over = true
	}
}

func tcpOptionsOf(k *Packet) []TCPOption {
	if k.TCP == nil {
		return nil
	}
	return k.TCP.Options
}

// renderInbound shows an injected packet as the script has it.
func (f *flow) renderInbound(k *Packet, w *wire) string {
	if k.TCP == nil {
		return f.render(w)
	}
	t := k.TCP
	s := fmt.Sprintf("%s %d:%d(%d)", flagText(w.tcp.Flags()), t.Seq, t.End, t.Length)
	if t.HasAck {
		s += fmt.Sprint(" ack ", t.Ack)
	}
	s += fmt.Sprint(" win ", w.tcp.Window())
	if len(t.Options) > 0 {
		s += " <" + t.optionsText() + ">"
	}
	return s
}

// local and remote are the addresses of packets.
func (r *Run) local() netip.Addr {
	if r.mode.v6 && !r.mode.mapped {
		return r.conf.Setup.V6.Local
	}
	return r.conf.Setup.V4.Local
}

func (r *Run) remote() netip.Addr {
	if r.mode.v6 && !r.mode.mapped {
		return r.conf.Setup.V6.Remote
	}
	return r.conf.Setup.V4.Remote
}

// flowFor returns the flow that an injected packet belongs to. A SYN begins one.
func (r *Run) flowFor(k *Packet) *flow {
	proto := header.ProtocolTCP
	if k.UDP != nil {
		proto = header.ProtocolUDP
	}
	if k.ICMP != nil {
		if r.current == nil {
			r.current = &flow{proto: proto, local: netip.AddrPortFrom(r.local(), 0), remote: netip.AddrPortFrom(r.remote(), 0), secret: &r.secret}
		}
		return r.current
	}
	if k.SrcPort != 0 {
		local, remote := netip.AddrPortFrom(r.local(), k.DstPort), netip.AddrPortFrom(r.remote(), k.SrcPort)
		for _, f := range r.flows {
			if f.owns(proto, local, remote) {
				r.current = f
				return f
			}
		}
		return r.begin(&flow{proto: proto, local: local, remote: remote})
	}
	// A socket that listens makes a connection of the first SYN after listen(2); later ones belong to that connection.
	passive := r.listening && k.TCP != nil && k.TCP.Flags&(header.SYN|header.ACK) == header.SYN
	if f := r.current; f != nil && f.proto == proto && !passive {
		return f
	}
	r.listening = r.listening && !passive
	port := r.conf.BindPort
	if s := r.sockets[r.listener]; s != nil && s.local.Port() != 0 {
		port = s.local.Port()
	}
	r.ports++
	return r.begin(&flow{proto: proto, local: netip.AddrPortFrom(r.local(), port), remote: netip.AddrPortFrom(r.remote(), r.ports)})
}

func (r *Run) begin(f *flow) *flow {
	f.tick, f.tolerance, f.secret = r.conf.Tick, r.tolerance(0), &r.secret
	r.flows = append(r.flows, f)
	r.current = f
	return f
}
