package gonet_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

// echoPackets answers every datagram that arrives at a port of a host's, until it is closed.
func echoPackets(t *testing.T, h *host, address string) *gonet.UDPConn {
	u, err := h.ListenUDP(context.Background(), "udp", address)
	require.NoError(t, err)
	t.Cleanup(func() { u.Close() })
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(b[:n], from)
		}
	}()
	return u
}

// Senders at a port of right's reach left, each from a port of its own, get their own answers, and lose their connection when
// they have been silent; no more of them than are allowed have one.
func TestRelayPackets(t *testing.T) {
	left, right := newPair(t, nil)
	echoPackets(t, left, left4+":7")
	l, err := right.ListenPacket(context.Background(), "udp", "127.0.0.1:77")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	dialled := make(chan net.Conn, 100)
	done := make(chan error, 1)
	go func() {
		o := gonet.RelayOptions{Idle: tcpip.Set(200 * time.Millisecond), Max: tcpip.Set(3)}
		done <- gonet.RelayPackets(ctx, l, o, func(ctx context.Context) (net.Conn, error) {
			c, err := right.DialContext(ctx, "udp", left4+":7")
			if err == nil {
				dialled <- c
			}
			return c, err
		})
	}()
	var senders []net.Conn
	for range 4 {
		c, err := right.Dial("udp", "127.0.0.1:77")
		require.NoError(t, err)
		defer c.Close()
		senders = append(senders, c)
	}
	for _, text := range []string{"one", "two"} {
		for _, c := range senders[:3] {
			require.Equal(t, text+c.LocalAddr().String(), exchange(t, c, text+c.LocalAddr().String()))
		}
	}
	require.LessOrEqual(t, len(dialled), 6, "a connection serves more than one datagram, unless this machine is very slow")
	_, err = senders[3].Write([]byte("one too many"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { // once the others are silent, it is its turn
		_, err := senders[3].Write([]byte("again"))
		require.NoError(t, err)
		_ = senders[3].SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := senders[3].Read(make([]byte, 100))
		return err == nil && n > 0
	}, 10*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	close(dialled)
	for c := range dialled {
		require.ErrorIs(t, c.Close(), net.ErrClosed, "it was closed")
	}
}

// Datagrams go both ways between two connections; a port that is closed ends nothing, a closed connection everything.
func TestJoinPackets(t *testing.T) {
	left, right := newPair(t, nil)
	echo := echoPackets(t, left, left4+":7")
	front, err := right.ListenUDP(context.Background(), "udp", right4+":77")
	require.NoError(t, err)
	client, err := left.Dial("udp", right4+":77")
	require.NoError(t, err)
	defer client.Close()
	up, err := right.Dial("udp", left4+":7")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		gonet.JoinPackets(towards{front, client.LocalAddr()}, up)
	}()
	require.Equal(t, "there and back", exchange(t, client, "there and back"))
	echo.Close()
	for range 3 { // port unreachable
		_, err = client.Write([]byte("nobody"))
		require.NoError(t, err)
	}
	echoPackets(t, left, left4+":7")
	require.Eventually(t, func() bool {
		_, err := client.Write([]byte("somebody"))
		require.NoError(t, err)
		_ = client.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err = client.Read(make([]byte, 100))
		return err == nil
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, up.Close())
	<-done
	require.ErrorIs(t, front.Close(), net.ErrClosed)
}
