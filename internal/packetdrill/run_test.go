package packetdrill

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

const server = `
   0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
  +0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
  +0 bind(3, ..., ...) = 0
  +0 listen(3, 1) = 0
 +.1 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
  +0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 7>
 +.1 < . 1:1(0) ack 1 win 257
  +0 accept(3, ..., ...) = 4
  +0 write(4, ..., 2000) = 2000
  +0 > P. 1:2001(2000) ack 1
 +.1 < . 1:1(0) ack 2001 win 257
  +0 %{ assert tcpi_snd_cwnd == 10, 'cwnd is %d' % tcpi_snd_cwnd; assert tcpi_unacked == 0 }%
  +0 < P. 1:101(100) ack 2001 win 257
  +0 > . 2001:2001(0) ack 101
  +0 read(4, ..., 1000) = 100
 +.1...0.25 read(4, ..., 1000) = 50
 +.15 < P. 101:151(50) ack 2001 win 257
  +0 > . 2001:2001(0) ack 151
  +0 close(4) = 0
  +0 > F. 2001:2001(0) ack 151
 +.1 < F. 151:151(0) ack 2002 win 257
  +0 > . 2002:2002(0) ack 152
`

func play(t *testing.T, text string) Result {
	s, err := Parse(t.Name(), text, nil)
	require.NoError(t, err)
	return Play(s, DefaultConf(), NewOurs)
}

func TestPlay(t *testing.T) {
	for _, version := range []string{"ipv4", "ipv6", "ipv4-mapped-ipv6"} {
		res := play(t, "--ip_version="+version+"\n"+server)
		require.NoError(t, res.Err, "%s: %v", version, res.Trace)
		require.Empty(t, res.Skip)
	}
}

func TestPlayOnTheKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	s, err := Parse(t.Name(), "--tolerance_usecs=100000\n"+server, nil)
	require.NoError(t, err)
	res := Play(s, DefaultConf(), NewKernel)
	require.NoError(t, res.Err, "%v", res.Trace)
	require.Empty(t, res.Skip)
}
