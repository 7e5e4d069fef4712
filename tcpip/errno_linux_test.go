//go:build amd64 || 386 || arm64 || arm

package tcpip

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// On Linux the number in the table and the constant of the platform are one.
func TestErrnoIsLinux(t *testing.T) {
	for e := OK + 1; e < numErrors; e++ {
		require.Equal(t, int(errorRows[e].sys), e.Errno(), "%v", e)
	}
}
