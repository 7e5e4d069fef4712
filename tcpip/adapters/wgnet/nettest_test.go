package wgnet

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/nettest"
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
