package wgnet

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/seed963a8790/netstack/internal/conntest"
)

// What Dial and Accept hand out are net.Conns by the rules.
func TestConn(t *testing.T) {
	for name, at := range map[string]netip.Addr{"IPv4": server4, "IPv6": server6} {
		t.Run(name, func(t *testing.T) {
			client, server := newPair(t)
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				l, err := server.ListenTCPAddrPort(netip.AddrPortFrom(at, 0))
				if err != nil {
					return nil, nil, nil, err
				}
				defer l.Close()
				if c1, err = client.Dial("tcp", l.Addr().String()); err != nil {
					return nil, nil, nil, err
				}
				if c2, err = l.Accept(); err != nil {
					return nil, nil, nil, err
				}
				return c1, c2, func() { c1.Close(); c2.Close() }, nil
			})
		})
	}
}

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

// So are the sockets of datagrams, dialled and listening.
func TestDatagramConns(t *testing.T) {
	for name, at := range map[string]netip.Addr{"IPv4": server4, "IPv6": server6} {
		client, server := newPair(t)
		for i, end := range []string{"dialled", "listening"} {
			t.Run(end+"/"+name, func(t *testing.T) {
				conntest.Datagrams(t, func(t *testing.T) *conntest.Subject {
					u, err := server.ListenUDPAddrPort(netip.AddrPortFrom(at, 0))
					if err != nil {
						t.Fatal(err)
					}
					c, err := client.Dial("udp", u.LocalAddr().String())
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { u.Close(); c.Close() })
					ends := [2]net.Conn{c, towards{u, c.LocalAddr()}}
					return &conntest.Subject{Conn: ends[i], Message: []byte("a message"), Network: "udp", Arrive: func() {
						if _, err := ends[1-i].Write([]byte("a datagram")); err != nil {
							t.Log(err)
						}
					}}
				})
			})
		}
	}
}
