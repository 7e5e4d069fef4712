package behaviour

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
)

// C10: what an accepted connection says of its local address is the destination of the SYN, though the listener is
// bound to every address and this one is another NIC's.
func TestC10(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		second := "10.9.0.1/24"
		if m.v6 {
			second = "fd09::1/64"
		}
		for _, us := range []string{m.us.String(), prefix(second).Addr().String()} {
			v := plain(t)
			v.Port(channel.Options{}, stack.NICOptions{}, second)
			asked := m
			asked.us = addr(us)
			r := v.connected(asked, 1460, true, true)
			require.Equal(t, us, r.ep.LocalAddress().Addr.String())
			require.EqualValues(t, 80, r.ep.LocalAddress().Port)
			require.Equal(t, m.peer, r.ep.RemoteAddress().Addr)
		}
	})
}
