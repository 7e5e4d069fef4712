package transport

import (
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// refuses says of each mode whether a datagram over the MTU that counts is refused rather than
// fragmented (BEHAVIOUR B2–B7).
var refuses = [...]bool{tcpip.PMTUDo: true, tcpip.PMTUProbe: true, tcpip.PMTUInterface: true, tcpip.PMTUOmit: false}

// ignores says of each mode whether the endpoint keeps away from learnt path MTUs: it does not even
// store them.
var ignores = [...]bool{tcpip.PMTUInterface: true, tcpip.PMTUOmit: true}

// plan decides how a datagram whose transport part is n bytes long leaves along r: with DF or not, in
// packets of what size, or not at all. With IP_RECVERR a refusal is put on the error queue too, with the MTU.
func (d *Datagram) plan(w *stack.Work, r *stack.Route, to tcpip.FullAddress, n int) tcpip.Error {
	v6 := to.Addr.Is6()
	mode := d.modeFor(to.Addr)
	df, mtu := r.PMTUPolicy(mode)
	o := &d.sendConf
	o.DF, o.MTU = df, mtu
	size := r.Net.HeaderLen() + n
	limit := maxWrite // total length over IPv4, payload length over IPv6
	if v6 {
		limit += r.Net.HeaderLen()
	}
	switch {
	case size > limit:
	case size <= mtu:
		return tcpip.OK
	case refuses[mode] || v6 && d.conf.DontFragment6:
	default:
		o.DF = false
		return tcpip.OK
	}
	if d.reportsErrors(to.Addr) {
		if !v6 && !d.connected.Load() {
			to.Port = 0 // as Linux has it
		}
		d.report(to, tcpip.ErrorReport{Err: tcpip.ErrMessageSize, Origin: tcpip.OriginLocal, Info: uint32(mtu)}, nil)
		w.Wake(d.proto.stack, &d.waiters, waiter.Error)
	}
	return tcpip.ErrMessageSize
}
