package transport

import (
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Adopt makes an endpoint that was never used the local end of a flow that somebody else receives, and hands on by Deliver:
// connected to the flow's peer, sending from the flow's own address whether or not it is ours. leave is called when
// the endpoint is closed, with its lock held.
//
// Errors: ErrAddrNotAvailable if the address is not ours and the NIC towards the peer may not send from any (Spoofing), and
// others of the route; ErrClosed.
func (d *Datagram) Adopt(id stack.FlowID, nic tcpip.NICID, leave func()) tcpip.Error {
	remote := tcpip.FullAddress{Addr: id.Remote.Addr(), Port: id.Remote.Port()}
	q := stack.RouteQuery{Destination: remote.Addr, Source: id.Local.Addr()}
	if needsZone(remote.Addr) {
		remote.NIC, q.NIC = nic, nic
	}
	if _, err := d.proto.stack.FindRoute(q); err != tcpip.OK {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return tcpip.ErrClosed
	}
	v6 := remote.Addr.Is6()
	b := stack.Binding{
		V4: !v6, V6: v6, Local: id.Local.Addr(), Port: id.Local.Port(), Remote: id.Remote, NIC: zoneOf(remote),
		Proto: d.number(v6), Receiver: d.outer,
	}
	d.conf.Transparent = true
	d.apply()
	d.claim = claim{binding: b, base: b, bound: true, leave: leave, source: id.Local.Addr(), fixed: true,
		wanted: tcpip.FullAddress{Addr: id.Local.Addr(), Port: id.Local.Port()}}
	d.peer = remote
	d.connected.Store(true)
	return tcpip.OK
}

// adopted reports whether the endpoint has its place in the demux by somebody else's.
func (d *Datagram) adopted() bool { return d.claim.leave != nil }
