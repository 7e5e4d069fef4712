package packetdrill

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
)

// What the run knows of sockets.
func (r *Run) opened(fd, family, typ, proto int) {
	if proto == 0 {
		proto = map[int]int{1: 6, 2: 17}[typ]
	}
	r.sockets[fd] = &socket{family: family, typ: typ, proto: proto}
	if r.infoFD < 0 {
		r.infoFD = fd
	}
}

// listened is told that a socket listens: what follows without ports is about its next connection.
func (r *Run) listened(fd int) { r.listening, r.listener, r.infoFD = true, fd, fd }

func (r *Run) family(fd int) int {
	if s := r.sockets[fd]; s != nil {
		return s.family
	}
	return r.mode.family
}

// portOf returns the port in a socket address.
func portOf(name []byte) uint16 {
	if len(name) < 4 {
		return 0
	}
	return uint16(name[2])<<8 | uint16(name[3])
}

func (r *Run) bound(fd int, name []byte) {
	if s := r.sockets[fd]; s != nil {
		s.local = netip.AddrPortFrom(r.local(), portOf(name))
		r.listener = fd
		if s.typ == 2 && r.current == nil {
			r.ports++
			r.begin(&flow{proto: header.ProtocolUDP, local: s.local, remote: netip.AddrPortFrom(r.remote(), r.ports)})
		}
	}
}

// connecting makes the flow of a connection that begins here, before its first packet.
func (r *Run) connecting(fd int, name []byte) {
	s := r.sockets[fd]
	if s == nil || len(name) < 8 {
		return
	}
	remote := netip.AddrPortFrom(r.remote(), portOf(name))
	if len(name) >= 16 && name[0] == 2 {
		remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte(name[4:8])), portOf(name))
	} else if len(name) >= 24 && name[0] == 10 {
		remote = netip.AddrPortFrom(netip.AddrFrom16([16]byte(name[8:24])).Unmap(), portOf(name))
	}
	r.infoFD = fd
	if s.connected && s.typ == 1 {
		r.redial = remote
		return
	}
	s.connected = true
	local := netip.AddrPortFrom(r.local(), s.local.Port())
	r.begin(&flow{proto: header.Protocol(s.proto), local: local, remote: remote})
}

// sending makes the flow of a datagram to a place that is not known yet.
func (r *Run) sending(fd int, name []byte) {
	s := r.sockets[fd]
	if s == nil || s.typ != 2 || len(name) < 8 {
		return
	}
	remote := netip.AddrPortFrom(r.remote(), portOf(name))
	for _, f := range r.flows {
		if f.proto == header.ProtocolUDP && f.remote == remote && (f.local.Port() == s.local.Port() || s.local.Port() == 0) {
			r.current = f
			return
		}
	}
	r.begin(&flow{proto: header.ProtocolUDP, local: netip.AddrPortFrom(r.local(), s.local.Port()), remote: remote})
}

// datagrams reports whether a socket sends datagrams to wherever each call says.
func (r *Run) datagrams(fd int) bool {
	s := r.sockets[fd]
	return s != nil && s.typ == 2 && !s.connected
}

// peerPort is where a call sends to that leaves the address open: to where datagrams came from, if any.
func (r *Run) peerPort() uint16 {
	if f := r.current; f != nil && f.proto == header.ProtocolUDP && f.remote.Port() != 0 {
		return f.remote.Port()
	}
	return r.conf.ConnectPort
}

func (r *Run) accepted(fd int) {
	r.sockets[fd] = &socket{family: r.mode.family, typ: 1, proto: 6}
	r.infoFD = fd
}

func (r *Run) closed(label *Value, fd int) {
	delete(r.fds, label.number())
	delete(r.sockets, fd)
	if fd == r.infoFD {
		r.infoFD = -1
	}
}
