package fault_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// narrow is a link that has room for one packet at a time.
type narrow struct {
	up       stack.Receiver
	room     int
	taken    int
	workless bool // Transmit was called without a Work
}

func (l *narrow) Info() stack.LinkInfo          { return stack.LinkInfo{Up: true, MTU: 1500} }
func (l *narrow) Attach(r stack.Receiver) error { l.up = r; return nil }
func (l *narrow) Close()                        {}
func (l *narrow) Wait(context.Context) error    { return nil }

func (l *narrow) Transmit(w *stack.Work, _ int, batch []*stack.Packet) int {
	l.workless = l.workless || w == nil
	n := min(l.room, len(batch))
	l.room -= n
	l.taken += n
	for _, p := range batch[:n] {
		p.Release()
	}
	return n
}

// What is sent when the lower link has room again is sent in a frame with a Work, as Transmit promises.
func TestReadyHasWork(t *testing.T) {
	s := stack.New(stack.Options{Clock: tcpip.NewManualClock()})
	lower := &narrow{room: 1}
	n, err := s.AddNIC(fault.New(lower, fault.Options{}), stack.NICOptions{})
	require.NoError(t, err)
	w := s.Begin()
	for range 3 {
		require.True(t, n.Enqueue(w, s.NewPacketCopy(make([]byte, 100))))
	}
	w.End()
	require.Equal(t, 1, lower.taken)
	lower.room = 5
	lower.up.TxReady(nil, 0)
	require.Equal(t, 3, lower.taken)
	require.False(t, lower.workless)
	s.Close()
	require.Zero(t, s.LivePackets())
}
