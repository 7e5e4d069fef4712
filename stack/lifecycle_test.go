package stack

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

// A queue that the link has stopped says no more of TxReady once its NIC is gone: what is in it, and what
// comes later, ends as a counted drop, and its owner hears of it.
func TestRemoveStoppedQueue(t *testing.T) {
	x := newWire(t)
	x.l.room = 0
	done := &counting{}
	x.enqueue(0, 3, done)
	require.Empty(t, done.calls)
	x.n.Remove()
	require.Equal(t, []int{3}, done.calls)

	q := x.n.queues[0] // a frame that found the NIC up and comes to the queue after its removal
	w := x.Begin()
	p := x.message("late")
	p.SetOwner(done, 7)
	require.True(t, q.enqueue(w, p))
	w.End()
	require.Equal(t, []int{3, 7}, done.calls)
	require.Zero(t, x.LivePackets())
}

// The NIC goes while a frame transmits, and the link does not take all of the batch.
func TestRemoveWhileTransmitting(t *testing.T) {
	x := newWire(t)
	done := &counting{}
	x.l.room = 1
	x.l.onSent = func(w *Work, p *Packet) {
		p.Release()
		x.n.Remove()
	}
	x.enqueue(0, 5, done)
	sum := 0
	for _, c := range done.calls {
		sum += c
	}
	require.Equal(t, 5, sum)
	require.Zero(t, x.LivePackets())
	require.EqualValues(t, 4, x.Counters().Drops[tcpip.DropLinkDown].Value())
}

// A NIC that goes down while its queue is scheduled, and comes up again: the queue goes on.
func TestDownWhileScheduled(t *testing.T) {
	x := newWire(t)
	x.enqueue(0, workPackets+10, nil)
	x.l.release()
	x.n.SetUp(false)
	x.n.SetUp(true)
	other, l := x.nic(LinkIP, "10.0.1.1/24")
	w := x.Begin() // a frame that spends its budget elsewhere
	for range workPackets {
		require.True(t, other.Enqueue(w, x.message("x")))
	}
	w.run()
	require.True(t, x.n.Enqueue(w, x.message("0")))
	w.End()
	x.clock.Settle()
	l.release()
	x.wantSent(0, 1)
}

// hookLink is a link with hooks.
type hookLink struct {
	*testLink
	onInfo, onAttach func()
	err              error // of Attach
	closed           bool
}

func (l *hookLink) Info() LinkInfo {
	info := l.testLink.Info()
	if l.onInfo != nil {
		l.onInfo()
	}
	return info
}

func (l *hookLink) Attach(r Receiver) error {
	if l.onAttach != nil {
		l.onAttach()
	}
	if l.err != nil {
		return l.err
	}
	return l.testLink.Attach(r)
}

func (l *hookLink) Close() { l.closed = true; l.testLink.Close() }

func (l *hookLink) Wait(ctx context.Context) error {
	if l.closed {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// A link that could not be attached, for it belongs to somebody else, is not waited for.
func TestWaitAfterFailedAttach(t *testing.T) {
	f := newFixture(t)
	_, err := f.AddNIC(&hookLink{testLink: newTestLink(LinkIP), err: tcpip.ErrExists}, NICOptions{})
	require.ErrorIs(t, err, tcpip.ErrExists)
	f.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, f.Wait(ctx))
}

// Close while a NIC is being added: it does not stay behind.
func TestAddNICWhileClosing(t *testing.T) {
	t.Run("before it is there", func(t *testing.T) {
		f := newFixture(t)
		l := &hookLink{testLink: newTestLink(LinkIP), onInfo: f.Close}
		_, err := f.AddNIC(l, NICOptions{})
		require.ErrorIs(t, err, tcpip.ErrClosed)
		require.Empty(t, f.NICs())
		require.Nil(t, l.up, "attached for good")
	})
	t.Run("before it is attached", func(t *testing.T) {
		f := newFixture(t)
		l := &hookLink{testLink: newTestLink(LinkIP), onAttach: f.Close}
		_, err := f.AddNIC(l, NICOptions{})
		require.ErrorIs(t, err, tcpip.ErrClosed)
		require.Empty(t, f.NICs())
		require.True(t, l.closed)
	})
}

// NICs that come and go leave nothing to wait for.
func TestRemovedNICsAreForgotten(t *testing.T) {
	f := newFixture(t)
	for range 50 {
		n, _ := f.nic(LinkIP, "10.0.0.1/24")
		n.Remove()
	}
	require.LessOrEqual(t, len(f.removedNICs()), 1)
}

// Of two changes of a link the later one counts, whichever call has the older description in hand.
func TestLinkChangedTwice(t *testing.T) {
	f := newFixture(t)
	l := &hookLink{testLink: newTestLink(LinkIP)}
	n, err := f.AddNIC(l, NICOptions{})
	require.NoError(t, err)
	l.onInfo = func() {
		l.onInfo = nil
		l.info.Up = false
		l.up.LinkChanged(nil)
	}
	l.up.LinkChanged(nil)
	require.False(t, n.Up())
}
