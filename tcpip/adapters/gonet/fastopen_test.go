package gonet_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// The first connection fetches a cookie; the data of the second goes with its SYN.
func TestFastOpen(t *testing.T) {
	from, to := newPair(t, nil)
	from.Dialer.FastOpen, to.ListenConfig.FastOpen = true, 10
	to.Stack.Transport(header.ProtocolTCP).(*tcp.Protocol).Configure(tcp.Options{FastOpen: tcpip.Set(tcp.FastOpenServer)})
	l, err := to.ListenTCP(context.Background(), "tcp", right4+":80")
	require.NoError(t, err)
	defer l.Close()
	for range 2 {
		c, err := from.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		_, err = c.Write([]byte("hello"))
		require.NoError(t, err)
		s, err := l.Accept()
		require.NoError(t, err)
		b := make([]byte, 10)
		n, err := s.Read(b)
		require.NoError(t, err)
		require.Equal(t, "hello", string(b[:n]))
		require.NoError(t, c.Close())
		require.NoError(t, s.Close())
	}
	require.EqualValues(t, 1, to.Counters().TcpExt.TCPFastOpenPassive.Value())
	require.EqualValues(t, 1, to.Counters().TcpExt.TCPFastOpenCookieReqd.Value())
}
