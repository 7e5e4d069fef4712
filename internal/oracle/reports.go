package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Sysctl sets a variable of /proc/sys/net, as far as there are such.
func (r *Run) Sysctl(name string, value int) {
	r.logf("%s = %d", name, value)
	r.sockets.Sysctl(name, value)
}

// Reports logs the reports of multicast listeners, IGMP and MLD, that leave through t0 within so many
// milliseconds. Their order, and that of records and sources, is not compared, nor how often one is repeated.
func (r *Run) Reports(milliseconds int) {
	lines := slices.Compact(r.reports(milliseconds)) // robustness
	if len(lines) == 0 {
		lines = []string{"reported nothing"}
	}
	r.log = append(r.log, lines...)
}

// EveryReport is Reports with each repetition.
func (r *Run) EveryReport(milliseconds int) { r.log = append(r.log, r.reports(milliseconds)...) }

func (r *Run) reports(milliseconds int) (lines []string) {
	r.sockets.Pass(milliseconds)
	for _, b := range r.sockets.Sent() {
		if s := report(b); s != "" {
			lines = append(lines, "reported "+s)
		}
	}
	slices.Sort(lines)
	return lines
}

// forget lets time pass and drops what is sent.
func (r *Run) forget(milliseconds int) {
	r.sockets.Pass(milliseconds)
	r.sockets.Sent()
}

// report renders a message of IGMP or MLD; "" for other packets.
func report(b []byte) string {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[9] == 2:
		h, drop := header.ParseIPv4(b)
		if drop != tcpip.DropNone {
			return "IGMP in a bad packet"
		}
		s := fmt.Sprintf("IGMP %v > %v ttl %d tos %#x", h.Src(), h.Dst(), h.TTL(), h.TOS())
		if h.Flags()&header.IPv4DontFragment != 0 {
			s += " DF"
		}
		if len(h.Options()) > 0 {
			s += fmt.Sprintf(" options %x", []byte(h.Options()))
		}
		m, drop := header.ParseIGMP(h.Payload())
		switch {
		case drop != tcpip.DropNone:
			return s + " " + drop.String()
		case !m.ChecksumValid():
			s += " bad checksum"
		}
		if m.Type() == header.IGMPv3Report {
			return s + " v3" + records(m.Records())
		}
		return s + fmt.Sprintf(" type %#x %v", uint8(m.Type()), m.Group())
	case len(b) >= 40 && b[0]>>4 == 6:
		h, drop := header.ParseIPv6(b)
		if drop != tcpip.DropNone {
			return ""
		}
		var c header.IPv6Chain
		if h.WalkExt(&c) != tcpip.DropNone || c.Protocol != header.ProtocolICMPv6 {
			return ""
		}
		icmp, drop := header.ParseICMPv6(h[c.Offset:])
		if drop != tcpip.DropNone {
			return ""
		}
		m, drop := header.ParseMLD(icmp)
		if drop != tcpip.DropNone {
			return ""
		}
		s := fmt.Sprintf("MLD %v > %v hops %d class %#x", h.Src(), h.Dst(), h.HopLimit(), h.TrafficClass())
		if c.Offset > header.IPv6Size {
			s += fmt.Sprintf(" options %x", []byte(h[header.IPv6Size:c.Offset]))
		}
		if !icmp.ChecksumValid(h.Src(), h.Dst()) {
			s += " bad checksum"
		}
		if m.Type() == header.ICMPv6MLDv2Report {
			return s + " v2" + records(m.Records())
		}
		return s + fmt.Sprintf(" type %d %v", m.Type(), m.Group())
	}
	return ""
}

// records renders the records of a report; of the many sources of a long one only their number.
func records(all header.GroupRecords) string {
	var list []string
	for g := range all.All() {
		var sources []string
		for a := range g.Sources.All() {
			sources = append(sources, a.String())
		}
		slices.Sort(sources)
		s := strings.Join(sources, " ")
		if len(sources) > 8 {
			s = fmt.Sprint(len(sources), " sources")
		}
		list = append(list, fmt.Sprintf(" %v %v {%s}", g.Type, g.Group, s))
	}
	slices.Sort(list)
	if len(list) > 8 {
		return fmt.Sprintf(" %d records", len(list))
	}
	return strings.Join(list, "")
}

// igmpQuery is a query that arrives, as the router 10.77.0.2 sends it.
func igmpQuery(q header.MulticastQuery, sources ...string) arriving {
	if !q.Group.IsValid() {
		q.Group = netip.IPv4Unspecified()
	}
	to := q.Group
	if q.General() {
		to = netip.MustParseAddr("224.0.0.1")
	}
	return arriving{from: Peer4, to: to.String(), ttl: 1, tos: 0xc0, proto: 2, options: []byte{0x94, 4, 0, 0},
		data: header.AppendIGMPQuery(nil, &q, addresses(sources))}
}

// mldQuery is the same of IPv6, from a link-local address.
func mldQuery(q header.MulticastQuery, sources ...string) arriving {
	if !q.Group.IsValid() {
		q.Group = netip.IPv6Unspecified()
	}
	to := q.Group
	if q.General() {
		to = netip.MustParseAddr("ff02::1")
	}
	return mldMessage("fe80::2", to.String(), header.AppendMLDQuery(nil, &q, addresses(sources)))
}

// mldMessage is a message with the hop limit and the router alert of multicast listener discovery.
func mldMessage(from, to string, m []byte) arriving {
	a := arriving{from: from, to: to, ttl: 1, proto: 58, ext: []extension{{0, []byte{0, 5, 2, 0, 0, 1, 0}}}, data: m}
	src, dst := netip.MustParseAddr(from), netip.MustParseAddr(to)
	binary.BigEndian.PutUint16(m[2:], 0)
	header.ICMPv6(m).UpdateChecksum(src, dst)
	return a
}

func addresses(list []string) (all []netip.Addr) {
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

// Up turns an interface on or off.
func (r *Run) Up(name string, up bool) {
	r.logf("%s up: %v", name, up)
	r.sockets.Up(name, up)
}
