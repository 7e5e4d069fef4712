package header

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// ARP is a view of one ARP message for IPv4 over Ethernet, the only kind there is here (RFC 826).
type ARP []byte

// ARPSize is the length of the message in bytes.
const ARPSize = 28

// ARPOp is the kind of an ARP message.
type ARPOp uint16

const (
	ARPRequest ARPOp = 1
	ARPReply   ARPOp = 2
)

// arpPreamble is the hardware type Ethernet, the protocol type IPv4 and the two address lengths.
const arpPreamble = 1<<48 | uint64(EtherTypeIPv4)<<32 | 6<<24 | 4<<16

// ParseARP returns the message at the front of b, cut to its size; frames are often padded.
func ParseARP(b []byte) (ARP, tcpip.Drop) {
	if len(b) < ARPSize {
		return nil, tcpip.DropShort
	}
	if binary.BigEndian.Uint64(b)>>16 != arpPreamble>>16 {
		return nil, tcpip.DropARPInvalid
	}
	return ARP(b[:ARPSize:ARPSize]), tcpip.DropNone
}

func (h ARP) Op() ARPOp                      { return ARPOp(binary.BigEndian.Uint16(h[6:])) }
func (h ARP) SenderLinkAddr() tcpip.LinkAddr { return tcpip.LinkAddr(h[8:14]) }
func (h ARP) SenderAddr() netip.Addr         { return netip.AddrFrom4([4]byte(h[14:18])) }
func (h ARP) TargetLinkAddr() tcpip.LinkAddr { return tcpip.LinkAddr(h[18:24]) }
func (h ARP) TargetAddr() netip.Addr         { return netip.AddrFrom4([4]byte(h[24:28])) }

// ARPFields is what an ARP message says. Both Addrs are IPv4 addresses.
type ARPFields struct {
	Op             ARPOp
	SenderLinkAddr tcpip.LinkAddr
	SenderAddr     netip.Addr
	TargetLinkAddr tcpip.LinkAddr
	TargetAddr     netip.Addr
}

// Encode writes the message to the first ARPSize bytes of b.
func (f *ARPFields) Encode(b []byte) ARP {
	h := ARP(b[:ARPSize:ARPSize])
	binary.BigEndian.PutUint64(h, arpPreamble|uint64(f.Op))
	copy(h[8:14], f.SenderLinkAddr[:])
	putAddr4(h[14:], f.SenderAddr)
	copy(h[18:24], f.TargetLinkAddr[:])
	putAddr4(h[24:], f.TargetAddr)
	return h
}
