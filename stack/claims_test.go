package stack

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// The index does what scanning does, for claims and packets of every kind.
func TestClaimIndexAgainstScan(t *testing.T) {
	f := newFixture(t)
	r := f.random
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	for round := range 24 {
		var scan portClaims
		index := newClaimIndex()
		var all []*claim
		tcp := round%3 == 0
		for step := range 300 {
			b := claimOf(pick("v4", "v6", "dual")+pick("", "", " on=10.0.0.1", " on=10.0.0.2", " on=2001:db8::1")+
				pick("", " nic=1", " nic=2")+pick("", " reuse")+pick("", " share")+
				pick("", "", " from=10.0.0.9:1000", " from=10.0.0.9:0", " from=[2001:db8::9]:1000"), &named{fmt.Sprint(step)})
			if tcp {
				b.Proto, b.Remote, b.Listening = header.ProtocolTCP, netip.AddrPort{}, r.IntN(2) == 0
			}
			c := newClaim(b)
			for _, m := range []claimManners{claimPolite, claimAlone} {
				want := false
				for _, o := range all {
					want = want || c.overlaps(o) && (m == claimAlone || !c.tolerates(o.class()))
				}
				require.Equal(t, want, index.conflict(c, m), "%+v", b)
			}
			if r.IntN(3) > 0 || len(all) == 0 {
				all = append(all, c)
				index.add(c)
			} else {
				i := r.IntN(len(all))
				index.remove(all[i])
				all = append(all[:i:i], all[i+1:]...)
			}
			scan = portClaims{}
			for _, c := range all {
				scan.append(c)
			}
			for _, s := range []string{"10.0.0.1:53 10.0.0.9:1000", "10.0.0.1:53 10.0.0.9:1001", "10.0.0.2:53 10.0.0.8:1", "[2001:db8::1]:53 [2001:db8::9]:1000"} {
				id := flow(b.Proto, s)
				k := keyOf(id)
				for nic := range tcpip.NICID(3) {
					a := arrivalOf(id, &k, &NIC{id: nic})
					hash := r.Uint32()
					want, got := scan.find(&a, hash), index.find(&a, hash)
					if alike := want != nil && got != nil && want.ReusePort && got.ReusePort && want.groupKey() == got.groupKey(); want != got && !alike {
						t.Fatalf("%s on %d: %+v, want %+v", s, nic, got, want)
					}
				}
			}
		}
		for _, c := range all {
			index.remove(c)
		}
		require.Empty(t, index.tally)
		require.Empty(t, index.groups[0].groups)
		require.Empty(t, index.groups[1].groups)
	}
}

// Connections, those in TIME-WAIT included, keep a port from who has not set the same option as they have. What takes
// a connection's place inherits what that said.
func TestBindBesideFlows(t *testing.T) {
	d := &newFixture(t).Demux
	id := flow(header.ProtocolTCP, "10.0.0.1:53 10.0.0.2:9")
	for _, c := range []struct {
		first                Receiving
		addrInUse, portInUse bool
	}{
		{&named{"none"}, true, true},
		{&sharing{addr: true}, false, true},
		{&sharing{port: true}, true, false},
		{&sharing{addr: true, port: true}, false, false},
	} {
		r := &named{"time-wait"}
		require.Equal(t, tcpip.OK, d.Insert(id, c.first))
		require.True(t, d.Replace(id, c.first, r))
		for s, inUse := range map[string]bool{
			"tcp v4":                   true,
			"tcp dual":                 true,
			"tcp v4 on=10.0.0.1":       true,
			"tcp v4 on=10.0.0.3":       false,
			"tcp v4 reuse":             c.addrInUse,
			"tcp v4 reuse on=10.0.0.1": c.addrInUse,
			"tcp v4 share":             c.portInUse,
			"tcp v4 share on=10.0.0.1": c.portInUse,
			"v4":                       false,
		} {
			b := claimOf(s, nil)
			require.Equal(t, inUse, d.Bind(b) == tcpip.ErrAddrInUse, "%s beside %+v", s, c)
			d.Unbind(b)
		}
		require.True(t, d.Remove(id, r))
		b := claimOf("tcp v4", nil)
		require.Equal(t, tcpip.OK, d.Bind(b))
		d.Unbind(b)
	}
}

func TestLocalCounts(t *testing.T) {
	f := newFixture(t)
	var l localCounts
	type flow struct {
		a addr128
		c claimClass
	}
	want := make(map[flow]int)
	for range 2000 {
		x := flow{addr128From(netip.AddrFrom4([4]byte{10, 0, 0, byte(f.random.IntN(5))})), claimClass(f.random.IntN(int(numClaimClasses)))}
		if want[x] == 0 || f.random.IntN(2) == 0 {
			l.add(x.a, x.c)
			want[x]++
		} else {
			l.remove(x.a, x.c)
			want[x]--
		}
		for class := range numClaimClasses {
			fresh := &claim{Binding: Binding{V4: true, ReuseAddr: class&sharesAddr != 0, ReusePort: class&sharesPort != 0}}
			any, total := false, 0
			for x, n := range want {
				total += n
				bad := n > 0 && x.c&class == 0
				any = any || bad
				others := false // from the same address
				for y, n := range want {
					others = others || y.a == x.a && n > 0 && y.c&class == 0
				}
				fresh.local = x.a
				require.Equal(t, others, l.conflict(fresh, claimPolite))
			}
			fresh.local = addr128{}
			require.Equal(t, any, l.conflict(fresh, claimPolite))
			require.Equal(t, total > 0, l.conflict(fresh, claimAlone))
			require.Equal(t, total == 0, l.none())
		}
	}
}

// BEHAVIOUR F12: a claim more or less on one port does not copy those that are there. Each is moved to another list
// twice at most, on average, and binding and releasing leave nothing behind.
func TestClaimsAreNotCopied(t *testing.T) {
	for _, n := range []int{500, 1000, 16000} {
		d := &newFixture(t).Demux
		ports, k, h := d.port(header.ProtocolUDP, 53)
		var all []*Binding
		for i := range n {
			b := claimOf("v4 reuse", &named{})
			b.Local = netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})
			require.Equal(t, tcpip.OK, d.Bind(b))
			all = append(all, b)
		}
		p, _ := ports.lookup(h, k)
		require.Equal(t, n, p.count())
		require.LessOrEqual(t, p.moved, 2*n)
		bound := p.moved
		for i := range all { // first the middle, then the ends
			d.Unbind(all[(i+n/2)%n])
		}
		require.LessOrEqual(t, p.moved-bound, 2*n)
		require.Zero(t, p.count())
		left, _ := ports.lookup(h, k)
		require.Nil(t, left)
	}
}

// BEHAVIOUR F12 for the members of one reuse group: a socket more or less does not copy the others, and the numbers that
// programs choose by are those of the ones that are there.
func TestReuseMembersAreNotCopied(t *testing.T) {
	for _, n := range []int{500, 16000} {
		d := &newFixture(t).Demux
		var all []*Binding
		for range n {
			b := claimOf("v4 reuse", &named{})
			b.ReusePort = true
			require.Equal(t, tcpip.OK, d.Bind(b))
			all = append(all, b)
		}
		g := all[0].Group
		for i, b := range all {
			require.Same(t, g, b.Group)
			require.Same(t, b.claim, g.claimOf(i))
		}
		require.LessOrEqual(t, g.moved, 2*n)
		bound := g.moved
		d.Unbind(all[3])
		require.Same(t, all[n-1].claim, g.claimOf(3), "the last takes the number")
		require.Nil(t, g.claimOf(n-1))
		for i := range all {
			d.Unbind(all[(i+n/2)%n])
		}
		require.LessOrEqual(t, g.moved-bound, 2*n)
		require.Nil(t, g.claimOf(0))
	}
}
