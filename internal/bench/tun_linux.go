package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

var tunScenarios = []scenario{
	{id: "tun-in", unit: "Gbit/s", run: overTun(true)},
	{id: "tun-out", unit: "Gbit/s", run: overTun(false)},
}

const (
	tunMTU     = 1500
	kernelAddr = "10.99.0.1"
	stackAddr  = "10.99.0.2"
)

// overTun moves a stream between the kernel and a stack over a TUN device, or, in the kernel's column,
// between two namespaces over a veth pair. The kernel's side lives in a namespace of its own.
func overTun(in bool) func(peer, time.Duration) (float64, error) {
	return func(p peer, length time.Duration) (float64, error) {
		if os.Geteuid() != 0 {
			return 0, fmt.Errorf("needs root: %w", errNotHere)
		}
		name := fmt.Sprintf("nsbench%d", os.Getpid())
		if err := ip("netns", "add", name); err != nil {
			return 0, err
		}
		defer ip("netns", "del", name)
		inside, err := namespaceDialer(name)
		if err != nil {
			return 0, err
		}
		var far env
		if p == kernel {
			far, err = newVeth(name)
		} else {
			far, err = newTun(p, name)
		}
		if err != nil {
			return 0, err
		}
		defer far.Close()
		if in {
			return transfer(far.Listen, func(port int) (net.Conn, error) { return inside.dial(stackAddr, port) }, length)
		}
		return transfer(func(port int) (net.Listener, error) { return inside.listen(kernelAddr, port) }, far.Dial, length)
	}
}

// newTun makes a TUN device in the namespace and a stack of the peer's behind it.
func newTun(p peer, ns string) (env, error) {
	var far env
	err := inNamespace(ns, func() (err error) {
		switch p {
		case ours:
			far, err = newOursTun("bench0", netip.MustParsePrefix(stackAddr+"/24"), netip.MustParseAddr(kernelAddr))
		case gvisor:
			far, err = newGvisorTun("bench0")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"-n", ns, "addr", "add", kernelAddr + "/24", "dev", "bench0"},
		{"-n", ns, "link", "set", "bench0", "mtu", fmt.Sprint(tunMTU), "up"},
	} {
		if err := ip(args...); err != nil {
			far.Close()
			return nil, err
		}
	}
	return far, nil
}

func newGvisorTun(name string) (env, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return nil, err
	}
	var link gstack.LinkEndpoint
	link, err = fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: tunMTU, RXChecksumOffload: true, GRO: true})
	if err != nil {
		return nil, err
	}
	s, err := gvisorStack(link, netip.MustParseAddr(stackAddr).As4())
	if err != nil {
		return nil, err
	}
	return &gvisorTun{gvisorEnv{s, s, netip.MustParseAddr(kernelAddr).As4()}, fd}, nil
}

type gvisorTun struct {
	gvisorEnv
	fd int
}

func (e *gvisorTun) Listen(port int) (net.Listener, error) {
	local := e.gvisorEnv
	local.to = netip.MustParseAddr(stackAddr).As4()
	return local.Listen(port)
}

func (e *gvisorTun) Close() {
	e.gvisorEnv.Close()
	unix.Close(e.fd)
}

// newVeth joins the namespace with a second one by a veth pair.
func newVeth(ns string) (env, error) {
	far := ns + "b"
	if err := ip("netns", "add", far); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"link", "add", "bench0", "netns", ns, "type", "veth", "peer", "name", "bench1", "netns", far},
		{"-n", ns, "addr", "add", kernelAddr + "/24", "dev", "bench0"},
		{"-n", ns, "link", "set", "bench0", "up"},
		{"-n", far, "addr", "add", stackAddr + "/24", "dev", "bench1"},
		{"-n", far, "link", "set", "bench1", "up"},
	} {
		if err := ip(args...); err != nil {
			_ = ip("netns", "del", far)
			return nil, err
		}
	}
	d, err := namespaceDialer(far)
	if err != nil {
		return nil, err
	}
	return &vethEnv{d, far}, nil
}

type vethEnv struct {
	inside namespace
	name   string
}

func (e *vethEnv) Listen(port int) (net.Listener, error) { return e.inside.listen(stackAddr, port) }
func (e *vethEnv) Dial(port int) (net.Conn, error)       { return e.inside.dial(kernelAddr, port) }
func (e *vethEnv) ListenUDP(int) (net.PacketConn, error) { return nil, errNotHere }
func (e *vethEnv) DialUDP(int) (net.Conn, error)         { return nil, errNotHere }
func (e *vethEnv) Close()                                { _ = ip("netns", "del", e.name) }

// namespace makes the kernel's sockets in a network namespace.
type namespace struct{ name string }

func namespaceDialer(name string) (namespace, error) {
	return namespace{name}, ip("-n", name, "link", "set", "lo", "up")
}

func (n namespace) listen(addr string, port int) (l net.Listener, err error) {
	err = inNamespace(n.name, func() error {
		l, err = net.Listen("tcp4", fmt.Sprintf("%s:%d", addr, port))
		return err
	})
	return l, err
}

func (n namespace) dial(addr string, port int) (c net.Conn, err error) {
	err = inNamespace(n.name, func() error {
		c, err = net.DialTimeout("tcp4", fmt.Sprintf("%s:%d", addr, port), 10*time.Second)
		return err
	})
	return c, err
}

// inNamespace runs f on a thread that is in the named namespace. The thread ends with the goroutine.
func inNamespace(name string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is not fit for others
		fd, err := unix.Open("/run/netns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
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

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
