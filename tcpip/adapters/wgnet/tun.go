// Package wgnet is golang.zx2c4.com/wireguard/tun/netstack over this module's stack: a TUN device for wireguard-go that
// ends in a stack of its own instead of the kernel's, and a Net that dials, listens, pings and resolves names through it.
// The exported names are the same, so that a program changes one import line.
//
// What differs: *gonet.TCPConn and its kin are those of this module's tcpip/adapters/gonet; errors are *net.OpError with
// causes that errors.Is finds (net.ErrClosed, os.ErrDeadlineExceeded, syscall.ECONNREFUSED); and the Net hands out
// its Stack, for what has no name here.
package wgnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/tunnel"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// Net is a stack behind a WireGuard device, with package net's functions. It is safe for concurrent use.
type Net struct {
	stack   *stack.Stack
	dns     []netip.Addr
	v4, v6  bool // the families it has addresses of
	timeout timeouts
}

// CreateNetTUN makes a device for wireguard-go and the Net behind it, which has the given addresses and routes everything
// of their families through the tunnel. The DNS servers, asked in their order, are reached through it too. mtu is in bytes.
//
// Errors: those of addresses that cannot be a host's.
func CreateNetTUN(localAddresses, dnsServers []netip.Addr, mtu int) (tun.Device, *Net, error) {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New, icmp.New4, icmp.New6},
	})
	d := &end{
		link:   tunnel.New(tunnel.Options{MTU: mtu}),
		stack:  s,
		events: make(chan tun.Event, 4),
	}
	n := &Net{stack: s, dns: append([]netip.Addr(nil), dnsServers...), timeout: defaultTimeouts}
	if err := n.setup(d.link, localAddresses); err != nil {
		s.Close()
		return nil, nil, err
	}
	d.events <- tun.EventUp
	return d, n, nil
}

// setup gives the stack its NICs, addresses and routes.
func (n *Net) setup(link stack.Link, addresses []netip.Addr) error {
	if _, err := n.stack.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Name: "lo", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")},
	}); err != nil {
		return err
	}
	nic, err := n.stack.AddNIC(link, stack.NICOptions{Name: deviceName, DAD: tcpip.Set(0), Groups: stack.GroupOptions{Silent: true}})
	if err != nil {
		return err
	}
	for _, a := range addresses {
		a = a.Unmap()
		if !a.IsValid() {
			return &net.AddrError{Err: "not an address", Addr: a.String()}
		}
		if err := nic.AddAddress(netip.PrefixFrom(a, a.BitLen())); err != nil {
			return &net.OpError{Op: "set", Net: deviceName, Addr: &net.IPAddr{IP: a.AsSlice()}, Err: err}
		}
		everything := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		has := &n.v6
		if a.Is4() {
			everything, has = netip.PrefixFrom(netip.IPv4Unspecified(), 0), &n.v4
		}
		if *has {
			continue
		}
		*has = true
		if err := n.stack.AddRoute(stack.RouteEntry{Destination: everything, NIC: nic.ID()}); err != nil {
			return err
		}
	}
	return nil
}

// Stack returns the stack below. It is closed with the device.
func (n *Net) Stack() *stack.Stack { return n.stack }

// deviceName is the name of the device and of its NIC.
const deviceName = "go"

// end is the stack's end of the tunnel as wireguard-go sees it.
type end struct {
	link   *tunnel.Tunnel
	stack  *stack.Stack
	events chan tun.Event
	once   sync.Once
}

// File returns nil: there is no descriptor.
func (d *end) File() *os.File { return nil }

// Read takes packets that the stack sends.
func (d *end) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := d.link.ReadPackets(bufs, sizes, offset)
	return n, closed(err)
}

// Write gives packets to the stack. The buffers are the caller's again when it returns.
func (d *end) Write(bufs [][]byte, offset int) (int, error) {
	n, err := d.link.WritePackets(bufs, nil, offset)
	return n, closed(err)
}

// closed makes of the error of a closed link the one that wireguard-go takes for the end.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return os.ErrClosed
	}
	return err
}

func (d *end) MTU() (int, error)        { return d.link.MTU(), nil }
func (d *end) Name() (string, error)    { return deviceName, nil }
func (d *end) Events() <-chan tun.Event { return d.events }
func (d *end) BatchSize() int           { return tunnel.BatchSize }

// Close closes the stack, which resets its connections, and the channel of events. It returns when nothing of either is left
// running. Closing again does nothing.
func (d *end) Close() error {
	d.once.Do(func() {
		d.stack.Close()
		close(d.events)
	})
	return d.stack.Wait(context.Background())
}
