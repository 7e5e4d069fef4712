package linux_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// proc reads a file as lines of fields, the header apart.
func proc(t testing.TB, n *linux.Sockets, name string, header bool) (lines [][]string) {
	b, ok := n.ProcNet(name)
	require.True(t, ok, name)
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		if header {
			header = false
			continue
		}
		lines = append(lines, strings.Fields(s.Text()))
	}
	return lines
}

// hexAddr reads an address as netstat, ss and libraries do: hex words of the machine's order, a colon, the port.
func hexAddr(t testing.TB, s string) netip.AddrPort {
	a, p, ok := strings.Cut(s, ":")
	require.True(t, ok, s)
	var b []byte
	for ; len(a) >= 8; a = a[8:] {
		v, err := strconv.ParseUint(a[:8], 16, 32)
		require.NoError(t, err)
		b = binary.NativeEndian.AppendUint32(b, uint32(v))
	}
	addr, ok := netip.AddrFromSlice(b)
	require.True(t, ok, s)
	port, err := strconv.ParseUint(p, 16, 16)
	require.NoError(t, err)
	return netip.AddrPortFrom(addr, uint16(port))
}

// What programs read of the files of sockets: addresses, state, queues, inode.
func TestProcSockets(t *testing.T) {
	n, clock := host(t)
	l, err := n.Socket(linux.AF_INET, linux.SOCK_STREAM, 0)
	require.Zero(t, err)
	require.Zero(t, l.Bind(sockaddr("127.0.0.1", 80)))
	require.Zero(t, l.Listen(5))
	c, err := n.Socket(linux.AF_INET, linux.SOCK_STREAM, 0)
	require.Zero(t, err)
	require.Equal(t, linux.EINPROGRESS, c.Connect(sockaddr("127.0.0.1", 80)))
	clock.Settle()
	lines := proc(t, n, "tcp", true)
	require.Len(t, lines, 3)
	require.Equal(t, "0A", lines[0][3])
	require.Equal(t, "00000000:00000001", lines[0][4], "one waits to be accepted")
	require.Equal(t, "127.0.0.1:80", hexAddr(t, lines[0][1]).String())
	s, _, err := l.Accept4(0)
	require.Zero(t, err)
	send(t, c, "hello")
	clock.Settle()
	lines = proc(t, n, "tcp", true)
	inodes := map[string]bool{}
	for i, f := range lines {
		require.Len(t, f, 17)
		require.Equal(t, strconv.Itoa(i)+":", f[0])
		require.False(t, inodes[f[9]], "two sockets with inode %s", f[9])
		inodes[f[9]] = true
		if hexAddr(t, f[1]).Port() == 80 && f[3] == "01" {
			require.Equal(t, "00000000:00000005", f[4], "five bytes wait to be read")
		}
	}
	require.False(t, inodes["0"])
	couple(t, n)
	udp := proc(t, n, "udp", true)
	require.Len(t, udp, 2)
	require.Equal(t, "127.0.0.1:53", hexAddr(t, udp[0][1]).String())
	require.Equal(t, "07", udp[0][3])
	require.Equal(t, "127.0.0.1:53", hexAddr(t, udp[1][2]).String())
	require.Equal(t, "01", udp[1][3])
	require.Empty(t, proc(t, n, "tcp6", true))
	for _, x := range []*linux.Socket{c, s, l} {
		x.Close()
	}
	clock.Settle()
	for _, f := range proc(t, n, "tcp", true) { // what goes on without a socket
		require.Equal(t, "0", f[9])
	}
}

// The counters' names and values come in pairs of lines of one length, and count.
func TestProcCounters(t *testing.T) {
	n, clock := host(t)
	from, to := couple(t, n)
	send(t, from, "hello")
	clock.Settle()
	_, err := to.RecvMsg(make([]byte, 10), nil, 0) // which is what counts, as on Linux
	require.Zero(t, err)
	for _, name := range []string{"snmp", "netstat"} {
		lines := proc(t, n, name, false)
		require.Zero(t, len(lines)%2)
		for i := 0; i < len(lines); i += 2 {
			require.Equal(t, lines[i][0], lines[i+1][0])
			require.Len(t, lines[i+1], len(lines[i]), lines[i][0])
			for _, v := range lines[i+1][1:] {
				_, err := strconv.ParseInt(v, 10, 64)
				require.NoError(t, err)
			}
			if at := slices.Index(lines[i], "InDatagrams"); lines[i][0] == "Udp:" {
				require.Equal(t, "1", lines[i+1][at])
			}
		}
	}
	for _, f := range proc(t, n, "snmp6", false) {
		require.Len(t, f, 2)
	}
}

// The files about interfaces, and those that are empty.
func TestProcNetwork(t *testing.T) {
	n, clock := host(t)
	from, _ := couple(t, n)
	send(t, from, "hello")
	clock.Settle()
	dev := proc(t, n, "dev", false)
	require.Len(t, dev, 3)
	require.Len(t, dev[2], 17)
	require.Equal(t, "lo:", dev[2][0])
	require.Equal(t, "1", dev[2][2], "a packet came")
	require.Equal(t, "33", dev[2][1], "of 20 + 8 + 5 bytes")
	require.Len(t, proc(t, n, "igmp", true), 2)
	for _, name := range []string{"route", "arp", "packet", "raw", "raw6", "icmp", "icmp6", "udp6"} {
		require.Empty(t, proc(t, n, name, true), name)
	}
	require.Empty(t, proc(t, n, "if_inet6", false))
	require.Equal(t, []string{"UDP:", "inuse", "2", "mem", "0"}, proc(t, n, "sockstat", false)[2])
	_, ok := n.ProcNet("nosuch")
	require.False(t, ok)
}
