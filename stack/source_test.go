package stack

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

// Source selection: RFC 6724 §5 with the examples of §10.1, and Linux's choice for IPv4 (BEHAVIOUR C8).
func TestSourceSelection(t *testing.T) {
	for _, c := range []struct {
		rule    string
		out     string // addresses of the outgoing NIC; "-" in front: deprecated, "?": tentative
		other   string // addresses of another NIC
		dst     string
		nextHop string
		want    string
	}{
		{"1 same address", "2001:db8:1::1/64 2001:db8:1::2/64", "", "2001:db8:1::2", "", "2001:db8:1::2"},
		{"2 scope, global destination", "fe80::1/64 2001:db8:3::1/64", "", "2001:db8:1::1", "", "2001:db8:3::1"},
		{"2 scope, link-local destination", "2001:db8:3::1/64 fe80::1/64", "", "fe80::7", "", "fe80::1"},
		{"2 scope, multicast", "2001:db8:3::1/64 fe80::1/64", "", "ff02::1", "", "fe80::1"},
		{"2 scope, wide multicast", "fe80::1/64 2001:db8:3::1/64", "", "ff0e::1", "", "2001:db8:3::1"},
		{"2 scope, site multicast", "fe80::1/64 2001:db8:3::1/64", "", "ff05::1", "", "2001:db8:3::1"},
		{"2 smallest scope that suffices", "2001:db8:3::1/64 fec0::1/64", "", "fec0::9", "", "fec0::1"},
		{"2 scope before outgoing", "fe80::1/64", "2001:db8:3::1/64", "2001:db8:1::1", "", "2001:db8:3::1"},
		{"3 deprecated", "-2001:db8:1::1/64 2001:db8:3::1/64", "", "2001:db8:1::9", "", "2001:db8:3::1"},
		{"3 deprecated if nothing else", "-2001:db8:1::1/64 fe80::1/64", "", "2001:db8:1::9", "", "2001:db8:1::1"},
		{"3 before 5", "-2001:db8:1::1/64", "2001:db8:3::1/64", "2001:db8:1::9", "", "2001:db8:3::1"},
		{"5 outgoing", "2001:db8:3::1/64", "2001:db8:1::1/64", "2001:db8:1::9", "", "2001:db8:3::1"},
		{"6 label, 6to4", "2001:db8::1/64 2002:c633:6401::1/48", "", "2002:c633:6401::d5e3", "", "2002:c633:6401::1"},
		{"6 label, ULA", "2001:db8::1/64 fd00::1/64", "", "fd00:1::1", "", "fd00::1"},
		{"6 label, global", "fd00::1/64 2001:db8::1/64", "", "2001:4860::1", "", "2001:db8::1"},
		{"6 before 8", "2001:db8::1/64 2002:c633:6401::1/48", "", "2001:db9::1", "", "2001:db8::1"},
		{"8 longest prefix", "2001:db8:1::1/64 2001:db8:3::1/64", "", "2001:db8:3::9", "", "2001:db8:3::1"},
		{"8 no longer than the source's", "2001:db8::5/32 2001:db8::1/33", "", "2001:db8::4", "", "2001:db8::1"},
		{"8 equal: the first", "2001:db8:1::5/64 2001:db8:1::4/64", "", "2001:db8:1::4:0:0", "", "2001:db8:1::5"},
		{"tentative never", "?2001:db8:1::1/64 2001:db8:3::1/64", "", "2001:db8:1::9", "", "2001:db8:3::1"},
		{"link-local of others never", "2001:db8:1::1/64", "fe80::1/64", "fe80::9", "", "2001:db8:1::1"},
		{"none", "", "fe80::1/64", "2001:db8::1", "", "invalid IP"},
		{"none of the family", "10.0.0.1/8", "10.1.0.1/8", "2001:db8::1", "", "invalid IP"},

		{"IPv4 same", "10.0.0.1/24 10.0.0.2/24", "", "10.0.0.2", "", "10.0.0.2"},
		{"IPv4 first", "10.0.0.1/24 10.0.0.2/24", "", "10.0.0.9", "", "10.0.0.1"},
		{"IPv4 network of the next hop", "10.0.0.1/24 10.0.1.1/24", "", "8.8.8.8", "10.0.1.254", "10.0.1.1"},
		{"IPv4 not by longest prefix", "10.0.0.1/24 192.168.0.1/24", "", "192.168.99.9", "10.0.0.254", "10.0.0.1"},
		{"IPv4 scope", "169.254.0.1/16 10.0.0.1/24", "", "8.8.8.8", "169.254.0.9", "10.0.0.1"},
		{"IPv4 outgoing before scope", "169.254.0.1/16", "10.0.0.1/24", "8.8.8.8", "", "169.254.0.1"},
		{"IPv4 another NIC's", "", "10.0.0.1/24", "8.8.8.8", "", "10.0.0.1"},
		{"IPv4 deprecated", "-10.0.0.1/24 10.0.0.2/24", "", "10.0.0.9", "", "10.0.0.2"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			f := newFixture(t)
			add := func(addresses string) *NIC {
				n, _ := f.nic(LinkEthernet)
				for _, a := range strings.Fields(addresses) {
					p := netip.MustParsePrefix(strings.TrimLeft(a, "-?"))
					require.NoError(t, n.AddAddress(p))
					switch a[0] {
					case '-':
						n.SetAddressState(p.Addr(), AddressDeprecated)
					case '?':
						n.SetAddressState(p.Addr(), AddressTentative)
					}
				}
				return n
			}
			out := add(c.out)
			add(c.other)
			require.Equal(t, c.want, f.conf.Load().source(out, addr(c.dst), addr(c.nextHop), 0).String())
		})
	}
}

// RFC 6724 §2.1.
func TestPolicyTable(t *testing.T) {
	for a, label := range map[string]uint8{
		"::1": 0, "2001:db8::1": 1, "2002::1": 2, "::5": 3, "10.0.0.1": 4, "2001::1": 5, "fec0::1": 11, "3ffe::1": 12, "fd00::1": 13,
	} {
		require.Equal(t, label, labelOf(addr(a)), a)
	}
	for i := 1; i < len(policyTable); i++ {
		require.LessOrEqual(t, policyTable[i].prefix.Bits(), policyTable[i-1].prefix.Bits(), "longest first")
	}
}

// Rule 7 of RFC 6724 §5 and RFC 5014: a temporary address is preferred, unless somebody prefers the others; what
// reaches farther or is not deprecated comes first all the same.
func TestSourceTaste(t *testing.T) {
	f := newFixture(t)
	n, _ := f.nic(LinkEthernet)
	add := func(a string, o AddressOptions) { require.NoError(t, n.AddAddressWith(netip.MustParsePrefix(a), o)) }
	chosen := func(taste tcpip.SourceTaste) string {
		return f.conf.Load().source(n, addr("2001:db8::9"), netip.Addr{}, taste).String()
	}
	add("2001:db8::1/64", AddressOptions{NoDAD: true})
	add("2001:db8::2/64", AddressOptions{NoDAD: true, Temporary: true})
	require.Equal(t, "2001:db8::2", chosen(0))
	require.Equal(t, "2001:db8::2", chosen(tcpip.TasteTemporary))
	require.Equal(t, "2001:db8::1", chosen(tcpip.TastePublic))
	n.SetAddressState(addr("2001:db8::1"), AddressDeprecated)
	require.Equal(t, "2001:db8::2", chosen(tcpip.TastePublic), "rule 3 comes before rule 7")
	require.Equal(t, []bool{false, true}, []bool{n.Addresses()[0].Temporary, n.Addresses()[1].Temporary})
}
