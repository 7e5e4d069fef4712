package gonet

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// HandleTCP has f called for every SYN that no endpoint of s wants; see tcp.Handle. On a NIC with Promiscuous and Spoofing
// these are other people's connections:
//
//	gonet.HandleTCP(s, transport.HandleOptions{}, func(r *gonet.TCPRequest) {
//		upstream, err := net.Dial("tcp", r.Dst.String())
//		if err != nil {
//			r.Reject(transport.RejectReset)
//			return
//		}
//		conn, err := r.Accept(ctx, tcp.AcceptOptions{})
//		if err != nil {
//			upstream.Close()
//			return
//		}
//		gonet.Join(conn, upstream)
//	})
//
// A handler that blocks as long as this one does so in a goroutine of its own.
func HandleTCP(s *stack.Stack, o transport.HandleOptions, f func(*TCPRequest)) (*tcp.Handler, error) {
	return tcp.Handle(s, o, func(r *tcp.Request) { f(&TCPRequest{Request: r}) })
}

// TCPRequest is a tcp.Request that is accepted as a net.Conn.
type TCPRequest struct {
	*tcp.Request

	once sync.Once
	conn *TCPConn
}

// Accept sends the SYN-ACK and returns the connection, a *TCPConn, once the handshake is over; see tcp.Request.Accept.
// Called again it returns the same.
func (r *TCPRequest) Accept(ctx context.Context, o tcp.AcceptOptions) (net.Conn, error) {
	c, err := r.AcceptTCP(ctx, o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP is Accept with the connection's own type.
func (r *TCPRequest) AcceptTCP(ctx context.Context, o tcp.AcceptOptions) (*TCPConn, error) {
	ep, err := r.Request.Accept(ctx, o)
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Source: net.TCPAddrFromAddrPort(r.Dst), Addr: net.TCPAddrFromAddrPort(r.Src), Err: plain(err)}
	}
	r.once.Do(func() {
		r.conn = NewTCPConn(ep)
		_ = r.conn.SetNoDelay(true) // as package net has it
	})
	return r.conn, nil
}

// HandleUDP has f called for the first datagram of every flow that no endpoint of s wants; see udp.Handle.
func HandleUDP(s *stack.Stack, o udp.HandleOptions, f func(*UDPFlow)) (*udp.Handler, error) {
	return udp.Handle(s, o, func(r *udp.Flow) { f(&UDPFlow{Flow: r}) })
}

// UDPFlow is a udp.Flow that is accepted as a connection.
type UDPFlow struct {
	*udp.Flow

	mu   sync.Mutex
	conn *FlowConn
}

// Accept returns the flow as a connection; see udp.Flow.Accept. Called again it returns the same.
func (f *UDPFlow) Accept(o udp.AcceptOptions) (*FlowConn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil {
		return f.conn, nil
	}
	ep, err := f.Flow.Accept(o)
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: "udp", Source: net.UDPAddrFromAddrPort(f.Dst), Addr: net.UDPAddrFromAddrPort(f.Src), Err: plain(err)}
	}
	f.conn = &FlowConn{UDPConn: NewUDPConn(ep), flow: f.Flow}
	return f.conn, nil
}

// FlowConn is an intercepted flow of datagrams: a net.Conn to the client that speaks for whom the client wanted to reach,
// and a net.PacketConn.
//
// The PacketConn of a symmetric flow knows the client alone: ReadFrom returns its address, and WriteTo
// takes no other. That of a full cone is the client's view turned round: ReadFrom returns whom the client has sent a
// datagram to, and WriteTo brings the client one that comes from the given address, asked or not.
type FlowConn struct {
	*UDPConn
	flow *udp.Flow
}

var (
	_ net.Conn       = (*FlowConn)(nil)
	_ net.PacketConn = (*FlowConn)(nil)
)

// Write sends b to the client, as from whom it spoke to first.
func (c *FlowConn) Write(b []byte) (int, error) {
	c.flow.Touch()
	return c.UDPConn.Write(b)
}

// WriteFrom sends b to dst as if it came from src; see udp.Flow.WriteFrom.
func (c *FlowConn) WriteFrom(b []byte, src, dst netip.AddrPort) (int, error) {
	err := c.check(&c.out)
	if err == nil {
		_, err = c.flow.WriteFrom(b, src, dst)
	}
	if err != nil {
		return 0, c.fail("write", err)
	}
	return len(b), nil
}

// WriteToUDPAddrPort sends b to the client: a symmetric flow's only to is the client, that of a full cone is whom
// the datagram is to come from.
func (c *FlowConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	switch {
	case c.flow.FullCone():
		return c.WriteFrom(b, to, c.flow.Src)
	case to == c.flow.Src:
		return c.Write(b)
	}
	return 0, c.fail("write", net.ErrWriteToConnected)
}

// WriteToUDP is WriteToUDPAddrPort with a *net.UDPAddr.
func (c *FlowConn) WriteToUDP(b []byte, to *net.UDPAddr) (int, error) { return c.WriteTo(b, to) }

// WriteTo is WriteToUDPAddrPort with a net.Addr.
func (c *FlowConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, err := toAddrPort(to)
	if err != nil {
		return 0, c.fail("write", err)
	}
	return c.WriteToUDPAddrPort(b, a)
}
