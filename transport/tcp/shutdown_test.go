package tcp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// connect(2) to AF_UNSPEC ends a connection with a RST and leaves a socket that can be used again.
func TestDisconnect(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, s, l := h.connected(0)
	write(t, s, "unread")
	h.clock.Advance(time.Second)
	require.NoError(t, c.Connect(tcpip.FullAddress{}))
	require.Equal(t, StateClosed, c.State())
	require.ErrorIs(t, c.LastError(), tcpip.ErrConnReset)
	require.Equal(t, waiter.Writable|waiter.HangUp, c.Readiness(waiter.All))
	require.Zero(t, c.RemoteAddress())
	_, err := c.Read(make([]byte, 10), tcpip.ReadOptions{})
	require.ErrorIs(t, err, tcpip.ErrNotConnected)
	require.ErrorIs(t, s.LastError(), tcpip.ErrConnReset)

	at := l.LocalAddress()
	require.ErrorIs(t, c.Connect(tcpip.FullAddress{Addr: addrB[0], Port: at.Port}), tcpip.ErrInProgress)
	h.clock.Settle()
	require.Equal(t, StateEstablished, c.State())
	again := accept(t, l)
	write(t, c, "again")
	require.Equal(t, "again", string(readAll(t, again, 10)))
	again.Close()
	c.Close()
}

// A listener that is disconnected resets what nobody has accepted, and can connect.
func TestDisconnectListener(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	l := listenOn(t, h.b, 0, 80, 4)
	c := dial(t, h.a, 0, addrB[0], 80)
	h.clock.Settle()
	require.NoError(t, l.Connect(tcpip.FullAddress{}))
	h.clock.Settle()
	require.ErrorIs(t, c.LastError(), tcpip.ErrConnReset)
	_, err := l.Accept()
	require.ErrorIs(t, err, tcpip.ErrInvalid)
	require.ErrorIs(t, l.Connect(tcpip.FullAddress{Addr: addrA[0], Port: 9}), tcpip.ErrInProgress)
	require.EqualValues(t, 80, l.LocalAddress().Port, "the user has chosen it")
	h.clock.Settle()
	require.ErrorIs(t, l.LastError(), tcpip.ErrConnRefused)
}

// A port that the user has not chosen is given back with the connection, and can be bound by others.
func TestPortIsGivenBack(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	for _, chosen := range []uint16{0, 4000} {
		c := endpointOf(t, h.a, 0)
		require.NoError(t, c.Bind(tcpip.FullAddress{Port: chosen}))
		port := c.LocalAddress().Port
		require.ErrorIs(t, c.Connect(tcpip.FullAddress{Addr: addrB[0], Port: 9}), tcpip.ErrInProgress)
		h.clock.Settle()
		require.ErrorIs(t, c.LastError(), tcpip.ErrConnRefused)
		other := endpointOf(t, h.a, 0)
		err := other.Bind(tcpip.FullAddress{Port: port})
		if chosen == 0 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, tcpip.ErrAddrInUse)
		}
		other.Close()
		c.Close()
	}
}
