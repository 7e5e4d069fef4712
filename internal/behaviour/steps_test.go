package behaviour

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// worst has, for each list and table that strangers fill, its worst input of size n: what is there before, which does not
// count, and the work.
var worst = []struct {
	name string
	n    int // the smaller size; the other is twice that
	run  func(t *testing.T, n int) (work func())
}{
	{"flows to one destination", 1500, func(t *testing.T, n int) func() {
		v := plain(t)
		return func() {
			var all []*tcp.Endpoint
			for range n {
				e := v.endpoint(header.ProtocolTCP, false).(*tcp.Endpoint)
				require.Equal(t, tcpip.ErrInProgress, e.Connect(tcpip.FullAddress{Addr: addr("10.0.0.2"), Port: 80}))
				all = append(all, e)
			}
			v.nic.Packets()
			for _, e := range all {
				e.Abort()
			}
		}
	}},
	{"datagrams to sockets that share a port", 500, func(t *testing.T, n int) func() {
		v := plain(t)
		for range n {
			e := v.endpoint(header.ProtocolUDP, false)
			require.NoError(t, e.SetOption(tcpip.SO_REUSEPORT, 1))
			require.NoError(t, e.Bind(tcpip.FullAddress{Port: 53}))
		}
		return func() {
			for i := range n {
				v.nic.Inject(datagram(netip.AddrPortFrom(families[0].host(i), 9), at("10.0.0.1:53"), 8))
			}
		}
	}},
	{"datagrams to connected sockets of a port", 500, func(t *testing.T, n int) func() {
		v := plain(t)
		for i := range n {
			e := v.endpoint(header.ProtocolUDP, false)
			require.NoError(t, e.SetOption(tcpip.SO_REUSEADDR, 1))
			require.NoError(t, e.Bind(tcpip.FullAddress{Port: 53}))
			require.NoError(t, e.Connect(tcpip.FullAddress{Addr: families[0].host(i), Port: 9}))
		}
		return func() {
			for i := range n {
				v.nic.Inject(datagram(netip.AddrPortFrom(families[0].host(i), 9), at("10.0.0.1:53"), 8))
			}
		}
	}},
	{"SYNs", 1000, func(t *testing.T, n int) func() {
		v := plain(t)
		v.listening(false, 80, 4096)
		return func() {
			for i := range n {
				from := netip.AddrPortFrom(families[0].host(i), 9)
				v.nic.Inject(segment(from, at("10.0.0.1:80"), header.TCPFields{Seq: 1, Flags: header.SYN, Window: 99}, header.TCPOptions{}, nil))
				v.nic.Packets()
				v.Clock.Advance(time.Microsecond)
			}
			for range 70 {
				v.Clock.Advance(time.Second)
				v.nic.Packets()
			}
		}
	}},
	{"connections that end", 300, func(t *testing.T, n int) func() {
		v := plain(t)
		l := v.listening(false, 80, 16)
		return func() {
			for i := range n {
				from, to := netip.AddrPortFrom(families[0].host(i), 9), at("10.0.0.1:80")
				r := &remote{victim: v, from: from, to: to, seq: 1, window: 999}
				r.syn()
				r.seq++
				r.ack = v.segments()[0].Seq + 1
				r.send(header.ACK, r.seq, r.ack, nil)
				e, err := l.Accept()
				require.NoError(t, err)
				e.Close()
				r.send(header.ACK|header.FIN, r.seq, r.ack+1, nil)
				v.segments()
				v.Clock.Advance(time.Microsecond)
			}
			v.Clock.Advance(2 * time.Minute)
		}
	}},
	{"neighbours that do not exist", 1500, func(t *testing.T, n int) func() {
		v := ethernet(t)
		require.NoError(t, v.nic.AddAddress(prefix("10.1.0.1/8")))
		e := v.endpoint(header.ProtocolUDP, false)
		require.NoError(t, e.SetOption(tcpip.SO_SNDBUF, 16<<20))
		scan := func(from, n int) {
			for i := from; i < from+n; i++ {
				a := netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})
				_, err := e.Write([]byte("x"), tcpip.WriteOptions{To: tcpip.FullAddress{Addr: a, Port: 9}})
				require.NoError(t, err)
				v.nic.Packets()
				v.Clock.Advance(5 * time.Millisecond)
			}
		}
		scan(0, 1500) // the table is full
		return func() { scan(1500, n) }
	}},
	{"a datagram in crumbs", 600, func(t *testing.T, n int) func() { // every second one first, from behind
		v := plain(t)
		b := datagram(at("10.0.0.2:9"), at("10.0.0.1:7"), 8*n)
		return func() {
			for _, start := range []int{n - 1, n - 2} {
				for i := start; i >= 0; i -= 2 {
					v.nic.Inject(piece(b, 9, 8*i, 8, true))
				}
			}
		}
	}},
	{"datagrams in pieces", 3000, func(t *testing.T, n int) func() {
		v := plain(t)
		return func() {
			for i := range n {
				from := netip.AddrPortFrom(families[0].host(i), 9)
				v.nic.Inject(piece(datagram(from, at("10.0.0.1:7"), 1400), 9, 0, 1400, true))
				v.Clock.Advance(time.Millisecond)
			}
			v.Clock.Advance(time.Minute)
			v.nic.Packets()
		}
	}},
	{"segments out of order", 200, func(t *testing.T, n int) func() { // every second byte, from behind, and then the others
		c := plain(t).connected(families[0], 1460, true, false)
		return func() {
			for i := n; i > 0; i-- {
				c.send(header.ACK, c.seq.Add(2*i), c.ack, []byte("x"))
				c.segments()
			}
			for i := n - 1; i >= 0; i-- {
				c.send(header.ACK, c.seq.Add(2*i+1), c.ack, []byte("y"))
				c.segments()
			}
		}
	}},
	{"one loss in a long flight", 1000, func(t *testing.T, n int) func() { // each ACK reports all that has arrived behind it
		c, una := flying(t, n)
		return func() {
			for i := 2; i <= n; i++ {
				c.send(header.ACK, c.seq, una, nil, header.SACKBlock{Start: una.Add(100), End: una.Add(100 * i)})
				c.segments()
			}
		}
	}},
	{"every second segment lost", 1000, func(t *testing.T, n int) func() {
		c, una := flying(t, n)
		return func() {
			for i := 1; i < n; i += 2 {
				b := header.SACKBlock{Start: una.Add(100 * i), End: una.Add(100 * (i + 1))}
				c.send(header.ACK, c.seq, una, nil, b)
				c.segments()
			}
			for range 3 {
				c.Clock.Advance(time.Second)
				c.segments()
			}
		}
	}},
	{"the same blocks again and again", 1000, func(t *testing.T, n int) func() { // after they have come bit by bit, from behind
		c, una := flying(t, n)
		blocks := []header.SACKBlock{}
		for k := 4; k > 0; k-- {
			b := header.SACKBlock{Start: una.Add(100 * (n*k/5 + 1)), End: una.Add(100 * (n * (k + 1) / 5))}
			blocks = append(blocks, b)
			for i := b.End.Add(-100); b.Start.LessEq(i); i = i.Add(-100) {
				c.send(header.ACK, c.seq, una, nil, header.SACKBlock{Start: i, End: i.Add(100)})
				c.segments()
			}
		}
		return func() {
			for range n {
				c.send(header.ACK, c.seq, una, nil, blocks...)
				c.segments()
			}
		}
	}},
	{"path MTUs", 1500, func(t *testing.T, n int) func() {
		v := plain(t)
		return func() {
			for i := range n {
				v.LearnPathMTU(families[0].host(i), 1400)
				v.Clock.Advance(time.Millisecond)
			}
			v.Clock.Advance(20 * time.Minute)
		}
	}},
	{"hosts that ICMP errors go to", 1500, func(t *testing.T, n int) func() {
		v := plain(t)
		return func() {
			for i := range n {
				v.refused(families[0], families[0].host(i))
				v.Clock.Advance(time.Millisecond)
			}
		}
	}},
	{"datagrams in a queue", 400, func(t *testing.T, n int) func() {
		v := plain(t)
		e := v.bound(header.ProtocolUDP, false, 7)
		require.NoError(t, e.SetOption(tcpip.SO_RCVBUF, 8<<20))
		return func() {
			for range n {
				v.nic.Inject(datagram(at("10.0.0.2:9"), at("10.0.0.1:7"), 8))
			}
			for range n {
				_, err := e.Read(make([]byte, 9), tcpip.ReadOptions{})
				require.NoError(t, err)
			}
		}
	}},
	{"lookups among routes", 300, func(t *testing.T, n int) func() {
		v := plain(t)
		for i := range n {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(i >> 8), byte(i), 0}), 24)
			require.NoError(t, v.AddRoute(stack.RouteEntry{Destination: p, Gateway: addr("10.0.0.254")}))
		}
		return func() {
			for i := range n {
				_, err := v.FindRoute(stack.RouteQuery{Destination: netip.AddrFrom4([4]byte{198, byte(i >> 8), byte(i), 9})})
				require.Equal(t, tcpip.OK, err)
			}
		}
	}},
}

// flying is a connection with exactly n segments of 100 bytes in flight and nothing behind them, and its snd.una.
func flying(t *testing.T, n int) (*remote, seq.Number) {
	v := plain(t)
	v.scale = 8
	c := v.connected(families[0], 100, true, false)
	require.NoError(t, c.ep.SetOption(tcpip.SO_SNDBUF, 16<<20))
	fly := func(n int) {
		for ; n > 0; n -= 500 { // no more than transmit queues take
			c.write(100 * min(n, 500))
			require.Len(t, c.segments(), min(n, 500))
		}
	}
	for cwnd := 0; cwnd < n+10; cwnd = c.ep.Info().Cwnd { // open the window
		fly(cwnd)
		c.ack = c.ack.Add(100 * cwnd)
		c.Clock.Advance(time.Millisecond)
		c.send(header.ACK, c.seq, c.ack, nil)
	}
	fly(n)
	require.Equal(t, 100*n, c.ep.Info().Unacked)
	return c, c.ack
}

// stepsVariable names what TestF12Steps is to run: an input, a size, and how much of it.
const stepsVariable = "BEHAVIOUR_STEPS"

// TestF12Steps runs one worst input, in a process of its own, where TestF12 counts the statements; else small ones of all.
func TestF12Steps(t *testing.T) {
	order := strings.Split(os.Getenv(stepsVariable), ":")
	for _, w := range worst {
		if len(order) != 3 {
			w.run(t, 16)()
		} else if w.name == order[0] {
			n, err := strconv.Atoi(order[1])
			require.NoError(t, err)
			if work := w.run(t, n); order[2] == "all" {
				work()
			}
		}
	}
}

// The work for the worst input grows as its size: twice the size is at most twice the work, times a logarithm. Work is
// the statements of the library that run; what a statement copies is not seen.
func TestF12(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "steps.test")
	const module = "github.com/seed963a8790/netstack/"
	var covered []string
	for _, p := range []string{
		"stack", "network/arp", "network/ipv4", "network/ipv6", "network/internal/shared", "transport", "transport/tcp", "transport/udp",
		"transport/icmp", "internal/tcb", "internal/frag", "internal/nud", "internal/ratelimit", "header",
	} {
		covered = append(covered, module+p)
	}
	build := exec.Command("go", "test", "-c", "-covermode=count", "-coverpkg="+strings.Join(covered, ","), "-o", binary, ".")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	steps := func(t *testing.T, name string, n int, part string) int {
		profile := filepath.Join(dir, "profile")
		run := exec.Command(binary, "-test.run=^TestF12Steps$", "-test.coverprofile="+profile)
		run.Env = append(os.Environ(), fmt.Sprintf("%s=%s:%d:%s", stepsVariable, name, n, part))
		out, err := run.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return sum(t, profile)
	}
	for _, w := range worst {
		t.Run(w.name, func(t *testing.T) {
			work := func(n int) int { return steps(t, w.name, n, "all") - steps(t, w.name, n, "setup") }
			once, twice := work(w.n), work(2*w.n)
			ratio := float64(twice) / float64(once)
			t.Logf("n = %d: %d steps each, 2n: %d; all %.2f times", w.n, once/w.n, twice/w.n/2, ratio)
			require.Less(t, ratio, 2.4)
		})
	}
}

// sum adds up how many statements ran.
func sum(t *testing.T, profile string) (n int) {
	f, err := os.Open(profile)
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		part := strings.Fields(lines.Text())
		if len(part) != 3 {
			continue
		}
		statements, err := strconv.Atoi(part[1])
		require.NoError(t, err)
		count, err := strconv.Atoi(part[2])
		require.NoError(t, err)
		n += statements * count
	}
	require.NotZero(t, n)
	return n
}
