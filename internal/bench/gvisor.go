package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// gvisorEnv is gVisor's netstack in its best configuration.
type gvisorEnv struct {
	client, server *gstack.Stack
	to             [4]byte
}

// trusting is gVisor's pipe with the checksum offload that a link inside one process can claim.
type trusting struct{ *pipe.Endpoint }

func (trusting) Capabilities() gstack.LinkEndpointCapabilities {
	return gstack.CapabilityRXChecksumOffload | gstack.CapabilityTXChecksumOffload
}

func newGvisor(s shape) (env, error) {
	switch s {
	case shapeLoop:
		st, err := gvisorStack(loopback.New(), [4]byte{127, 0, 0, 1})
		if err != nil {
			return nil, err
		}
		return &gvisorEnv{st, st, [4]byte{127, 0, 0, 1}}, nil
	case shapePipe, shape1500:
		mtu := uint32(1500)
		if s == shapePipe {
			mtu = 65535 // it has no super-segments between stacks
		}
		x, y := pipe.New("", "", mtu)
		var lx, ly gstack.LinkEndpoint = x, y
		if s == shapePipe {
			lx, ly = trusting{x}, trusting{y}
		}
		a, err := gvisorStack(lx, [4]byte{10, 0, 0, 1})
		if err != nil {
			return nil, err
		}
		b, err := gvisorStack(ly, [4]byte{10, 0, 0, 2})
		if err != nil {
			return nil, err
		}
		return &gvisorEnv{a, b, [4]byte{10, 0, 0, 2}}, nil
	}
	return nil, errNotHere
}

func gvisorStack(link gstack.LinkEndpoint, addr [4]byte) (*gstack.Stack, error) {
	s := gstack.New(gstack.Options{
		NetworkProtocols:   []gstack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []gstack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
		HandleLocal:        false,
	})
	sack := tcpip.TCPSACKEnabled(true)
	rack := tcpip.TCPRecovery(tcpip.TCPRACKLossDetection)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: 4 << 20, Max: 8 << 20}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: 4 << 20, Max: 8 << 20}
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &rack, &moderate, &send, &receive} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return nil, errors.New(err.String())
		}
	}
	if err := s.CreateNIC(1, link); err != nil {
		return nil, errors.New(err.String())
	}
	p := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(addr), PrefixLen: 24}}
	if err := s.AddProtocolAddress(1, p, gstack.AddressProperties{}); err != nil {
		return nil, errors.New(err.String())
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	return s, nil
}

func (e *gvisorEnv) full(port int) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(e.to), Port: uint16(port)}
}

func (e *gvisorEnv) Listen(port int) (net.Listener, error) {
	return gonet.ListenTCP(e.server, e.full(port), ipv4.ProtocolNumber)
}

func (e *gvisorEnv) Dial(port int) (net.Conn, error) {
	c, err := gonet.DialContextTCP(context.Background(), e.client, e.full(port), ipv4.ProtocolNumber)
	if err != nil {
		return nil, fmt.Errorf("gvisor dial: %w", err)
	}
	return c, nil
}

func (e *gvisorEnv) ListenUDP(port int) (net.PacketConn, error) {
	a := e.full(port)
	return gonet.DialUDP(e.server, &a, nil, ipv4.ProtocolNumber)
}

func (e *gvisorEnv) DialUDP(port int) (net.Conn, error) {
	a := e.full(port)
	return gonet.DialUDP(e.client, nil, &a, ipv4.ProtocolNumber)
}

func (e *gvisorEnv) Close() {
	e.client.Destroy()
	if e.server != e.client {
		e.server.Destroy()
	}
}
