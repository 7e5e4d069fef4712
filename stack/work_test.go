package stack

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// wire is a stack with a NIC of bare packets.
type wire struct {
	*fixture
	n *NIC
	l *testLink
}

func newWire(t testing.TB) *wire {
	f := newFixture(t)
	n, l := f.nic(LinkIP, "10.0.0.1/24")
	return &wire{f, n, l}
}

// enqueue puts packets named from..to-1 on the queue in one frame and returns how many were refused.
func (x *wire) enqueue(from, to int, owner Owner) (refused int) {
	w := x.Begin()
	defer w.End()
	for i := from; i < to; i++ {
		p := x.message(fmt.Sprint(i))
		p.SetOwner(owner, 1)
		if !x.n.Enqueue(w, p) {
			p.SetOwner(nil, 0)
			p.Release()
			refused++
		}
	}
	return refused
}

// wantSent says that exactly the packets from..to-1 have left since the last call, in this order.
func (x *wire) wantSent(from, to int) {
	x.t.Helper()
	var want []string
	for i := from; i < to; i++ {
		want = append(want, fmt.Sprint(i))
	}
	require.Equal(x.t, want, x.l.take())
}

// counting is an Owner that remembers each call.
type counting struct {
	calls []int
	more  func(w *Work)
}

func (c *counting) Completed(w *Work, charge int) {
	c.calls = append(c.calls, charge)
	if c.more != nil {
		c.more(w)
	}
}

// DESIGN §3.3, §3.4: a frame sends in batches up to its budget; the clock's continuation sends the rest, in
// order.
func TestWorkBudgetPackets(t *testing.T) {
	x := newWire(t)
	x.enqueue(0, workPackets+100, nil)
	x.wantSent(0, workPackets)
	require.Equal(t, []int{txBatch, txBatch, txBatch, txBatch}, x.l.batches)
	x.clock.Settle()
	x.wantSent(workPackets, workPackets+100)
}

func TestWorkBudgetBytes(t *testing.T) {
	x := newWire(t)
	w := x.Begin()
	const size, n = 60000, 30
	for range n {
		require.True(t, x.n.Enqueue(w, x.message(strings.Repeat("x", size))))
	}
	w.End()
	require.Len(t, x.l.sent, (workBytes+size-1)/size)
	x.clock.Settle()
	require.Len(t, x.l.sent, n)
}

// An enqueuer takes a scheduled queue over, and the continuation finds nothing to do.
func TestScheduledQueueTakenOver(t *testing.T) {
	x := newWire(t)
	x.enqueue(0, workPackets+10, nil)
	x.wantSent(0, workPackets)
	x.enqueue(workPackets+10, workPackets+20, nil)
	x.wantSent(workPackets, workPackets+20)
	x.clock.Settle()
	require.Empty(t, x.l.sent)
	x.enqueue(0, 3, nil)
	x.wantSent(0, 3)
}

// What a link does not take stays at the head of the queue until the link says that it can take more.
func TestStoppedQueue(t *testing.T) {
	x := newWire(t)
	var o counting
	x.l.room = 3
	x.enqueue(0, 10, &o)
	x.wantSent(0, 3)
	require.Equal(t, []int{3}, o.calls)
	x.enqueue(10, 12, &o)
	x.clock.Settle()
	require.Empty(t, x.l.sent)
	x.l.room = 4
	x.l.up.TxReady(nil, 0)
	x.wantSent(3, 7)
	x.l.room = -1
	x.l.up.TxReady(nil, 0)
	x.wantSent(7, 12)
	require.Equal(t, []int{3, 4, 5}, o.calls)
	x.l.up.TxReady(nil, 0) // spurious
	x.l.up.TxReady(nil, 7) // there is no such queue
}

// TxReady that comes while the queue is running is remembered.
func TestTxReadyWhileRunning(t *testing.T) {
	x := newWire(t)
	x.l.room = 2
	x.l.onSent = func(w *Work, p *Packet) {
		if x.l.room == 0 {
			x.l.room = 2
			x.l.up.TxReady(w, 0)
		}
		x.l.sent = append(x.l.sent, p)
	}
	x.enqueue(0, 9, nil)
	x.wantSent(0, 9)
}

// A full queue refuses: nothing is dropped silently. The sender is told at once, and of the completion too.
func TestTransmitQueueRefuses(t *testing.T) {
	x := newWire(t)
	x.l.room = 0
	var o counting
	require.Equal(t, 5, x.enqueue(0, txQueuePackets+5, &o))
	w := x.Begin()
	p := x.message("one too many")
	p.SetOwner(&o, 1)
	require.Equal(t, tcpip.ErrNoBuffers, x.to("10.0.0.2").Output(w, p))
	w.End()
	require.EqualValues(t, 1, x.counters.Drops[tcpip.DropQueueFull].Value())
	require.Equal(t, []int{1}, o.calls)
	x.l.room = -1
	x.l.up.TxReady(nil, 0)
	x.clock.Settle()
	x.wantSent(0, txQueuePackets)
	total := -1
	for _, n := range o.calls {
		total += n
	}
	require.Equal(t, txQueuePackets, total)

	x.l.room = 0
	big := x.Begin()
	for i := range txQueueBytes/65000 + 3 {
		p := x.message(strings.Repeat("x", 65000))
		if !x.n.Enqueue(big, p) {
			require.Greater(t, (i+1)*65000, txQueueBytes)
			p.Release()
		}
	}
	big.End()
}

// DESIGN §3.5: completion is reported once per batch and owner, and may send more.
func TestCompletion(t *testing.T) {
	x := newWire(t)
	var a, b counting
	next := 100
	a.more = func(w *Work) {
		if next < 102 {
			p := x.message(fmt.Sprint(next))
			p.SetOwner(&a, 7)
			next++
			x.n.Enqueue(w, p)
		}
	}
	w := x.Begin()
	for i := range txBatch + 4 {
		p := x.message(fmt.Sprint(i))
		o := &a
		if i%2 == 1 {
			o = &b
		}
		p.SetOwner(o, 10)
		x.n.Enqueue(w, p)
	}
	w.End()
	require.Equal(t, []int{txBatch / 2 * 10, 20 + 7, 7}, a.calls)
	require.Equal(t, []int{txBatch / 2 * 10, 20}, b.calls)
}

// A NIC that goes down drops what is queued, counted, and the owners hear of it.
func TestLinkDownDrains(t *testing.T) {
	x := newWire(t)
	var o counting
	x.l.room = 0
	x.enqueue(0, 5, &o)
	x.n.SetUp(false)
	require.Equal(t, []int{5}, o.calls)
	x.enqueue(5, 7, &o)
	require.Equal(t, []int{5, 2}, o.calls)
	require.EqualValues(t, 7, x.counters.Drops[tcpip.DropLinkDown].Value())
	w := x.Begin()
	x.l.up.Deliver(w, []*Packet{x.message("in")})
	w.End()
	require.EqualValues(t, 8, x.counters.Drops[tcpip.DropLinkDown].Value())
	x.n.SetUp(true)
	x.l.room = -1
	x.l.up.TxReady(nil, 0)
	x.enqueue(7, 9, &o)
	x.wantSent(7, 9)
}

// A packet that goes round in memory is dropped after 32 links, and the call stack does not grow on the way.
func TestLoopDropped(t *testing.T) {
	x := newWire(t)
	var depths []int
	x.ip4.receive = func(w *Work, n *NIC, p *Packet) {
		depths = append(depths, runtime.Callers(0, make([]uintptr, 200)))
		require.True(t, n.Enqueue(w, p))
	}
	x.l.onSent = func(w *Work, p *Packet) {
		p.EtherType = header.EtherTypeIPv4
		x.l.up.Deliver(w, []*Packet{p})
	}
	x.enqueue(0, 1, nil)
	require.Len(t, depths, maxHops)
	require.EqualValues(t, 1, x.counters.Drops[tcpip.DropLoop].Value())
	for _, d := range depths {
		require.Equal(t, depths[0], d)
	}
}

// Waiters are told once per frame, after the packets are on their way.
func TestWakeAfterTransmit(t *testing.T) {
	x := newWire(t)
	var q waiter.Queue
	var told []string
	q.Register(waiter.NewFunc(waiter.Readable|waiter.Writable, func(ev waiter.Events) {
		told = append(told, fmt.Sprintf("%d after %d packets", ev, len(x.l.sent)))
	}))
	w := x.Begin()
	w.Wake(x.Stack, &q, waiter.Readable)
	x.n.Enqueue(w, x.message("0"))
	w.Wake(x.Stack, &q, waiter.Writable)
	w.Wake(x.Stack, &q, 0)
	require.Empty(t, told)
	w.End()
	require.Equal(t, []string{fmt.Sprintf("%d after 1 packets", waiter.Readable|waiter.Writable)}, told)
}

// Queues take turns, a batch each.
func TestQueuesTakeTurns(t *testing.T) {
	f := newFixture(t)
	var order []string
	var nics []*NIC
	for _, name := range []string{"a", "b"} {
		n, l := f.nic(LinkIP)
		l.onSent = func(_ *Work, p *Packet) {
			if len(order) == 0 || order[len(order)-1] != name {
				order = append(order, name)
			}
			p.Release()
		}
		nics = append(nics, n)
	}
	w := f.Begin()
	for range 2 * txBatch {
		for _, n := range nics {
			n.Enqueue(w, f.message("x"))
		}
	}
	w.End()
	require.Equal(t, []string{"a", "b", "a", "b"}, order)
}

// Taps see what comes, what leaves and what is dropped.
func TestTaps(t *testing.T) {
	x := newWire(t)
	var log []string
	tap := x.n.AddTap(func(ev TapEvent, p *Packet, d tcpip.Drop) {
		log = append(log, fmt.Sprintf("%d %s %s", ev, p.Front(), d))
	})
	x.enqueue(0, 1, nil)
	x.l.up.Deliver(nil, []*Packet{x.message("in")})
	x.n.RemoveTap(tap)
	x.n.RemoveTap(tap)
	x.enqueue(1, 2, nil)
	require.Equal(t, []string{"1 0 none", "0 in none", "2 in unknown-type"}, log)
}
