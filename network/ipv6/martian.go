package ipv6

import (
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// martian checks the addresses of a received packet (RFC 4291 §2.5, §2.7; RFC 3704; BEHAVIOUR F6).
// IPv4-mapped addresses never are on a wire: to a program they would look like IPv4.
func (ip *Protocol) martian(nic *stack.NIC, p *stack.Packet) tcpip.Drop {
	src, dst := p.Src, p.Dst
	switch {
	case src.IsMulticast(), src.Is4In6():
		return tcpip.DropMartianSource
	case dst.IsUnspecified(), dst.Is4In6(), dst.IsMulticast() && scope(dst) == scopeReserved:
		return tcpip.DropMartianDestination
	}
	if p.Looped && !src.IsLoopback() || nic.Info().Kind == stack.LinkLoopback {
		return tcpip.DropNone
	}
	switch {
	case src.IsLoopback():
		return tcpip.DropMartianSource
	case dst.IsLoopback(), dst.IsMulticast() && scope(dst) == scopeInterface:
		return tcpip.DropMartianDestination
	case src.IsUnspecified():
		return tcpip.DropNone
	}
	if nic.Classify(src) != stack.DestinationOther || nic.StrictHost() { // perhaps ours
		st, onNIC := nic.AddressState(src)
		if onNIC && st > stack.AddressDeprecated { // not ours: who has it may say so (RFC 4862 §5.4.4)
			return tcpip.DropNone
		}
		if _, _, own := ip.stack.LocalAddress(src); onNIC || own && !src.IsLinkLocalUnicast() {
			return tcpip.DropOwnSource
		}
	}
	return ip.reversePath(nic, src)
}

// The scopes of groups that may not come off a wire (RFC 4291 §2.7).
const (
	scopeReserved  = 0
	scopeInterface = 1
)

// scope returns the scope of a group.
func scope(group netip.Addr) uint8 { return group.As16()[1] & 15 }

// reversePath checks that the source is reached through the NIC that a packet came in by, or at all.
func (ip *Protocol) reversePath(nic *stack.NIC, src netip.Addr) tcpip.Drop {
	mode := nic.ReversePath()
	if mode == stack.ReversePathOff || src.IsLinkLocalUnicast() {
		return tcpip.DropNone
	}
	r, err := ip.stack.FindRoute(stack.RouteQuery{Destination: src, AnySource: true})
	if err != tcpip.OK || mode == stack.ReversePathStrict && r.NIC != nic {
		return tcpip.DropReversePath
	}
	return tcpip.DropNone
}
