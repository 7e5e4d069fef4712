package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/checksum"
)

// The flags of a segment.
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
	tcpURG
)

// tcpPeer is the other end of a connection over t0: it sends the segments that a scenario tells it to, and
// looks at what the host sends. It acknowledges nothing of its own accord.
type tcpPeer struct {
	r          *Run
	k          sort
	host, port uint16 // the host's port and its own
	iss        uint32
	seq, ack   uint32 // next to send, next to be received
	last       []byte // what the host has sent last, with its IP header

	far       int    // ms from its hearing of a SYN to its answer: with a long round trip little hangs on how late a busy machine is
	ipOptions []byte // IPv4 options of what it sends

	noTS   bool   // it does not speak of timestamps
	mss    uint16 // that it announces; 0: 1460, or 1440
	window uint16
	tsval  uint32
	tsecr  uint32
}

// segment is what a peer sends. The rest is filled in: sequence numbers follow what went before.
type segment struct {
	flags    byte // ACK is added unless bare
	bare     bool
	seq, ack int // offsets from what would be right
	data     string
	urg      uint16
	win      int // 0: the peer's
	noTS     bool
	options  []byte // beside timestamps
}

// tcpPeerOf is a peer on a port of its own, which the scenario has chosen.
func (k sort) tcpPeerOf(r *Run, port uint16) *tcpPeer {
	r.given[port] = true
	return &tcpPeer{r: r, k: k, port: port, iss: 1000, seq: 1000, window: 65535, tsval: 5000}
}

// Sent logs what the host has sent and takes note of it.
func (p *tcpPeer) Sent() [][]byte {
	kept := p.r.Packets()
	for _, b := range kept {
		p.look(b)
	}
	return kept
}

// transportOf returns the protocol and the transport part of a packet that is no fragment.
func transportOf(b []byte) (byte, []byte) {
	if b[0]>>4 == 4 {
		return b[9], b[int(b[0]&15)*4:]
	}
	_, next, rest := extensions(b[6], b[40:])
	return next, rest
}

func (p *tcpPeer) look(b []byte) {
	proto, t := transportOf(b)
	if proto != 6 || len(t) < 20 || binary.BigEndian.Uint16(t[2:]) != p.port {
		return
	}
	if t[13]&tcpRST != 0 {
		return
	}
	p.last = b
	seq, flags, n := binary.BigEndian.Uint32(t[4:]), t[13], int(t[12]>>4)*4
	end := seq + uint32(len(t)-n)
	if flags&(tcpSYN|tcpFIN) != 0 {
		end++
	}
	if flags&tcpSYN != 0 {
		p.host, p.ack = binary.BigEndian.Uint16(t), end
	}
	if int32(end-p.ack) > 0 {
		p.ack = end
	}
	for o := t[20:min(n, len(t))]; len(o) >= 2 && o[0] != 0; {
		if o[0] == 1 {
			o = o[1:]
			continue
		}
		if o[0] == 8 && len(o) >= 10 {
			p.tsecr = binary.BigEndian.Uint32(o[2:])
		}
		if o[1] < 2 || int(o[1]) > len(o) {
			break
		}
		o = o[o[1]:]
	}
}

// Send makes segments arrive at the host.
func (p *tcpPeer) Send(list ...segment) {
	for _, s := range list {
		what, b := p.build(s)
		p.r.Inject(what, b)
	}
}

// build makes a segment, and moves the peer's numbers if it is in its place.
func (p *tcpPeer) build(s segment) (what string, b []byte) {
	start := p.r.tcpStart(tcpFlow{p.host, p.port})
	start.peer, start.knowPeer = p.iss, true
	seq, ack := p.seq+uint32(s.seq), p.ack+uint32(s.ack)
	if !s.bare {
		s.flags |= tcpACK
	}
	if s.flags&tcpACK == 0 {
		ack = 0
	}
	win := p.window
	if s.win != 0 {
		win = uint16(max(s.win, 0))
	}
	o := s.options
	if s.flags&tcpSYN != 0 {
		mss := p.mss
		if mss == 0 {
			mss = 1460
			if p.k.v6() {
				mss = 1440
			}
		}
		o = append(o, 2, 4, byte(mss>>8), byte(mss), 4, 2, 3, 3, 0, 1)
	}
	if !p.noTS && !s.noTS && s.flags&tcpRST == 0 {
		o = append(o, 8, 10)
		o = binary.BigEndian.AppendUint32(o, p.tsval)
		o = binary.BigEndian.AppendUint32(o, p.tsecr)
		p.tsval++
	}
	for len(o)%4 != 0 {
		o = append(o, 1)
	}
	t := make([]byte, 20, 60)
	binary.BigEndian.PutUint16(t, p.port)
	binary.BigEndian.PutUint16(t[2:], p.host)
	binary.BigEndian.PutUint32(t[4:], seq)
	binary.BigEndian.PutUint32(t[8:], ack)
	t[12], t[13] = byte(5+len(o)/4)<<4, s.flags
	binary.BigEndian.PutUint16(t[14:], win)
	binary.BigEndian.PutUint16(t[18:], s.urg)
	t = append(append(t, o...), s.data...)
	what = fmt.Sprintf("%s seq %d", tcpFlags(s.flags), seq-p.iss)
	if start.knowHost && s.flags&tcpACK != 0 {
		what += fmt.Sprint(" ack ", ack-start.host)
	}
	what += fmt.Sprint(" data ", len(s.data))
	if s.seq == 0 {
		p.seq += uint32(len(s.data))
		if s.flags&(tcpSYN|tcpFIN) != 0 {
			p.seq++
		}
	}
	a := arriving{from: Peer4, proto: 6, data: t, options: p.ipOptions}
	if p.k.v6() {
		a.from = Peer6
	}
	a.fill()
	pseudo := append(netip.MustParseAddr(a.from).AsSlice(), netip.MustParseAddr(a.to).AsSlice()...)
	pseudo = append(pseudo, 0, 6, byte(len(t)>>8), byte(len(t)))
	binary.BigEndian.PutUint16(t[16:], checksum.Partial{}.Add(pseudo).Add(t).Checksum())
	return what, a.packet()
}

// dial makes the host connect to a peer on port 4000, and establishes the connection.
func (k sort) dial(r *Run, before func(s int, p *tcpPeer)) (s int, p *tcpPeer) {
	p = k.tcpPeerOf(r, 4000)
	s = k.open(r)
	if before != nil {
		before(s, p)
	}
	r.Connect(s, k.peer(4000))
	p.Sent()
	if p.far > 0 {
		r.sockets.Wait(p.far)
	}
	p.Send(segment{flags: tcpSYN})
	p.Sent()
	return s, p
}

// call makes a peer on port 5000 connect to a listener of the host on port 4000.
func (k sort) call(r *Run, before func(l int, p *tcpPeer)) (l, s int, p *tcpPeer) {
	l, p = k.ring(r, before)
	p.Send(segment{})
	p.Sent()
	r.Await(l, 1)
	return l, r.Accept(l, 0), p
}

// ring is call up to the SYN-ACK.
func (k sort) ring(r *Run, before func(l int, p *tcpPeer)) (l int, p *tcpPeer) {
	p = k.tcpPeerOf(r, 5000)
	p.host = 4000
	l = k.open(r)
	if before != nil {
		before(l, p)
	}
	r.Bind(l, k.any(4000))
	r.Listen(l, 5)
	p.Send(segment{flags: tcpSYN, bare: true})
	p.Sent()
	return l, p
}

// icmpReport is an ICMP error that a node sends about a packet of the host's. info is what follows the checksum.
func icmpReport(about []byte, from4, from6 string, typ, code byte, info uint32) []byte {
	m := binary.BigEndian.AppendUint32([]byte{typ, code, 0, 0}, info)
	if about[0]>>4 == 4 {
		return icmp4(from4, append(m, about[:min(len(about), 28)]...))
	}
	return icmp6(from6, append(m, about[:min(len(about), 1200)]...))
}

// Resent takes what the host has sent since and returns the last segment: how often it was sent hangs on
// measured times.
func (p *tcpPeer) Resent() []byte {
	for _, b := range p.r.sockets.Sent() {
		p.look(b)
	}
	return p.last
}

// transportData returns the payload of a segment with its IP header.
func transportData(b []byte) []byte {
	_, t := transportOf(b)
	return t[int(t[12]>>4)*4:]
}
