package stack

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// ether is a stack with one Ethernet NIC, 10.0.0.1/24 and 2001:db8::1/64.
type ether struct {
	*fixture
	n *NIC
	l *testLink
}

func newEther(t testing.TB) *ether {
	f := newFixture(t)
	n, l := f.nic(LinkEthernet, "10.0.0.1/24", "2001:db8::1/64", "fe80::1/64")
	f.ip4.take()
	f.ip6.take()
	return &ether{f, n, l}
}

var (
	macA = tcpip.LinkAddr{2, 0, 0, 0, 0, 0xa}
	macB = tcpip.LinkAddr{2, 0, 0, 0, 0, 0xb}
)

// send sends messages to dst in one frame.
func (e *ether) send(dst string, messages ...string) tcpip.Error {
	r := e.to(dst)
	w := e.Begin()
	err := tcpip.OK
	for _, m := range messages {
		if got := r.Output(w, e.message(m)); got != tcpip.OK {
			err = got
		}
	}
	w.End()
	return err
}

// heard tells of a neighbour; flags: s solicited, o override, u unsolicited.
func (e *ether) heard(a string, link tcpip.LinkAddr, flags string) {
	w := e.Begin()
	e.n.NeighbourHeard(w, NeighbourAdvert{Addr: addr(a), Link: link, Solicited: strings.Contains(flags, "s"),
		Override: strings.Contains(flags, "o"), Unsolicited: strings.Contains(flags, "u")})
	w.End()
}

func (e *ether) state(a string) string {
	for _, b := range e.n.Neighbours() {
		if b.Addr == addr(a) {
			return b.State.String()
		}
	}
	return "unknown"
}

func (e *ether) drops(d tcpip.Drop) uint64 { return e.counters.Drops[d].Value() }

// BEHAVIOUR E5: packets that wait leave in order, before any that come later.
func TestResolution(t *testing.T) {
	e := newEther(t)
	require.Equal(t, tcpip.OK, e.send("10.0.0.2", "one", "two"))
	require.Empty(t, e.l.take())
	require.Equal(t, []string{"who-has 10.0.0.2 tell 10.0.0.1"}, e.ip4.take())
	require.Equal(t, "INCOMPLETE", e.state("10.0.0.2"))
	e.send("10.0.0.2", "three")
	e.clock.Advance(time.Second)
	require.Equal(t, []string{"who-has 10.0.0.2 tell 10.0.0.1"}, e.ip4.take())

	w := e.Begin()
	e.n.NeighbourHeard(w, NeighbourAdvert{Addr: addr("10.0.0.2"), Link: macA, Solicited: true, Override: true})
	e.to("10.0.0.2").Output(w, e.message("four"))
	w.End()
	a := macA.String() + " "
	require.Equal(t, []string{a + "one", a + "two", a + "three", a + "four"}, e.l.take())
	e.send("10.0.0.2", "five")
	require.Equal(t, []string{a + "five"}, e.l.take())
	require.Equal(t, "REACHABLE", e.state("10.0.0.2"))
	require.Empty(t, e.ip4.take())

	// Over IPv6, with a gateway and the source of the packet that waits.
	e.route("::/0", via("fe80::99"), dev(e.n))
	e.send("2001:4860::1", "hello")
	require.Equal(t, []string{"who-has fe80::99 tell fe80::1"}, e.ip6.take())
	e.heard("fe80::99", macB, "s")
	require.Equal(t, []string{macB.String() + " hello"}, e.l.take())
}

// What needs no resolution: broadcast, multicast, and links without addresses.
func TestOutputWithoutResolution(t *testing.T) {
	e := newEther(t)
	e.route("0.0.0.0/0", dev(e.n))
	e.send("255.255.255.255", "all")
	e.send("10.0.0.255", "subnet")
	e.send("224.1.2.3", "group")
	e.send("ff02::1:ff00:7", "group6")
	require.Equal(t, []string{"ff:ff:ff:ff:ff:ff all", "ff:ff:ff:ff:ff:ff subnet", "01:00:5e:01:02:03 group", "33:33:ff:00:00:07 group6"}, e.l.take())
	_, tun := e.nic(LinkIP, "10.5.0.1/24")
	_, lo := e.nic(LinkLoopback, "127.0.0.1/8")
	e.send("10.5.0.2", "bare")
	e.send("10.0.0.1", "self")
	require.Equal(t, []string{"bare"}, tun.take())
	require.Equal(t, []string{"self"}, lo.take())
	require.Empty(t, e.n.Neighbours())
}

// udp returns an IPv4 datagram from port 1111 to 2222.
func (e *ether) udp(src, dst string) *Packet {
	b := make([]byte, 28)
	(&header.IPv4Fields{TotalLength: 28, TTL: 64, Protocol: header.ProtocolUDP, Src: addr(src), Dst: addr(dst)}).Encode(b)
	(&header.UDPFields{SrcPort: 1111, DstPort: 2222, Length: 8}).Encode(b[20:])
	p := e.NewPacketCopy(b)
	p.SetNetwork(20)
	p.Src, p.Dst, p.Proto = addr(src), addr(dst), header.ProtocolUDP
	return p
}

// charges is an Owner that adds up.
type charges int

func (c *charges) Completed(_ *Work, charge int) { *c += charges(charge) }

// BEHAVIOUR E5: a neighbour that does not answer.
func TestResolutionFailureReported(t *testing.T) {
	e := newEther(t)
	r := e.to("10.0.0.2")
	var owner charges
	w := e.Begin()
	for range 2 {
		p := e.udp("10.0.0.1", "10.0.0.2")
		p.SetOwner(&owner, 5)
		require.Equal(t, tcpip.OK, r.Output(w, p))
	}
	p := e.udp("10.7.0.1", "10.0.0.2")
	p.Forwarded = true
	r.Output(w, p)
	r.Output(w, e.message("no header that anybody could read"))
	w.End()
	e.clock.Advance(2999 * time.Millisecond)
	require.Empty(t, e.udp4().errors)
	require.Zero(t, owner)
	require.Len(t, e.ip4.take(), 3)
	e.clock.Advance(time.Millisecond)
	report := "no route to host 2:3/1 10.0.0.1:1111>10.0.0.2:2222 by 10.0.0.1" // as measured on Linux
	require.Equal(t, []string{report, report}, e.udp4().errors)
	require.Len(t, e.ip4.log, 1)
	require.Contains(t, e.ip4.log[0], fmt.Sprintf("error %d ", ICMPHostUnreachable))
	require.EqualValues(t, 4, e.drops(tcpip.DropNeighbourFailed))
	require.EqualValues(t, 10, owner, "completed all the same")
	require.Equal(t, "FAILED", e.state("10.0.0.2"))
	e.ip4.take()
	e.send("10.0.0.2", "again")
	require.Equal(t, []string{"who-has 10.0.0.2 tell 10.0.0.1"}, e.ip4.take())
}

func (e *ether) udp4() *testTransport { return e.fixture.udp }

// BEHAVIOUR E3, E4: a neighbour that moves, with and without saying so.
func TestNeighbourMoves(t *testing.T) {
	e := newEther(t)
	e.send("10.0.0.2", "x")
	e.heard("10.0.0.2", macA, "so")
	e.l.take()
	e.ip4.take()
	e.heard("10.0.0.2", macB, "o") // gratuitous ARP
	e.send("10.0.0.2", "y")
	require.Equal(t, []string{macB.String() + " y"}, e.l.take())
	require.Equal(t, "DELAY", e.state("10.0.0.2"), "used while STALE")

	e.clock.Advance(5 * time.Second)
	require.Equal(t, "PROBE", e.state("10.0.0.2"))
	e.send("10.0.0.2", "z")
	require.Equal(t, []string{macB.String() + " z"}, e.l.take(), "while it is probed")
	e.clock.Advance(3 * time.Second)
	ask := "who-has 10.0.0.2 tell 10.0.0.1"
	require.Equal(t, []string{ask + " to " + macB.String(), ask + " to " + macB.String(), ask + " to " + macB.String()}, e.ip4.take())
	require.Equal(t, "FAILED", e.state("10.0.0.2"))
	e.send("10.0.0.2", "w")
	require.Equal(t, []string{ask}, e.ip4.take())
	e.heard("10.0.0.2", macA, "so")
	require.Equal(t, []string{macA.String() + " w"}, e.l.take())

	e.heard("10.0.0.3", macA, "o")
	require.Equal(t, "unknown", e.state("10.0.0.3"), "an announcement makes no entry")
	e.heard("10.0.0.3", macA, "u")
	require.Equal(t, "STALE", e.state("10.0.0.3"), "a request does")
	e.heard("10.0.0.3", tcpip.BroadcastLinkAddr(), "o")
	require.Equal(t, macA, e.n.Neighbours()[1].Link, "a group is nobody's address")
}

// Forward progress keeps a neighbour from being probed; its absence has it probed at once.
func TestConfirmAndSuspect(t *testing.T) {
	e := newEther(t)
	r := e.to("10.0.0.2")
	e.send("10.0.0.2", "x")
	e.heard("10.0.0.2", macA, "so")
	e.l.take()
	for range 10 {
		r.Confirm()
		e.clock.Advance(10 * time.Second)
		e.send("10.0.0.2", "x")
		require.Equal(t, "REACHABLE", e.state("10.0.0.2"))
	}
	e.ip4.take()
	w := e.Begin()
	r.Suspect(w)
	w.End()
	require.Equal(t, "PROBE", e.state("10.0.0.2"))
	require.Len(t, e.ip4.take(), 1)
	r.Confirm()
	e.clock.Advance(time.Second)
	require.Equal(t, "REACHABLE", e.state("10.0.0.2"))
	e.clock.Advance(46 * time.Second)
	require.Equal(t, "STALE", e.state("10.0.0.2"))
	require.Zero(t, e.clock.Next(), "idle: no timer")
}

func TestStaticNeighbours(t *testing.T) {
	e := newEther(t)
	require.Equal(t, tcpip.ErrInvalid, e.n.AddNeighbour(addr("224.0.0.1"), macA))
	require.Equal(t, tcpip.ErrInvalid, e.n.AddNeighbour(addr("10.0.0.2"), tcpip.BroadcastLinkAddr()))
	e.send("10.0.0.2", "waiting")
	require.NoError(t, e.n.AddNeighbour(addr("10.0.0.2"), macA))
	e.heard("10.0.0.2", macB, "so")
	e.send("10.0.0.2", "x")
	require.Equal(t, []string{macA.String() + " waiting", macA.String() + " x"}, e.l.take())
	require.NoError(t, e.n.AddNeighbour(addr("2001:db8::2"), macB))
	require.Equal(t, []Neighbour{
		{addr("10.0.0.2"), macA, NeighbourPermanent, false},
		{addr("2001:db8::2"), macB, NeighbourPermanent, false},
	}, e.n.Neighbours())
	e.n.SetUp(false)
	e.n.SetUp(true)
	require.Len(t, e.n.Neighbours(), 2, "they outlive the link")
	require.NoError(t, e.n.RemoveNeighbour(addr("10.0.0.2")))
	require.Equal(t, tcpip.ErrNotFound, e.n.RemoveNeighbour(addr("10.0.0.2")))
	e.ip4.take()
	e.send("10.0.0.2", "y")
	require.Equal(t, []string{"who-has 10.0.0.2 tell 10.0.0.1"}, e.ip4.take())
	tun, _ := e.nic(LinkIP)
	require.Equal(t, tcpip.ErrNotSupported, tun.AddNeighbour(addr("10.0.0.2"), macA))
}

// A neighbour's queue is bounded in memory; the oldest goes first, and its owner hears of it.
func TestNeighbourQueueBounded(t *testing.T) {
	e := newEther(t)
	r := e.to("10.0.0.2")
	var owner charges
	const n = 1000
	w := e.Begin()
	for i := range n {
		b := make([]byte, 1400)
		copy(b, fmt.Sprintf("%04d", i))
		p := e.NewPacketCopy(b)
		p.SetOwner(&owner, 1)
		require.Equal(t, tcpip.OK, r.Output(w, p))
	}
	w.End()
	kept := n - int(e.drops(tcpip.DropNeighbourQueue))
	require.EqualValues(t, n-kept, owner)
	require.InDelta(t, neighbourQueueBytes/(2048+packetCost), kept, 2)
	require.LessOrEqual(t, e.Slabs.Live(), int64(neighbourQueueBytes))
	e.heard("10.0.0.2", macA, "so")
	got := e.l.take()
	require.Len(t, got, kept)
	require.Contains(t, got[kept-1], fmt.Sprintf("%04d", n-1))
	require.Contains(t, got[0], fmt.Sprintf("%04d", n-kept))
}

// Small packets in large slabs wait in small ones.
func TestNeighbourQueueCompacts(t *testing.T) {
	e := newEther(t)
	big, _ := e.Slabs.Get(60000)
	big.Reserve(64)
	big.Append([]byte("headers"))
	p := e.NewPacketFrom(big)
	p.SetNetwork(0)
	data, _ := e.Slabs.Get(60000)
	data.Append([]byte("payload"))
	p.AppendData(data)
	w := e.Begin()
	e.to("10.0.0.2").Output(w, p)
	w.End()
	require.LessOrEqual(t, e.Slabs.Live(), int64(2*256))
	e.heard("10.0.0.2", macA, "so")
	require.Equal(t, []string{macA.String() + " headerspayload"}, e.l.take())
}

// BEHAVIOUR F9, RFC 6583: a scan of the subnet does not push out neighbours in use, and neither do
// neighbours that are made up.
func TestNeighbourTableBounded(t *testing.T) {
	e := newEther(t)
	e.ip6.deaf = true
	at := func(subnet, i int) string { return fmt.Sprintf("2001:db8::%x:%x", subnet, i+1) }
	const used = 300
	for i := range used {
		e.send(at(1, i), "x")
		e.heard(at(1, i), macA, "s")
	}
	e.l.take()
	for i := range 3000 { // a scan
		require.Equal(t, tcpip.OK, e.send(at(2, i), "probe"))
	}
	require.EqualValues(t, 3000-maxUnresolved, e.drops(tcpip.DropNeighbourQueue))
	e.heard(at(2, 2999), macA, "s")
	require.Equal(t, []string{macA.String() + " probe"}, e.l.take(), "the newest was still waiting")
	for i := range 3000 { // solicitations from everywhere
		e.heard(at(3, i), macB, "u")
	}
	require.Len(t, e.n.Neighbours(), maxNeighbours)
	for i := range used {
		require.Equal(t, "REACHABLE", e.state(at(1, i)))
		e.send(at(1, i), "x")
		require.Equal(t, []string{macA.String() + " x"}, e.l.take())
	}
	// What is not used any more makes room for what is.
	e.clock.Advance(10 * time.Minute)
	for i := range 50 {
		require.Equal(t, tcpip.OK, e.send(at(4, i), "x"))
		e.heard(at(4, i), macA, "s")
		require.Equal(t, "REACHABLE", e.state(at(4, i)))
	}
	e.l.take()
	require.NoError(t, e.n.RemoveNeighbour(addr(at(4, 0))))

	// A table full of static entries takes no more.
	for i := range 2000 {
		if err := e.n.AddNeighbour(addr(at(5, i)), macA); err != nil {
			require.Equal(t, tcpip.ErrTooMany, err)
			break
		}
	}
	require.Equal(t, tcpip.ErrNoBuffers, e.send(at(6, 0), "x"))
}

// Flows keep their order while their neighbour is found, lost and moved under them; run it with -race.
func TestNeighbourConcurrent(t *testing.T) {
	e := newEther(t)
	e.ip4.deaf = true
	const flows, packets = 3, 2000
	var senders, mover sync.WaitGroup
	var stop atomic.Bool
	mover.Go(func() {
		for i := 0; !stop.Load(); i++ {
			switch i % 4 {
			case 0:
				e.heard("10.0.0.2", macA, "so")
			case 1:
				e.heard("10.0.0.2", macB, "o")
			case 2:
				_ = e.n.RemoveNeighbour(addr("10.0.0.2"))
			case 3:
				e.to("10.0.0.2").Confirm()
			}
		}
	})
	for flow := range flows {
		senders.Go(func() {
			r := e.to("10.0.0.2")
			for i := range packets {
				w := e.Begin()
				r.Output(w, e.message(fmt.Sprintf("%d %06d", flow, i)))
				w.End()
			}
		})
	}
	senders.Wait()
	stop.Store(true)
	mover.Wait()
	e.heard("10.0.0.2", macA, "u")
	e.clock.Settle() // a frame that had sent its share has left the rest to the clock
	last := make(map[string]string)
	got := e.l.take()
	require.NotEmpty(t, got)
	for _, s := range got {
		words := strings.Fields(s)
		require.Greater(t, words[2], last[words[1]])
		last[words[1]] = words[2]
	}
	total := uint64(len(got)) + e.drops(tcpip.DropNeighbourFailed) + e.drops(tcpip.DropNeighbourQueue) + e.drops(tcpip.DropQueueFull)
	require.EqualValues(t, flows*packets, total, "every packet is sent or counted")
}

func TestOutputAllocations(t *testing.T) {
	e := newEther(t)
	e.send("10.0.0.2", "x")
	e.heard("10.0.0.2", macA, "so")
	e.l.take()
	e.l.sent = make([]*Packet, 0, 8)
	r := e.to("10.0.0.2")
	noAllocations(t, func() {
		p := e.NewPacket()
		copy(p.Prepend(20), "12345678901234567890")
		w := e.Begin()
		r.Output(w, p)
		w.End()
		e.l.sent[0].Release()
		e.l.sent = e.l.sent[:0]
		e.l.batches = e.l.batches[:0]
	})
}
