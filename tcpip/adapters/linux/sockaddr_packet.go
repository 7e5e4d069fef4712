package linux

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/packet"
)

// AF_PACKET is the family of packet sockets.
const AF_PACKET = 17

// Sizes of struct sockaddr_ll in bytes, and where its address begins.
const (
	sizeofSockaddrLl = 20
	sockaddrLlAddr   = 12
)

// decodeLl reads a struct sockaddr_ll that is long enough.
func decodeLl(b []byte) packet.Address {
	return packet.Address{
		EtherType: header.EtherType(binary.BigEndian.Uint16(b[2:])),
		NIC:       tcpip.NICID(binary.NativeEndian.Uint32(b[4:])),
		Link:      tcpip.LinkAddr(b[sockaddrLlAddr:]),
		LinkLen:   int(b[11]),
	}
}

// encodeLl returns a as a struct sockaddr_ll with all of its address.
func encodeLl(a packet.Address) []byte {
	b := make([]byte, sizeofSockaddrLl)
	binary.NativeEndian.PutUint16(b, AF_PACKET)
	binary.BigEndian.PutUint16(b[2:], uint16(a.EtherType))
	binary.NativeEndian.PutUint32(b[4:], uint32(a.NIC))
	binary.NativeEndian.PutUint16(b[8:], a.Hardware)
	b[10], b[11] = byte(a.Type), byte(a.LinkLen)
	copy(b[sockaddrLlAddr:], a.Link[:min(a.LinkLen, len(a.Link))])
	return b
}
