package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/packet"
)

// packetSocket is Socket for AF_PACKET, whose protocol is an EtherType in network order. SOCK_PACKET, which packet(7)
// calls obsolete, is not there.
func (n *Sockets) packetSocket(typ, proto int) (*Socket, Errno) {
	mode := packet.Raw
	switch {
	case !n.may(netRaw):
		return nil, EPERM
	case typ == SOCK_DGRAM:
		mode = packet.Cooked
	case typ != SOCK_RAW:
		return nil, ESOCKTNOSUPPORT
	}
	ep, err := packet.New(n.stack, mode, header.EtherType(uint16(proto)<<8|uint16(proto)>>8))
	if err != nil {
		return nil, errnoOf(err)
	}
	return newSocket(n, &kind{family: AF_PACKET, typ: typ, proto: int(uint16(proto)), endpoint: tcpip.KindPacket}, ep), 0
}

// packet returns the endpoint of a packet socket, nil of another.
func (s *Socket) packet() *packet.Endpoint {
	e, _ := s.ep.(*packet.Endpoint)
	return e
}

// bindPacket is Bind of a packet socket.
func bindPacket(e *packet.Endpoint, name []byte) Errno {
	if len(name) < sizeofSockaddrLl || familyOf(name) != AF_PACKET {
		return EINVAL
	}
	return errnoOf(e.BindLink(decodeLl(name)))
}

// packetName is GetSockName of a packet socket, which shows no more than the address has bytes.
func packetName(e *packet.Endpoint) []byte {
	a := e.Bound()
	return encodeLl(a)[:sockaddrLlAddr+a.LinkLen]
}

// sendPacket is SendMsg of a packet socket. As on Linux the family of the name is not looked at.
func (s *Socket) sendPacket(e *packet.Endpoint, data, name, control []byte, flags int) (int, Errno) {
	if err := eachControl(control, func(level, typ int, m []byte) Errno {
		if level != SOL_SOCKET {
			return 0
		}
		var c tcpip.Control
		return parseSocket(s, typ, m, &c)
	}); err != 0 {
		return 0, err
	}
	var to *packet.Address
	if len(name) > 0 {
		if len(name) < sizeofSockaddrLl || len(name) < sockaddrLlAddr+int(name[11]) {
			return 0, EINVAL
		}
		a := decodeLl(name)
		to = &a
	}
	n, err := e.WriteFrame(data, to)
	return n, errnoOf(err)
}

// The flags that recvmsg(2) takes on a packet socket.
const packetFlags = MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE

// receivePacket is RecvMsg of a packet socket.
func (s *Socket) receivePacket(e *packet.Endpoint, data, control []byte, flags int) (Received, Errno) {
	if flags&^packetFlags != 0 {
		return Received{}, EINVAL
	}
	var o tcpip.ReadOptions
	if flags&MSG_PEEK != 0 {
		o.Flags |= tcpip.ReadPeek
	}
	if flags&MSG_ERRQUEUE != 0 {
		o.Flags |= tcpip.ReadError
	}
	f, err := e.ReadFrame(data, o)
	if err != nil {
		return Received{}, errnoOf(err)
	}
	w := controlWriter{b: control}
	r := Received{N: f.Count, Name: encodeLl(f.From)}
	w.receivedSocket(s, &tcpip.Received{Control: f.Control})
	if f.Aux {
		w.auxiliary(e, &f)
	}
	if f.Total > f.Count {
		r.Flags |= MSG_TRUNC
		if flags&MSG_TRUNC != 0 {
			r.N = f.Total
		}
	}
	r.Flags |= w.flags
	r.Control = w.used
	return r, 0
}

// auxiliary writes a struct tpacket_auxdata. No packet here has a VLAN tag beside its bytes.
func (w *controlWriter) auxiliary(e *packet.Endpoint, f *packet.Frame) {
	vnet, _ := e.Option(packet.PACKET_VNET_HDR_SZ)
	b := make([]byte, 20)
	binary.NativeEndian.PutUint32(b, f.Status)
	binary.NativeEndian.PutUint32(b[4:], uint32(f.Size))
	binary.NativeEndian.PutUint32(b[8:], uint32(f.Total-vnet))
	binary.NativeEndian.PutUint16(b[14:], uint16(f.Network))
	w.bytes(packet.PACKET_AUXDATA, b)
}
