package behaviour

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// Options that daemons try, and what they fall back to.
func TestB12(t *testing.T) {
	forFamilies(t, func(t *testing.T, m family) {
		for what, typ := range map[string]int{"stream": linux.SOCK_STREAM, "datagram": linux.SOCK_DGRAM} {
			open := plain(t).sockets(m.v6, typ)
			t.Run(what+", unknown", func(t *testing.T) {
				s := open(t)
				for _, id := range []tcpip.OptionID{
					tcpip.Option(linux.SOL_SOCKET, 1000), tcpip.Option(linux.IPPROTO_IP, 60), tcpip.Option(linux.IPPROTO_IP, 1000),
					tcpip.Option(protocolLevel(typ), 999),
				} {
					require.Equal(t, linux.ENOPROTOOPT, s.SetSockOpt(id.Level(), id.Number(), word(1)), "set %v", id)
					_, e := s.GetSockOpt(id.Level(), id.Number(), make([]byte, 4))
					require.Equal(t, linux.ENOPROTOOPT, e, "get %v", id)
				}
				for _, level := range []int{7, 99, 300} {
					require.Equal(t, linux.ENOPROTOOPT, s.SetSockOpt(level, 1, word(1)), "set at level %d", level)
				}
			})
			t.Run(what+", out of range", func(t *testing.T) {
				s := open(t)
				ranges := map[tcpip.OptionID][]int{
					tcpip.IP_TTL: {-2, 0, 256}, tcpip.IP_MTU_DISCOVER: {-1, 6, 99}, tcpip.IP_MINTTL: {-1, 256}, tcpip.IP_MULTICAST_TTL: {-2, 256},
				}
				if m.v6 {
					ranges = map[tcpip.OptionID][]int{
						tcpip.IPV6_UNICAST_HOPS: {-2, 256}, tcpip.IPV6_MTU_DISCOVER: {-1, 6}, tcpip.IPV6_TCLASS: {-2, 256}, tcpip.IPV6_MTU: {1, 1279},
						tcpip.IPV6_MINHOPCOUNT: {-1, 256},
					}
				}
				if typ == linux.SOCK_STREAM {
					delete(ranges, tcpip.IP_MULTICAST_TTL)
					ranges[tcp.TCP_KEEPCNT], ranges[tcp.TCP_KEEPIDLE], ranges[tcp.TCP_MAXSEG] = []int{0, 128}, []int{0, 32768}, []int{87, 32768}
				}
				for id, values := range ranges {
					if id == tcpip.IPV6_MTU { // a connected socket's
						require.Equal(t, linux.EINVAL, s.SetSockOpt(id.Level(), id.Number(), word(values[0])))
						continue
					}
					before := s.get(id)
					for _, v := range values {
						require.Equal(t, linux.EINVAL, s.SetSockOpt(id.Level(), id.Number(), word(v)), "%v %d", id, v)
					}
					require.Equal(t, before, s.get(id), "%v", id)
				}
			})
			t.Run(what+", lengths", func(t *testing.T) {
				s := open(t)
				for n := range 4 { // IPPROTO_IP's options take a byte, too; the others do not
					require.Equal(t, linux.EINVAL, s.SetSockOpt(linux.SOL_SOCKET, tcpip.SO_REUSEADDR.Number(), make([]byte, n)), "%d bytes", n)
					if m.v6 {
						require.Equal(t, linux.EINVAL, s.SetSockOpt(linux.IPPROTO_IPV6, tcpip.IPV6_RECVHOPLIMIT.Number(), make([]byte, n)), "%d bytes", n)
					} else if n > 0 {
						require.Zero(t, s.SetSockOpt(linux.IPPROTO_IP, tcpip.IP_RECVTTL.Number(), make([]byte, n)), "%d bytes", n)
					}
				}
				require.Zero(t, s.SetSockOpt(linux.SOL_SOCKET, tcpip.SO_REUSEADDR.Number(), append(word(1), 7, 7, 7, 7)), "more than an int")
				require.Equal(t, 1, s.get(tcpip.SO_REUSEADDR))
				for n := range 4 { // what fits is returned
					got, e := s.GetSockOpt(linux.SOL_SOCKET, tcpip.SO_REUSEADDR.Number(), make([]byte, n))
					require.Zero(t, e)
					require.Equal(t, n, got)
				}
			})
		}
		t.Run("a resolver's servers", func(t *testing.T) { // each tries what is best and goes on without it
			v := plain(t)
			open := v.sockets(m.v6, linux.SOCK_DGRAM)
			humble := linux.Options{NetRaw: tcpip.Set(false), NetAdmin: tcpip.Set(false)} // servers give up capabilities
			for i, attempts := range [][]attempt{
				{{tcpip.IP_MTU_DISCOVER, 5, 0}}, // OMIT
				{{tcpip.IP_MTU_DISCOVER, 0, 0}}, // DONT
				{{tcpip.SO_REUSEPORT, 1, 0}},    //
				{{linux.SO_RCVBUFFORCE, 1 << 20, linux.EPERM}, {tcpip.SO_RCVBUF, 1 << 20, 0}},
				{{tcpip.IP_TRANSPARENT, 1, linux.EPERM}, {tcpip.IP_FREEBIND, 1, 0}},
			} {
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					s := v.socketsWith(humble, m.v6, linux.SOCK_DGRAM)(t)
					for _, a := range attempts {
						require.Equal(t, a.gives, s.SetSockOpt(a.id.Level(), a.id.Number(), word(a.v)), "%v", a.id)
					}
				})
			}
			if m.v6 {
				s := open(t)
				minMTU := tcpip.Option(linux.IPPROTO_IPV6, 63) // IPV6_USE_MIN_MTU, which Linux lacks
				require.Equal(t, linux.ENOPROTOOPT, s.SetSockOpt(minMTU.Level(), minMTU.Number(), word(1)))
				s.set(tcpip.IPV6_MTU, 1280)
				s.set(tcpip.IPV6_V6ONLY, 1)
				s.set(tcpip.IPV6_RECVPKTINFO, 1)
			} else {
				open(t).set(tcpip.IP_PKTINFO, 1)
			}
		})
	})
}

// attempt is an option that is tried, and what comes of it.
type attempt struct {
	id    tcpip.OptionID
	v     int
	gives linux.Errno
}

func protocolLevel(typ int) int {
	if typ == linux.SOCK_STREAM {
		return linux.IPPROTO_TCP
	}
	return linux.IPPROTO_UDP
}
