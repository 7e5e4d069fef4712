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
	suite := Suite{Conf: DefaultConf(), Make: NewKernel, Retries: 3, Patient: Option{Name: "tolerance_least_usecs", Value: "300000"}}
	res := suite.PlayText(t.Name(), server)
	require.NoError(t, res.Err, "%v", res.Trace)
	require.Empty(t, res.Skip)
}

// What a system cannot do is never called passing, and what is wrong fails with its line.
func TestPlayFails(t *testing.T) {
	const listen = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
	const syn = "+0 < S 0:0(0) win 1000 <mss 1000>\n"
	for what, c := range map[string]struct{ text, err, skip string }{
		"flags":      {listen + syn + "+0 > R. 0:0(0) ack 1\n", "flags are S., not R.", ""},
		"options":    {listen + syn + "+0 > S. 0:0(0) ack 1 <mss 1000>\n", "the options are <mss 1460>, not <mss 1000>", ""},
		"nothing":    {listen + "+0 > S 0:0(0)\n", "no packet was sent", ""},
		"late":       {listen + syn + "+.5 > S. 0:0(0) ack 1 <...>\n", "it happened at", ""},
		"value":      {"0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 listen(3, 1) = 5\n", "listen gives 0, not 5", ""},
		"errno":      {"0 close(7) = -1 EINVAL\n", "close gives -1 EBADF, not EINVAL", ""},
		"blocks":     {listen + "+0 accept(3, ..., ...) = 4\n", "accept does not return", ""},
		"assertion":  {listen + "+0 %{ assert 1 == 2 }%\n", "assertion failed: 1 == 2", ""},
		"setting":    {"`sysctl net.ipv4.nosuch=1`\n" + listen, "", "the setting net.ipv4.nosuch has no meaning here"},
		"command":    {listen + "+0 `nft list tables`\n", "", "the command nft has no meaning here"},
		"outer":      {listen + "+0 < ipv4 1.1.1.1 > 2.2.2.2: S 0:0(0) win 1000\n", "", "outer headers are read and not yet sent or compared"},
		"never sent": {listen + "+0 < S 0:0(0) win 1000 <TS val 1 ecr 77>\n", "the timestamp 77 that is echoed was never sent", ""},
	} {
		res := play(t, c.text)
		require.False(t, res.Passed(), what)
		require.Equal(t, c.skip, res.Skip, what)
		if c.err != "" {
			require.ErrorContains(t, res.Err, c.err, what)
		} else {
			require.NoError(t, res.Err, what)
		}
	}
}
