package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/ethernet"
	"github.com/seed963a8790/netstack/link/tunnel"
	"github.com/seed963a8790/netstack/network/arp"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// The guest's addresses.
const guest4, guest6 = "192.168.127.2", "fd00:127::2"

// guest is a machine behind the gateway: a stack that speaks frames over a Unix socket.
type guest struct {
	*stack.Stack
	gonet.Dialer
	gonet.ListenConfig
}

// start starts a gateway with a guest. o's socket is made up.
func start(t *testing.T, o options, datagram bool) *guest {
	if runtime.GOOS != "linux" && datagram {
		t.Skip("datagrams over Unix sockets are not everywhere")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "net")
	o.mtu, o.station = 1500, tcpip.LinkAddr{2, 0, 0, 0, 0, 1}
	o.addresses = []netip.Prefix{netip.MustParsePrefix("192.168.127.1/24"), netip.MustParsePrefix("fd00:127::1/64")}
	o.stream = path
	if datagram {
		o.stream, o.datagram = "", path
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { require.NoError(t, run(ctx, &o)) })
	t.Cleanup(func() { cancel(); running.Wait() })

	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{arp.New, ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New, icmp.New4, icmp.New6},
	})
	wire := tunnel.New(tunnel.Options{MTU: 1514})
	_, err := s.AddNIC(ethernet.New(wire, ethernet.Options{}), stack.NICOptions{
		DAD: tcpip.Set(0), Addresses: []netip.Prefix{netip.MustParsePrefix(guest4 + "/24"), netip.MustParsePrefix(guest6 + "/64")},
	})
	require.NoError(t, err)
	for all, router := range map[string]string{"0.0.0.0/0": "192.168.127.1", "::/0": "fd00:127::1"} {
		require.NoError(t, s.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix(all), Gateway: netip.MustParseAddr(router)}))
	}
	c := connect(t, path, datagram)
	running.Go(func() {
		if datagram {
			b := make([]byte, maxFrame)
			for {
				n, err := c.Read(b)
				if err != nil {
					return
				}
				wire.WritePackets([][]byte{b[:n]}, nil, 0)
			}
		}
		var length [4]byte
		for {
			if _, err := io.ReadFull(c, length[:]); err != nil {
				return
			}
			b := make([]byte, binary.BigEndian.Uint32(length[:]))
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			wire.WritePackets([][]byte{b}, nil, 0)
		}
	})
	running.Go(func() {
		bufs, sizes := buffers(4)
		for {
			n, err := wire.ReadPackets(bufs, sizes, 4)
			if err != nil {
				return
			}
			for i, b := range bufs[:n] {
				b = b[:4+sizes[i]]
				binary.BigEndian.PutUint32(b, uint32(sizes[i]))
				if datagram {
					b = b[4:]
				}
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}
	})
	t.Cleanup(func() {
		s.Close()
		require.NoError(t, s.Wait(context.Background()))
		c.Close()
	})
	return &guest{s, gonet.Dialer{Stack: s}, gonet.ListenConfig{Stack: s}}
}

// connect connects to the gateway's socket, once it is there.
func connect(t *testing.T, path string, datagram bool) net.Conn {
	var c net.Conn
	require.Eventually(t, func() (ok bool) {
		var err error
		if datagram {
			c, err = net.DialUnix("unixgram", &net.UnixAddr{Name: path + ".guest", Net: "unixgram"}, &net.UnixAddr{Name: path, Net: "unixgram"})
			if err != nil {
				os.Remove(path + ".guest")
			}
		} else {
			c, err = net.Dial("unix", path)
		}
		return err == nil
	}, 10*time.Second, time.Millisecond)
	if datagram {
		_, err := c.Write([]byte("VFKT"))
		require.NoError(t, err)
	}
	return c
}

// echoServer answers everything at an address of the host's.
func echoServer(t *testing.T) (tcpAt, udpAt netip.AddrPort) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
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
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { u.Close() })
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			u.WriteTo(b[:n], from)
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort(), u.LocalAddr().(*net.UDPAddr).AddrPort()
}

// exchange writes to an echo server, and wants the same back.
func exchange(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	defer c.Close()
	go func() {
		c.Write(want)
		if h, ok := c.(interface{ CloseWrite() error }); ok {
			h.CloseWrite()
		}
	}()
	got := make([]byte, len(want))
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}

// A guest, over both kinds of sockets: out to anywhere and to the gateway's ports, in by the host's, and what is refused.
func TestGateway(t *testing.T) {
	for _, datagram := range []bool{false, true} {
		t.Run(map[bool]string{false: "stream", true: "datagram"}[datagram], func(t *testing.T) {
			toTCP, toUDP := echoServer(t)
			free, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			port := free.Addr().String()
			free.Close()
			var o options
			require.NoError(t, parseRule("tcp:"+port+"="+guest4+":80", &o.in))
			require.NoError(t, parseRule("udp:"+port+"=["+guest6+"]:53", &o.in))
			require.NoError(t, parseRule("tcp:192.168.127.1:7="+toTCP.String(), &o.out))
			require.NoError(t, parseRule("udp:[fd00:127::1]:7="+toUDP.String(), &o.out))
			o.pcap = filepath.Join(t.TempDir(), "pcap")
			// The world: whatever is dialled there, it is the echo server, but for one address.
			var mu sync.Mutex
			var dialled []string
			o.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				mu.Lock()
				dialled = append(dialled, network+" "+address)
				mu.Unlock()
				if address == "203.0.113.1:1" {
					return nil, errors.New("unreachable")
				}
				to := toTCP
				if network == "udp" {
					to = toUDP
				}
				return (&net.Dialer{}).DialContext(ctx, network, to.String())
			}
			g := start(t, o, datagram)
			large := bytes.Repeat([]byte("behind a gateway "), 1<<16)
			for _, to := range []string{"203.0.113.7:80", "[2001:db8::7]:80", "192.168.127.1:7"} {
				c, err := g.Dial("tcp", to)
				require.NoError(t, err, to)
				exchange(t, c, large)
			}
			for _, to := range []string{"203.0.113.7:53", "[2001:db8::7]:53", "[fd00:127::1]:7"} {
				for _, n := range []int{10, 1400, 5000} {
					c, err := g.Dial("udp", to)
					require.NoError(t, err, to)
					exchange(t, c, large[:n])
				}
			}
			mu.Lock()
			require.Contains(t, dialled, "tcp [2001:db8::7]:80")
			require.Contains(t, dialled, "udp 203.0.113.7:53")
			mu.Unlock()
			for _, to := range []string{"203.0.113.1:1", "192.168.127.1:81", "[fd00:127::1]:81"} {
				_, err = g.Dial("tcp", to)
				require.ErrorIs(t, err, syscall.ECONNREFUSED, to)
			}

			// In: the host's programs reach the guest, and a refusal of its is theirs.
			l, err := g.Listen(context.Background(), "tcp", ":80")
			require.NoError(t, err)
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				io.Copy(c, c)
				c.Close()
			}()
			in, err := net.Dial("tcp", port)
			require.NoError(t, err)
			exchange(t, in, large)
			require.NoError(t, l.Close())
			if in, err = net.Dial("tcp", port); err == nil { // the reset may be faster
				_, err = in.Read(make([]byte, 1))
				in.Close()
			}
			require.Error(t, err)

			// Datagrams, of two programs at a time.
			u, err := g.ListenPacket(context.Background(), "udp", ":53")
			require.NoError(t, err)
			go func() {
				b := make([]byte, 1<<16)
				for {
					n, from, err := u.ReadFrom(b)
					if err != nil {
						return
					}
					u.WriteTo(b[:n], from)
				}
			}()
			one, err := net.Dial("udp", port)
			require.NoError(t, err)
			two, err := net.Dial("udp", port)
			require.NoError(t, err)
			exchange(t, one, large[:5000])
			exchange(t, two, large[7:1000])
			require.NoError(t, u.Close())

			// The gateway answers pings to itself and refuses others'.
			ping, err := g.DialPing(context.Background(), netip.Addr{}, netip.MustParseAddr("192.168.127.1"))
			require.NoError(t, err)
			_, err = ping.Write([]byte{8, 0, 0, 0, 0, 0, 0, 1})
			require.NoError(t, err)
			b := make([]byte, 100)
			n, err := ping.Read(b)
			require.NoError(t, err)
			require.Equal(t, 8, n)
			ping.Close()
		})
	}
}

// The capture has the frames of both directions.
func TestCapture(t *testing.T) {
	o := options{pcap: filepath.Join(t.TempDir(), "pcap")}
	t.Run("run", func(t *testing.T) {
		g := start(t, o, false)
		_, err := g.Dial("tcp", "192.168.127.1:81")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
	b, err := os.ReadFile(o.pcap)
	require.NoError(t, err)
	for _, frame := range []string{"\x08\x06", "\x08\x00\x45"} { // ARP, IPv4
		require.GreaterOrEqual(t, bytes.Count(b, []byte(frame)), 2)
	}
}

// A guest that leaves, or sends what is no frame, makes room for the next one.
func TestNextGuest(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "net")
	wire := tunnel.New(tunnel.Options{})
	s := stack.New(stack.Options{})
	defer s.Close()
	_, err := s.AddNIC(wire, stack.NICOptions{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- listenStream(ctx, wire, path) }()
	for _, bad := range [][]byte{{0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0, 0}, {0, 0, 0, 9, 1}} {
		c := connect(t, path, false)
		_, err := c.Write(bad)
		require.NoError(t, err)
		require.NoError(t, c.(*net.UnixConn).CloseWrite())
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		c.Close()
	}
	cancel()
	require.ErrorIs(t, <-done, net.ErrClosed)
}

func TestParseRule(t *testing.T) {
	var all []rule
	require.NoError(t, parseRule("udp:[::1]:53=127.0.0.1:5353", &all))
	require.Equal(t, "udp [::1]:53 127.0.0.1:5353", fmt.Sprint(all[0].network, " ", all[0].from, " ", all[0].to))
	for _, bad := range []string{"", "tcp", "udp:1=2", "tcp:127.0.0.1:1", "tcp:127.0.0.1:1=x", "sctp:127.0.0.1:1=127.0.0.1:2"} {
		require.Error(t, parseRule(bad, &all), bad)
	}
}
