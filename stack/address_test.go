package stack

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

func TestAddAddress(t *testing.T) {
	f := newFixture(t)
	n, _ := f.nic(LinkEthernet)
	for a, want := range map[string]error{
		"10.0.0.1/24":         nil,
		"10.0.0.1/16":         tcpip.ErrExists,
		"2001:db8::1/64":      nil,
		"0.0.0.0/0":           tcpip.ErrInvalid,
		"::/0":                tcpip.ErrInvalid,
		"224.0.0.1/4":         tcpip.ErrInvalid,
		"ff02::1/64":          tcpip.ErrInvalid,
		"255.255.255.255/32":  tcpip.ErrInvalid,
		"127.0.0.1/8":         tcpip.ErrInvalid,
		"::1/128":             tcpip.ErrInvalid,
		"::ffff:10.0.0.2/120": tcpip.ErrInvalid,
	} {
		if want == tcpip.ErrExists {
			continue
		}
		require.Equal(t, want, n.AddAddress(netip.MustParsePrefix(a)), a)
	}
	require.Equal(t, tcpip.ErrExists, n.AddAddress(netip.MustParsePrefix("10.0.0.1/16")))
	require.Equal(t, tcpip.ErrInvalid, n.AddAddress(netip.Prefix{}))
	require.Equal(t, tcpip.ErrAddrNotAvailable, n.RemoveAddress(addr("10.0.0.2")))
	m, _ := f.nic(LinkEthernet)
	require.NoError(t, m.AddAddress(netip.MustParsePrefix("10.0.0.1/24")), "another NIC may have it too")
	require.NoError(t, n.RemoveAddress(addr("10.0.0.1")))
	who, _, ok := f.LocalAddress(addr("10.0.0.1"))
	require.True(t, ok)
	require.Equal(t, m, who)
	m.Remove()
	_, _, ok = f.LocalAddress(addr("10.0.0.1"))
	require.False(t, ok)
	require.Equal(t, tcpip.ErrClosed, m.AddAddress(netip.MustParsePrefix("10.0.0.1/24")))
	require.Equal(t, []string{"added nic1 10.0.0.1", "added nic2 10.0.0.1", "removed nic1 10.0.0.1"}, f.ip4.take())
	require.Equal(t, []string{"added nic1 2001:db8::1"}, f.ip6.take())

	for i := len(n.Addresses()); i < maxAddresses; i++ {
		require.NoError(t, n.AddAddress(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, 0, byte(i >> 8), byte(i)}), 32)))
	}
	require.Equal(t, tcpip.ErrTooMany, n.AddAddress(netip.MustParsePrefix("30.0.0.1/32")))
}

func TestTentativeAddress(t *testing.T) {
	f := newFixture(t)
	l := newTestLink(LinkEthernet)
	n, err := f.AddNIC(l, NICOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fe80::1/64")}})
	require.NoError(t, err)
	require.NoError(t, n.AddAddressWith(netip.MustParsePrefix("fe80::2/64"), AddressOptions{NoDAD: true}))
	require.Equal(t, []Address{
		{Prefix: netip.MustParsePrefix("10.0.0.1/24"), State: AddressPreferred},
		{Prefix: netip.MustParsePrefix("fe80::1/64"), State: AddressTentative},
		{Prefix: netip.MustParsePrefix("fe80::2/64"), State: AddressPreferred},
	}, n.Addresses())
	require.Equal(t, DestinationTentative, n.Classify(addr("fe80::1")))
	require.Equal(t, "fe80::2", n.PrimaryAddress(true, true).String())
	_, e := f.FindRoute(RouteQuery{Destination: addr("fe80::9"), Source: addr("fe80::1"), NIC: 1})
	require.Equal(t, tcpip.ErrAddrNotAvailable, e)
	require.True(t, n.SetAddressState(addr("fe80::1"), AddressPreferred))
	require.Equal(t, DestinationLocal, n.Classify(addr("fe80::1")))
	require.Equal(t, "fe80::1", n.PrimaryAddress(true, true).String())
	require.True(t, n.SetAddressState(addr("fe80::1"), AddressDuplicated))
	require.Equal(t, DestinationOther, n.Classify(addr("fe80::1")))
	require.False(t, n.SetAddressState(addr("fe80::3"), AddressPreferred))
}

var destinationNames = [...]string{"other", "local", "broadcast", "group", "foreign group", "tentative"}

// BEHAVIOUR C0.
func TestClassify(t *testing.T) {
	f := newFixture(t)
	lo, _ := f.nic(LinkLoopback, "127.0.0.1/8", "::1/128")
	eth0, _ := f.nic(LinkEthernet, "172.16.13.13/24", "fe80::1/64", "2001:db8::1/64")
	docker0, _ := f.nic(LinkEthernet, "172.17.0.1/16", "10.0.0.1/31")
	require.NoError(t, docker0.JoinGroup(addr("239.1.1.1")))
	for _, c := range []struct {
		dst                          string
		onLo, onEth, onDocker, stern string // stern: on docker0 in the strict host model
	}{
		{"172.16.13.13", "local", "local", "local", "other"},
		{"172.17.0.1", "local", "local", "local", "local"},
		{"172.17.0.2", "other", "other", "other", "other"},
		{"172.16.13.255", "other", "broadcast", "broadcast", "other"}, // what goes there by loopback is for no network
		{"172.17.255.255", "other", "broadcast", "broadcast", "broadcast"},
		{"172.17.0.0", "other", "other", "other", "other"},
		{"10.0.0.0", "other", "other", "other", "other"}, // a /31 has no broadcast (RFC 3021)
		{"255.255.255.255", "broadcast", "broadcast", "broadcast", "broadcast"},
		{"127.0.0.1", "local", "other", "other", "other"},
		{"127.5.5.5", "local", "other", "other", "other"},
		{"127.255.255.255", "broadcast", "other", "other", "other"},
		{"::1", "local", "other", "other", "other"},
		{"2001:db8::1", "local", "local", "local", "other"},
		{"fe80::1", "other", "local", "other", "other"},
		{"0.0.0.0", "other", "other", "other", "other"},
		{"224.0.0.1", "group", "group", "group", "group"},
		{"ff02::1", "group", "group", "group", "group"},
		{"ff01::1", "group", "group", "group", "group"},
		{"239.1.1.1", "foreign group", "foreign group", "group", "group"},
		{"ff02::1:ff00:1", "foreign group", "group", "foreign group", "foreign group"}, // nobody asks on lo
	} {
		docker0.SetStrictHost(false)
		d := addr(c.dst)
		require.Equal(t, c.onLo, destinationNames[lo.Classify(d)], "%s on lo", d)
		require.Equal(t, c.onEth, destinationNames[eth0.Classify(d)], "%s on eth0", d)
		require.Equal(t, c.onDocker, destinationNames[docker0.Classify(d)], "%s on docker0", d)
		docker0.SetStrictHost(true)
		require.Equal(t, c.stern, destinationNames[docker0.Classify(d)], "%s on a strict docker0", d)
	}
	docker0.SetPromiscuous(true)
	require.Equal(t, DestinationLocal, docker0.Classify(addr("9.9.9.9")))
	require.Equal(t, DestinationForeignGroup, docker0.Classify(addr("239.9.9.9")))
	require.Equal(t, "9.9.9.9", docker0.LocalFor(addr("9.9.9.9"), addr("1.1.1.1")).String())
	require.Equal(t, "172.17.0.1", docker0.LocalFor(addr("239.1.1.1"), addr("172.17.0.9")).String())
	require.Equal(t, "172.16.13.13", eth0.LocalFor(addr("255.255.255.255"), addr("172.16.13.9")).String())
	require.Equal(t, "fe80::1", eth0.LocalFor(addr("ff02::1"), addr("fe80::9")).String())
	require.Equal(t, "172.16.13.13", docker0.LocalFor(addr("172.16.13.13"), addr("172.17.0.3")).String())
}

func TestPrimaryAddress(t *testing.T) {
	f := newFixture(t)
	n, _ := f.nic(LinkEthernet, "10.0.0.1/24", "10.0.0.2/24", "2001:db8::1/64", "fe80::1/64")
	n.SetAddressState(addr("10.0.0.1"), AddressDeprecated)
	require.Equal(t, "10.0.0.2", n.PrimaryAddress(false, false).String())
	n.SetAddressState(addr("10.0.0.2"), AddressDuplicated)
	require.Equal(t, "10.0.0.1", n.PrimaryAddress(false, false).String())
	require.Equal(t, "2001:db8::1", n.PrimaryAddress(true, false).String())
	require.Equal(t, "fe80::1", n.PrimaryAddress(true, true).String())
	require.False(t, n.PrimaryAddress(false, true).IsValid())
	st, ok := n.AddressState(addr("10.0.0.2"))
	require.True(t, ok)
	require.Equal(t, AddressDuplicated, st)
	_, ok = n.AddressState(addr("10.0.0.3"))
	require.False(t, ok)
}

func TestGroups(t *testing.T) {
	f := newFixture(t)
	n, _ := f.nic(LinkEthernet, "2001:db8::1:2:3/64", "2001:db8:1::1:2:3/64") // one solicited-node group
	g := addr("ff02::1:ff02:3")
	require.True(t, n.InGroup(g))
	require.NoError(t, n.RemoveAddress(addr("2001:db8::1:2:3")))
	require.True(t, n.InGroup(g))
	require.NoError(t, n.RemoveAddress(addr("2001:db8:1::1:2:3")))
	require.False(t, n.InGroup(g))
	require.Equal(t, tcpip.ErrAddrNotAvailable, n.LeaveGroup(g))
	require.Equal(t, tcpip.ErrInvalid, n.JoinGroup(addr("10.0.0.1")))
	for i := range maxGroups {
		require.NoError(t, n.JoinGroup(netip.AddrFrom4([4]byte{239, 1, byte(i >> 8), byte(i)})))
	}
	require.Equal(t, tcpip.ErrTooMany, n.JoinGroup(addr("239.9.9.9")))
	require.Len(t, n.Groups(), maxGroups)
	require.Equal(t, "239.1.0.0", fmt.Sprint(n.Groups()[0]))
}
