package wgnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

// bulk is how much TestBulk sends.
var bulk = flag.Int64("bulk", 32<<20, "bytes that TestBulk sends; CI sends 1 GiB")

func TestHTTP(t *testing.T) {
	client, server := newPair(t)
	l, err := server.ListenTCP(&net.TCPAddr{Port: 80})
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", r.Host)
	}))
	serveDNS(t, server)
	c := &http.Client{Transport: &http.Transport{DialContext: client.DialContext}}
	defer c.CloseIdleConnections()
	for _, host := range []string{server4.String(), "[" + server6.String() + "]", "www.example.test"} {
		r, err := c.Get("http://" + host + "/")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || string(b) != "hello "+host {
			t.Fatalf("%q, %v", b, err)
		}
	}
}

// What one end writes is what the other reads.
func TestBulk(t *testing.T) {
	client, server := newPair(t)
	l, err := server.ListenTCPAddrPort(netip.AddrPortFrom(server4, 5001))
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			close(got)
			return
		}
		defer c.Close()
		h := sha256.New()
		n, err := io.Copy(h, c)
		if err != nil || n != *bulk {
			t.Errorf("received %d bytes, %v", n, err)
		}
		got <- h.Sum(nil)
	}()
	c, err := client.DialTCPAddrPort(netip.AddrPortFrom(server4, 5001))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	h := sha256.New()
	src := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), *bulk), writer{h})
	if _, err := io.CopyBuffer(struct{ io.Writer }{c}, src, make([]byte, 256<<10)); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	sum := <-got
	took := time.Since(began)
	if !bytes.Equal(sum, h.Sum(nil)) {
		t.Fatal("the bytes differ")
	}
	t.Logf("%d MiB in %v: %.2f Gbit/s", *bulk>>20, took.Round(time.Millisecond), float64(*bulk)*8/float64(took.Nanoseconds()))
	c.Close()
}

type writer struct{ hash.Hash }

func TestUDP(t *testing.T) {
	client, server := newPair(t)
	for _, to := range []netip.Addr{server4, server6} {
		s, err := server.ListenUDPAddrPort(netip.AddrPortFrom(to, 7))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			b := make([]byte, 2000)
			for {
				n, from, err := s.ReadFrom(b)
				if err != nil {
					return
				}
				s.WriteTo(b[:n], from)
			}
		}()
		c, err := client.Dial("udp", netip.AddrPortFrom(to, 7).String())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"a", string(make([]byte, 1300)), ""} {
			if _, err := c.Write([]byte(want)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 2000)
			c.SetDeadline(time.Now().Add(10 * time.Second))
			n, err := c.Read(b)
			if err != nil || string(b[:n]) != want {
				t.Fatal(n, err)
			}
		}
		c.Close()
		s.Close()
	}
}

func TestPing(t *testing.T) {
	client, _ := newPair(t)
	for _, c := range []struct {
		network       string
		to            netip.Addr
		proto         int
		request, want icmp.Type
	}{
		{"ping4", server4, 1, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply},
		{"ping6", server6, 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply},
		{"ping", client4, 1, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply},
	} {
		socket, err := client.Dial(c.network, c.to.String())
		if err != nil {
			t.Fatal(err)
		}
		if got := socket.RemoteAddr().String(); got != c.to.String() {
			t.Fatal(got)
		}
		echo := icmp.Echo{Seq: 77, Data: []byte("gopher burrow")}
		b, err := (&icmp.Message{Type: c.request, Body: &echo}).Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		socket.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := socket.Write(b); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 100)
		n, err := socket.Read(answer)
		if err != nil {
			t.Fatal(err)
		}
		m, err := icmp.ParseMessage(c.proto, answer[:n])
		if err != nil || m.Type != c.want {
			t.Fatal(m, err)
		}
		if e := m.Body.(*icmp.Echo); e.Seq != 77 || string(e.Data) != "gopher burrow" {
			t.Fatalf("%+v", e)
		}
		socket.Close()

		p, err := client.ListenPing(PingAddrFromAddr(netip.IPv6Unspecified()))
		if c.proto == 1 {
			p, err = client.ListenPing(PingAddrFromAddr(client4))
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.WriteTo(b, PingAddrFromAddr(c.to)); err != nil {
			t.Fatal(err)
		}
		p.SetDeadline(time.Now().Add(10 * time.Second))
		n, from, err := p.ReadFrom(answer)
		if err != nil || from.String() != c.to.String() || from.Network() != "ping"+string("46"[c.proto/58]) || n != len(b) {
			t.Fatal(n, from, err)
		}
		if _, err := p.WriteTo(b, &net.IPAddr{}); err == nil {
			t.Fatal("wrote to an address of another kind")
		}
		p.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := p.Read(answer); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		p.Close()
	}
}

func TestErrors(t *testing.T) {
	client, _ := newPair(t)
	if _, err := client.DialTCP(&net.TCPAddr{IP: server4.AsSlice(), Port: 9}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	for _, address := range []string{"nothing", "a:b:c", server4.String() + ":http-not", ":"} {
		if _, err := client.Dial("tcp", address); err == nil {
			t.Error(address)
		}
	}
	var unknown net.UnknownNetworkError
	if _, err := client.Dial("unix", "x"); !errors.As(err, &unknown) {
		t.Error(err)
	}
	if _, err := client.Dial("tcp6", server4.String()+":1"); !errors.Is(err, errNoSuitable) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.DialContext(ctx, "tcp", "203.0.113.1:80"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := client.DialPing(nil, nil); err == nil {
		t.Error("a ping from nowhere")
	}
	if _, _, err := CreateNetTUN([]netip.Addr{netip.MustParseAddr("224.0.0.1")}, nil, 1420); err == nil {
		t.Error("a group as a host's address")
	}
	if _, _, err := CreateNetTUN([]netip.Addr{{}}, nil, 1420); err == nil {
		t.Error("no address")
	}
}

// Closing the device ends everything that uses its Net.
func TestClose(t *testing.T) {
	dev, n, err := CreateNetTUN([]netip.Addr{client4}, nil, 1420)
	if err != nil {
		t.Fatal(err)
	}
	if mtu, err := dev.MTU(); mtu != 1420 || err != nil {
		t.Fatal(mtu, err)
	}
	if name, err := dev.Name(); name == "" || err != nil || dev.File() != nil || dev.BatchSize() < 1 {
		t.Fatal(name, err)
	}
	<-dev.Events()
	l, err := n.ListenTCP(&net.TCPAddr{Port: 80})
	if err != nil {
		t.Fatal(err)
	}
	u, err := n.ListenUDP(nil)
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 3)
	go func() { _, err := l.Accept(); errs <- err }()
	go func() { _, err := u.Read(make([]byte, 1)); errs <- err }()
	go func() { _, err := dev.Read([][]byte{make([]byte, 2000)}, []int{0}, 0); errs <- err }()
	for range 2 {
		if err := dev.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := <-errs; err == nil {
			t.Error("a call went on")
		}
	}
	if _, ok := <-dev.Events(); ok {
		t.Error("the events go on")
	}
	if _, err := dev.Write([][]byte{make([]byte, 20)}, 0); err != os.ErrClosed {
		t.Error(err)
	}
	if n.Stack().LivePackets() != 0 || n.Stack().Slabs.Live() != 0 {
		t.Error("something was kept")
	}
}

// The calls that the users of the original make, with the types that they expect.
func TestCallSites(t *testing.T) {
	dev, tnet, err := CreateNetTUN([]netip.Addr{client4}, []netip.Addr{server4}, 1280)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	_ = &http.Transport{DialContext: tnet.DialContext}
	var _ func(network, address string) (net.Conn, error) = tnet.Dial
	_ = &net.Resolver{PreferGo: true, Dial: tnet.DialContext}
	var _ interface {
		LookupHost(string) ([]string, error)
		LookupContextHost(context.Context, string) ([]string, error)
		DialTCP(*net.TCPAddr) (*gonet.TCPConn, error)
		DialTCPAddrPort(netip.AddrPort) (*gonet.TCPConn, error)
		DialContextTCP(context.Context, *net.TCPAddr) (*gonet.TCPConn, error)
		DialContextTCPAddrPort(context.Context, netip.AddrPort) (*gonet.TCPConn, error)
		ListenTCP(*net.TCPAddr) (*gonet.TCPListener, error)
		ListenTCPAddrPort(netip.AddrPort) (*gonet.TCPListener, error)
		DialUDP(_, _ *net.UDPAddr) (*gonet.UDPConn, error)
		DialUDPAddrPort(_, _ netip.AddrPort) (*gonet.UDPConn, error)
		ListenUDP(*net.UDPAddr) (*gonet.UDPConn, error)
		ListenUDPAddrPort(netip.AddrPort) (*gonet.UDPConn, error)
		DialPing(_, _ *PingAddr) (*PingConn, error)
		DialPingAddr(_, _ netip.Addr) (*PingConn, error)
		ListenPing(*PingAddr) (*PingConn, error)
		ListenPingAddr(netip.Addr) (*PingConn, error)
	} = tnet
	var _ net.Addr = PingAddr{}
	var _ net.Addr = PingAddrFromAddr(client4)
	if a := PingAddrFromAddr(client6); a.Addr() != client6 || a.String() != "fd04::28" || a.Network() != "ping6" {
		t.Error(a)
	}

	// A forwarder, as programs behind a VPN have them: a listener on one side, a dialer on the other.
	l, err := tnet.ListenTCPAddrPort(netip.AddrPortFrom(client4, 8080))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	c, err := tnet.DialContext(context.Background(), "tcp4", "192.168.4.28:8080")
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("through itself"))
	c.(*gonet.TCPConn).CloseWrite()
	if b, err := io.ReadAll(c); err != nil || string(b) != "through itself" {
		t.Error(string(b), err)
	}
}
