package gonet

import (
	"context"
	"net"
	"sync"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/tcp"
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
