package linux_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// tool runs a program of the distribution that reads /proc/net, over the texts of a stack: in a mount namespace of its own
// they stand there. It returns the lines, their spaces made one.
func tool(t *testing.T, n *linux.Sockets, name string, args ...string) (lines []string) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a mount namespace")
	}
	for _, name := range []string{"unshare", name} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("needs ", name)
		}
	}
	dir := t.TempDir()
	for _, f := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6", "icmp", "icmp6", "snmp", "snmp6", "netstat", "route", "ipv6_route",
		"if_inet6", "dev", "arp", "igmp", "igmp6", "sockstat", "sockstat6", "packet"} {
		b, ok := n.ProcNet(f)
		require.True(t, ok, f)
		require.NoError(t, os.WriteFile(filepath.Join(dir, f), b, 0o644))
	}
	script := `mount -t tmpfs none /proc && mkdir /proc/net && cp "$0"/* /proc/net && exec "$@"`
	cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", script, dir, name}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

// net-tools read the texts, and understand them.
func TestProcTools(t *testing.T) {
	n, clock := host(t)
	l, err := n.Socket(linux.AF_INET, linux.SOCK_STREAM, 0)
	require.Zero(t, err)
	require.Zero(t, l.Bind(sockaddr("127.0.0.1", 80)))
	require.Zero(t, l.Listen(5))
	c, err := n.Socket(linux.AF_INET, linux.SOCK_STREAM, 0)
	require.Zero(t, err)
	require.Equal(t, linux.EINPROGRESS, c.Connect(sockaddr("127.0.0.1", 80)))
	clock.Settle()
	_, _, err = l.Accept4(0)
	require.Zero(t, err)
	send(t, c, "hello")
	clock.Settle()
	from, to := couple(t, n)
	send(t, from, "hello")
	clock.Settle()
	_, err = to.RecvMsg(make([]byte, 10), nil, 0)
	require.Zero(t, err)
	for args, want := range map[string][]string{
		"netstat -tuan": {
			"tcp 0 0 127.0.0.1:80 0.0.0.0:* LISTEN", "tcp 0 0 127.0.0.1:P 127.0.0.1:80 ESTABLISHED", "tcp 5 0 127.0.0.1:80 127.0.0.1:P ESTABLISHED",
			"udp 0 0 127.0.0.1:53 0.0.0.0:*", "udp 0 0 127.0.0.1:P 127.0.0.1:53 ESTABLISHED",
		},
		"netstat -s": {
			"6 total packets received", "6 incoming packets delivered", "6 requests sent out", "1 active connection openings", "1 passive connection openings",
			"2 connections established", "5 segments received", "1 packets received", "1 packets sent",
		},
		"netstat -s -6":  {"0 total packets received", "5 segments sent out"},
		"netstat -rn":    {"Destination Gateway Genmask Flags MSS Window irtt Iface"},
		"netstat -rn -6": {"::/0 :: !n -1 1 0 lo"},
		"netstat -i":     {"lo 65536 6 0 0 0 6 0 0 0 LRU"},
		"netstat -gn":    {"lo 1 224.0.0.1", "lo 1 ff02::1"},
		"arp -n":         nil, // it is understood
		"nstat -asz":     {"TcpPassiveOpens 1 0.0", "UdpInDatagrams 1 0.0", "TcpExtTCPTimeouts 0 0.0", "IpExtInTruncatedPkts 0 0.0"},
	} {
		f := strings.Fields(args)
		lines := tool(t, n, f[0], f[1:]...)
		for i := range lines {
			lines[i] = ephemeralPort.ReplaceAllString(lines[i], ":P")
		}
		require.Subset(t, lines, want, args)
	}
}

var ephemeralPort = regexp.MustCompile(`:[0-9]{5}\b`)
