package gate

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestCloseLetsInNobody(t *testing.T) {
	g := New()
	if !g.Enter() {
		t.Fatal("an open gate refused")
	}
	if !g.Close() || g.Close() {
		t.Fatal("Close must report once that the gate was open")
	}
	if g.Enter() {
		t.Fatal("a closed gate let somebody in")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Wait with somebody inside: %v", err)
	}
	g.Leave()
	if err := g.Wait(ctx); err != nil {
		t.Fatalf("Wait after the last has left: %v", err)
	}
}

func TestConcurrent(t *testing.T) {
	g := New()
	var inside, entered sync.WaitGroup
	for range 4 {
		inside.Add(1)
		entered.Add(1)
		go func() {
			defer inside.Done()
			first := true
			for g.Enter() {
				g.Leave()
				if first {
					first = false
					entered.Done()
				}
			}
		}()
	}
	entered.Wait()
	g.Close()
	inside.Wait()
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}
