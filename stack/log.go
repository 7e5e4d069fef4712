package stack

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/seed963a8790/netstack/internal/gate"
	"github.com/seed963a8790/netstack/tcpip"
)

// journal writes events to a program's logger: off the paths of packets, in a timer of the stack's clock that is due at
// once.
type journal struct {
	stack  *Stack
	logger *slog.Logger
	events *Subscription
	gate   *gate.Gate // of calls of run
	mu     sync.Mutex // held by run, which keeps the order
}

// startJournal begins to log, if there is a logger.
func (s *Stack) startJournal() {
	if s.options.Logger == nil {
		return
	}
	j := &journal{stack: s, logger: s.options.Logger, gate: gate.New()}
	j.events, _ = s.subscribe(AllEvents, eventQueue, j.told) // the first, and the stack is open
	s.journal = j
}

// told arranges for the queue, which was empty, to be written. Locks are held.
func (j *journal) told() {
	if j.gate.Enter() {
		j.stack.clock.AfterFunc(0, j.run)
	}
}

func (j *journal) run() {
	defer j.gate.Leave()
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		e, ok := j.events.TryNext()
		if !ok {
			return
		}
		j.write(&e)
	}
}

// close lets what was told be written and no more be told. The subscription has ended.
func (j *journal) close() {
	if j != nil {
		j.gate.Close()
	}
}

func (j *journal) wait(ctx context.Context) error {
	if j == nil {
		return nil
	}
	return j.gate.Wait(ctx)
}

// lines are how events are written: what a program's owner has done or will ask about is Info, what the stack does by
// itself all the time is Debug, and what needs somebody's attention is Warn.
var lines = map[EventKinds]struct {
	level slog.Level
	text  string
}{
	EventResync:           {slog.LevelWarn, "events lost"},
	EventNICAdded:         {slog.LevelInfo, "NIC added"},
	EventNICChanged:       {slog.LevelInfo, "NIC changed"},
	EventNICRemoved:       {slog.LevelInfo, "NIC removed"},
	EventAddressAdded:     {slog.LevelInfo, "address added"},
	EventAddressChanged:   {slog.LevelInfo, "address changed"},
	EventAddressRemoved:   {slog.LevelInfo, "address removed"},
	EventRouteAdded:       {slog.LevelDebug, "route added"},
	EventRouteRemoved:     {slog.LevelDebug, "route removed"},
	EventNeighbourChanged: {slog.LevelDebug, "neighbour changed"},
	EventNeighbourRemoved: {slog.LevelDebug, "neighbour removed"},
}

func (j *journal) write(e *Event) {
	line := lines[e.Kind]
	if e.Kind == EventAddressChanged && e.Address.State == AddressDuplicated {
		line.level = slog.LevelWarn
	}
	ctx := context.Background()
	if !j.logger.Enabled(ctx, line.level) {
		return
	}
	j.logger.LogAttrs(ctx, line.level, line.text, e.attrs()...)
}

// attrs says what is worth saying of an event beside its kind.
func (e *Event) attrs() (attrs []slog.Attr) {
	if e.NIC.ID != 0 {
		attrs = append(attrs, slog.String("nic", e.NIC.Name))
	}
	switch e.Kind {
	case EventResync:
		attrs = append(attrs, slog.Uint64("lost", e.Lost))
	case EventNICAdded, EventNICChanged:
		attrs = append(attrs, slog.Bool("up", e.NIC.Up), slog.Int("mtu", e.NIC.MTU))
	case EventAddressAdded, EventAddressChanged, EventAddressRemoved:
		attrs = append(attrs, slog.String("address", e.Address.Prefix.String()), slog.String("state", e.Address.State.String()))
	case EventRouteAdded, EventRouteRemoved:
		attrs = append(attrs, slog.String("destination", e.Route.Destination.String()))
		if e.Route.Gateway.IsValid() {
			attrs = append(attrs, slog.String("gateway", e.Route.Gateway.String()))
		}
		attrs = append(attrs, slog.Int("nic", int(e.Route.NIC)), slog.Uint64("metric", uint64(e.Route.Metric)))
	case EventNeighbourChanged, EventNeighbourRemoved:
		attrs = append(attrs, slog.String("address", e.Neighbour.Addr.String()), slog.String("state", e.Neighbour.State.String()))
		if e.Neighbour.Link != (tcpip.LinkAddr{}) {
			attrs = append(attrs, slog.String("link", e.Neighbour.Link.String()))
		}
	}
	return attrs
}

// String returns the event as a line, like "address added nic=eth0 address=10.0.0.1/24 state=preferred".
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(lines[e.Kind].text)
	for _, a := range e.attrs() {
		fmt.Fprintf(&b, " %s", a)
	}
	return b.String()
}
