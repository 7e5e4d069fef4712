package gonet_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// Closing the stack ends every call that is blocked, and no later one blocks or succeeds.
func TestStackClose(t *testing.T) {
	left, right := newPair(t, nil)
	client, server := connect(t, left, right, right4+":0")
	l, err := right.ListenTCP(context.Background(), "tcp", ":0")
	require.NoError(t, err)
	packets := listenUDP(t, right, "udp", ":0")
	results := make(chan error)
	calls := []func() error{
		func() error { _, err := server.Read(make([]byte, 1)); return err },
		func() error { _, err := l.Accept(); return err },
		func() error { _, _, err := packets.ReadFrom(make([]byte, 1)); return err },
	}
	for _, f := range calls {
		go func() { results <- f() }()
	}
	right.Close()
	for range calls {
		require.Error(t, <-results)
	}
	for _, f := range calls {
		require.ErrorIs(t, f(), net.ErrClosed)
	}
	_, err = client.Read(make([]byte, 1)) // the peer was reset, or will never know
	require.Error(t, err)
	_, err = right.Listen(context.Background(), "tcp", ":0")
	require.ErrorIs(t, err, net.ErrClosed)
}
