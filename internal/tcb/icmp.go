package tcb

import (
	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// Unreachable takes an ICMP error that quotes a segment of ours, which started at at. mtu is that of
// a "too big" (ErrMessageSize), which the shell has checked against the limits of IP and put into the
// next SetPath; here it lowers the MSS at once. Other errors are fatal in SYN-SENT and otherwise only
// remembered, as on Linux (RFC 9293 §3.9.2.2, MUST-56, SHLD-25).
func (t *TCB) Unreachable(now tcpip.Time, err tcpip.Error, mtu int, at seq.Number) tcpip.Drop {
	if t.state == StateClosed || t.state == StateTimeWait {
		return tcpip.DropICMPNoFlow
	}
	if !at.InRange(t.snd.una, t.snd.nxt+1) { // RFC 5927 §4.1
		return tcpip.DropICMPSequence
	}
	switch {
	case err == tcpip.ErrMessageSize:
		if mtu < t.path.NetHeader || mtu >= t.path.MTU {
			return tcpip.DropICMPBadMTU
		}
		p := t.path
		p.MTU = mtu
		if t.state == StateSynSent { // and the peer shall not send more either
			p.AdvMSS = min(p.AdvMSS, mtu-p.NetHeader-header.TCPSize)
		}
		t.SetPath(now, p)
		if t.state == StateSynSent && t.fast != nil && t.fast.data > 0 { // the data was too much, as on Linux: the SYN goes alone
			t.loseSyn()
			t.due.rexmit = true
		}
	case t.state == StateSynSent || t.state == StateSynRcvd:
		t.fail(now, err)
	default:
		t.soft = err
		t.events |= EventSoftError
	}
	return tcpip.DropNone
}

// Fits reports whether full segments fit into packets of mtu bytes.
func (t *TCB) Fits(mtu int) bool {
	return mtu-t.path.NetHeader-header.TCPSize-t.optionSize() >= t.mss()
}

// InFlight reports whether a segment of ours that starts at at may be on its way (RFC 5927 §4.1).
func (t *TCB) InFlight(at seq.Number) bool { return at.InRange(t.snd.una, t.snd.nxt+1) }

// SoftError returns what ICMP last said of a connection that goes on, and forgets it.
func (t *TCB) SoftError() tcpip.Error {
	e := t.soft
	t.soft = tcpip.OK
	return e
}

// SetPath says that the way to the peer has changed. If segments in flight no longer fit, they are
// sent again at once, in smaller ones (RFC 1191 §6.4).
func (t *TCB) SetPath(now tcpip.Time, p Path) {
	before := t.mss()
	t.path = p
	t.search.held = false
	mss := t.mss()
	t.cc.setMSS(mss)
	if mss >= before || t.flight() == 0 || !synchronized.has(t.state) {
		return
	}
	t.resendLarge()
}
