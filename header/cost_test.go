package header

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed963a8790/netstack/tcpip"
)

// What the hot paths call is inlined by the compiler.
func TestInlining(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go tool in PATH")
	}
	out, err := exec.Command(goTool, "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	inlined := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if _, name, ok := strings.Cut(line, ": can inline "); ok {
			inlined[strings.Fields(name)[0]] = true
		}
	}
	for _, group := range []struct{ receiver, names string }{
		{"Ethernet", "Dst Src Type Payload SetDst SetSrc SetType"},
		{"ARP", "Op SenderLinkAddr SenderAddr TargetLinkAddr TargetAddr"},
		{"IPv4", "HeaderLen TOS TotalLength ID Flags FragmentOffset TTL Protocol Checksum Src Dst Header Options Payload PayloadLength IsFragment SetTOS SetTotalLength SetID SetTTL SetChecksum SetSrc SetDst SetFragment"},
		{"IPv6", "TrafficClass FlowLabel PayloadLength NextHeader HopLimit Src Dst Payload SetTrafficClass SetPayloadLength SetNextHeader SetHopLimit SetSrc SetDst"},
		{"ICMPv4", "Type Code Checksum Rest ID Sequence NextHopMTU Pointer Gateway Payload SetType SetChecksum"},
		{"ICMPv6", "Type Code Checksum Rest ID Sequence MTU Pointer Payload SetType SetChecksum"},
		{"UDP", "SrcPort DstPort Length Checksum Payload SetSrcPort SetDstPort SetLength SetChecksum"},
		{"TCP", "SrcPort DstPort Seq Ack HeaderLen Flags Window Checksum Urgent Header Options Payload SetSrcPort SetDstPort SetSeq SetAck SetWindow SetChecksum SetUrgent SetFlags"},
		{"NDPRA", "CurHopLimit Managed OtherConfig Preference RouterLifetime ReachableTime RetransTimer Options"},
		{"NDPNS", "Target Options"},
		{"NDPNA", "Flags Target Options"},
		{"NDPRedirect", "Target Dst Options"},
		{"NDPOption", "Kind LinkAddr MTU"},
		{"IGMP", "Type Checksum Group"},
		{"MLD", "Type Group"},
		{"(*TCPOptions)", "Blocks"},
		{"(*UDPFields)", "Encode"},
		{"(*EthernetFields)", "Encode"},
	} {
		for name := range strings.FieldsSeq(group.names) {
			if !inlined[group.receiver+"."+name] {
				t.Errorf("%s.%s is not inlined", group.receiver, name)
			}
		}
	}
}

// Nothing that reads or writes a header allocates, iterators included.
func TestNoAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(10, func() {}); n != 0 {
		t.Skip("this build allocates for nothing")
	}
	for i, f := range packets(t) {
		if n := testing.AllocsPerRun(1, func() { touch(f) }); n != 0 {
			t.Errorf("packet %d: %v allocations: %x", i+1, n, []byte(f))
		}
	}
	a4, a6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")
	options := TCPOptions{HasTimestamp: true, NumSACK: 3, HasFastOpen: true}
	b := make([]byte, 200)
	if n := testing.AllocsPerRun(100, func() {
		(&EthernetFields{}).Encode(b)
		(&ARPFields{SenderAddr: a4, TargetAddr: a4}).Encode(b)
		(&IPv4Fields{Src: a4, Dst: a4}).Encode(b)
		(&IPv6Fields{Src: a6, Dst: a6}).Encode(b)
		(&UDPFields{}).Encode(b)
		(&TCPFields{}).Encode(b, &options)
		(&ICMPv4Fields{}).Encode(b)
		(&ICMPv6Fields{}).Encode(b)
		(&VirtioNet{}).Encode(b, VirtioNetSize)
		AppendNDPLinkAddr(AppendNDPNS(b[:0], a6), NDPSourceLinkAddr, tcpip.LinkAddr{})
		AppendIGMP(b[:0], IGMPv2Report, a4)
		TransportChecksum(ProtocolTCP, a6, a6, b)
	}); n != 0 {
		t.Errorf("encoding: %v allocations", n)
	}
}

// touch goes down through a frame as the stack does.
func touch(f Ethernet) (sum int) {
	var p Protocol
	var b []byte
	switch f.Type() {
	case EtherTypeARP:
		h, _ := ParseARP(f.Payload())
		return int(h.Op()) + int(h.SenderLinkAddr()[0]) + h.TargetAddr().BitLen()
	case EtherTypeIPv4:
		h, _ := ParseIPv4(f.Payload())
		var fields IPv4Fields
		h.Decode(&fields)
		options, _, _ := ParseIPv4Options(h.Options())
		for o := range options.All() {
			sum += len(o.Value())
		}
		if !h.ChecksumValid() || fields.FragmentOffset != 0 {
			return sum
		}
		p, b = h.Protocol(), h.Payload()
	case EtherTypeIPv6:
		h, _ := ParseIPv6(f.Payload())
		var fields IPv6Fields
		h.Decode(&fields)
		var c IPv6Chain
		if drop := h.WalkExt(&c); drop != tcpip.DropNone || c.Fragment.Offset != 0 {
			return sum
		}
		p, b = c.Protocol, h[c.Offset:]
	}
	switch p {
	case ProtocolTCP:
		h, _ := ParseTCP(b)
		var fields TCPFields
		h.Decode(&fields)
		var o TCPOptions
		DecodeTCPOptions(h.Options(), &o)
		sum += int(fields.Seq) + int(o.TSVal) + o.Size() + o.MaxSACKBlocks()
	case ProtocolUDP:
		if h, drop := ParseUDP(b); drop == tcpip.DropNone {
			sum += len(h.Payload())
		}
	case ProtocolICMPv4:
		h, _ := ParseICMPv4(b)
		if h.Type().IsError() {
			q, _ := ParseQuotedIPv4(h.Payload())
			sum += int(q.SrcPort)
		}
	case ProtocolICMPv6:
		h, _ := ParseICMPv6(b)
		if h.Type().IsError() {
			q, _ := ParseQuotedIPv6(h.Payload())
			sum += int(q.SrcPort)
		}
		if ra, drop := ParseNDPRA(h); drop == tcpip.DropNone {
			for o := range ra.Options().All() {
				info, _ := o.PrefixInfo()
				route, _ := o.RouteInfo()
				_, servers, _ := o.RDNSS()
				for s := range servers.All() {
					sum += s.BitLen()
				}
				sum += info.Prefix.Bits() + route.Prefix.Bits()
			}
		}
		if ns, drop := ParseNDPNS(h); drop == tcpip.DropNone {
			a, _ := ns.Options().LinkAddr(NDPSourceLinkAddr)
			sum += int(a[0])
		}
		if m, drop := ParseMLD(h); drop == tcpip.DropNone {
			q, _ := m.Query()
			sum += q.Sources.Len()
			for r := range m.Records().All() {
				sum += r.Sources.Len()
			}
		}
	case ProtocolIGMP:
		h, _ := ParseIGMP(b)
		q, _ := h.Query()
		sum += q.Sources.Len()
		for r := range h.Records().All() {
			sum += r.Sources.Len()
		}
	}
	return sum
}

func BenchmarkDecodeTCP(b *testing.B) {
	segment := make([]byte, TCPMaxSize)
	(&TCPFields{Flags: ACK}).Encode(segment, &TCPOptions{HasTimestamp: true, TSVal: 1, NumSACK: 3})
	for _, c := range []struct {
		name string
		n    int
	}{{"timestamp", TCPSize + 12}, {"sack", TCPMaxSize}} {
		segment[12] = uint8(c.n/4) << 4
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var fields TCPFields
			var options TCPOptions
			for range b.N {
				h, _ := ParseTCP(segment[:c.n])
				h.Decode(&fields)
				DecodeTCPOptions(h.Options(), &options)
			}
		})
	}
}

func BenchmarkEncodeTCP(b *testing.B) {
	segment := make([]byte, TCPMaxSize)
	fields, options := TCPFields{Flags: ACK}, TCPOptions{HasTimestamp: true, TSVal: 1}
	b.ReportAllocs()
	for range b.N {
		fields.Encode(segment, &options)
	}
}

func BenchmarkIPv4(b *testing.B) {
	a := netip.MustParseAddr("10.0.0.1")
	fields := IPv4Fields{TotalLength: 40, TTL: 64, Protocol: ProtocolTCP, Src: a, Dst: a}
	packet := make([]byte, 40)
	fields.Encode(packet)
	b.Run("parse", func(b *testing.B) {
		for range b.N {
			if h, drop := ParseIPv4(packet); drop != tcpip.DropNone || !h.ChecksumValid() {
				b.Fatal(drop)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		for range b.N {
			fields.Encode(packet)
		}
	})
}

func BenchmarkIPv6WalkExt(b *testing.B) {
	for _, f := range crafted() {
		h, drop := ParseIPv6(f.Payload())
		var c IPv6Chain
		if drop != tcpip.DropNone || h.WalkExt(&c) != tcpip.DropNone || c.Offset < 80 {
			continue
		}
		b.Run("chain", func(b *testing.B) {
			for range b.N {
				h.WalkExt(&c)
			}
		})
	}
}
