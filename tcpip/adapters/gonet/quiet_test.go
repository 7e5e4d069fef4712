package gonet_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A copy that waits for data holds no memory of the stack's, before and after there was some.
func TestQuietCopyHoldsNothing(t *testing.T) {
	left, right := newPair(t, nil)
	client, server := connect(t, left, right, right4+":80")
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := server.WriteTo(w)
		w.Close()
		done <- err
	}()
	b := make([]byte, 1000)
	for range 3 {
		require.Eventually(t, func() bool { return right.Slabs.Live() == 0 }, 10*time.Second, time.Millisecond)
		_, err := client.Write(b)
		require.NoError(t, err)
		_, err = io.ReadFull(r, b)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return right.Slabs.Live() == 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, client.CloseWrite())
	require.NoError(t, <-done)
}
