//go:build amd64 || 386 || arm64 || arm

package tcpip

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// linuxOnly are numbers that no other platform has; the twin is the nearest that all have.
var linuxOnly = map[Error]int{ErrNoNetwork: 64, ErrRemoteIO: 121}

// On Linux the number in the table and the constant of the platform are one.
func TestErrnoIsLinux(t *testing.T) {
	for e := OK + 1; e < numErrors; e++ {
		if n, ok := linuxOnly[e]; ok {
			require.Equal(t, n, e.Errno())
			continue
		}
		require.Equal(t, int(errorRows[e].sys), e.Errno(), "%v", e)
	}
}
