package linux_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/udp"
)

// What Linux allows to the privileged alone, the runtime decides on; unset, everything is allowed.
func TestCapabilities(t *testing.T) {
	off, on := tcpip.Set(false), tcpip.Set(true)
	one := []byte{1, 0, 0, 0}
	for name, c := range map[string]struct {
		o                               linux.Options
		raw, mark, force, priority, any linux.Errno
	}{
		"unset":    {},
		"raw":      {o: linux.Options{NetRaw: on, NetAdmin: off}, force: linux.EPERM},
		"admin":    {o: linux.Options{NetRaw: off, NetAdmin: on}, raw: linux.EPERM},
		"nobody":   {o: linux.Options{NetRaw: off, NetAdmin: off}, raw: linux.EPERM, mark: linux.EPERM, force: linux.EPERM, priority: linux.EPERM, any: linux.EPERM},
		"only raw": {o: linux.Options{NetRaw: off}, raw: linux.EPERM},
	} {
		t.Run(name, func(t *testing.T) {
			s := stack.New(stack.Options{
				Clock: tcpip.NewManualClock(), Networks: []stack.NewNetwork{ipv4.New, ipv6.New},
				Transports: []stack.NewTransport{udp.New}, Raw: raw.New,
			})
			defer s.Close()
			n := linux.NewWith(s, c.o)
			for _, family := range []int{linux.AF_INET, linux.AF_INET6} {
				r, err := n.Socket(family, linux.SOCK_RAW, 253)
				require.Equal(t, c.raw, err)
				if err == 0 {
					r.Close()
				}
				_, err = n.Socket(family, linux.SOCK_RAW, 0)
				require.Equal(t, linux.EPROTONOSUPPORT, err)
			}
			u, err := n.Socket(linux.AF_INET, linux.SOCK_DGRAM, 0)
			require.Zero(t, err)
			defer u.Close()
			set := func(id tcpip.OptionID, v ...byte) linux.Errno { return u.SetSockOpt(id.Level(), id.Number(), v) }
			require.Equal(t, c.mark, set(tcpip.SO_MARK, one...))
			require.Equal(t, c.force, set(linux.SO_RCVBUFFORCE, one...))
			require.Zero(t, set(tcpip.SO_PRIORITY, 6, 0, 0, 0))
			require.Equal(t, c.priority, set(tcpip.SO_PRIORITY, 7, 0, 0, 0))
			require.Zero(t, set(tcpip.IP_TRANSPARENT, 0, 0, 0, 0))
			require.Equal(t, c.any, set(tcpip.IP_TRANSPARENT, one...))
			require.Equal(t, c.any, set(tcpip.IP_TRANSPARENT, 1))
			require.Equal(t, linux.EINVAL, set(tcpip.SO_MARK, 1), "a length is complained of first")
		})
	}
}
