package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// What is there: a client's namespace with the device and a server's with the proxy and the services, which have addresses
// that the client can reach by the device alone.
const (
	clientAddress, proxyAddress = "10.89.0.1", "10.89.0.2"
	far4, far6                  = "203.0.113.10", "2001:db8:ffff::10"
)

const danted = `
logoutput: stderr
internal: 10.89.0.2 port = 1080
external: 10.89.0.2
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 command: connect udpassociate }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 command: udpreply }
`

// world is the two namespaces.
type world struct {
	*testing.T
	client, server string
}

// need skips the test where something is missing, and fails it in CI, which installs it.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") != "" && os.Geteuid() == 0:
		t.Fatal("needs ", what)
	default:
		t.Skip("needs ", what)
	}
}

func newWorld(t *testing.T) *world {
	need(t, os.Geteuid() == 0, "root, for network namespaces")
	for _, program := range []string{"ip", "curl", "dig", "iperf3", "danted"} {
		_, err := exec.LookPath(program)
		need(t, err == nil, program)
	}
	_, err := os.Stat("/dev/net/tun")
	need(t, err == nil, "/dev/net/tun")
	w := &world{t, fmt.Sprintf("nst2sc%d", os.Getpid()), fmt.Sprintf("nst2ss%d", os.Getpid())}
	for _, ns := range []string{w.client, w.server} {
		w.ip("netns", "add", ns)
		t.Cleanup(func() { w.ip("netns", "del", ns) })
		w.ip("-n", ns, "link", "set", "lo", "up")
	}
	w.ip("-n", w.client, "link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns", w.server)
	w.ip("-n", w.client, "addr", "add", clientAddress+"/24", "dev", "up0")
	w.ip("-n", w.client, "link", "set", "up0", "up")
	w.ip("-n", w.server, "addr", "add", proxyAddress+"/24", "dev", "up1")
	w.ip("-n", w.server, "addr", "add", far4+"/32", "dev", "lo")
	w.ip("-n", w.server, "-6", "addr", "add", far6+"/128", "dev", "lo", "nodad")
	w.ip("-n", w.server, "link", "set", "up1", "up")
	return w
}

func (w *world) ip(args ...string) {
	w.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		w.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

// start runs a program in a namespace until the test ends.
func (w *world) start(ns string, args ...string) {
	w.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		cmd.Process.Signal(unix.SIGTERM)
		force := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
		defer force.Stop()
		err := cmd.Wait()
		if w.Failed() {
			w.Logf("%s: %v\n%s", args[0], err, log.String())
		}
	})
}

// run runs one in the client's namespace and returns what it says.
func (w *world) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", w.client}, args...)...).CombinedOutput()
	return string(out), err
}

// await tries until what it runs succeeds.
func (w *world) await(args ...string) {
	w.Helper()
	var out string
	var err error
	for range 100 {
		if out, err = w.run(args...); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.Fatalf("%v: %v: %s", args, err, out)
}

// refused reports whether curl has been told at once that there is no connection.
func refused(err error) bool {
	var e *exec.ExitError
	return errors.As(err, &e) && e.ExitCode() == 7
}

// inside runs f in a namespace, on a thread that ends with it.
func inside(ns string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open("/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
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

// serve gives the server's namespace a web page and a name.
func (w *world) serve(page []byte) {
	var l net.Listener
	var u net.PacketConn
	if err := inside(w.server, func() (err error) {
		if l, err = net.Listen("tcp", ":80"); err == nil {
			u, err = net.ListenPacket("udp4", far4+":53")
		}
		return err
	}); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { l.Close(); u.Close() })
	go http.Serve(l, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			b, err := io.ReadAll(r.Body)
			fmt.Fprintln(rw, bytes.Equal(b, page), err)
			return
		}
		rw.Write(page)
	}))
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response, m.Additionals = true, nil
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: [4]byte{203, 0, 113, 10}},
			}}
			if a, err := m.Pack(); err == nil {
				u.WriteTo(a, from)
			}
		}
	}()
}

// curl, dig and iperf3 from a namespace whose way out is the device, through a real proxy, and back.
func TestPrograms(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	page := bytes.Repeat([]byte("through a proxy and back\n"), 200000)
	w.serve(page)
	config := filepath.Join(dir, "danted.conf")
	binary := filepath.Join(dir, "tun2socks")
	file := filepath.Join(dir, "page")
	for name, b := range map[string][]byte{config: []byte(danted), file: page} {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.start(w.server, "danted", "-f", config, "-p", filepath.Join(dir, "pid"))
	w.start(w.server, "iperf3", "-s", "-B", far4)
	w.ip("-n", w.client, "tuntap", "add", "dev", "t2s0", "mode", "tun")
	w.ip("-n", w.client, "addr", "add", "10.88.0.1/24", "dev", "t2s0")
	w.ip("-n", w.client, "link", "set", "t2s0", "up")
	w.start(w.client, binary, "-v", "-tun", "t2s0", "-proxy", proxyAddress+":1080", "-timeout", "5s")
	w.await("ip", "route", "add", "203.0.113.0/24", "dev", "t2s0")
	w.await("curl", "-sS", "--max-time", "5", "-o", filepath.Join(dir, "got"), "http://"+far4+"/")

	if got, err := os.ReadFile(filepath.Join(dir, "got")); err != nil || !bytes.Equal(got, page) {
		t.Fatalf("curl got %d bytes, %v", len(got), err)
	}
	if out, err := w.run("curl", "-sS", "-T", file, "http://"+far4+"/"); err != nil || !strings.HasPrefix(out, "true") {
		t.Errorf("curl -T: %v: %s", err, out)
	}
	if out, err := w.run("curl", "-sS", "--max-time", "10", "http://"+far4+":81/"); !refused(err) {
		t.Errorf("a port that nobody listens at: %v: %s", err, out)
	}
	for range 3 {
		out, err := w.run("dig", "+short", "+tries=2", "+time=5", "@"+far4, "www.example.test")
		if err != nil || strings.TrimSpace(out) != far4 {
			t.Errorf("dig: %v: %s", err, out)
		}
	}
	for _, args := range [][]string{{}, {"-R"}, {"-u", "-b", "20M", "-l", "1200"}, {"-u", "-b", "20M", "-l", "1200", "-R"}} {
		out, err := w.run(append([]string{"iperf3", "-J", "-t", "1", "-c", far4}, args...)...)
		var r struct {
			End struct {
				Sum, Sum_Received struct {
					Bits_Per_Second float64
					Lost_Percent    float64
				}
			}
			Error string
		}
		if json.Unmarshal([]byte(out), &r); err != nil || r.Error != "" {
			t.Errorf("iperf3 %v: %v: %s", args, err, r.Error)
			continue
		}
		rate := max(r.End.Sum_Received.Bits_Per_Second, r.End.Sum.Bits_Per_Second)
		t.Logf("iperf3 %v: %.0f Mbit/s, %.1f %% lost", args, rate/1e6, r.End.Sum.Lost_Percent)
		if rate == 0 || r.End.Sum.Lost_Percent > 50 {
			t.Errorf("iperf3 %v: nothing came through: %s", args, out)
		}
	}
	if out, err := w.run("ping", "-c1", "-W5", far4); err == nil || !strings.Contains(out, "filtered") && !strings.Contains(out, "Prohibited") {
		t.Errorf("ping: %v: %s", err, out)
	}
}
