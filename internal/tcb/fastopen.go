package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

// FastCookie is a cookie of TCP Fast Open (RFC 7413 §4.1), or the request for one.
type FastCookie struct {
	bytes        [16]byte
	length       uint8
	Experimental bool // in the option of the experiments
}

// NewFastCookie returns the cookie b, of which 16 bytes are taken at most.
func NewFastCookie(b []byte) (c FastCookie) {
	c.length = uint8(copy(c.bytes[:], b))
	return c
}

// Bytes returns the cookie: nothing is the request for one. It aliases c.
func (c *FastCookie) Bytes() []byte { return c.bytes[:c.length] }

// Put makes the option that carries c, which it aliases.
func (c *FastCookie) Put(o *header.TCPOptions) {
	o.HasFastOpen, o.FastOpen, o.FastOpenExperimental = true, c.Bytes(), c.Experimental
}

// FastFailure is why data could not go with the SYN, or did not arrive with it: tcp_info's
// tcpi_fastopen_client_fail.
type FastFailure uint8

// The reasons, with Linux's numbers.
const (
	FastUnspecified   FastFailure = iota
	FastNoCookie                  // there was none
	FastNotAcked                  // the SYN-ACK left the data out
	FastSynRetransmit             // the SYN had to be sent again
)

// FastResult is what the SYN-ACK said to a SYN with the option or with data.
type FastResult struct {
	Cookie       FastCookie
	HasCookie    bool
	MSS          int  // that the peer announced; 0: it did not
	Dropped      bool // the SYN with data was probably dropped, since one without got through
	NotSupported bool // we asked for a cookie and got none
	Experimental bool // and had asked with the experimental option
	Accepted     bool // the data of the SYN is acknowledged
	Failed       bool // it is not
}

// fastOpen is what a connection remembers that begins with TCP Fast Open. Other connections have none.
type fastOpen struct {
	cookie   FastCookie
	option   bool       // the SYN, or our SYN-ACK, carries cookie
	limit    int        // bytes that may go with the SYN
	data     int        // bytes that did
	child    bool       // passive: the user has the connection before our SYN is acknowledged
	answered seq.Number // what the SYN-ACK of a child acknowledges
	again    bool       // a child's SYN-ACK is to be sent again: the SYN has come again
	accepted bool       // the peer took the data of our SYN, or we that of its
	ending   bool       // the user of a child has finished writing: the FIN waits for the end of the handshake
	failure  FastFailure
	result   FastResult
}

// ConnectFast is Connect with TCP Fast Open (RFC 7413 §4.2.1): the SYN carries the option with cookie, which may be the
// request for one, and up to limit bytes of what is written before the SYN is polled; the room for options is kept.
// With option false there is no option (as where both sides are configured so), and a limit of 0 sends no data. mss is
// what the peer announced last; 0: unknown.
func (t *TCB) ConnectFast(now tcpip.Time, cookie FastCookie, option bool, mss, limit int) tcpip.Error {
	if err := t.Connect(now); err != tcpip.OK {
		return err
	}
	f := &fastOpen{cookie: cookie, option: option}
	if limit > 0 {
		if t.opt.peerMSS = int(t.opt.advMSS); mss > 0 {
			t.opt.peerMSS = t.conf.limitMSS(mss)
		}
		f.limit = min(limit, max(t.baseMSS()-header.TCPOptionSpace, 0))
	} else {
		f.failure = FastNoCookie
	}
	t.fast = f
	return tcpip.OK
}

// FastRoom returns how many more bytes can go with the SYN: none once it was sent.
func (t *TCB) FastRoom() int {
	if t.fast == nil || t.state != StateSynSent || t.snd.nxt != t.snd.iss {
		return 0
	}
	return max(t.fast.limit-t.sendQ.end.Sub(t.snd.iss+1), 0)
}

// FastChild reports whether the connection is passive and was given to the user before our SYN was acknowledged, which
// it still is not.
func (t *TCB) FastChild() bool {
	return t.fast != nil && t.fast.child && t.snd.una == t.snd.iss
}

// FastResult returns what the SYN-ACK said; EventFastOpen tells of it.
func (t *TCB) FastResult() *FastResult { return &t.fast.result }

// FastActive reports whether the connection was opened with the option or with data in the SYN.
func (t *TCB) FastActive() bool {
	return t.fast != nil && !t.fast.child && (t.fast.option || t.fast.data > 0)
}

// fastData adds the data that goes with our SYN to it, and returns how many bytes it is.
func (t *TCB) fastData(out *Out) int {
	f := t.fast
	n := min(t.sendQ.end.Sub(t.snd.iss+1), f.limit)
	if n <= 0 {
		return 0
	}
	out.SegSize = n
	n = t.fill(out, t.snd.iss+1, n)
	out.Seq = t.snd.iss
	out.Flags &^= header.ACK | header.PSH
	f.data = n
	return n
}

// fastAnswered takes the answer to a SYN with the option or data: what the peer did not take is sent again at once,
// without a thought of congestion (RFC 7413 §4.2.2). It reports whether that is so; the data then carries the
// acknowledgement.
func (t *TCB) fastAnswered(s *Segment) (again bool) {
	f := t.fast
	if f.child || !f.option && f.data == 0 {
		return false
	}
	o := &s.Options
	left := t.flight() > 0
	f.result = FastResult{
		HasCookie:    f.option && o.HasFastOpen && len(o.FastOpen) > 0,
		NotSupported: f.option && !o.HasFastOpen && f.data == 0 && t.count.retrans == 0,
		Dropped:      f.option && t.count.retrans > 0 && !o.HasFastOpen && left,
		Experimental: f.cookie.Experimental,
	}
	if o.HasMSS {
		f.result.MSS = int(o.MSS)
	}
	if f.result.HasCookie {
		f.result.Cookie = NewFastCookie(o.FastOpen)
		f.result.Cookie.Experimental = o.FastOpenExperimental
	}
	t.events |= EventFastOpen
	switch {
	case f.data == 0:
	case !left:
		f.accepted, f.result.Accepted = true, true
		t.count.delivered-- // the SYN and its data count as one
	default:
		f.failure = FastNotAcked
		if t.count.retrans > 0 {
			f.failure = FastSynRetransmit
		}
		f.result.Failed = true
		t.board.loseAll()
		t.due.repair = true
	}
	return left
}

// EstablishFast makes t the connection that the SYN s begins, which Init has taken: its data can be read, and ours
// sent, before the SYN-ACK is acknowledged (RFC 7413 §4.2.2). cookie is what the SYN-ACK carries, nil for no option. c
// is the new connection's own Conf.
func (r *Request) EstablishFast(now tcpip.Time, s *Segment, t *TCB, c *Conf, cookie *FastCookie) {
	r.open(now, t, c)
	t.fast = &fastOpen{child: true}
	t.rtt.rto = fallbackRTO
	if cookie != nil {
		t.fast.cookie, t.fast.option = *cookie, true
	}
	t.step(now, &onPassive)
	t.count.segsIn = uint32(max(s.Wire, 1))
	t.rcv.last = now
	if s.Len > 0 { // what did not fit the window we announce is left out, and so not acknowledged
		t.fast.accepted = true
		for i := range s.Data {
			p := s.Data[i]
			s.Data[i] = slab.Piece{}
			room := t.rcv.adv.Sub(t.rcv.nxt)
			if p.Truncate(min(p.Len(), room)); p.Len() == 0 {
				p.Release()
				continue
			}
			t.deliver(p)
		}
		t.count.dataIn = t.count.segsIn
	}
	t.fast.answered = t.rcv.nxt
	t.rcv.acked = t.rcv.nxt
	t.rcv.adv = t.rcv.nxt.Add(t.tun.synWindow) // what came with the SYN takes none of it, as on Linux
	timestamps := t.opt.timestamps
	t.opt.timestamps = false // which Linux does not reckon with before the handshake is over
	t.tun.opened(t, now)
	t.opt.timestamps = timestamps
}

// loseSyn takes our SYN-ACK for lost.
func (t *TCB) loseSyn() { t.board.mark(t.board.recs.first(), recLost, recResent) }

// synAgain answers the SYN of a child's handshake that comes once more: the answer was lost. It reports whether s was
// that.
func (t *TCB) synAgain(now tcpip.Time, s *Segment) bool {
	if !t.FastChild() || s.Flags&(header.SYN|header.ACK|header.RST|header.FIN) != header.SYN || s.Seq != t.rcv.irs {
		return false
	}
	ace := getACE(s.Flags)
	switch { // as in a Request (RFC 9768 §3.1.5)
	case t.acc != nil && ace == aceClassic, t.acc == nil && t.opt.ecn && t.conf.ECN.acceptsAccurate() && ace != aceNothing && ace != aceClassic:
		t.reset(now)
		t.fail(now, tcpip.ErrConnReset)
		return true
	case t.acc != nil:
		t.acc.syn, t.acc.plain = aceOfMark[s.Mark&3], t.acc.plain || ace == aceNothing
	}
	if t.spendInvalid(now) {
		t.fast.again = true
	}
	return true
}

// sendSynAgain sends a child's SYN-ACK once more, beside the timer's work.
func (t *TCB) sendSynAgain(now tcpip.Time, out *Out) bool {
	t.fast.again = false
	if t.snd.una != t.snd.iss {
		return false
	}
	t.save(out, undoState, record{})
	t.count.retrans++
	t.board.recs.first().flags |= recRetrans
	out.Retransmit = true
	t.buildSyn(now, out)
	return true
}
