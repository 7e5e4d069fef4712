package stack

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

// takeEvents returns what is queued, as lines.
func takeEvents(u *Subscription) (lines []string) {
	for e, ok := u.TryNext(); ok; e, ok = u.TryNext() {
		lines = append(lines, e.String())
	}
	return lines
}

func (f *fixture) subscribe(kinds EventKinds) *Subscription {
	u, err := f.Subscribe(kinds, SubscribeOptions{})
	require.NoError(f.t, err)
	return u
}

// Every change of NICs, addresses and routes is told, in an order in which what is named exists.
func TestEventsOfConfiguration(t *testing.T) {
	f := newFixture(t)
	u := f.subscribe(AllEvents)
	n, l := f.nic(LinkIP, "10.0.0.1/24")
	f.route("0.0.0.0/0", via("10.0.0.254"))
	require.Equal(t, []string{
		"NIC added nic=nic1 up=true mtu=1500",
		"address added nic=nic1 address=10.0.0.1/24 state=preferred",
		"route added destination=10.0.0.0/24 nic=1 metric=0",
		"route added destination=0.0.0.0/0 gateway=10.0.0.254 nic=1 metric=0",
	}, takeEvents(u))

	require.NoError(t, n.AddAddress(netip.MustParsePrefix("10.0.0.2/24")))
	require.True(t, n.SetAddressState(addr("10.0.0.2"), AddressDeprecated))
	require.True(t, n.SetAddressState(addr("10.0.0.2"), AddressDeprecated)) // no news
	require.NoError(t, n.RemoveAddress(addr("10.0.0.1")))                   // the other one brings the route now
	require.Equal(t, []string{
		"address added nic=nic1 address=10.0.0.2/24 state=preferred",
		"address changed nic=nic1 address=10.0.0.2/24 state=deprecated",
		"route removed destination=10.0.0.0/24 nic=1 metric=0", // from 10.0.0.1
		"address removed nic=nic1 address=10.0.0.1/24 state=preferred",
		"route added destination=10.0.0.0/24 nic=1 metric=0", // from 10.0.0.2
	}, takeEvents(u))

	n.SetUp(false)
	n.SetUp(false)
	require.NoError(t, n.SetMTU(1400))
	require.NoError(t, n.SetMTU(1400))
	n.SetUp(true)
	l.info.MTU = 1300
	l.up.LinkChanged(nil)
	require.Equal(t, []string{
		"NIC changed nic=nic1 up=false mtu=1500", "NIC changed nic=nic1 up=false mtu=1400", "NIC changed nic=nic1 up=true mtu=1400",
		"NIC changed nic=nic1 up=true mtu=1300",
	}, takeEvents(u))

	require.NoError(t, f.RemoveRoute(RouteEntry{Destination: netip.MustParsePrefix("0.0.0.0/0")}))
	n.Remove()
	require.Equal(t, []string{
		"route removed destination=0.0.0.0/0 gateway=10.0.0.254 nic=1 metric=0",
		"route removed destination=10.0.0.0/24 nic=1 metric=0",
		"address removed nic=nic1 address=10.0.0.2/24 state=deprecated",
		"NIC removed nic=nic1",
	}, takeEvents(u))
	u.Close()
	f.nic(LinkIP, "10.0.0.1/24")
	require.Empty(t, takeEvents(u))
}

func TestEventsOfNeighbours(t *testing.T) {
	e := newEther(t)
	u := e.subscribe(EventNeighbourChanged | EventNeighbourRemoved)
	e.send("10.0.0.2", "one")
	e.heard("10.0.0.2", macA, "s")
	e.heard("10.0.0.2", macA, "s") // no news
	require.NoError(t, e.n.AddNeighbour(addr("10.0.0.3"), macB))
	require.NoError(t, e.n.RemoveNeighbour(addr("10.0.0.3")))
	require.Equal(t, []string{
		"neighbour changed nic=nic1 address=10.0.0.2 state=INCOMPLETE",
		"neighbour changed nic=nic1 address=10.0.0.2 state=REACHABLE link=" + macA.String(),
		"neighbour changed nic=nic1 address=10.0.0.3 state=PERMANENT link=" + macB.String(),
		"neighbour removed nic=nic1 address=10.0.0.3 state=PERMANENT link=" + macB.String(),
	}, takeEvents(u))
	e.n.SetUp(false)
	require.Equal(t, []string{"neighbour removed nic=nic1 address=10.0.0.2 state=REACHABLE link=" + macA.String()}, takeEvents(u))
}

// Who does not read loses events, is told so in their place, and goes on with what came after.
func TestResync(t *testing.T) {
	f := newFixture(t)
	n, _ := f.nic(LinkIP, "10.0.0.1/24")
	u, err := f.Subscribe(EventNICChanged, SubscribeOptions{Queue: tcpip.Set(3)})
	require.NoError(t, err)
	for mtu := range 10 {
		require.NoError(t, n.SetMTU(1000+mtu))
	}
	// 0 1 2; 3 finds it full: Resync 3; 4, and 5 finds it full: Resync 3+2=5 ...; each time two more.
	require.Equal(t, []string{
		"events lost lost=9", "NIC changed nic=nic1 up=true mtu=1009",
	}, takeEvents(u))
	require.EqualValues(t, 9, u.Lost())
	require.EqualValues(t, 9, f.Snapshot().LostEvents)
	require.NoError(t, n.SetMTU(1200))
	require.Equal(t, []string{"NIC changed nic=nic1 up=true mtu=1200"}, takeEvents(u))

	one, err := f.Subscribe(EventNICChanged, SubscribeOptions{Queue: tcpip.Set(1)})
	require.NoError(t, err)
	for mtu := range 5 {
		require.NoError(t, n.SetMTU(1000+mtu))
	}
	require.Equal(t, []string{"events lost lost=5"}, takeEvents(one), "no room for anything else")
}

func TestSubscribeErrors(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		kinds EventKinds
		queue int
	}{{0, 1}, {AllEvents + 1, 1}, {AllEvents, 0}, {AllEvents, -1}} {
		_, err := f.Subscribe(c.kinds, SubscribeOptions{Queue: tcpip.Set(c.queue)})
		require.ErrorIs(t, err, tcpip.ErrInvalid, "%+v", c)
	}
	for range maxSubscriptions {
		f.subscribe(AllEvents)
	}
	_, err := f.Subscribe(AllEvents, SubscribeOptions{})
	require.ErrorIs(t, err, tcpip.ErrTooMany)
	f.Close()
	_, err = f.Subscribe(AllEvents, SubscribeOptions{})
	require.ErrorIs(t, err, tcpip.ErrClosed)
}

// The last events are those of the stack's own end, and then there is an end.
func TestEventsUntilClose(t *testing.T) {
	f := newFixture(t)
	f.nic(LinkIP, "10.0.0.1/24")
	u := f.subscribe(EventNICRemoved)
	var got []string
	var wg sync.WaitGroup
	wg.Go(func() {
		for e := range u.All(context.Background()) {
			got = append(got, e.String())
		}
	})
	f.Close()
	wg.Wait()
	require.Equal(t, []string{"NIC removed nic=nic1"}, got)
	_, err := u.Next(context.Background())
	require.ErrorIs(t, err, tcpip.ErrClosed)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	open := newFixture(t)
	_, err = open.subscribe(AllEvents).Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// Subscribers that come, read and go while the stack changes: none misses the last change, none stops the others.
func TestEventsConcurrently(t *testing.T) {
	f := newFixture(t)
	n, _ := f.nic(LinkIP, "10.0.0.1/24")
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for k := range 4 {
		u, err := f.Subscribe(EventNICChanged|EventNICRemoved, SubscribeOptions{Queue: tcpip.Set(1 + 7*k)})
		require.NoError(t, err)
		wg.Go(func() {
			<-ready
			for range u.All(context.Background()) {
			}
		})
		wg.Go(func() {
			for range 100 {
				if v, err := f.Subscribe(AllEvents, SubscribeOptions{}); err == nil {
					v.TryNext()
					v.Close()
				}
			}
		})
	}
	close(ready)
	for mtu := range 500 {
		require.NoError(t, n.SetMTU(1000+mtu))
	}
	f.Close()
	wg.Wait()
}

// A silent stack logs nothing; one with a logger says what changes, with levels, and Wait waits for it.
func TestLogger(t *testing.T) {
	var text bytes.Buffer
	clock := tcpip.NewManualClock()
	s := New(Options{Clock: clock, Logger: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))})
	n, err := s.AddNIC(newTestLink(LinkIP), NICOptions{Name: "tun0", Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	require.NoError(t, err)
	require.Empty(t, text.String(), "not inside the call that changes")
	clock.Settle()
	n.SetAddressState(addr("10.0.0.1"), AddressDuplicated)
	s.Close()
	clock.Settle()
	require.NoError(t, s.Wait(context.Background()))
	require.Equal(t, strings.TrimSpace(`
level=INFO msg="NIC added" nic=tun0 up=true mtu=1500
level=INFO msg="address added" nic=tun0 address=10.0.0.1/24 state=preferred
level=WARN msg="address changed" nic=tun0 address=10.0.0.1/24 state=duplicated
level=INFO msg="address removed" nic=tun0 address=10.0.0.1/24 state=duplicated
level=INFO msg="NIC removed" nic=tun0
`), strings.TrimSpace(text.String()))
}

// handler is a logger's handler that takes its time and calls the stack.
type handler struct {
	slog.Handler
	n     atomic.Pointer[NIC]
	mu    sync.Mutex
	lines []string
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	time.Sleep(time.Microsecond)
	if n := h.n.Load(); n != nil {
		_ = n.SetMTU(1200)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprint(r.Message))
	return nil
}

// With the system's clock a logger may call the stack, lines keep their order, and Wait returns after the last.
func TestLoggerCallsBack(t *testing.T) {
	h := &handler{}
	s := New(Options{Logger: slog.New(h)})
	n, err := s.AddNIC(newTestLink(LinkIP), NICOptions{})
	require.NoError(t, err)
	h.n.Store(n)
	for mtu := range 100 {
		require.NoError(t, n.SetMTU(1000+mtu))
	}
	s.Close()
	require.NoError(t, s.Wait(context.Background()))
	require.Equal(t, "NIC added", h.lines[0])
	require.Equal(t, "NIC removed", h.lines[len(h.lines)-1])
}
