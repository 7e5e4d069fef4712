package tcpip

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestErrorTableIsFull(t *testing.T) {
	seen := map[string]Error{}
	for e := OK; e < numErrors; e++ {
		r := errorRows[e]
		require.NotEmpty(t, r.message, "error %d has no row", e)
		require.NotContains(t, seen, r.message, "two errors say the same")
		seen[r.message] = e
		if e == OK {
			continue
		}
		require.NotZero(t, r.errno, r.message)
		require.NotZero(t, r.sys, r.message)
	}
}

func TestOKIsNoError(t *testing.T) {
	require.NoError(t, OK.Err())
	require.Equal(t, 0, OK.Errno())
	require.False(t, errors.Is(OK, nil))
	require.EqualError(t, ErrPipe.Err(), "broken pipe")
}

// Every error is itself, its errno and its twin, and none of the others'.
func TestErrorIs(t *testing.T) {
	for e := OK + 1; e < numErrors; e++ {
		err := fmt.Errorf("wrapped: %w", e.Err())
		require.ErrorIs(t, err, e)
		require.ErrorIs(t, err, errorRows[e].sys)
		require.False(t, errors.Is(err, OK))
		require.False(t, errors.Is(err, syscall.Errno(0)))
		require.False(t, errors.Is(err, context.Canceled))
		for other := OK + 1; other < numErrors; other++ {
			if other != e {
				require.False(t, errors.Is(err, other), "%v is %v", e, other)
			}
			if sys := errorRows[other].sys; sys != errorRows[e].sys {
				require.False(t, errors.Is(err, sys), "%v is errno %v", e, sys)
			}
			if twin := errorRows[other].twin; twin != nil && other != e {
				require.False(t, errors.Is(err, twin), "%v is %v", e, twin)
			}
		}
	}
}

func TestErrorTwins(t *testing.T) {
	require.ErrorIs(t, ErrClosed, net.ErrClosed)
	require.ErrorIs(t, ErrDeadline, os.ErrDeadlineExceeded)
	require.ErrorIs(t, ErrConnRefused, syscall.ECONNREFUSED)
	require.ErrorIs(t, ErrConnReset, syscall.ECONNRESET)
	require.ErrorIs(t, ErrWouldBlock, syscall.EAGAIN)
	require.ErrorIs(t, ErrNoPort, syscall.EADDRNOTAVAIL)
	require.NotErrorIs(t, ErrTimedOut, os.ErrDeadlineExceeded)
	require.NotErrorIs(t, ErrWouldBlock, os.ErrDeadlineExceeded)
	require.NotErrorIs(t, ErrClosed, fs.ErrClosed)
}

func TestErrorAsErrno(t *testing.T) {
	var errno syscall.Errno
	require.ErrorAs(t, fmt.Errorf("wrapped: %w", ErrConnReset.Err()), &errno)
	require.Equal(t, syscall.ECONNRESET, errno)
	var path *fs.PathError
	require.False(t, errors.As(ErrConnReset, &path))
}

// The standard library asks an error for its nature through these two.
func TestErrorIsNetError(t *testing.T) {
	var e net.Error
	require.ErrorAs(t, error(ErrDeadline), &e)
	require.True(t, e.Timeout())
	require.ErrorAs(t, error(ErrTimedOut), &e)
	require.True(t, e.Timeout())
	require.ErrorAs(t, error(ErrConnReset), &e)
	require.False(t, e.Timeout())
	require.True(t, ErrNoBuffers.Temporary())
	require.False(t, ErrConnReset.Temporary())
}

func TestErrorsAllocateNothing(t *testing.T) {
	var sink error
	require.Zero(t, testing.AllocsPerRun(100, func() {
		sink = ErrConnReset.Err()
		if errors.Is(sink, ErrConnRefused) {
			panic("no")
		}
	}))
	require.Error(t, sink)
}

func TestErrorBeyondTheTable(t *testing.T) {
	require.Equal(t, ErrProtocol.Error(), Error(255).Error())
	require.Equal(t, ErrProtocol.Errno(), Error(255).Errno())
}

func ExampleError() {
	err := ErrConnRefused.Err()
	fmt.Println(err, errors.Is(err, syscall.ECONNREFUSED), ErrConnRefused.Errno())
	// Output: connection refused true 111
}
