package linux

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

func (n *Sockets) procDev(b *bytes.Buffer) {
	b.WriteString("Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n")
	for _, nic := range n.stack.NICs() {
		c := nic.Counters()
		fmt.Fprintf(b, "%6s: %7d %7d %4d %4d %4d %5d %10d %9d %8d %7d %4d %4d %4d %5d %7d %10d\n", nic.Name(),
			c.RxBytes.Value(), c.RxPackets.Value(), 0, c.RxDropped.Value(), 0, 0, 0, c.RxMulticast.Value(),
			c.TxBytes.Value(), c.TxPackets.Value(), 0, c.TxDropped.Value(), 0, 0, 0, 0)
	}
}

// The flags of an ARP entry.
const (
	arpComplete  = 0x2
	arpPermanent = 0x4
)

func (n *Sockets) procARP(b *bytes.Buffer) {
	b.WriteString("IP address       HW type     Flags       HW address            Mask     Device\n")
	for _, nic := range n.stack.NICs() {
		if nic.Info().Kind != stack.LinkEthernet {
			continue
		}
		for _, e := range nic.Neighbours() {
			if !e.Addr.Is4() {
				continue
			}
			flags := 0
			switch e.State {
			case stack.NeighbourReachable, stack.NeighbourStale, stack.NeighbourDelay, stack.NeighbourProbe:
				flags = arpComplete
			case stack.NeighbourPermanent:
				flags = arpComplete | arpPermanent
			}
			fmt.Fprintf(b, "%-16s 0x%-10x0x%-10x%-17s     *        %s\n", e.Addr, nic.HardwareType(), flags, e.Link, nic.Name())
		}
	}
}

// The scopes of if_inet6.
const (
	scopeHost = 0x10
	scopeLink = 0x20
	scopeSite = 0x40
)

// The flags of if_inet6 (IFA_F).
const (
	addressTemporary  = 0x01
	addressDADFailed  = 0x08
	addressDeprecated = 0x20
	addressTentative  = 0x40
	addressPermanent  = 0x80
)

func (n *Sockets) procAddresses6(b *bytes.Buffer) {
	for _, nic := range n.stack.NICs() {
		for _, a := range nic.Addresses() {
			if !a.Prefix.Addr().Is6() {
				continue
			}
			scope, flags := 0, addressPermanent
			switch addr := a.Prefix.Addr(); {
			case addr.IsLoopback():
				scope = scopeHost
			case addr.IsLinkLocalUnicast():
				scope = scopeLink
			case siteLocal.Contains(addr):
				scope = scopeSite
			}
			if a.Leased {
				flags = 0
			}
			if a.Temporary {
				flags |= addressTemporary
			}
			switch a.State {
			case stack.AddressDeprecated:
				flags |= addressDeprecated
			case stack.AddressTentative:
				flags |= addressTentative
			case stack.AddressDuplicated:
				flags |= addressDADFailed | addressTentative
			}
			fmt.Fprintf(b, "%x %02x %02x %02x %02x %8s\n", a.Prefix.Addr().As16(), int(nic.ID()), a.Prefix.Bits(), scope, flags, nic.Name())
		}
	}
}

// siteLocal is the deprecated fec0::/10 (RFC 3879).
var siteLocal = netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfe, 1: 0xc0}), 10)

// allSystems are the groups that every interface is in: Linux lists them first or last as it joined them.
var (
	allSystems4 = netip.AddrFrom4([4]byte{224, 0, 0, 1})
	allNodes6   = []netip.Addr{netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 1}), netip.AddrFrom16([16]byte{0: 0xff, 1: 1, 15: 1})}
)

func (n *Sockets) procGroups4(b *bytes.Buffer) {
	b.WriteString("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n")
	for _, nic := range n.stack.NICs() {
		groups := []netip.Addr{allSystems4}
		for _, g := range nic.Groups() {
			if g.Is4() && g != allSystems4 {
				groups = append([]netip.Addr{g}, groups...)
			}
		}
		fmt.Fprintf(b, "%d\t%-10s: %5d      V3\n", int(nic.ID()), nic.Name(), len(groups))
		for _, g := range groups {
			a := g.As4()
			fmt.Fprintf(b, "\t\t\t\t%08X %5d %d:%08X\t\t%d\n", binary.NativeEndian.Uint32(a[:]), 1, 0, 0, 0)
		}
	}
}

// The flags of a group in igmp6: whether it was reported last, and whether it is never reported.
const (
	groupLoaded = 0x04
	groupSilent = 0x08
)

func (n *Sockets) procGroups6(b *bytes.Buffer) {
	for _, nic := range n.stack.NICs() {
		var groups []netip.Addr
		for _, g := range nic.Groups() {
			if g.Is6() && !slices.Contains(allNodes6, g) {
				groups = append([]netip.Addr{g}, groups...)
			}
		}
		for _, g := range append(groups, allNodes6...) {
			flags := groupLoaded
			switch g {
			case allNodes6[0]:
				flags = groupLoaded | groupSilent
			case allNodes6[1]:
				flags = groupSilent
			}
			fmt.Fprintf(b, "%-4d %-15s %x %5d %08X %d\n", int(nic.ID()), nic.Name(), g.As16(), 1, flags, 0)
		}
	}
}

// The flags of a route.
const (
	RTF_UP      = 0x1
	RTF_GATEWAY = 0x2
	RTF_HOST    = 0x4
	RTF_REJECT  = 0x200
	RTF_NONEXT  = 0x200000
	RTF_LOCAL   = 0x80000000

	RTF_DEFAULT   = 0x10000  // IPv6: of a router
	RTF_ADDRCONF  = 0x40000  // IPv6: advertised
	RTF_PREFIX_RT = 0x80000  // IPv6: to a neighbourhood that was
	RTF_EXPIRES   = 0x400000 // IPv6: for a time
	RTF_ROUTEINFO = 0x800000 // IPv6: to what a router has said it knows

	preferenceShift = 27 // of an advertised route's preference, two bits
)

// advertisedFlags are those of a route that a router has advertised.
func advertisedFlags(r stack.RouteEntry) uint32 {
	flags := uint32(RTF_ADDRCONF)
	if r.Origin == stack.RouteAdvertised {
		flags |= RTF_EXPIRES
	}
	switch {
	case !r.Gateway.IsValid():
		return flags | RTF_PREFIX_RT
	case r.Destination.Bits() == 0:
		flags |= RTF_DEFAULT
	default:
		flags |= RTF_ROUTEINFO
	}
	return flags | uint32(r.Preference&3)<<preferenceShift
}

// The metrics of IPv6 routes that Linux makes itself.
const (
	metricConnected6 = 0x100
	metricNone6      = 0xffffffff
)

func (n *Sockets) procRoute(b *bytes.Buffer) {
	padded(b, 127, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT")
	word := func(a netip.Addr) uint32 {
		if !a.Is4() {
			return 0
		}
		ip := a.As4()
		return binary.NativeEndian.Uint32(ip[:])
	}
	routes := slices.Collect(n.stack.Routes())
	slices.SortStableFunc(routes, func(a, b stack.RouteEntry) int { return a.Destination.Addr().Compare(b.Destination.Addr()) })
	for _, r := range routes {
		nic := n.stack.NIC(r.NIC)
		if nic == nil || !r.Destination.Addr().Is4() || nic.Info().Kind == stack.LinkLoopback {
			continue // those of lo are in a table that this file does not show
		}
		flags := RTF_UP
		if r.Gateway.IsValid() {
			flags |= RTF_GATEWAY
		}
		if r.Destination.IsSingleIP() {
			flags |= RTF_HOST
		}
		padded(b, 127, fmt.Sprintf("%s\t%08X\t%08X\t%04X\t%d\t%d\t%d\t%08X\t%d\t%d\t%d", nic.Name(), word(r.Destination.Addr()), word(r.Gateway),
			flags, 0, 0, r.Metric, word(mask4(r.Destination.Bits())), r.MTU, 0, 0))
	}
}

func (n *Sockets) procRoute6(b *bytes.Buffer) {
	line := func(dst netip.Prefix, gateway netip.Addr, metric uint32, flags uint32, name string) {
		if !gateway.IsValid() {
			gateway = netip.IPv6Unspecified()
		}
		none := netip.IPv6Unspecified().As16()
		fmt.Fprintf(b, "%x %02x %x %02x %x %08x %08x %08x %08x %8s\n", dst.Addr().As16(), dst.Bits(), none, 0, gateway.As16(), metric, 1, 0, flags, name)
	}
	loopback := "lo"
	for _, nic := range n.stack.NICs() {
		if nic.Info().Kind == stack.LinkLoopback {
			loopback = nic.Name()
			break
		}
	}
	nowhere := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	byDefault := false
	for r := range n.stack.Routes() {
		nic := n.stack.NIC(r.NIC)
		if nic == nil || !r.Destination.Addr().Is6() || nic.Info().Kind == stack.LinkLoopback || r.Origin == stack.RouteRedirected {
			continue
		}
		flags, metric := uint32(RTF_UP), r.Metric
		if r.Origin != stack.RouteConfigured {
			flags |= advertisedFlags(r)
		}
		if r.Gateway.IsValid() {
			flags |= RTF_GATEWAY
		}
		if metric == 0 {
			metric = metricConnected6
		}
		byDefault = byDefault || r.Destination == nowhere
		line(r.Destination, r.Gateway, metric, flags, nic.Name())
	}
	if !byDefault {
		line(nowhere, netip.Addr{}, metricNone6, RTF_NONEXT|RTF_REJECT, loopback)
	}
	for _, nic := range n.stack.NICs() {
		for _, a := range nic.Addresses() {
			if a.Prefix.Addr().Is6() {
				line(netip.PrefixFrom(a.Prefix.Addr(), 128), netip.Addr{}, 0, RTF_LOCAL|RTF_NONEXT|RTF_UP, nic.Name())
			}
		}
	}
	for _, nic := range n.stack.NICs() {
		if nic.Info().Kind != stack.LinkLoopback {
			line(netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xff}), 8), netip.Addr{}, metricConnected6, RTF_UP, nic.Name())
		}
	}
	line(nowhere, netip.Addr{}, metricNone6, RTF_NONEXT|RTF_REJECT, loopback)
}

// procPacket renders the packet sockets.
func (n *Sockets) procPacket(b *bytes.Buffer) {
	b.WriteString("sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n")
	for _, ep := range n.stack.Endpoints() {
		s := n.files.socket(ep)
		if s == nil || s.kind.endpoint != tcpip.KindPacket {
			continue
		}
		name, _ := s.GetSockName()
		proto, nic := 0, 0
		if len(name) >= 8 { // struct sockaddr_ll
			proto, nic = int(binary.BigEndian.Uint16(name[2:])), int(binary.NativeEndian.Uint32(name[4:]))
		}
		held := 0
		if q, ok := ep.(holder); ok {
			held, _ = q.Held()
		}
		running := 0
		if proto != 0 {
			running = 1
		}
		fmt.Fprintf(b, "%016x %-6d %-4d %04x   %-5d %d %-6d %-6d %-6d\n", 0, 2+running, s.kind.typ, proto, nic, running, held, 0, s.inode)
	}
}
