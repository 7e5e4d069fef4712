package tcb

import (
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/siphash"
	"github.com/seed963a8790/netstack/tcpip"
)

// Cookies answer SYNs without keeping anything (RFC 4987 §3.6): the initial sequence number proves,
// when it comes back, that we sent the SYN-ACK, and says with which MSS. The other options hide in
// the low bits of our timestamp; a peer without timestamps gets neither scaling nor SACK.
type Cookies struct{ key [2]uint64 }

// NewCookies returns cookies under key, which must be secret.
func NewCookies(key [2]uint64) Cookies { return Cookies{key} }

// Tuple is what identifies a connection, in any fixed form: addresses and ports.
type Tuple [5]uint64

// cookieMSS4 and cookieMSS6 are the segment sizes that a cookie can remember: of those not above the peer's the largest
// counts, or else the least. They are Linux's, as measured; few, so that few numbers are cookies.
var (
	cookieMSS4 = [4]uint16{536, 1300, 1440, 1460}
	cookieMSS6 = [4]uint16{1220, 1420, 1440, 8940}
)

func (p Path) cookieMSS() *[4]uint16 {
	if p.MinMTU > 0 {
		return &cookieMSS6
	}
	return &cookieMSS4
}

const (
	cookieStep = time.Minute
	cookieAge  = 2 // steps

	// The low bits of the timestamp, as on Linux.
	cookieScale   = 0xf // no scaling
	cookieSACK    = 1 << 4
	cookieECN     = 1 << 5
	cookieOptions = 1<<6 - 1
)

// SynAck fills out with the answer to the SYN s. tsOffset must be the same when the ACK comes.
func (k *Cookies) SynAck(now tcpip.Time, s *Segment, c *Conf, p Path, tuple Tuple, tsOffset uint32, out *Out) {
	var r Request
	r.Init(now, s, c, p, Identity{TSOffset: tsOffset})
	sizes := p.cookieMSS()
	index := uint32(len(sizes) - 1)
	for index > 0 && r.mss < sizes[index] {
		index--
	}
	r.id.ISS = k.encode(now, tuple, s.Seq, index)
	if !r.timestamps {
		r.sack, r.scaling, r.ecn, r.receiveScale = false, false, r.accurate, 0
	}
	r.fillSynAck(now, out)
	if r.timestamps {
		out.Options.TSVal = tsOffset + cookieTimestamp(tsClock(now, 0), &r)
	}
}

// cookieTimestamp returns the latest time not after clock whose low bits say what r has negotiated.
func cookieTimestamp(clock uint32, r *Request) uint32 {
	bits := uint32(cookieScale)
	if r.scaling {
		bits = uint32(r.sendScale)
	}
	if r.sack {
		bits |= cookieSACK
	}
	if r.ecn && !r.accurate { // accurate feedback shows in the ACK
		bits |= cookieECN
	}
	v := clock&^cookieOptions | bits
	if v > clock {
		v -= cookieOptions + 1
	}
	return v
}

// Request checks that s acknowledges a cookie, and makes the Request that was not kept. Its Segment
// is to be asked next. DropBadCookie says that s is no such ACK, and deserves a RST.
func (k *Cookies) Request(now tcpip.Time, s *Segment, c *Conf, p Path, tuple Tuple, tsOffset uint32) (r Request, d tcpip.Drop) {
	if s.Flags&(header.ACK|header.SYN|header.RST) != header.ACK {
		return r, tcpip.DropBadCookie
	}
	irs, iss := s.Seq-1, s.Ack-1
	index, ok := k.decode(now, tuple, irs, uint32(iss))
	if !ok {
		return r, tcpip.DropBadCookie
	}
	r = Request{
		conf: c, path: p, id: Identity{ISS: uint32(iss), TSOffset: tsOffset}, born: now,
		irs: irs, mss: p.cookieMSS()[index],
	}
	if c.ECN.acceptsAccurate() && getACE(s.Flags)&^1 != 0 { // who has not been granted it has none of AE and CWR here (RFC 9768 §5.1)
		r.ecn, r.accurate = true, true
	}
	r.window = uint32(windowOf(c, int(r.mss))) // in segments that the peer takes, as on Linux
	if !s.Options.HasTimestamp || c.Timestamps == tcpip.TimestampsOff {
		return r, tcpip.DropNone
	}
	bits := s.Options.TSEcr - tsOffset
	scale := uint8(bits & cookieScale)
	switch {
	case scale != cookieScale && (scale > header.MaxWindowScale || !c.Scaling), bits&cookieSACK != 0 && !c.SACK:
		return r, tcpip.DropBadCookie // not what we would have sent
	case scale != cookieScale:
		r.scaling, r.sendScale, r.receiveScale = true, scale, chooseScale(c)
	}
	r.sack = bits&cookieSACK != 0
	r.ecn = r.accurate || bits&cookieECN != 0 && (c.ECN.accepts() || c.marks())
	r.timestamps, r.tsRecent = true, s.Options.TSVal
	return r, tcpip.DropNone
}

// encode lays a cookie out as Linux does: 8 bits of time, then the MSS hidden in 24 bits of hash; all
// shifted by a second hash and the peer's number. Other than Linux's, the first hash covers the peer's number, too: or else
// every segment of a connection which both sides have sent as many bytes on would pass for the ACK of a cookie, and once
// this side has forgotten the connection begin another in the middle of the stream.
func (k *Cookies) encode(now tcpip.Time, tuple Tuple, irs seq.Number, index uint32) uint32 {
	step := cookieTime(now)
	return k.hash(tuple, 0) + uint32(irs) + step<<24 + (k.mask(tuple, irs, step)+index)&0xffffff
}

func (k *Cookies) decode(now tcpip.Time, tuple Tuple, irs seq.Number, cookie uint32) (index uint32, ok bool) {
	step := cookieTime(now)
	cookie -= k.hash(tuple, 0) + uint32(irs)
	age := (step - cookie>>24) & 0xff
	if age >= cookieAge {
		return 0, false
	}
	index = (cookie - k.mask(tuple, irs, step-age)) & 0xffffff
	return index, index < uint32(len(cookieMSS4))
}

// mask hides the MSS in a cookie of one SYN and step.
func (k *Cookies) mask(tuple Tuple, irs seq.Number, step uint32) uint32 {
	return k.hash(tuple, 1+uint64(step)|uint64(irs)<<32)
}

func cookieTime(now tcpip.Time) uint32 { return uint32(int64(now) / int64(cookieStep)) }

func (k *Cookies) hash(tuple Tuple, salt uint64) uint32 {
	return uint32(siphash.Sum(k.key, tuple[0], tuple[1], tuple[2], tuple[3], tuple[4], salt))
}
