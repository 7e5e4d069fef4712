package tcpip

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddrFrom(t *testing.T) {
	for _, c := range []struct {
		in   string
		want FullAddress
		text string
	}{
		{"192.0.2.1:80", FullAddress{0, netip.MustParseAddr("192.0.2.1"), 80}, "192.0.2.1:80"},
		{"[::ffff:192.0.2.1]:80", FullAddress{0, netip.MustParseAddr("192.0.2.1"), 80}, "192.0.2.1:80"},
		{"[2001:db8::1]:53", FullAddress{0, netip.MustParseAddr("2001:db8::1"), 53}, "[2001:db8::1]:53"},
		{"[fe80::1%3]:1", FullAddress{3, netip.MustParseAddr("fe80::1"), 1}, "[fe80::1]:1@3"},
		{"[fe80::1%eth0]:1", FullAddress{0, netip.MustParseAddr("fe80::1"), 1}, "[fe80::1]:1"},
		{"[fe80::1%-3]:1", FullAddress{0, netip.MustParseAddr("fe80::1"), 1}, "[fe80::1]:1"},
		{"[fe80::1%99999999999]:1", FullAddress{0, netip.MustParseAddr("fe80::1"), 1}, "[fe80::1]:1"},
	} {
		got := AddrFrom(netip.MustParseAddrPort(c.in))
		require.Equal(t, c.want, got, c.in)
		require.Equal(t, c.text, got.String())
		require.Equal(t, netip.AddrPortFrom(c.want.Addr, c.want.Port), got.AddrPort())
	}
	require.Equal(t, FullAddress{Port: 9}, AddrFrom(netip.AddrPortFrom(netip.Addr{}, 9)))
}

func TestParseLinkAddr(t *testing.T) {
	for _, s := range []string{"02:00:5e:10:00:01", "02-00-5E-10-00-01", "ff:FF:ff:ff:ff:ff", "00:00:00:00:00:00"} {
		a, err := ParseLinkAddr(s)
		require.NoError(t, err, s)
		want, err := net.ParseMAC(s)
		require.NoError(t, err)
		require.Equal(t, []byte(want), a[:])
		require.Equal(t, want.String(), a.String())
	}
	for _, s := range []string{"", "02:00:5e:10:00", "02:00:5e:10:00:0", "02:00:5e:10:00:011", "02:00:5e:10:00:0g", "02:00-5e:10:00:01",
		"02005e100001", "0200.5e10.0001", "+2:00:5e:10:00:01", "02:00:5e:10:00:01:02:03"} {
		a, err := ParseLinkAddr(s)
		require.Error(t, err, s)
		require.Zero(t, a)
	}
}

func TestLinkAddrKinds(t *testing.T) {
	for _, c := range []struct {
		s                               string
		zero, unicast, group, everybody bool
	}{
		{"00:00:00:00:00:00", true, false, false, false},
		{"02:00:00:00:00:01", false, true, false, false},
		{"01:00:5e:00:00:01", false, false, true, false},
		{"33:33:00:00:00:01", false, false, true, false},
		{"ff:ff:ff:ff:ff:ff", false, false, true, true},
	} {
		a, err := ParseLinkAddr(c.s)
		require.NoError(t, err)
		require.Equal(t, c.zero, a.IsZero(), c.s)
		require.Equal(t, c.unicast, a.IsUnicast(), c.s)
		require.Equal(t, c.group, a.IsMulticast(), c.s)
		require.Equal(t, c.everybody, a.IsBroadcast(), c.s)
	}
}

func FuzzParseLinkAddr(f *testing.F) {
	f.Add("02:00:5e:10:00:01")
	f.Add("02-00-5e-10-00-0G")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseLinkAddr(s)
		if err != nil {
			return
		}
		std, err := net.ParseMAC(s)
		require.NoError(t, err)
		require.Equal(t, std.String(), a.String())
	})
}

// Every reason has a name of its own, in the form that the sniffer prints.
func TestDropNames(t *testing.T) {
	seen := map[string]bool{}
	for d := range NumDrops {
		require.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, d.String(), "drop %d", d)
		require.False(t, seen[d.String()], d.String())
		seen[d.String()] = true
	}
	require.Equal(t, "unknown", NumDrops.String())
}
