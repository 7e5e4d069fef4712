package ipv4

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// IPv4 addresses as numbers, for the checks that every packet goes through.
const (
	anyAddr       = 0
	broadcastAddr = 0xffffffff
)

func isZeroNet(a uint32) bool   { return a>>24 == 0 }
func isLoopback(a uint32) bool  { return a>>24 == 127 }
func isMulticast(a uint32) bool { return a>>28 == 0xe }
func isClassE(a uint32) bool    { return a>>28 == 0xf && a != broadcastAddr }
func isLinkLocal(a uint32) bool { return a>>16 == 169<<8|254 }

// isLocalGroup reports whether a is in 224.0.0.0/24, whose packets stay on the link.
func isLocalGroup(a uint32) bool { return a>>8 == 224<<16 }

// number returns the address in the four bytes at the front of b.
func number(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// martian checks the addresses of a received packet (RFC 1122 §3.2.1.3, RFC 1812 §5.3.7, RFC 3704;
// BEHAVIOUR F6). A source without an address may ask everybody for one, and speak of groups on its link (RFC 4541
// §2.1.1), as on Linux. TCP relies on it (RFC 9293 §3.9.2.3, MUST-63).
func (ip *Protocol) martian(nic *stack.NIC, p *stack.Packet, h header.IPv4) tcpip.Drop {
	src, dst := number(h[12:]), number(h[16:])
	switch {
	case isMulticast(src), src == broadcastAddr, isClassE(src):
		return tcpip.DropMartianSource
	case isZeroNet(src) && (src != anyAddr || dst != broadcastAddr && !isLocalGroup(dst) && (!isMulticast(dst) || p.Proto != header.ProtocolIGMP)):
		return tcpip.DropMartianSource
	case isZeroNet(dst):
		return tcpip.DropMartianDestination
	}
	if p.Looped || nic.Info().Kind == stack.LinkLoopback && !p.Written {
		return tcpip.DropNone
	}
	switch {
	case isLoopback(src):
		return tcpip.DropMartianSource
	case isLoopback(dst), isClassE(dst):
		return tcpip.DropMartianDestination
	case src == anyAddr:
		return tcpip.DropNone
	}
	switch as := nic.Classify(p.Src); {
	case as == stack.DestinationBroadcast:
		return tcpip.DropMartianSource
	case as != stack.DestinationOther || nic.StrictHost(): // perhaps ours; most are not, and cost no second look
		if _, _, own := ip.stack.LocalAddress(p.Src); own {
			return tcpip.DropOwnSource
		}
		if ip.stack.DirectedBroadcast(p.Src) {
			return tcpip.DropMartianSource
		}
	}
	return ip.reversePath(nic, p)
}

// reversePath checks that the source is reached through the NIC that p came in by, or at all.
func (ip *Protocol) reversePath(nic *stack.NIC, p *stack.Packet) tcpip.Drop {
	mode := nic.ReversePath()
	if mode == stack.ReversePathOff {
		return tcpip.DropNone
	}
	r, err := ip.stack.FindRoute(stack.RouteQuery{Destination: p.Src, AnySource: true})
	if err != tcpip.OK || mode == stack.ReversePathStrict && r.NIC != nic {
		return tcpip.DropReversePath
	}
	return tcpip.DropNone
}
