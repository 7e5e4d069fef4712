package packetdrill

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
)

// flow is one connection of a script as it is on the wire, with what maps the script's numbers to the wire's.
type flow struct {
	proto         header.Protocol
	local, remote netip.AddrPort // local is the side of the system under test

	// Initial sequence numbers: what the script writes, and what is on the wire. Ours is known once its SYN
	// was seen.
	localScript, localLive   uint32
	remoteScript, remoteLive uint32
	localKnown, remoteKnown  bool
	// Behind a SYN that does not begin at 0 a script counts from 0 all the same, or goes on from there: the first
	// number that follows tells.
	undecided bool

	scale  uint8             // of windows that the system under test sends
	scaled bool              // both sides have offered scaling
	stamps map[uint32]uint32 // timestamps that were sent, from the script's to the wire's

	// The first timestamp that was sent, and how its clock is compared; a tick of 0: not at all.
	stampScript, stampLive uint32
	tick, tolerance        time.Duration

	secret *sharedSecret // that the script has set

	sent [][]byte // packets of the system under test that icmp lines may quote; the newest last
	over bool     // reset, or never to be reset
	// The end of each side was seen; and the SYN that came after the end of both, or a reset, which may begin the
	// connection again with other numbers.
	ended [2]bool
	anew  *uint32
}

// keptPackets bounds flow.sent.
const keptPackets = 256

// localSeq and remoteSeq map a sequence number of the script to the wire's.
func (f *flow) localSeq(v uint32) uint32  { return v - f.localScript + f.localLive }
func (f *flow) remoteSeq(v uint32) uint32 { return v - f.remoteScript + f.remoteLive }

// scriptLocal and scriptRemote are the inverse.
func (f *flow) scriptLocal(v uint32) uint32  { return v - f.localLive + f.localScript }
func (f *flow) scriptRemote(v uint32) uint32 { return v - f.remoteLive + f.remoteScript }

// restart learns the numbers of a connection that begins again between the same ports.
func (f *flow) restart(isn uint32) {
	if f.anew == nil || isn == f.localLive {
		return
	}
	f.remoteScript, f.remoteLive, f.undecided = *f.anew, *f.anew, *f.anew != 0
	f.localKnown, f.anew, f.over, f.ended, f.stamps = false, nil, false, [2]bool{}, nil
}

// decide is told the first sequence number of the script's side behind its SYN.
func (f *flow) decide(v uint32) {
	if f.undecided && v != f.remoteScript+1 {
		f.remoteScript = 0
	}
	f.undecided = false
}

// owns reports whether a packet of the system under test belongs to the flow.
func (f *flow) owns(proto header.Protocol, src, dst netip.AddrPort) bool {
	return f.proto == proto && f.local == src && f.remote == dst
}

// keep remembers a packet that was sent.
func (f *flow) keep(b []byte) {
	if len(f.sent) == keptPackets {
		copy(f.sent, f.sent[1:])
		f.sent = f.sent[:keptPackets-1]
	}
	f.sent = append(f.sent, b)
}

// quotable returns the sent packet that an icmp line is about: the newest that begins at the sequence number, or
// the newest of all, quoted as if it began there.
func (f *flow) quotable(about *Packet) []byte {
	if len(f.sent) == 0 {
		return nil
	}
	if about != nil && about.TCP != nil {
		want := f.localSeq(about.TCP.Seq)
		for i := len(f.sent) - 1; i >= 0; i-- {
			if v, ok := parseWire(f.sent[i]); ok && v.tcp != nil && uint32(v.tcp.Seq()) == want {
				return f.sent[i]
			}
		}
		b := bytes.Clone(f.sent[len(f.sent)-1])
		if v, ok := parseWire(b); ok && v.tcp != nil {
			v.tcp.SetSeq(seq.Number(want))
			return b
		}
	}
	return f.sent[len(f.sent)-1]
}

// wire is a packet as it was sent, taken apart.
type wire struct {
	raw      []byte
	v6       bool
	src, dst netip.AddrPort
	proto    header.Protocol
	tos      uint8
	ttl      uint8
	label    uint32
	tcp      header.TCP
	udp      header.UDP
	rest     []byte // of any other protocol
}

// parseWire takes a packet apart. ok is false for what is no whole packet of a transport: fragments, and bytes that
// do not parse.
func parseWire(b []byte) (w wire, ok bool) {
	if len(b) == 0 {
		return w, false
	}
	w.raw = b
	var src, dst netip.Addr
	if b[0]>>4 == 6 {
		h, drop := header.ParseIPv6(b)
		if drop != 0 {
			return w, false
		}
		w.v6, src, dst, w.proto = true, h.Src(), h.Dst(), h.NextHeader()
		w.tos, w.ttl, w.label, w.rest = h.TrafficClass(), h.HopLimit(), h.FlowLabel(), h.Payload()[:h.PayloadLength()]
	} else {
		h, drop := header.ParseIPv4(b)
		if drop != 0 || h.IsFragment() || !h.ChecksumValid() {
			return w, false
		}
		src, dst, w.proto = h.Src(), h.Dst(), h.Protocol()
		w.tos, w.ttl, w.rest = h.TOS(), h.TTL(), h.Payload()[:h.PayloadLength()]
	}
	w.src, w.dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	switch w.proto {
	case header.ProtocolTCP:
		h, drop := header.ParseTCP(w.rest)
		if drop != 0 {
			return w, false
		}
		w.tcp = h
		w.src, w.dst = netip.AddrPortFrom(src, h.SrcPort()), netip.AddrPortFrom(dst, h.DstPort())
	case header.ProtocolUDP:
		h, drop := header.ParseUDP(w.rest)
		if drop != 0 {
			return w, false
		}
		w.udp = h
		w.src, w.dst = netip.AddrPortFrom(src, h.SrcPort()), netip.AddrPortFrom(dst, h.DstPort())
	}
	return w, true
}

// sum reports whether the transport's checksum is right.
func (w *wire) sum() bool {
	switch {
	case w.tcp != nil:
		return w.tcp.ChecksumValid(w.src.Addr(), w.dst.Addr())
	case w.udp != nil:
		return w.udp.ChecksumValid(w.src.Addr(), w.dst.Addr())
	}
	return true
}
