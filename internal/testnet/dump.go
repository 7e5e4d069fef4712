package testnet

import (
	"fmt"
	"strings"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Dump returns a packet as a line, in the manner of tcpdump. What is wrong with it stands there too.
func Dump(t header.EtherType, b []byte) string {
	switch t {
	case header.EtherTypeARP:
		return dumpARP(b)
	case header.EtherTypeIPv4:
		return dumpIPv4(b)
	case header.EtherTypeIPv6:
		return dumpIPv6(b)
	}
	return fmt.Sprintf("%v, length %d", t, len(b))
}

func dumpARP(b []byte) string {
	h, drop := header.ParseARP(b)
	switch {
	case drop != tcpip.DropNone:
		return "ARP " + drop.String()
	case h.Op() == header.ARPRequest:
		return fmt.Sprintf("ARP who-has %v tell %v", h.TargetAddr(), h.SenderAddr())
	}
	return fmt.Sprintf("ARP %v is-at %v", h.SenderAddr(), h.SenderLinkAddr())
}

func dumpIPv4(b []byte) string {
	h, drop := header.ParseIPv4(b)
	if drop != tcpip.DropNone {
		return "IP " + drop.String()
	}
	var s strings.Builder
	fmt.Fprintf(&s, "IP %v > %v:", h.Src(), h.Dst())
	if !h.ChecksumValid() {
		s.WriteString(" bad header cksum,")
	}
	if h.TTL() != 64 {
		fmt.Fprintf(&s, " ttl %d,", h.TTL())
	}
	if h.TOS() != 0 {
		fmt.Fprintf(&s, " tos %#x,", h.TOS())
	}
	if h.Flags()&header.IPv4DontFragment != 0 {
		s.WriteString(" DF,")
	}
	if len(h.Options()) > 0 {
		fmt.Fprintf(&s, " options %x,", h.Options())
	}
	if h.IsFragment() {
		more := ""
		if h.Flags()&header.IPv4MoreFragments != 0 {
			more = "+"
		}
		fmt.Fprintf(&s, " frag %d@%d%s", h.PayloadLength(), h.FragmentOffset(), more)
		return s.String()
	}
	p := h.Payload()
	if h.Protocol() == header.ProtocolICMPv4 && len(p) >= header.ICMPv4Size {
		m := header.ICMPv4(p)
		fmt.Fprintf(&s, " ICMP %v", m.Type())
		switch m.Type() {
		case header.ICMPv4Echo, header.ICMPv4EchoReply:
			fmt.Fprintf(&s, ", id %d, seq %d", m.ID(), m.Sequence())
		case header.ICMPv4Unreachable:
			fmt.Fprintf(&s, " %d", m.Code())
			if m.Code() == header.ICMPv4FragmentationNeeded {
				fmt.Fprintf(&s, ", mtu %d", m.NextHopMTU())
			}
		case header.ICMPv4ParameterProblem:
			fmt.Fprintf(&s, " at %d", m.Pointer())
		case header.ICMPv4TimeExceeded:
			fmt.Fprintf(&s, " %d", m.Code())
		}
		if !m.ChecksumValid() {
			s.WriteString(", bad cksum")
		}
	} else {
		fmt.Fprintf(&s, " %v", h.Protocol())
		dumpPorts(&s, h.Protocol(), p)
		if h.Protocol() == header.ProtocolUDP && len(p) >= header.UDPSize && !header.UDP(p).ChecksumValid(h.Src(), h.Dst()) {
			s.WriteString(", bad cksum")
		}
	}
	fmt.Fprintf(&s, ", length %d", len(p))
	return s.String()
}

func dumpPorts(s *strings.Builder, proto header.Protocol, b []byte) {
	if (proto == header.ProtocolUDP || proto == header.ProtocolTCP) && len(b) >= header.UDPSize {
		fmt.Fprintf(s, " %d > %d", header.UDP(b).SrcPort(), header.UDP(b).DstPort())
	}
}

func dumpIPv6(b []byte) string {
	h, drop := header.ParseIPv6(b)
	if drop != tcpip.DropNone {
		return "IP6 " + drop.String()
	}
	var s strings.Builder
	fmt.Fprintf(&s, "IP6 %v > %v:", h.Src(), h.Dst())
	if h.HopLimit() != 64 {
		fmt.Fprintf(&s, " hlim %d,", h.HopLimit())
	}
	if h.TrafficClass() != 0 {
		fmt.Fprintf(&s, " class %#x,", h.TrafficClass())
	}
	var c header.IPv6Chain
	if drop := h.WalkExt(&c); drop != tcpip.DropNone {
		return s.String() + " " + drop.String()
	}
	if f := c.Fragment; f.Present() && !f.Atomic() {
		more := ""
		if f.More {
			more = "+"
		}
		fmt.Fprintf(&s, " frag %d@%d%s", len(h)-f.DataAt(), f.Offset, more)
		return s.String()
	}
	p := h[c.Offset:]
	if c.Protocol == header.ProtocolICMPv6 && len(p) >= header.ICMPv6Size {
		m := header.ICMPv6(p)
		fmt.Fprintf(&s, " ICMP6 %v", m.Type())
		dumpICMPv6(&s, m)
		if !m.ChecksumValid(h.Src(), h.Dst()) {
			s.WriteString(", bad cksum")
		}
	} else {
		fmt.Fprintf(&s, " %v", c.Protocol)
		dumpPorts(&s, c.Protocol, p)
		if c.Protocol == header.ProtocolUDP && len(p) >= header.UDPSize && !header.UDP(p).ChecksumValid(h.Src(), h.Dst()) {
			s.WriteString(", bad cksum")
		}
	}
	fmt.Fprintf(&s, ", length %d", len(p))
	return s.String()
}

func dumpICMPv6(s *strings.Builder, m header.ICMPv6) {
	switch m.Type() {
	case header.ICMPv6Echo, header.ICMPv6EchoReply:
		fmt.Fprintf(s, ", id %d, seq %d", m.ID(), m.Sequence())
	case header.ICMPv6Unreachable, header.ICMPv6TimeExceeded:
		fmt.Fprintf(s, " %d", m.Code())
	case header.ICMPv6PacketTooBig:
		fmt.Fprintf(s, ", mtu %d", m.MTU())
	case header.ICMPv6ParameterProblem:
		fmt.Fprintf(s, " %d at %d", m.Code(), m.Pointer())
	case header.ICMPv6NeighborSolicit:
		if n, drop := header.ParseNDPNS(m); drop == tcpip.DropNone {
			fmt.Fprintf(s, ", who has %v", n.Target())
			dumpOptions(s, n.Options())
		}
	case header.ICMPv6NeighborAdvert:
		if n, drop := header.ParseNDPNA(m); drop == tcpip.DropNone {
			fmt.Fprintf(s, ", tgt is %v, flags ", n.Target())
			for _, f := range []struct {
				flag header.NDPNAFlags
				name string
			}{{header.NDPRouter, "R"}, {header.NDPSolicited, "S"}, {header.NDPOverride, "O"}} {
				if n.Flags()&f.flag != 0 {
					s.WriteString(f.name)
				}
			}
			dumpOptions(s, n.Options())
		}
	}
}

func dumpOptions(s *strings.Builder, options header.NDPOptions) {
	for o := range options.All() {
		if a, ok := o.LinkAddr(); ok {
			fmt.Fprintf(s, ", at %v", a)
		} else if nonce, ok := o.Nonce(); ok {
			fmt.Fprintf(s, ", nonce of %d", len(nonce))
		}
	}
}
