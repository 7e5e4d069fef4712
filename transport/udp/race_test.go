package udp_test

import (
	"errors"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

// Senders, readers, options, groups, connecting and closing, all at once on the system's clock. It is for
// the race detector and for the leak check at the end.
func TestStress(t *testing.T) {
	n := testnet.New(t, testnet.Options{System: true}, udp.New)
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	group := addr("239.9.9.9")
	var wg sync.WaitGroup
	spawn := func(f func(round int)) {
		wg.Go(func() {
			for i := range rounds {
				f(i)
			}
		})
	}
	open := func(h *testnet.Host) *udp.Endpoint {
		e, err := h.NewEndpoint(header.ProtocolUDP, header.EtherTypeIPv6)
		require.NoError(t, err)
		return e.(*udp.Endpoint)
	}
	targets := []netip.Addr{n.A.V4, n.B.V4, n.A.V6, n.B.V6, group, addr("10.0.0.255"), addr("127.0.0.1")}
	// Servers that come and go, reading with a channel or with a function.
	for i := range 3 {
		for _, h := range []*testnet.Host{n.A, n.B} {
			spawn(func(round int) {
				e := open(h)
				defer e.Close()
				_ = e.SetOption(tcpip.SO_REUSEPORT, 1)
				_ = e.SetOption(tcpip.IPV6_RECVERR, 1)
				if e.Bind(tcpip.FullAddress{Port: 7}) != nil {
					return
				}
				_ = e.JoinGroup(group, testnet.Ethernet)
				w := waiter.NewChannel(waiter.Readable)
				if (round+i)%2 == 0 {
					w = waiter.NewFunc(waiter.Readable, func(waiter.Events) { _, _ = e.Read(make([]byte, 100), tcpip.ReadOptions{}) })
				}
				e.Waiters().Register(w)
				defer e.Waiters().Unregister(w)
				b := make([]byte, 2000)
				for range 100 {
					r, err := e.Read(b, tcpip.ReadOptions{})
					if err == nil {
						_, _ = e.Write(b[:r.Count], tcpip.WriteOptions{To: r.From})
					}
					_, _ = e.Read(b, tcpip.ReadOptions{Flags: tcpip.ReadError})
					_ = e.SetOption(tcpip.SO_RCVBUF, 5000+round)
				}
			})
		}
	}
	// Clients that share an endpoint, one of which closes it.
	for _, h := range []*testnet.Host{n.A, n.B} {
		spawn(func(round int) {
			e := open(h)
			_ = e.SetOption(tcpip.SO_BROADCAST, 1)
			var users sync.WaitGroup
			for i := range 3 {
				users.Go(func() {
					b := make([]byte, 10+round*100)
					for j := range 100 {
						_, err := e.Write(b, to(targets[(i+j+round)%len(targets)], 7+uint16(j%2)))
						if errors.Is(err, tcpip.ErrClosed) {
							return
						}
						_, _ = e.Read(b, tcpip.ReadOptions{})
						if j%10 == 0 {
							_ = e.Connect(at(targets[j%4], 7))
							_ = e.LocalAddress()
							_, _ = e.Option(tcpip.IP_MTU)
						}
					}
				})
			}
			if round%3 == 0 {
				e.Close()
			}
			users.Wait()
			e.Close()
			require.NoError(t, e.Wait(t.Context()))
		})
	}
	wg.Wait()
}
