package stack

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// registered is an endpoint that is only registered.
type registered struct {
	Endpoint
	name string
}

func TestEndpointRegister(t *testing.T) {
	f := newFixture(t)
	list := func() (s string) {
		for _, e := range f.Endpoints() {
			s += e.(*registered).name
		}
		return s
	}
	a, b, c := &registered{name: "a"}, &registered{name: "b"}, &registered{name: "c"}
	f.Register(a)
	f.Register(b)
	f.Register(c)
	f.Register(a) // again: nothing
	require.Equal(t, "abc", list())
	f.Unregister(b)
	f.Unregister(b)
	f.Register(b)
	require.Equal(t, "acb", list(), "in the order of registration")

	gone, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, f.Wait(gone), context.Canceled)
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- f.Wait(context.Background()) }()
	}
	f.Unregister(a)
	f.Unregister(b)
	select {
	case <-done:
		t.Fatal("waited for less than all")
	case <-time.After(time.Millisecond):
	}
	f.Unregister(c)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Empty(t, list())
}

// What is over already Wait says whatever its context does.
func TestWaitWhenOver(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	s := New(Options{})
	s.Close()
	for range 100 { // a select would choose
		require.NoError(t, s.Wait(gone))
	}
}
