package stack

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// named is a Receiving with a name.
type named struct{ name string }

func (*named) Deliver(*Work, *Packet)         {}
func (*named) DeliverError(*Work, *ICMPError) {}

// sharing is a named that allows others what it says.
type sharing struct {
	named
	addr, port bool
}

func (s *sharing) Shares() (addr, port bool) { return s.addr, s.port }

func nameOf(r Receiving) string {
	if r == nil {
		return "nobody"
	}
	return r.(*named).name
}

// flow reads "local:port remote:port".
func flow(proto header.Protocol, s string) FlowID {
	local, remote, _ := strings.Cut(s, " ")
	return FlowID{proto, netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)}
}

func TestDemuxFlows(t *testing.T) {
	d := &newFixture(t).Demux
	a, b := &named{"a"}, &named{"b"}
	id := flow(header.ProtocolTCP, "10.0.0.1:80 10.0.0.2:1000")
	require.Nil(t, d.Lookup(id))
	require.Equal(t, tcpip.OK, d.Insert(id, a))
	require.Equal(t, tcpip.ErrAddrInUse, d.Insert(id, b))
	require.Equal(t, a, d.Lookup(id))
	for _, other := range []FlowID{
		flow(header.ProtocolUDP, "10.0.0.1:80 10.0.0.2:1000"), flow(header.ProtocolTCP, "10.0.0.1:80 10.0.0.2:1001"),
		flow(header.ProtocolTCP, "10.0.0.1:81 10.0.0.2:1000"), flow(header.ProtocolTCP, "10.0.0.2:1000 10.0.0.1:80"),
	} {
		require.Nil(t, d.Lookup(other), "%v", other)
	}
	require.False(t, d.Replace(id, b, a))
	require.True(t, d.Replace(id, a, b))
	require.Equal(t, b, d.Find(id, nil, 0))
	require.False(t, d.Remove(id, a))
	require.True(t, d.Remove(id, b))
	require.False(t, d.Remove(id, b))
	require.Nil(t, d.Lookup(id))
}

// Many flows come and go; the table shrinks to nothing.
func TestDemuxManyFlows(t *testing.T) {
	d := &newFixture(t).Demux
	id := func(i int) FlowID {
		return FlowID{header.ProtocolTCP, netip.MustParseAddrPort("[2001:db8::1]:80"),
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(i))}
	}
	all := make([]*named, 20000)
	for i := range all {
		all[i] = &named{fmt.Sprint(i)}
		require.Equal(t, tcpip.OK, d.Insert(id(i), all[i]))
	}
	longest := 0
	for s := range d.flows {
		b := *d.flows[s].buckets.Load()
		for i := range b {
			n := 0
			for at := b[i].Load(); at != nil; at = at.next.Load() {
				n++
			}
			longest = max(longest, n)
		}
	}
	require.Less(t, longest, 12, "the hash spreads badly")
	for i := range all {
		require.Equal(t, Receiving(all[i]), d.Lookup(id(i)))
	}
	for i := range all {
		require.True(t, d.Remove(id(i), all[i]))
	}
	for s := range d.flows {
		require.Zero(t, d.flows[s].count)
		require.Zero(t, d.ports[s].count)
	}
}

// claims of the tests below, by what they ask for.
func claimOf(s string, r Receiving) *Binding {
	b := &Binding{Proto: header.ProtocolUDP, Port: 53, Receiver: r}
	for _, w := range strings.Fields(s) {
		k, v, _ := strings.Cut(w, "=")
		switch k {
		case "v4":
			b.V4 = true
		case "v6":
			b.V6 = true
		case "dual":
			b.V4, b.V6 = true, true
		case "tcp":
			b.Proto = header.ProtocolTCP
		case "listen":
			b.Proto, b.Listening = header.ProtocolTCP, true
		case "reuse":
			b.ReuseAddr = true
		case "share":
			b.ReusePort = true
		case "on":
			b.Local = addr(v)
		case "nic":
			fmt.Sscan(v, &b.NIC)
		case "from":
			b.Remote = netip.MustParseAddrPort(v)
		default:
			panic(w)
		}
	}
	return b
}

// Whom a packet finds, as Linux rates sockets.
func TestDemuxScore(t *testing.T) {
	const (
		v4 = "10.0.0.1:53 10.0.0.9:1000"
		v6 = "[2001:db8::1]:53 [2001:db8::9]:1000"
	)
	for _, c := range []struct {
		claims string // in the order of binding, separated by commas
		flow   string
		nic    tcpip.NICID
		want   int // which claim; -1: nobody
	}{
		{"v4", v4, 1, 0},
		{"v4", v6, 1, -1},
		{"v6", v4, 1, -1},
		{"v6", v6, 1, 0},
		{"dual", v4, 1, 0},
		{"dual", v6, 1, 0},
		{"v4 on=10.0.0.2", v4, 1, -1},
		{"v4 reuse, v4 reuse on=10.0.0.1", v4, 1, 1},
		{"v4 reuse on=10.0.0.1, v4 reuse", v4, 1, 0},
		{"v4 reuse nic=1, v4 reuse", v4, 1, 0},
		{"v4 reuse nic=1, v4 reuse", v4, 2, 1},
		{"v4 reuse nic=1, v4 reuse on=10.0.0.1", v4, 1, 1}, // an address beats a NIC
		{"v4 reuse on=10.0.0.1 from=10.0.0.9:1000, v4 reuse on=10.0.0.1 nic=1", v4, 1, 0},
		{"v4 reuse on=10.0.0.1 from=10.0.0.9:1000, v4 reuse on=10.0.0.1", v4, 1, 0},
		{"v4 reuse on=10.0.0.1 from=10.0.0.9:1001", v4, 1, -1},
		{"v4 reuse on=10.0.0.1 from=10.0.0.8:1000", v4, 1, -1},
		{"v4 reuse on=10.0.0.1 from=10.0.0.9:0", v4, 1, 0},
		{"v4 reuse, dual reuse", v4, 1, 0}, // IPv4 before dual stack
		{"dual reuse, v4 reuse", v4, 1, 1},
		{"v4 reuse, v4 reuse", v4, 1, 1}, // the newest of equals
		{"tcp v4", v4, 1, -1},
		{"listen v4", v4, 1, 0},
		{"listen v4, listen v4 on=10.0.0.1 reuse", v4, 1, -2}, // conflict
		{"listen v4 share, listen v4 on=10.0.0.1 share", v4, 1, 1},
		{"listen v4 share nic=1, listen dual share", v4, 1, 0},
	} {
		for _, filler := range []int{0, 2 * claimsScanned} { // scanned, and by the index
			d := &newFixture(t).Demux
			proto := header.ProtocolUDP
			bad := false
			for i, s := range strings.Split(c.claims, ",") {
				b := claimOf(s, &named{fmt.Sprint(i)})
				proto = b.Proto
				bad = d.Bind(b) != tcpip.OK || bad
			}
			for i := range filler { // out of the way
				b := claimOf(fmt.Sprintf("v4 on=172.16.0.%d", i), nil)
				b.Proto = proto
				b.Listening = proto == header.ProtocolTCP
				b.ReuseAddr, b.ReusePort = !b.Listening, true
				_ = d.Bind(b)
			}
			want := fmt.Sprint(c.want)
			switch c.want {
			case -1:
				want = "nobody"
			case -2:
				require.True(t, bad, c.claims)
				continue
			}
			require.False(t, bad && filler == 0, c.claims)
			got := d.Find(flow(proto, c.flow), &NIC{id: c.nic}, 12345)
			require.Equal(t, want, nameOf(got), "%s on %d with %d others: %s", c.flow, c.nic, filler, c.claims)
		}
	}
}

// Which claims go together: socket(7), as Linux has it.
func TestDemuxConflicts(t *testing.T) {
	for _, c := range []struct {
		first, second string
		ok            bool
	}{
		{"v4", "v4", false},
		{"v4 on=10.0.0.1", "v4 on=10.0.0.2", true},
		{"v4 on=10.0.0.1", "v4", false},
		{"v4", "v4 on=10.0.0.1", false},
		{"v4 reuse", "v4", false},
		{"v4", "v4 reuse", false},
		{"v4 reuse", "v4 reuse", true},
		{"v4 share", "v4 share", true},
		{"v4 share", "v4 reuse", false},
		{"v4 share reuse", "v4 reuse", true},
		{"v4 nic=1", "v4 nic=2", true},
		{"v4 nic=1", "v4 nic=1", false},
		{"v4 nic=1", "v4", false},
		{"v4", "v6", true},
		{"v4", "dual", false},
		{"dual", "v4", false},
		{"dual", "v6", false},
		{"dual", "v4 on=10.0.0.1", false},
		{"dual", "v6 on=2001:db8::1", false},
		{"v6", "v4 on=10.0.0.1", true},
		{"v6 on=2001:db8::1", "v6 on=2001:db8::2", true},
		{"dual on=2001:db8::1", "v4", true}, // an address is of one family
		{"v4", "tcp v4", true},              // another protocol
		{"tcp v4", "tcp v4", false},
		{"tcp v4 reuse", "tcp v4 reuse", true},
		{"listen v4 reuse", "tcp v4 reuse", false},
		{"listen v4 share", "tcp v4 share", true},
		{"listen v4 share", "tcp v4 reuse", false},
		{"listen v4", "tcp v6", true},
	} {
		for _, filler := range []int{0, 2 * claimsScanned} {
			d := &newFixture(t).Demux
			first, second := claimOf(c.first, nil), claimOf(c.second, nil)
			require.Equal(t, tcpip.OK, d.Bind(first))
			for i := range filler {
				b := claimOf(fmt.Sprintf("v4 nic=9 on=172.16.0.%d", i), nil)
				b.Proto, b.ReuseAddr, b.ReusePort = second.Proto, true, true
				_ = d.Bind(b)
			}
			want := tcpip.OK
			if !c.ok {
				want = tcpip.ErrAddrInUse
			}
			if filler > 0 && c.ok && (second.Local == netip.Addr{}) && second.V4 && second.NIC == 0 {
				continue // in the way of the others
			}
			require.Equal(t, want, d.Bind(second), "%q after %q with %d others", c.second, c.first, filler)
			d.Unbind(first)
			if filler == 0 && !c.ok {
				require.Equal(t, tcpip.OK, d.Bind(second), "%q when %q is gone", c.second, c.first)
			}
		}
	}
}

// Members of a SO_REUSEPORT group share evenly and stay with their flows.
func TestReusePortShares(t *testing.T) {
	for _, members := range []int{4, 100} {
		d := &newFixture(t).Demux
		got := make(map[string]int)
		for i := range members {
			require.Equal(t, tcpip.OK, d.Bind(claimOf("v4 share", &named{fmt.Sprint(i)})))
		}
		const flows = 8000
		for i := range flows {
			id := flow(header.ProtocolUDP, fmt.Sprintf("10.0.0.1:53 10.1.%d.%d:1000", i>>8, i&255))
			hash := d.stack.FlowHash(id)
			who := nameOf(d.Find(id, nil, hash))
			require.Equal(t, who, nameOf(d.Find(id, nil, hash)))
			got[who]++
		}
		require.Len(t, got, members)
		for who, n := range got {
			mean := float64(flows) / float64(members)
			require.InDelta(t, mean, n, 5*math.Sqrt(mean), who)
		}
	}
}

func TestRebind(t *testing.T) {
	d := &newFixture(t).Demux
	a, b := claimOf("tcp v4 reuse", &named{"a"}), claimOf("tcp v4 reuse", &named{"b"})
	require.Equal(t, tcpip.OK, d.Bind(a))
	require.Equal(t, tcpip.OK, d.Bind(b))
	id := flow(header.ProtocolTCP, "10.0.0.1:53 10.0.0.2:9")
	require.Equal(t, "nobody", nameOf(d.Find(id, nil, 0)))
	listen := func(b *Binding) { b.Listening = true }
	require.Equal(t, tcpip.OK, d.Rebind(a, listen))
	require.Equal(t, tcpip.ErrAddrInUse, d.Rebind(b, listen), "two may bind, one may listen")
	require.False(t, b.Listening)
	require.Equal(t, "a", nameOf(d.Find(id, nil, 0)))
	require.Equal(t, tcpip.OK, d.Rebind(a, func(b *Binding) { b.Listening = false }))
	require.Equal(t, tcpip.OK, d.Rebind(b, listen))
	require.Equal(t, "b", nameOf(d.Find(id, nil, 0)))
	d.Unbind(a)
	d.Unbind(a)
	require.Equal(t, tcpip.ErrInvalid, d.Rebind(a, listen))

	u := claimOf("dual", &named{"u"})
	require.Equal(t, tcpip.OK, d.Bind(u))
	require.Equal(t, tcpip.OK, d.Rebind(u, func(b *Binding) {
		b.Local, b.Remote, b.Port = addr("10.0.0.1"), netip.MustParseAddrPort("10.0.0.2:9"), 99
	}))
	require.EqualValues(t, 53, u.Port)
	require.Equal(t, "u", nameOf(d.Find(flow(header.ProtocolUDP, "10.0.0.1:53 10.0.0.2:9"), nil, 0)))
	require.Equal(t, "nobody", nameOf(d.Find(flow(header.ProtocolUDP, "10.0.0.1:53 10.0.0.2:10"), nil, 0)))
}

func TestDemuxEach(t *testing.T) {
	f := newFixture(t)
	d := &f.Demux
	for _, s := range []string{"v4 reuse", "v4 reuse on=224.1.1.1", "v4 reuse on=10.0.0.1", "v6 reuse", "dual reuse", "v4 reuse nic=2", "v4 reuse on=224.1.1.1 from=10.0.0.9:7"} {
		require.Equal(t, tcpip.OK, d.Bind(claimOf(s, &named{s})), s)
	}
	var got []string
	d.Each(flow(header.ProtocolUDP, "224.1.1.1:53 10.0.0.9:1000"), &NIC{id: 1}, func(b *Binding) { got = append(got, nameOf(b.Receiver)) })
	require.Equal(t, []string{"v4 reuse", "v4 reuse on=224.1.1.1", "dual reuse"}, got)
	d.Each(flow(header.ProtocolUDP, "224.1.1.1:54 10.0.0.9:1000"), nil, func(b *Binding) { t.Error("another port") })
}

func TestFindAllocations(t *testing.T) {
	f := newFixture(t)
	d := &f.Demux
	n := &NIC{id: 1}
	id := flow(header.ProtocolTCP, "10.0.0.1:80 10.0.0.2:1000")
	d.Insert(id, &named{"flow"})
	d.Bind(claimOf("dual", &named{"claim"}))
	udp := flow(header.ProtocolUDP, "10.0.0.1:53 10.0.0.2:1000")
	noAllocations(t, func() {
		if d.Find(id, n, 0) == nil || d.Find(udp, n, f.FlowHash(udp)) == nil {
			t.Fatal("lost")
		}
	})
}

// Readers and writers of both tables at once; run it with -race. A flow that is always there is always
// found, and what is found belongs to the flow.
func TestDemuxConcurrent(t *testing.T) {
	d := &newFixture(t).Demux
	steady, listener := &sharing{addr: true}, &named{"listener"}
	id := flow(header.ProtocolTCP, "10.0.0.1:80 10.9.9.9:9")
	d.Insert(id, steady)
	require.Equal(t, tcpip.OK, d.Bind(&Binding{Proto: header.ProtocolTCP, V4: true, Port: 80, Listening: true, ReuseAddr: true, Receiver: listener}))
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if d.Find(id, nil, 0) != steady {
					t.Error("the steady flow was lost")
					return
				}
				other := FlowID{header.ProtocolTCP, id.Local, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), uint16(i%500))}
				if r := nameOf(d.Find(other, nil, 0)); r != "listener" && r != other.Remote.String() {
					t.Errorf("%s found %s", other.Remote, r)
					return
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for i := range 3000 {
				remote := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), uint16(i%500))
				f := FlowID{header.ProtocolTCP, id.Local, remote}
				a, b := &named{remote.String()}, &named{remote.String()}
				if d.Insert(f, a) == tcpip.OK {
					if !d.Replace(f, a, b) || !d.Remove(f, b) {
						t.Error("lost my own")
					}
				}
				u := &Binding{Proto: header.ProtocolTCP, V4: true, Port: 80, NIC: tcpip.NICID(7 + w), ReusePort: true, ReuseAddr: true, Receiver: a}
				if i%3 == 0 {
					u.Port = uint16(1000 + i%40)
				}
				if d.Bind(u) == tcpip.OK {
					d.Rebind(u, func(b *Binding) { b.NIC++ })
					d.Unbind(u)
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
}

// BEHAVIOUR F12: the work per packet does not grow with the claims on a port.
func BenchmarkFind(b *testing.B) {
	f := newFixture(b)
	d := &f.Demux
	nic := &NIC{id: 1}
	for i := range 10000 {
		d.Insert(FlowID{header.ProtocolTCP, netip.MustParseAddrPort("10.0.0.1:80"), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 9)}, &named{})
	}
	b.Run("flow", func(b *testing.B) {
		b.ReportAllocs()
		id := flow(header.ProtocolTCP, "10.0.0.1:80 10.1.3.3:9")
		for b.Loop() {
			d.Find(id, nic, 0)
		}
	})
	for _, n := range []int{1, 10, 100, 10000} {
		for i := range n {
			c := claimOf("v4 reuse", &named{})
			c.Port = uint16(n)
			c.Local = netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})
			d.Bind(c)
		}
		b.Run(fmt.Sprintf("claims=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			id := flow(header.ProtocolUDP, fmt.Sprintf("10.2.0.0:%d 10.1.3.3:9", n))
			for b.Loop() {
				d.Find(id, nic, 0)
			}
		})
	}
}

func BenchmarkInsertRemove(b *testing.B) {
	d := &newFixture(b).Demux
	r := &named{}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		id := FlowID{header.ProtocolTCP, netip.MustParseAddrPort("10.0.0.1:80"), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i >> 16)}), uint16(i))}
		d.Insert(id, r)
		d.Remove(id, r)
	}
}
