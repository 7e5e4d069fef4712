package udp_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/transport/udp"
)

// Endpoints that are made while the stack is closed do not stay behind: Wait returns.
func TestNewEndpointWhileClosing(t *testing.T) {
	for range 100 {
		s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}, Transports: []stack.NewTransport{udp.New}})
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for {
					if _, err := s.NewEndpoint(header.ProtocolUDP, header.EtherTypeIPv4); err != nil {
						return
					}
				}
			})
		}
		runtime.Gosched()
		s.Close()
		all.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		require.NoError(t, s.Wait(ctx))
		cancel()
	}
}
