package gonet_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/icmp"
)

func request(v6 bool, data string) []byte {
	b := append([]byte{8, 0, 0, 0, 0, 0, 0, 7}, data...)
	if v6 {
		b[0] = 128
	}
	return b
}

// A ping through a gateway whose program answers for the host behind it, with both kinds of sockets.
func TestPing(t *testing.T) {
	left, right := newGateway(t, nil)
	h, err := icmp.HandleEcho(right.Stack, transport.HandleOptions{}, func(r *icmp.EchoRequest) {
		go r.Reply()
	})
	require.NoError(t, err)
	defer h.Close()
	for _, far := range []string{"203.0.113.7", "2001:db8:ffff::7"} {
		to := netip.MustParseAddr(far)
		c, err := left.DialPing(context.Background(), netip.Addr{}, to)
		require.NoError(t, err)
		require.Equal(t, far, c.RemoteAddr().String())
		require.Equal(t, map[bool]string{false: left4, true: left6}[to.Is6()], c.LocalAddr().String())
		_, err = c.Write(request(to.Is6(), "hello"))
		require.NoError(t, err)
		b := make([]byte, 100)
		n, err := c.Read(b)
		require.NoError(t, err)
		require.Equal(t, "hello", string(b[8:n]))
		require.Equal(t, c.Identifier(), uint16(b[4])<<8|uint16(b[5]))
		_, err = c.WriteTo(b, &net.IPAddr{IP: to.AsSlice()})
		require.ErrorIs(t, err, net.ErrWriteToConnected)

		any := netip.IPv4Unspecified()
		if to.Is6() {
			any = netip.IPv6Unspecified()
		}
		p, err := left.ListenPing(context.Background(), any)
		require.NoError(t, err)
		require.Nil(t, p.RemoteAddr())
		require.Equal(t, any.String(), p.LocalAddr().String())
		_, err = p.WriteTo(request(to.Is6(), "there"), &net.UDPAddr{IP: to.AsSlice()})
		require.NoError(t, err)
		n, from, err := p.ReadFrom(b)
		require.NoError(t, err)
		require.Equal(t, far, from.String())
		require.Equal(t, "there", string(b[8:n]))

		require.NoError(t, p.SetReadDeadline(time.Now().Add(time.Millisecond)))
		_, _, err = p.ReadFrom(b)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, c.Close())
		_, err = c.Read(b)
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = c.Write(request(to.Is6(), ""))
		require.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, p.Close())
	}
}

func TestPingErrors(t *testing.T) {
	left, _ := newPair(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := left.DialPing(ctx, netip.MustParseAddr(left4), netip.MustParseAddr(right6))
	require.Error(t, err)
	_, err = left.DialPing(ctx, netip.Addr{}, netip.Addr{})
	require.Error(t, err)
	_, err = left.ListenPing(ctx, netip.MustParseAddr("203.0.113.1"))
	require.Error(t, err)
	_, err = left.ListenPing(ctx, netip.Addr{})
	require.Error(t, err)
	cancel()
	_, err = left.DialPing(ctx, netip.Addr{}, netip.MustParseAddr(right4))
	require.ErrorIs(t, err, context.Canceled)
	left.Dialer.Stack = nil
	_, err = left.DialPing(context.Background(), netip.Addr{}, netip.MustParseAddr(right4))
	require.Error(t, err)

	c, err := left.ListenPing(context.Background(), netip.MustParseAddr(left4))
	require.NoError(t, err)
	defer c.Close()
	for _, to := range []net.Addr{nil, &net.TCPAddr{}, &net.IPAddr{}} {
		_, err = c.WriteTo(request(false, ""), to)
		require.Error(t, err)
	}
	_, err = c.WriteToAddr(request(false, ""), netip.Addr{})
	require.Error(t, err)
	_, err = c.WriteToAddr([]byte{0, 0, 0, 0, 0, 0, 0, 0}, netip.MustParseAddr(right4))
	require.Error(t, err, "not a request")
	_, err = c.Write(request(false, ""))
	require.Error(t, err, "to nobody")
}
