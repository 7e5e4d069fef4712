package header

import (
	"bytes"
	"testing"

	"github.com/seed963a8790/netstack/tcpip"
)

// fuzz runs one of the dissector's parsers, seeded with the layers of that name in the captures.
func fuzz(f *testing.F, name string, check func(t *testing.T, b []byte)) {
	for _, frame := range packets(f) {
		for _, l := range dissect(frame) {
			if l.name == name {
				f.Add([]byte(l.b))
			}
		}
	}
	f.Fuzz(check)
}

func parser(name string) func(*testing.T, []byte) {
	for _, p := range everyParser {
		if p.name == name {
			return func(_ *testing.T, b []byte) { p.parse(&dissection{}, b) }
		}
	}
	panic("no parser " + name)
}

func FuzzParseEthernet(f *testing.F) {
	fuzz(f, "ethernet", func(_ *testing.T, b []byte) { dissect(b) })
}
func FuzzParseARP(f *testing.F)         { fuzz(f, "arp", parser("arp")) }
func FuzzParseUDP(f *testing.F)         { fuzz(f, "udp", parser("udp")) }
func FuzzParseICMPv4(f *testing.F)      { fuzz(f, "icmpv4", parser("icmpv4")) }
func FuzzParseICMPv6(f *testing.F)      { fuzz(f, "icmpv6", parser("icmpv6")) }
func FuzzParseMLD(f *testing.F)         { fuzz(f, "mld", parser("icmpv6")) }
func FuzzParseNDPRS(f *testing.F)       { fuzz(f, "rs", parser("icmpv6")) }
func FuzzParseNDPRA(f *testing.F)       { fuzz(f, "ra", parser("icmpv6")) }
func FuzzParseNDPNS(f *testing.F)       { fuzz(f, "ns", parser("icmpv6")) }
func FuzzParseNDPNA(f *testing.F)       { fuzz(f, "na", parser("icmpv6")) }
func FuzzParseNDPRedirect(f *testing.F) { fuzz(f, "redirect", parser("icmpv6")) }
func FuzzParseIGMP(f *testing.F)        { fuzz(f, "igmp", parser("igmp")) }

func FuzzParseQuotedIPv4(f *testing.F) { fuzz(f, "ipv4", parser("quoted ipv4")) }
func FuzzParseQuotedIPv6(f *testing.F) { fuzz(f, "ipv6", parser("quoted ipv6")) }

func FuzzParseIPv4(f *testing.F) {
	fuzz(f, "ipv4", func(t *testing.T, b []byte) {
		parser("ipv4")(t, b)
		h, drop := ParseIPv4(b)
		if drop != tcpip.DropNone {
			return
		}
		// What was decoded encodes to the same header, but for the reserved flag and the checksum.
		var fields IPv4Fields
		h.Decode(&fields)
		want := IPv4(bytes.Clone(h.Header()))
		want[6] &= 0x7f
		want.UpdateChecksum()
		got := make([]byte, fields.Size())
		if fields.Encode(got); !bytes.Equal(got, want) {
			t.Errorf("got %x, want %x", got, want)
		}
	})
}

func FuzzParseIPv4Options(f *testing.F) {
	fuzz(f, "ipv4 options", func(t *testing.T, b []byte) {
		parser("ipv4 options")(t, b)
		if _, pointer, drop := ParseIPv4Options(b); drop != tcpip.DropNone && (pointer < IPv4Size || pointer > IPv4MaxSize) {
			t.Errorf("pointer %d", pointer)
		}
	})
}

func FuzzParseIPv6(f *testing.F) {
	fuzz(f, "ipv6", func(t *testing.T, b []byte) {
		parser("ipv6")(t, b)
		h, drop := ParseIPv6(b)
		if drop != tcpip.DropNone {
			return
		}
		var c IPv6Chain
		switch drop := h.WalkExt(&c); {
		case drop != tcpip.DropNone && c.Problem.Report != ReportNever && int(c.Problem.Pointer) >= len(h):
			t.Errorf("%v with pointer %d in a packet of %d", drop, c.Problem.Pointer, len(h))
		case drop == tcpip.DropNone && (c.Offset < IPv6Size || c.Offset > len(h) || c.Problem != IPv6Problem{}):
			t.Errorf("no drop, and %+v", c)
		case drop == tcpip.DropNone && c.Protocol.isExtension() && c.Fragment.Offset == 0:
			t.Errorf("the walk ended at an extension header: %+v", c)
		}
	})
}

func FuzzParseTCP(f *testing.F) {
	fuzz(f, "tcp", func(t *testing.T, b []byte) {
		parser("tcp")(t, b)
		h, drop := ParseTCP(b)
		if drop != tcpip.DropNone {
			return
		}
		checkTCPOptions(t, h.Options())
	})
}

func FuzzDecodeTCPOptions(f *testing.F) {
	for _, frame := range packets(f) {
		for _, l := range dissect(frame) {
			if l.name == "tcp" {
				f.Add([]byte(TCP(l.b).Options()))
			}
		}
	}
	f.Fuzz(checkTCPOptions)
}

// checkTCPOptions decodes b, encodes the result and decodes that again, which must give what was there
// before, if there was room for it.
func checkTCPOptions(t *testing.T, b []byte) {
	var first, second TCPOptions
	DecodeTCPOptions(b, &first)
	var space [TCPOptionSpace]byte
	n := first.Encode(space[:])
	if n%4 != 0 || n > TCPOptionSpace || n != first.Size() {
		t.Fatalf("%d bytes, Size %d", n, first.Size())
	}
	if drop := DecodeTCPOptions(space[:n], &second); drop != tcpip.DropNone {
		t.Fatalf("what we encoded: %v: %x", drop, space[:n])
	}
	if sum := optionBytes(&first); sum <= TCPOptionSpace && !equalOptions(&first, &second) {
		t.Errorf("%x: %+v, then %+v", b, first, second)
	}
}

// optionBytes returns an upper bound of what o takes if nothing is left out.
func optionBytes(o *TCPOptions) int {
	n := 0
	for _, x := range []struct {
		has  bool
		size int
	}{
		{o.HasMSS, 4}, {o.HasTimestamp, 12}, {o.SACKPermitted, 4}, {o.HasWindowScale, 4}, {o.HasUserTimeout, 4},
		{o.MD5 != nil, 20}, {o.NumSACK > 0, 4 + 8*int(o.NumSACK)}, {o.AccECN.Has, o.AccECN.Size()}, {o.HasFastOpen, (4 + len(o.FastOpen) + 3) &^ 3},
	} {
		if x.has {
			n += x.size
		}
	}
	return n
}

func equalOptions(a, b *TCPOptions) bool {
	x, y := *a, *b
	if !bytes.Equal(x.FastOpen, y.FastOpen) || !bytes.Equal(x.MD5, y.MD5) {
		return false
	}
	for _, o := range []*TCPOptions{&x, &y} {
		o.FastOpen, o.MD5 = nil, nil
		if !o.HasMSS {
			o.MSS = 0
		}
		clear(o.SACK[o.NumSACK:])
	}
	return x.TSVal == y.TSVal && x.TSEcr == y.TSEcr && x.SACK == y.SACK && x.NumSACK == y.NumSACK && x.MSS == y.MSS &&
		x.UserTimeout == y.UserTimeout && x.WindowScale == y.WindowScale && x.HasMSS == y.HasMSS &&
		x.HasWindowScale == y.HasWindowScale && x.SACKPermitted == y.SACKPermitted &&
		x.HasTimestamp == y.HasTimestamp && x.HasUserTimeout == y.HasUserTimeout && x.HasFastOpen == y.HasFastOpen &&
		x.FastOpenExperimental == y.FastOpenExperimental
}

func FuzzParseVirtioNet(f *testing.F) {
	f.Add(make([]byte, VirtioNetSize), false)
	f.Add([]byte{1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, 1, 0}, true)
	f.Fuzz(func(t *testing.T, b []byte, long bool) {
		size := VirtioNetSize
		if long {
			size = VirtioNetLongSize
		}
		v, drop := ParseVirtioNet(b, size)
		if drop != tcpip.DropNone {
			return
		}
		got := make([]byte, size)
		v.Encode(got, size)
		if b[0] &= 3; !bytes.Equal(got, b[:size]) {
			t.Errorf("got %x, want %x", got, b[:size])
		}
	})
}
