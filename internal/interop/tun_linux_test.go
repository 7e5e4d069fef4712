package interop

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/link/tun"
	"github.com/seed963a8790/netstack/stack"
)

// devices are the forms of the link that every transfer is tried over.
var devices = []struct {
	name string
	o    tun.Options
}{
	{"tun", tun.Options{}},
	{"tun without offload", tun.Options{NoOffload: true}},
	{"two queues", tun.Options{Queues: 2}},
	{"tap", tun.Options{TAP: true}},
}

// transferSize is what curl moves each way, in bytes.
func transferSize() int64 {
	if testing.Short() {
		return 16 << 20
	}
	return 1 << 30
}

func TestCurl(t *testing.T) {
	for i, d := range devices {
		t.Run(d.name, func(t *testing.T) {
			ns := newNamespace(t)
			s := newStack(t)
			ns.attach(s, d.o, nil)
			serve(t, s)
			size := transferSize()
			if i > 0 {
				size = min(size, 64<<20) // the first device has moved the gibibyte
			}
			for _, host := range []string{ours4, "[" + ours6 + "]"} {
				ns.download(host, size)
				ns.upload(host, size)
			}
		})
	}
}

// download has curl fetch n bytes and checks them.
func (ns *namespace) download(host string, n int64) {
	t := ns.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := ns.command(ctx, "curl", "-sS", "-f", "--max-time", "280", fmt.Sprintf("http://%s/%d", host, n))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	got, err := checkPattern(out)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	require.Equal(t, n, got)
}

// upload has curl send n bytes, which the server checks.
func (ns *namespace) upload(host string, n int64) {
	t := ns.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := ns.command(ctx, "curl", "-sS", "-f", "--max-time", "280", "-T", "-", fmt.Sprintf("http://%s/", host))
	cmd.Stdin = io.LimitReader(&patternReader{}, n)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, fmt.Sprint(n), string(out))
}

func TestPing(t *testing.T) {
	for _, d := range devices {
		t.Run(d.name, func(t *testing.T) {
			ns := newNamespace(t)
			ns.attach(newStack(t), d.o, nil)
			for _, host := range []string{ours4, ours6} {
				for _, size := range []string{"0", "56", "1472", "20000", "60000"} {
					out := ns.run("ping", "-c", "3", "-i", "0.02", "-W", "5", "-s", size, host)
					require.Contains(t, out, " 0% packet loss", "%s bytes to %s", size, host)
				}
			}
		})
	}
}

// Behind the TUN device our stack forwards into a narrower link, which tracepath must find.
func TestTracepath(t *testing.T) {
	const narrow = 1400
	ns := newNamespace(t)
	router, far := newStack(t), newStack(t)
	nic := ns.attach(router, tun.Options{}, nil)
	a, b := pipe.New(pipe.Options{MTU: narrow})
	inner, err := router.AddNIC(a, stack.NICOptions{Addresses: []netip.Prefix{
		netip.MustParsePrefix("10.78.0.1/24"), netip.MustParsePrefix("fd78::1/64")}})
	require.NoError(t, err)
	nic.SetForwarding(true)
	inner.SetForwarding(true)
	end, err := far.AddNIC(b, stack.NICOptions{Addresses: []netip.Prefix{
		netip.MustParsePrefix("10.78.0.2/24"), netip.MustParsePrefix("fd78::2/64")}})
	require.NoError(t, err)
	require.NoError(t, far.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.78.0.1"), NIC: end.ID()}))
	require.NoError(t, far.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix("::/0"), Gateway: netip.MustParseAddr("fd78::1"), NIC: end.ID()}))
	ns.ip("-n", ns.name, "route", "add", "10.78.0.0/24", "via", ours4)
	ns.ip("-n", ns.name, "-6", "route", "add", "fd78::/64", "via", ours6)

	for _, host := range []string{"10.78.0.2", "fd78::2"} {
		out := ns.run("tracepath", "-n", host)
		m := regexp.MustCompile(`Resume: pmtu (\d+) hops (\d+)`).FindStringSubmatch(out)
		require.NotNil(t, m, out)
		require.Equal(t, []string{fmt.Sprint(narrow), "2"}, m[1:], out)
	}
	serve(t, far)
	for _, host := range []string{"10.78.0.2", "[fd78::2]"} {
		ns.download(host, 8<<20)
		ns.upload(host, 8<<20)
	}
}

func TestParallelRequests(t *testing.T) {
	ns := newNamespace(t)
	s := newStack(t)
	ns.attach(s, tun.Options{}, nil)
	serve(t, s)
	const requests, size = 200, 100000
	dir := t.TempDir()
	ns.run("curl", "-sS", "-f", "--parallel", "--parallel-immediate", "--parallel-max", "200", "--max-time", "120",
		"-o", dir+"/#1", fmt.Sprintf("http://%s/%d?[1-%d]", ours4, size, requests))
	out, err := exec.Command("sh", "-c", "cat "+dir+"/* | wc -c").Output()
	require.NoError(t, err)
	var got int
	_, err = fmt.Sscan(string(out), &got)
	require.NoError(t, err)
	require.Equal(t, requests*size, got)
}

// Loss of 1 % and a delay of 10 ms each way.
func TestLossyTransfer(t *testing.T) {
	ns := newNamespace(t)
	s := newStack(t)
	faults := fault.Faults{Loss: 0.01, Delay: 10 * time.Millisecond}
	ns.attach(s, tun.Options{}, func(l stack.Link) stack.Link {
		return fault.New(l, fault.Options{Seed: 1, Tx: faults, Rx: faults})
	})
	serve(t, s)
	size := int64(16 << 20)
	if testing.Short() {
		size = 2 << 20
	}
	for _, host := range []string{ours4, "[" + ours6 + "]"} {
		ns.download(host, size)
		ns.upload(host, size)
	}
}
