package stack

import "net/netip"

// Destination is what a received packet's destination address means here.
type Destination uint8

// The meanings.
const (
	DestinationOther        Destination = iota // not ours: forward or drop
	DestinationLocal                           // a unicast address of ours, or any on a promiscuous NIC
	DestinationBroadcast                       // limited or subnet-directed broadcast
	DestinationMulticast                       // a group that the NIC has joined
	DestinationForeignGroup                    // a group that it has not
	DestinationTentative                       // an address still under duplicate address detection
)

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Classify says what dst, the destination of a packet that arrived on n, means here. The host model is
// weak, as Linux's (RFC 1122 §3.3.4.2, BEHAVIOUR C0): an address of any NIC is accepted on every NIC,
// unless n is strict; but link-local IPv6 addresses belong to their link alone, and loopback addresses
// do not arrive from outside.
func (n *NIC) Classify(dst netip.Addr) Destination {
	if dst.IsMulticast() {
		if n.InGroup(dst) {
			return DestinationMulticast
		}
		return DestinationForeignGroup
	}
	t := &n.stack.conf.Load().addresses
	if l := t.find(dst, n); l != nil {
		strict := l.nic != n && (n.StrictHost() || dst.Is6() && dst.IsLinkLocalUnicast())
		switch {
		case strict || dst.IsLoopback() && n.Info().Kind != LinkLoopback:
		case l.state.usable():
			return DestinationLocal
		case l.state == AddressTentative:
			return DestinationTentative
		}
	}
	if dst.Is4() {
		if dst == limitedBroadcast {
			return DestinationBroadcast
		}
		for _, l := range t.broadcasts[dst] {
			if l.nic == n || !n.StrictHost() && !l.loopback() && n.Info().Kind != LinkLoopback {
				return DestinationBroadcast
			}
		}
	}
	if n.Promiscuous() && !dst.IsUnspecified() {
		return DestinationLocal
	}
	return DestinationOther
}

// DirectedBroadcast reports whether a is the broadcast address of a network that one of the stack's NICs is in.
func (s *Stack) DirectedBroadcast(a netip.Addr) bool {
	return len(s.conf.Load().addresses.broadcasts[a]) > 0
}

// LocalFor returns the unicast address of ours that stands for dst, the destination of a packet that
// arrived on n from src: dst itself if it is unicast, which on a promiscuous NIC need not be ours;
// otherwise the address that n would answer src from. It is zero if the stack has no address of the family.
func (n *NIC) LocalFor(dst, src netip.Addr) netip.Addr {
	switch n.Classify(dst) {
	case DestinationLocal, DestinationOther, DestinationTentative:
		return dst
	}
	if !src.IsValid() || src.IsUnspecified() || src.Is4() != dst.Is4() {
		src = dst
	}
	return n.stack.conf.Load().source(n, src, netip.Addr{}, 0)
}
