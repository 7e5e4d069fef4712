package behaviour

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// ext is an extension header: its number, and its bytes behind Next Header.
type ext struct {
	number header.Protocol
	rest   []byte
}

// chained is a datagram to port 7 behind extension headers.
func chained(dst netip.Addr, chain ...ext) []byte {
	from, to := at("[fd00::2]:9"), netip.AddrPortFrom(dst, 7)
	first, b := header.ProtocolUDP, []byte(nil)
	for i, e := range chain {
		next := header.ProtocolUDP
		if i+1 < len(chain) {
			next = chain[i+1].number
		}
		b = append(append(b, byte(next)), e.rest...)
	}
	if len(chain) > 0 {
		first = chain[0].number
	}
	return packet(from.Addr(), dst, first, append(b, testnet.UDP(from, to, []byte("x"))...))
}

// options makes a header out of options, and pads it.
func options(number header.Protocol, o ...[]byte) ext {
	b := slices.Concat(o...)
	switch n := 8 - (2+len(b))%8; n {
	case 8:
	case 1:
		b = append(b, 0)
	default:
		b = append(b, 1, byte(n-2))
		b = append(b, make([]byte, n-2)...)
	}
	return ext{number, append([]byte{byte((2+len(b))/8 - 1)}, b...)}
}

// repeat returns n options of a type, empty.
func repeat(kind byte, n int) (all []byte) {
	for range n {
		all = append(all, kind, 0)
	}
	return all
}

// Extension headers.
func TestF8(t *testing.T) {
	const hop, dest, routing, ah = header.ProtocolHopByHop, header.ProtocolDestOptions, header.ProtocolRouting, header.ProtocolAH
	const skipped = 0x1e // an option that means nothing and may be skipped
	us := addr("fd00::1")
	route := func(kind, left byte) ext { return ext{routing, []byte{0, kind, left, 0, 0, 0, 0}} }
	pad := ext{dest, []byte{0, 1, 4, 0, 0, 0, 0}}
	auth := ext{ah, []byte{0, 0, 0, 0, 0, 0, 0}}
	times := func(e ext, n int) []ext { return slices.Repeat([]ext{e}, n) }
	long := func(n int) ext { // an option of n bytes, in pieces
		var all [][]byte
		for range n / 200 {
			all = append(all, append([]byte{skipped, 198}, make([]byte, 198)...))
		}
		return options(dest, all...)
	}
	for _, c := range []struct {
		name   string
		chain  []ext
		why    tcpip.Drop
		answer string // a part of it; "" is none
	}{
		{"none", nil, 0, ""},
		{"type 0 routing", []ext{route(0, 1)}, tcpip.DropRoutingHeader, "parameter problem 0 at 42"},
		{"type 0 routing, many left", []ext{route(0, 255)}, tcpip.DropRoutingHeader, "parameter problem 0 at 42"},
		{"type 0 routing behind options", []ext{pad, route(0, 1)}, tcpip.DropRoutingHeader, "parameter problem 0 at 50"},
		{"type 0 routing, none left", []ext{route(0, 0)}, 0, ""}, // RFC 5095 §3: skipped, as any other
		{"type 4 routing", []ext{route(4, 1)}, tcpip.DropBadExtHeader, "parameter problem 0 at 42"},
		{"two routing headers", []ext{route(0, 0), route(0, 0)}, 0, ""}, // RFC 8200 §4.1: in any number
		{"type 0 routing behind another", []ext{route(4, 0), route(0, 1)}, tcpip.DropRoutingHeader, "parameter problem 0 at 50"},

		{"8 options", []ext{options(dest, repeat(skipped, 8))}, 0, ""},
		{"9 options", []ext{options(dest, repeat(skipped, 9))}, tcpip.DropHeaderChain, ""},
		{"120 options", []ext{options(dest, repeat(skipped, 120))}, tcpip.DropHeaderChain, ""},
		{"8 hop-by-hop options", []ext{options(hop, repeat(skipped, 8))}, 0, ""},
		{"9 hop-by-hop options", []ext{options(hop, repeat(skipped, 9))}, tcpip.DropHeaderChain, ""},
		{"8 options twice", []ext{options(dest, repeat(skipped, 8)), options(dest, repeat(skipped, 8))}, 0, ""},
		{"8 bytes of padding", []ext{options(dest, make([]byte, 8))}, tcpip.DropBadOption, ""},
		{"padding with content", []ext{options(dest, []byte{1, 2, 0, 7})}, tcpip.DropBadOption, ""},
		{"an option beyond its header", []ext{{dest, []byte{0, skipped, 5, 0, 0, 0, 0}}}, tcpip.DropBadOption, ""},

		{"8 headers", times(pad, 8), 0, ""},
		{"9 headers", times(pad, 9), tcpip.DropHeaderChain, ""},
		{"100 headers", times(pad, 100), tcpip.DropHeaderChain, ""},
		{"authentication that nobody checks", []ext{auth}, tcpip.DropUnknownType, "parameter problem 1 at 6"},
		{"hop-by-hop options behind others", []ext{pad, options(hop)}, tcpip.DropBadExtHeader, "parameter problem 1"},
		{"1200 bytes of headers", []ext{long(1200)}, 0, ""},
		{"2400 bytes of headers", []ext{long(1200), long(1200)}, tcpip.DropShort, ""},

		{"unknown 00", []ext{options(dest, repeat(0x3e, 1))}, 0, ""},
		{"unknown 01", []ext{options(dest, repeat(0x7e, 1))}, tcpip.DropBadOption, ""},
		{"unknown 10", []ext{options(dest, repeat(0xbe, 1))}, tcpip.DropBadOption, "parameter problem 2 at 42"},
		{"unknown 11", []ext{options(dest, repeat(0xfe, 1))}, tcpip.DropBadOption, "parameter problem 2 at 42"},
		{"unknown hop-by-hop 00", []ext{options(hop, repeat(0x3e, 1))}, 0, ""},
		{"unknown hop-by-hop 01", []ext{options(hop, repeat(0x7e, 1))}, tcpip.DropBadOption, ""},
		{"unknown hop-by-hop 10", []ext{options(hop, repeat(0xbe, 1))}, tcpip.DropBadOption, "parameter problem 2 at 42"},
		{"unknown hop-by-hop 11", []ext{options(hop, repeat(0xfe, 1))}, tcpip.DropBadOption, "parameter problem 2 at 42"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVictim(t, stack.Options{}, channel.Options{MTU: 9000}, stack.NICOptions{})
			e := v.bound(header.ProtocolUDP, true, 7)
			n := 1
			if c.why == tcpip.DropNone {
				n = 0
			}
			v.dropped(n, c.why, func() { v.nic.Inject(chained(us, c.chain...)) })
			_, err := e.Read(make([]byte, 9), tcpip.ReadOptions{})
			require.Equal(t, n == 0, err == nil)
			answers := v.nic.Sent()
			if c.answer == "" {
				require.Empty(t, answers)
				return
			}
			require.Len(t, answers, 1)
			require.Contains(t, answers[0], "IP6 fd00::1 > fd00::2: ICMP6 "+c.answer)
		})
	}
	t.Run("unknown options to a group", func(t *testing.T) { // RFC 8200 §4.2: only 10 answers then
		for kind, answers := range map[byte]int{0x3e: 0, 0x7e: 0, 0xbe: 1, 0xfe: 0} {
			v := plain(t)
			v.nic.Inject(chained(addr("ff02::1"), options(dest, repeat(kind, 1))))
			require.Len(t, v.nic.Sent(), answers, "%#x", kind)
			bad := 1
			if kind == 0x3e {
				bad = 0
			}
			require.Equal(t, bad, v.Drops(tcpip.DropBadOption))
		}
	})
	t.Run("on the way", func(t *testing.T) { // a router looks at hop-by-hop options alone
		far := addr("2001:db8::9")
		for _, c := range []struct {
			chain []ext
			why   tcpip.Drop
		}{
			{[]ext{options(hop, repeat(skipped, 8))}, 0},
			{[]ext{options(hop, repeat(skipped, 9))}, tcpip.DropHeaderChain},
			{[]ext{options(hop, repeat(0x7e, 1))}, tcpip.DropBadOption},
			{[]ext{options(dest, repeat(0x7e, 1))}, 0},
			{[]ext{route(0, 1)}, 0}, // RFC 5095 forbids to process it, and not to pass it on
		} {
			v := plain(t)
			v.nic.SetForwarding(true)
			n := 1
			if c.why == tcpip.DropNone {
				n = 0
			}
			v.dropped(n, c.why, func() { v.nic.Inject(chained(far, c.chain...)) })
			require.Len(t, v.nic.Sent(), 1-n)
		}
	})
}
