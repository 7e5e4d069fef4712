package interop

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/seed963a8790/netstack/link/ethernet"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/tun"
	"github.com/seed963a8790/netstack/network/arp"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// The addresses: the kernel has .1, our stack .2.
const (
	kernel4, kernel6 = "10.77.0.1", "fd77::1"
	ours4, ours6     = "10.77.0.2", "fd77::2"
)

// namespace is a network namespace with one TUN or TAP device.
type namespace struct {
	t    *testing.T
	name string
}

// newNamespace makes a namespace that goes with the test.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	ns := &namespace{t, fmt.Sprintf("nsinterop%d", os.Getpid())}
	ns.ip("netns", "add", ns.name)
	t.Cleanup(func() { ns.ip("netns", "del", ns.name) })
	ns.ip("-n", ns.name, "link", "set", "lo", "up")
	return ns
}

func (ns *namespace) ip(args ...string) {
	ns.t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(ns.t, err, "ip %v: %s", args, out)
}

// run runs a program of the kernel's side and returns what it printed.
func (ns *namespace) run(name string, args ...string) string {
	ns.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out, err := ns.command(ctx, name, args...).CombinedOutput()
	require.NoError(ns.t, err, "%s %v: %s", name, args, out)
	return string(out)
}

func (ns *namespace) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", ns.name, name}, args...)...)
}

// inside runs f in the namespace, on a thread that ends with it.
func (ns *namespace) inside(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open("/run/netns/"+ns.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// newStack makes a stack with all protocols and a loopback NIC, which goes with the test.
func newStack(t *testing.T) *stack.Stack {
	t.Helper()
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{arp.New, ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New, icmp.New4, icmp.New6},
		Raw:        raw.New,
	})
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Name: "lo", Addresses: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128"),
	}})
	require.NoError(t, err)
	t.Cleanup(func() {
		s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, s.Wait(ctx))
		require.Zero(t, s.LivePackets(), "packets were not given back")
		require.Zero(t, s.Slabs.Live(), "slabs were not given back")
	})
	return s
}

// attach joins s with the namespace by a TUN or TAP device of 1500 bytes; wrap may put something around the link.
func (ns *namespace) attach(s *stack.Stack, o tun.Options, wrap func(stack.Link) stack.Link) *stack.NIC {
	t := ns.t
	t.Helper()
	var dev *tun.Device
	o.Name = "t0"
	require.NoError(t, ns.inside(func() (err error) {
		dev, err = tun.Open(o)
		return err
	}))
	ns.ip("-n", ns.name, "addr", "add", kernel4+"/24", "dev", "t0")
	ns.ip("-n", ns.name, "-6", "addr", "add", kernel6+"/64", "dev", "t0", "nodad")
	ns.ip("-n", ns.name, "link", "set", "t0", "mtu", "1500", "up")
	var link stack.Link = dev
	if o.TAP {
		link = ethernet.New(link, ethernet.Options{})
	}
	if wrap != nil {
		link = wrap(link)
	}
	nic, err := s.AddNIC(link, stack.NICOptions{Name: "tun", DAD: tcpip.Set(0), Addresses: []netip.Prefix{
		netip.MustParsePrefix(ours4 + "/24"), netip.MustParsePrefix(ours6 + "/64"),
	}})
	require.NoError(t, err)
	return nic
}

// serve answers HTTP on port 80: GET /N gives the first N bytes of the pattern, PUT checks them and answers
// with their number.
func serve(t *testing.T, s *stack.Stack) {
	t.Helper()
	l := gonet.ListenConfig{Stack: s}
	listener, err := l.Listen(context.Background(), "tcp", ":80")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			n, err := checkPattern(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprintf(w, "%d", n)
			return
		}
		n, err := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/"), 10, 64)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		_, _ = io.Copy(w, io.LimitReader(&patternReader{}, n))
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("server: %v", err)
		}
	})
}

// patternReader is a stream in which every eight bytes hold their position.
type patternReader struct{ at int64 }

func (p *patternReader) Read(b []byte) (int, error) {
	var word [8]byte
	n := 0
	for n < len(b) {
		binary.LittleEndian.PutUint64(word[:], uint64(p.at&^7))
		k := copy(b[n:], word[p.at&7:])
		n += k
		p.at += int64(k)
	}
	return n, nil
}

// checkPattern reads r to its end and returns how long it was.
func checkPattern(r io.Reader) (int64, error) {
	var want patternReader
	a, b := make([]byte, 256<<10), make([]byte, 256<<10)
	total := int64(0)
	for {
		n, err := r.Read(a)
		_, _ = want.Read(b[:n])
		if !bytes.Equal(a[:n], b[:n]) {
			return total, fmt.Errorf("a byte between %d and %d is wrong", total, total+int64(n))
		}
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
