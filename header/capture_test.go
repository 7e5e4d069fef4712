package header

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"

	"github.com/seed963a8790/netstack/tcpip"
)

// capturePath holds what Linux sent to Linux; capture.py beside it says how it was recorded.
const capturePath = "../testdata/captures/kernel.pcap"

// captured returns the Ethernet frames of the capture, about 360 of them.
func captured(t testing.TB) []Ethernet {
	t.Helper()
	b, err := os.ReadFile(capturePath)
	if err != nil {
		t.Fatal(err)
	}
	var frames []Ethernet
	for b = b[24:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b[8:])
		h, drop := ParseEthernet(b[16 : 16+n])
		if drop != tcpip.DropNone {
			t.Fatalf("frame %d: %v", len(frames), drop)
		}
		frames = append(frames, h)
		b = b[16+n:]
	}
	return frames
}

// crafted returns frames of the kinds that Linux was not brought to send.
func crafted() []Ethernet {
	router, host := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("2001:db8::10")
	far, group := netip.MustParseAddr("2001:db8:1::53"), netip.MustParseAddr("ff05::1:2")
	udp := func() []byte {
		b := make([]byte, 12)
		(&UDPFields{SrcPort: 7, DstPort: 53, Length: 12}).Encode(b)
		return b
	}
	ip6 := func(next Protocol, payload []byte) Ethernet {
		b := make([]byte, EthernetSize+IPv6Size, EthernetSize+IPv6Size+len(payload))
		(&EthernetFields{Type: EtherTypeIPv6}).Encode(b)
		(&IPv6Fields{PayloadLength: uint16(len(payload)), NextHeader: next, HopLimit: 64, Src: router, Dst: host}).Encode(b[EthernetSize:])
		return append(b, payload...)
	}
	chain := func(next Protocol, headers ...[]byte) Ethernet { return ip6(next, bytes.Join(headers, nil)) }
	icmp := func(m []byte) Ethernet {
		ICMPv6(m).UpdateChecksum(router, host)
		return ip6(ProtocolICMPv6, m)
	}
	quote := chain(ProtocolUDP, udp())[EthernetSize:]
	fragment := make([]byte, IPv6FragmentSize)
	(&IPv6Fragment{Next: ProtocolUDP, ID: 7}).Encode(fragment)
	routing0 := append([]byte{17, 2, 0, 1, 0, 0, 0, 0}, far.AsSlice()...)
	routing4 := append([]byte{17, 2, 4, 0, 0, 0, 0, 0}, far.AsSlice()...)
	ah := append([]byte{17, 4, 0, 0}, make([]byte, 20)...)
	sources := []netip.Addr{far, host}
	return []Ethernet{
		icmp(AppendNDPRedirected(AppendNDPLinkAddr(AppendNDPRedirect(nil, router, far), NDPTargetLinkAddr, tcpip.LinkAddr{2, 3}), quote)),
		icmp(AppendNDPRDNSS(AppendNDPNonce(AppendNDPNS(nil, host), [6]byte{1, 2, 3, 4, 5, 6}), NDPForever, sources)),
		icmp(AppendNDPRoute(AppendNDPRA(nil, &NDPRAFields{Preference: NDPPreferenceLow}), &NDPRouteInfo{Prefix: netip.MustParsePrefix("::/0")})),
		icmp(AppendMLDQuery(nil, &MulticastQuery{Version: 2, Group: group, Suppress: true}, sources)),
		icmp(AppendMLDv2Report(nil, []GroupRecordFields{{ModeIsInclude, group, sources}, {BlockOldSources, group, sources[:1]}})),
		chain(ProtocolFragment, fragment, udp()),
		chain(ProtocolRouting, routing0, udp()),
		chain(ProtocolRouting, routing4, udp()),
		chain(ProtocolAH, ah, udp()),
		chain(ProtocolHopByHop, []byte{43, 0, 5, 2, 0, 0, 1, 0}, append([]byte{60}, routing4[1:]...), []byte{44, 0, 1, 4, 0, 0, 0, 0}, fragment, udp()),
	}
}

func packets(t testing.TB) []Ethernet { return append(captured(t), crafted()...) }

// dissect goes down through a frame, and calls every accessor on the way. Nothing it is given may make
// it panic. It returns the name and bytes of each layer that it found.
func dissect(frame []byte) []layer {
	var d dissection
	h, drop := ParseEthernet(frame)
	if drop != tcpip.DropNone {
		return nil
	}
	d.add("ethernet", h)
	_, _, _ = h.Dst().String(), h.Src(), h.Type().String()
	switch h.Type() {
	case EtherTypeARP:
		d.arp(h.Payload())
	case EtherTypeIPv4:
		d.ipv4(h.Payload())
	case EtherTypeIPv6:
		d.ipv6(h.Payload())
	}
	return d.layers
}

type layer struct {
	name string
	b    []byte
}

type dissection struct {
	layers   []layer
	src, dst netip.Addr
}

func (d *dissection) add(name string, b []byte) { d.layers = append(d.layers, layer{name, b}) }

// everyParser is what a hostile peer may reach, by the name of the layer.
var everyParser = []struct {
	name  string
	parse func(d *dissection, b []byte)
}{
	{"arp", (*dissection).arp},
	{"ipv4", (*dissection).ipv4},
	{"ipv4 options", (*dissection).ipv4Options},
	{"ipv6", (*dissection).ipv6},
	{"icmpv4", (*dissection).icmpv4},
	{"icmpv6", (*dissection).icmpv6},
	{"igmp", (*dissection).igmp},
	{"udp", (*dissection).udp},
	{"tcp", (*dissection).tcp},
	{"tcp options", (*dissection).tcpOptions},
	{"virtio", (*dissection).virtio},
	{"quoted ipv4", func(_ *dissection, b []byte) { ParseQuotedIPv4(b) }},
	{"quoted ipv6", func(_ *dissection, b []byte) { ParseQuotedIPv6(b) }},
}

func (d *dissection) arp(b []byte) {
	h, drop := ParseARP(b)
	if drop != tcpip.DropNone {
		return
	}
	d.add("arp", h)
	_, _, _, _, _ = h.Op(), h.SenderLinkAddr(), h.SenderAddr(), h.TargetLinkAddr(), h.TargetAddr()
}

func (d *dissection) ipv4(b []byte) {
	h, drop := ParseIPv4(b)
	if drop != tcpip.DropNone {
		return
	}
	d.add("ipv4", h)
	d.src, d.dst = h.Src(), h.Dst()
	var f IPv4Fields
	h.Decode(&f)
	_, _, _, _ = h.ChecksumValid(), h.Header(), h.PayloadLength(), h.IsFragment()
	d.ipv4Options(h.Options())
	if h.FragmentOffset() == 0 {
		d.transport(h.Protocol(), h.Payload())
	}
}

func (d *dissection) ipv4Options(b []byte) {
	options, _, drop := ParseIPv4Options(bytes.Clone(b))
	if drop != tcpip.DropNone || len(options) == 0 {
		return
	}
	d.add("ipv4 options", options)
	for o := range options.All() {
		_, _, _ = o.Type(), o.Value(), o.NextHop()
		for range 16 { // to the end and beyond
			o.Record(netip.IPv4Unspecified())
			o.Stamp(netip.IPv4Unspecified(), 1)
		}
	}
	options.SourceRoute()
	options.Find(IPv4OptRouterAlert)
	options.KeepCopied()
}

func (d *dissection) ipv6(b []byte) {
	h, drop := ParseIPv6(b)
	if drop != tcpip.DropNone {
		return
	}
	d.add("ipv6", h)
	d.src, d.dst = h.Src(), h.Dst()
	var f IPv6Fields
	h.Decode(&f)
	var c IPv6Chain
	h.WalkHopByHop(&c)
	if h.WalkExt(&c) != tcpip.DropNone {
		return
	}
	if c.Offset > IPv6Size {
		d.add("ipv6 extensions", h[IPv6Size:c.Offset])
	}
	if c.Fragment.Offset == 0 {
		d.transport(c.Protocol, h[c.Offset:])
	}
	if c.Fragment.Present() {
		h.WalkExtFrom(&c, c.Fragment.Next, c.Fragment.DataAt(), c.Fragment.At)
	}
}

func (d *dissection) transport(p Protocol, b []byte) {
	switch p {
	case ProtocolICMPv4:
		d.icmpv4(b)
	case ProtocolIGMP:
		d.igmp(b)
	case ProtocolTCP:
		d.tcp(b)
	case ProtocolUDP:
		d.udp(b)
	case ProtocolICMPv6:
		d.icmpv6(b)
	}
}

func (d *dissection) udp(b []byte) {
	h, drop := ParseUDP(b)
	if drop != tcpip.DropNone {
		return
	}
	d.add("udp", h)
	_, _, _, _ = h.SrcPort(), h.DstPort(), h.Payload(), h.ChecksumValid(d.src, d.dst)
}

func (d *dissection) tcp(b []byte) {
	h, drop := ParseTCP(b)
	if drop != tcpip.DropNone {
		return
	}
	d.add("tcp", h)
	var f TCPFields
	h.Decode(&f)
	_, _, _, _ = h.Header(), h.Payload(), h.ChecksumValid(d.src, d.dst), f.Flags
	d.tcpOptions(h.Options())
}

func (d *dissection) tcpOptions(b []byte) {
	var o TCPOptions
	DecodeTCPOptions(b, &o)
	o.Blocks()
	o.MaxSACKBlocks()
	var space [TCPOptionSpace]byte
	o.Encode(space[:])
}

func (d *dissection) icmpv4(b []byte) {
	h, drop := ParseICMPv4(b)
	if drop != tcpip.DropNone {
		return
	}
	d.add("icmpv4", h)
	_, _, _, _, _ = h.ID(), h.Sequence(), h.NextHopMTU(), h.Pointer(), h.Gateway()
	_, _, _ = h.Code(), h.Rest(), h.ChecksumValid()
	if h.Type().IsError() {
		if q, drop := ParseQuotedIPv4(h.Payload()); drop == tcpip.DropNone {
			d.add("quoted ipv4", q.Transport[:quotedMin])
		}
	}
}

func (d *dissection) icmpv6(b []byte) {
	h, drop := ParseICMPv6(b)
	if drop != tcpip.DropNone {
		return
	}
	d.add("icmpv6", h)
	_, _, _, _, _, _ = h.ID(), h.Sequence(), h.MTU(), h.Pointer(), h.Code(), h.Rest()
	h.ChecksumValid(d.src, d.dst)
	switch t := h.Type(); {
	case t.IsError():
		if q, drop := ParseQuotedIPv6(h.Payload()); drop == tcpip.DropNone {
			d.add("quoted ipv6", q.Transport[:quotedMin])
		}
	case t.IsNDP():
		d.ndp(h)
	default:
		if m, drop := ParseMLD(h); drop == tcpip.DropNone {
			d.add("mld", m)
			m.Group()
			d.multicast(m.Query())
			d.records(m.Records())
		}
	}
}

func (d *dissection) ndp(m ICMPv6) {
	var options NDPOptions
	if h, drop := ParseNDPRS(m); drop == tcpip.DropNone {
		d.add("rs", h)
		options = h.Options()
	}
	if h, drop := ParseNDPRA(m); drop == tcpip.DropNone {
		d.add("ra", h)
		_, _, _, _ = h.CurHopLimit(), h.Managed(), h.OtherConfig(), h.Preference()
		_, _, _ = h.RouterLifetime(), h.ReachableTime(), h.RetransTimer()
		options = h.Options()
	}
	if h, drop := ParseNDPNS(m); drop == tcpip.DropNone {
		d.add("ns", h)
		h.Target()
		options = h.Options()
	}
	if h, drop := ParseNDPNA(m); drop == tcpip.DropNone {
		d.add("na", h)
		_, _ = h.Flags(), h.Target()
		options = h.Options()
	}
	if h, drop := ParseNDPRedirect(m); drop == tcpip.DropNone {
		d.add("redirect", h)
		_, _ = h.Target(), h.Dst()
		options = h.Options()
	}
	for o := range options.All() {
		d.add("ndp option", o)
		o.Value()
		o.LinkAddr()
		o.MTU()
		o.Nonce()
		o.Redirected()
		o.PrefixInfo()
		o.RouteInfo()
		if _, servers, ok := o.RDNSS(); ok {
			d.addrs(servers)
		}
	}
}

func (d *dissection) igmp(b []byte) {
	h, drop := ParseIGMP(b)
	if drop != tcpip.DropNone {
		return
	}
	d.add("igmp", h)
	_, _ = h.Group(), h.ChecksumValid()
	d.multicast(h.Query())
	d.records(h.Records())
}

func (d *dissection) multicast(q MulticastQuery, ok bool) {
	if ok {
		d.addrs(q.Sources)
	}
}

func (d *dissection) records(r GroupRecords) {
	for record := range r.All() {
		d.addrs(record.Sources)
	}
}

func (d *dissection) addrs(l AddrList) {
	n := 0
	for range l.All() {
		n++
	}
	if n != l.Len() {
		panic("AddrList: All and Len disagree")
	}
}

func (d *dissection) virtio(b []byte) {
	if v, drop := ParseVirtioNet(b, VirtioNetLongSize); drop == tcpip.DropNone {
		d.add("virtio", b[:VirtioNetLongSize])
		_ = v.GSO.Kind()
	}
}

// The capture has what the tests below rely on, and the parsers find it.
func TestCaptureCoverage(t *testing.T) {
	count := map[string]int{}
	for _, f := range packets(t) {
		for _, l := range dissect(f) {
			count[l.name]++
		}
	}
	for name, least := range map[string]int{
		"ethernet": 300, "arp": 3, "ipv4": 120, "ipv4 options": 10, "ipv6": 120, "ipv6 extensions": 30, "udp": 40,
		"tcp": 130, "icmpv4": 15, "icmpv6": 50, "quoted ipv4": 5, "quoted ipv6": 8, "igmp": 10, "mld": 15, "rs": 2,
		"ra": 4, "ns": 4, "na": 2, "redirect": 1, "ndp option": 15,
	} {
		if count[name] < least {
			t.Errorf("%s: found %d, want at least %d", name, count[name], least)
		}
	}
	t.Log(count)
}

// The kernel's checksums are right, and ours agree.
func TestCaptureChecksums(t *testing.T) {
	checked := 0
	for i, f := range captured(t) {
		var src, dst netip.Addr
		whole := true
		for _, l := range dissect(f) {
			ok := true
			switch l.name {
			case "ipv4":
				h := IPv4(l.b)
				ok, src, dst, whole = h.ChecksumValid(), h.Src(), h.Dst(), !h.IsFragment()
				was := bytes.Clone(h)
				IPv4(was).UpdateChecksum()
				ok = ok && bytes.Equal(was, h)
				IPv4(was).DecrementTTL()
				ok = ok && IPv4(was).ChecksumValid() && IPv4(was).TTL() == h.TTL()-1
			case "ipv6":
				h := IPv6(l.b)
				var c IPv6Chain
				h.WalkExt(&c)
				src, dst, whole = h.Src(), h.Dst(), !c.Fragment.More
			case "tcp":
				ok = TCP(l.b).ChecksumValid(src, dst)
			case "udp":
				ok = UDP(l.b).ChecksumValid(src, dst) && (src.Is4() || UDP(l.b).Checksum() != 0)
			case "icmpv4":
				ok = ICMPv4(l.b).ChecksumValid()
			case "icmpv6":
				ok = ICMPv6(l.b).ChecksumValid(src, dst)
			case "igmp":
				ok = IGMP(l.b).ChecksumValid()
			default:
				continue
			}
			if !whole {
				break
			}
			checked++
			if !ok {
				t.Errorf("packet %d: the checksum of %s is not valid", i+1, l.name)
			}
		}
	}
	if checked < 300 {
		t.Errorf("only %d checksums", checked)
	}
}

// Decoding a header and encoding it again gives the kernel's bytes.
func TestCaptureRoundTrip(t *testing.T) {
	for i, f := range captured(t) {
		for _, l := range dissect(f) {
			got := make([]byte, len(l.b))
			n := 0
			switch l.name {
			case "ethernet":
				h := Ethernet(l.b)
				(&EthernetFields{h.Dst(), h.Src(), h.Type()}).Encode(got)
				n = EthernetSize
			case "arp":
				h := ARP(l.b)
				(&ARPFields{h.Op(), h.SenderLinkAddr(), h.SenderAddr(), h.TargetLinkAddr(), h.TargetAddr()}).Encode(got)
				n = ARPSize
			case "ipv4":
				var fields IPv4Fields
				IPv4(l.b).Decode(&fields)
				n = fields.Encode(got).HeaderLen()
			case "ipv6":
				var fields IPv6Fields
				IPv6(l.b).Decode(&fields)
				fields.Encode(got)
				n = IPv6Size
			case "udp":
				h := UDP(l.b)
				(&UDPFields{h.SrcPort(), h.DstPort(), h.Length(), h.Checksum()}).Encode(got)
				n = UDPSize
			case "tcp":
				var fields TCPFields
				var options TCPOptions
				TCP(l.b).Decode(&fields)
				if drop := DecodeTCPOptions(TCP(l.b).Options(), &options); drop != tcpip.DropNone {
					t.Errorf("packet %d: TCP options: %v", i+1, drop)
				}
				n = fields.Encode(got, &options).HeaderLen()
				if n != TCP(l.b).HeaderLen() || n != TCPSize+options.Size() {
					t.Errorf("packet %d: TCP header of %d bytes, want %d", i+1, n, TCP(l.b).HeaderLen())
				}
			case "icmpv4":
				h := ICMPv4(l.b)
				(&ICMPv4Fields{h.Type(), h.Code(), h.Checksum(), h.Rest()}).Encode(got)
				n = ICMPv4Size
			case "icmpv6":
				h := ICMPv6(l.b)
				(&ICMPv6Fields{h.Type(), h.Code(), h.Checksum(), h.Rest()}).Encode(got)
				n = ICMPv6Size
			}
			if !bytes.Equal(got[:n], l.b[:n]) {
				t.Errorf("packet %d: %s\n got %x\nwant %x", i+1, l.name, got[:n], l.b[:n])
			}
		}
	}
}

// Every prefix of every packet, in the parser that it is meant for and in all the others.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for _, f := range packets(t) {
		for n := range len(f) {
			dissect(f[:n:n])
		}
		for _, l := range dissect(f) {
			for n := range min(len(l.b), 160) {
				for _, p := range everyParser {
					p.parse(&dissection{}, l.b[:n:n])
				}
			}
		}
	}
}

// Every packet with every one of its bits flipped, and every layer so in the parsers of all the others.
func TestBitFlips(t *testing.T) {
	t.Parallel()
	for _, f := range packets(t) {
		if testing.Short() && len(f) > 200 {
			continue
		}
		b := bytes.Clone(f)
		for bit := range len(b) * 8 {
			b[bit/8] ^= 1 << (bit % 8)
			dissect(b)
			b[bit/8] ^= 1 << (bit % 8)
		}
		for _, l := range dissect(b) {
			for bit := range min(len(l.b), 64) * 8 {
				l.b[bit/8] ^= 1 << (bit % 8)
				for _, p := range everyParser {
					p.parse(&dissection{}, l.b)
				}
				l.b[bit/8] ^= 1 << (bit % 8)
			}
		}
	}
}
