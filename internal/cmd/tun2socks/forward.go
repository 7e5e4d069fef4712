package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// forwarder passes flows on to the proxy.
type forwarder struct {
	*options
	ctx context.Context
}

// forward handles everything that arrives, until the stack is closed.
func forward(ctx context.Context, s *stack.Stack, o *options) error {
	f := &forwarder{o, ctx}
	limits := transport.HandleOptions{
		// One host is behind the device, so it may have everything.
		MaxPerSource: tcpip.Set(1 << 20),
		Timeout:      tcpip.Set(o.connect),
		Refused:      func(r transport.Refusal) { f.tell("refused", r.Src, r.Dst) },
	}
	if _, err := gonet.HandleTCP(s, limits, func(r *gonet.TCPRequest) { go f.stream(r) }); err != nil {
		return err
	}
	limits.Timeout = tcpip.Set(o.idle)
	flows := udp.HandleOptions{HandleOptions: limits, Mapping: udp.FullCone}
	if _, err := gonet.HandleUDP(s, flows, func(r *gonet.UDPFlow) { go f.datagrams(r) }); err != nil {
		return err
	}
	_, err := icmp.HandleEcho(s, limits, func(r *icmp.EchoRequest) { r.Reject(transport.RejectProhibited) })
	return err
}

// tell tells of a flow, if anybody wants to know.
func (f *forwarder) tell(what string, args ...any) {
	if f.verbose {
		log.Println(append([]any{what}, args...)...)
	}
}

// stream connects as the host has asked, and only then lets it.
func (f *forwarder) stream(r *gonet.TCPRequest) {
	ctx, cancel := context.WithTimeout(f.ctx, f.connect)
	defer cancel()
	up, err := f.proxy.connect(ctx, r.Dst)
	if err != nil {
		f.tell("tcp", r.Src, r.Dst, err)
		r.Reject(transport.RejectReset)
		return
	}
	down, err := r.Accept(ctx, tcp.AcceptOptions{})
	if err != nil {
		f.tell("tcp", r.Src, r.Dst, err)
		up.Close()
		return
	}
	sent, received, err := gonet.Join(down, up)
	f.tell("tcp", r.Src, r.Dst, sent, received, err)
}

// datagrams passes on what one address and port sends, and brings back what anybody answers.
func (f *forwarder) datagrams(r *gonet.UDPFlow) {
	ctx, cancel := context.WithTimeout(f.ctx, f.connect)
	up, err := f.proxy.associate(ctx)
	cancel()
	if err != nil {
		f.tell("udp", r.Src, r.Dst, err)
		r.Reject(transport.RejectPort)
		return
	}
	defer up.close()
	down, err := r.Accept(udp.AcceptOptions{})
	if err != nil {
		f.tell("udp", r.Src, r.Dst, err)
		return
	}
	defer down.Close()
	go func() { // the association lasts as long as its connection (RFC 1928 §6)
		up.wait()
		down.Close()
	}()
	go func() {
		b := make([]byte, 1<<16)
		for err := error(nil); f.goesOn(r, err); {
			var data []byte
			var from netip.AddrPort
			if data, from, err = up.receive(b); err == nil {
				_, err = down.WriteToUDPAddrPort(data, from)
			}
		}
	}()
	b := make([]byte, 1<<16)
	for err := error(nil); f.goesOn(r, err); {
		n, to, end := down.ReadFromUDPAddrPort(b[maxUDPHeader:])
		if end != nil { // closed, idle, or its client has gone
			return
		}
		err = up.send(b, n, to)
	}
}

// goesOn reports whether a flow of datagrams outlives err.
func (f *forwarder) goesOn(r *gonet.UDPFlow, err error) bool {
	if err != nil {
		f.tell("udp", r.Src, r.Dst, err)
	}
	return !errors.Is(err, net.ErrClosed)
}
