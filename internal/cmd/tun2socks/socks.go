package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/proxy"
)

// socks is a SOCKS5 proxy (RFC 1928). CONNECT is golang.org/x/net/proxy's, which has no UDP ASSOCIATE; that is here.
// It is the proxy's HOST:PORT; nobody has to give a name there.
type socks string

// connect makes a connection to an address by way of the proxy.
func (s socks) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	d, err := proxy.SOCKS5("tcp", string(s), nil, &net.Dialer{})
	if err != nil {
		return nil, err
	}
	return d.(proxy.ContextDialer).DialContext(ctx, "tcp", to.String())
}

// The numbers of RFC 1928 that are used.
const (
	version     = 5
	methodNone  = 0
	commandUDP  = 3
	addressIPv4 = 1
	addressIPv6 = 4
	// maxUDPHeader is the longest header of a datagram to the proxy, bytes.
	maxUDPHeader = 4 + 16 + 2
)

var (
	errForm   = errors.New("the proxy's answer is malformed")
	errMethod = errors.New("the proxy wants another way of authentication")
)

// association is a UDP ASSOCIATE: a port at the proxy, that sends and receives datagrams.
type association struct {
	control net.Conn
	relay   *net.UDPConn
}

// associate asks the proxy for a port.
func (s socks) associate(ctx context.Context) (*association, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", string(s))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	at, err := request(c)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("udp associate: %w", err)
	}
	if at.Addr().IsUnspecified() { // where the connection is
		proxy := c.RemoteAddr().(*net.TCPAddr).AddrPort()
		at = netip.AddrPortFrom(proxy.Addr().Unmap(), at.Port())
	}
	relay, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		c.Close()
		return nil, err
	}
	return &association{c, relay}, nil
}

// talk is a dialogue whose first error ends it.
type talk struct {
	io.ReadWriter
	err error
}

func (t *talk) say(b []byte) {
	if t.err == nil {
		_, t.err = t.Write(b)
	}
}

func (t *talk) hear(n int) []byte {
	b := make([]byte, n)
	if t.err == nil {
		_, t.err = io.ReadFull(t, b)
	}
	return b
}

// request negotiates and asks, and returns the proxy's port.
func request(c io.ReadWriter) (netip.AddrPort, error) {
	t := &talk{ReadWriter: c}
	t.say([]byte{version, 1, methodNone})
	if b := t.hear(2); t.err == nil && (b[0] != version || b[1] != methodNone) {
		return netip.AddrPort{}, errMethod
	}
	// The address that the datagrams will come from is not known yet (RFC 1928 §4).
	t.say(appendAddress([]byte{version, commandUDP, 0}, netip.AddrPortFrom(netip.IPv4Unspecified(), 0)))
	answer := t.hear(4)
	switch {
	case t.err != nil:
		return netip.AddrPort{}, t.err
	case answer[0] != version:
		return netip.AddrPort{}, errForm
	case answer[1] != 0:
		return netip.AddrPort{}, fmt.Errorf("the proxy answers %d", answer[1])
	}
	rest := t.hear(sizes[answer[3]] + 2)
	if t.err != nil {
		return netip.AddrPort{}, t.err
	}
	at, _, err := parseAddress(append(answer[3:], rest...))
	return at, err
}

// sizes are the bytes of the kinds of addresses; names are not known here.
var sizes = map[byte]int{addressIPv4: 4, addressIPv6: 16}

// appendAddress appends an address in the form of RFC 1928 §5.
func appendAddress(b []byte, a netip.AddrPort) []byte {
	if ip := a.Addr().Unmap(); ip.Is4() {
		b = append(append(b, addressIPv4), ip.AsSlice()...)
	} else {
		b = append(append(b, addressIPv6), ip.AsSlice()...)
	}
	return binary.BigEndian.AppendUint16(b, a.Port())
}

// parseAddress reads such an address, which must not be a name, and returns what is behind it.
func parseAddress(b []byte) (netip.AddrPort, []byte, error) {
	if len(b) == 0 || sizes[b[0]] == 0 || len(b) < 1+sizes[b[0]]+2 {
		return netip.AddrPort{}, nil, errForm
	}
	n := 1 + sizes[b[0]]
	ip, _ := netip.AddrFromSlice(b[1:n])
	return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(b[n:])), b[n+2:], nil
}

// send sends the n bytes at b[maxUDPHeader:]; what is in front of them is overwritten.
func (a *association) send(b []byte, n int, to netip.AddrPort) error {
	header := appendAddress(make([]byte, 3, maxUDPHeader), to)
	start := maxUDPHeader - len(header)
	copy(b[start:], header)
	_, err := a.relay.Write(b[start : maxUDPHeader+n])
	return err
}

// receive waits for a datagram, and returns what is in it and who sent it.
func (a *association) receive(b []byte) ([]byte, netip.AddrPort, error) {
	n, err := a.relay.Read(b)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	return parseDatagram(b[:n])
}

// parseDatagram takes the proxy's header off (RFC 1928 §7).
func parseDatagram(b []byte) ([]byte, netip.AddrPort, error) {
	if len(b) < 4 || b[2] != 0 { // fragments may be dropped, and nobody sends them
		return nil, netip.AddrPort{}, errForm
	}
	from, data, err := parseAddress(b[3:])
	return data, from, err
}

// wait returns when the proxy, or close, has ended the association.
func (a *association) wait() { io.Copy(io.Discard, a.control) }

// close ends it.
func (a *association) close() {
	a.control.Close()
	a.relay.Close()
}
