package gonet_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/internal/conntest"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// towards is a net.PacketConn that is used as a net.Conn to a peer.
type towards struct {
	net.PacketConn
	peer net.Addr
}

func (c towards) Read(b []byte) (int, error) {
	n, _, err := c.ReadFrom(b)
	return n, err
}
func (c towards) Write(b []byte) (int, error) { return c.WriteTo(b, c.peer) }
func (c towards) RemoteAddr() net.Addr        { return c.peer }

// arrivals is a Subject whose datagrams come from peer.
func arrivals(t *testing.T, c, peer net.Conn) *conntest.Subject {
	return &conntest.Subject{Conn: c, Message: []byte("a message"), Network: "udp", Arrive: func() {
		_, err := peer.Write([]byte("a datagram"))
		if err != nil {
			t.Log(err) // port unreachable, once the other end is closed
		}
	}}
}

// Every connection of datagrams that gonet hands out, over both families, keeps the rules.
func TestDatagramConns(t *testing.T) {
	pair := func(network, address string) (listening, dialled func(t *testing.T) *conntest.Subject) {
		both := func(t *testing.T) (net.Conn, net.Conn) {
			left, right := newPair(t, nil)
			u, err := right.ListenUDP(context.Background(), network, address)
			require.NoError(t, err)
			c, err := left.Dial(network, u.LocalAddr().String())
			require.NoError(t, err)
			t.Cleanup(func() { u.Close(); c.Close() })
			return towards{u, c.LocalAddr()}, c
		}
		return func(t *testing.T) *conntest.Subject {
				u, c := both(t)
				return arrivals(t, u, c)
			}, func(t *testing.T) *conntest.Subject {
				u, c := both(t)
				return arrivals(t, c, u)
			}
	}
	listening4, dialled4 := pair("udp4", right4+":0")
	listening6, dialled6 := pair("udp6", "["+right6+"]:0")
	flow := func(address string, m udp.Mapping, packets bool) func(t *testing.T) *conntest.Subject {
		return func(t *testing.T) *conntest.Subject {
			left, right := newGateway(t, nil)
			taken := make(chan *gonet.FlowConn, 1)
			handleUDP(t, right, udp.HandleOptions{Mapping: m}, func(f *gonet.UDPFlow) {
				c, err := f.Accept(udp.AcceptOptions{})
				if err != nil {
					t.Error(err)
				}
				select {
				case taken <- c:
				default:
					c.Close() // what arrives after the first was closed is another one
				}
			})
			client, err := left.Dial("udp", address)
			require.NoError(t, err)
			t.Cleanup(func() { client.Close() })
			_, err = client.Write([]byte("open"))
			require.NoError(t, err)
			c := <-taken
			_, err = c.Read(make([]byte, 10))
			require.NoError(t, err)
			s := arrivals(t, c, client)
			if packets {
				peer := client.LocalAddr()
				if m == udp.FullCone {
					peer = client.RemoteAddr()
				}
				s.Conn = towards{c, peer}
			}
			return s
		}
	}
	for name, f := range map[string]func(t *testing.T) *conntest.Subject{
		"dialled/IPv4":         dialled4,
		"dialled/IPv6":         dialled6,
		"listening/IPv4":       listening4,
		"listening/IPv6":       listening6,
		"flow/IPv4":            flow(far[0], udp.Symmetric, false),
		"flow/IPv6":            flow(far[1], udp.Symmetric, false),
		"flow, packets":        flow(far[0], udp.Symmetric, true),
		"full cone":            flow(far[0], udp.FullCone, false),
		"full cone, packets":   flow(far[1], udp.FullCone, true),
		"ping, dialled/IPv4":   pinging("203.0.113.7", false),
		"ping, dialled/IPv6":   pinging("2001:db8:ffff::7", false),
		"ping, listening/IPv4": pinging("203.0.113.7", true),
		"ping, listening/IPv6": pinging("2001:db8:ffff::7", true),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conntest.Datagrams(t, f)
		})
	}
}

// pinging makes ping sockets. What arrives are replies to requests that the rules do not see; those that they write get
// none.
func pinging(far string, listening bool) func(t *testing.T) *conntest.Subject {
	return func(t *testing.T) *conntest.Subject {
		left, right := newGateway(t, nil)
		h, err := icmp.HandleEcho(right.Stack, transport.HandleOptions{}, func(r *icmp.EchoRequest) {
			if string(r.Data()) == "answer" {
				r.Reply()
			}
			r.Drop()
		})
		require.NoError(t, err)
		t.Cleanup(h.Close)
		to := netip.MustParseAddr(far)
		var c *gonet.PingConn
		s := &conntest.Subject{Message: request(to.Is6(), "a message"), Network: "ip"}
		o := tcpip.WriteOptions{}
		if listening {
			c, err = left.ListenPing(context.Background(), netip.MustParseAddr(map[bool]string{false: left4, true: left6}[to.Is6()]))
			o.To = tcpip.FullAddress{Addr: to}
			s.Conn = towards{c, ipAddr(to)}
		} else {
			c, err = left.DialPing(context.Background(), netip.Addr{}, to)
			s.Conn = c
		}
		require.NoError(t, err)
		s.Arrive = func() {
			if _, err := c.Endpoint().Write(request(to.Is6(), "answer"), o); err != nil {
				t.Log(err) // closed
			}
		}
		return s
	}
}

func ipAddr(a netip.Addr) net.Addr { return &net.IPAddr{IP: a.AsSlice()} }
