package simnet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/simnet"
	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/waiter"
)

// A link that swallows large packets without an ICMP error (RFC 4821 §1, BEHAVIOUR B10): both directions of a
// connection get through it, and soon, whatever it still takes; over IPv6 1280 bytes at least (B11).
func TestBlackHoleLink(t *testing.T) {
	for _, c := range []struct {
		hole int
		v6   bool
	}{{1499, false}, {1400, false}, {1300, false}, {1280, false}, {1064, false}, {576, false}, {300, false}, {1499, true}, {1400, true}, {1280, true}} {
		t.Run(fmt.Sprintf("%d/v6-%v", c.hole, c.v6), func(t *testing.T) {
			n := simnet.New(uint64(c.hole))
			a, b := n.Host("a"), n.Host("b")
			j := n.Join(a, b, simnet.Wire{Faults: fault.Faults{Hole: c.hole, Delay: 5 * time.Millisecond, Rate: 50_000_000}})
			n.Run(5 * time.Second) // duplicate address detection ends
			proto, to := header.EtherTypeIPv4, j.AddrB
			if c.v6 {
				proto, to = header.EtherTypeIPv6, j.Six[1]
			}
			l, err := b.NewEndpoint(header.ProtocolTCP, proto)
			require.NoError(t, err)
			require.NoError(t, l.Bind(tcpip.FullAddress{Port: 80}))
			require.NoError(t, l.Listen(8))
			var users []*simnet.User
			plan := simnet.Plan{Send: 300_000}
			l.Waiters().Register(waiter.NewFunc(waiter.Readable, func(waiter.Events) {
				if ep, err := l.Accept(); err == nil {
					users = append(users, n.Use(ep.(stack.Endpoint), plan))
				}
			}))
			ep, err := a.NewEndpoint(header.ProtocolTCP, proto)
			require.NoError(t, err)
			require.ErrorIs(t, ep.Connect(tcpip.FullAddress{Addr: to, Port: 80}), tcpip.ErrInProgress)
			users = append(users, n.Use(ep, plan))
			start := n.Clock.Now()
			done := func() bool {
				for _, u := range users {
					if u.Received < plan.Send {
						return false
					}
				}
				return len(users) == 2
			}
			require.True(t, n.RunUntil(done, 2*time.Minute), "stuck")
			took := n.Clock.Now().Sub(start)
			limit := 20 * time.Second // four timeouts and some loss of probes
			if c.hole < 1064 {
				limit = time.Minute // some more timeouts, each twice the last
			}
			require.Less(t, took, limit)
			i := ep.(*tcp.Endpoint).Info()
			require.LessOrEqual(t, i.SendMSS+40, c.hole)
			if c.v6 {
				require.GreaterOrEqual(t, i.SendMSS+12+60, 1280)
			}
			for _, u := range users {
				require.NoError(t, u.Bad)
				u.Endpoint().Close()
			}
			l.Close()
			n.Run(20 * time.Minute)
			require.NoError(t, n.Close())
		})
	}
}
