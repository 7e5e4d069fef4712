//go:build !race

package gonet_test

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

// In steady state neither reading nor writing allocates, here or below.
func TestSteadyStateAllocations(t *testing.T) {
	left, right := newPair(t, nil)
	client, server := connect(t, left, right, right4+":0")
	go func() {
		b := make([]byte, 64)
		for {
			if _, err := io.ReadFull(server, b); err != nil {
				return
			}
			if _, err := server.Write(b); err != nil {
				return
			}
		}
	}()
	out, in := make([]byte, 64), make([]byte, 64)
	turn := func() {
		if _, err := client.Write(out); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(client, in); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		turn()
	}
	require.Less(t, testing.AllocsPerRun(2000, turn), 0.1, "TCP, there and back") // a collection may empty a pool

	packets := listenUDP(t, right, "udp", ":0")
	sender := listenUDP(t, left, "udp", ":0")
	to := netip.AddrPortFrom(netip.MustParseAddr(right4), uint16(packets.LocalAddr().(*net.UDPAddr).Port))
	datagram := func() {
		if _, err := sender.WriteToUDPAddrPort(out, to); err != nil {
			t.Fatal(err)
		}
		if _, _, err := packets.ReadMsg(in); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		datagram()
	}
	require.Less(t, testing.AllocsPerRun(2000, datagram), 0.1, "UDP")
}

func BenchmarkRoundTrip(b *testing.B) {
	left, right := newPair(b, nil)
	client, server := connect(b, left, right, right4+":0")
	go func() {
		buf := make([]byte, 64)
		for {
			if _, err := io.ReadFull(server, buf); err != nil {
				return
			}
			if _, err := server.Write(buf); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConnect is a connection's life: it opens, carries a message each way and closes.
func BenchmarkConnect(b *testing.B) {
	left, right := newPair(b, nil)
	l, err := (&gonet.ListenConfig{Stack: right.Stack}).ListenTCP(b.Context(), "tcp", ":80")
	require.NoError(b, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 64)
				for {
					if _, err := io.ReadFull(c, buf); err != nil {
						return
					}
					if _, err := c.Write(buf); err != nil {
						return
					}
				}
			}()
		}
	}()
	d := gonet.Dialer{Stack: left.Stack}
	to := netip.AddrPortFrom(netip.MustParseAddr(right4), 80)
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		c, err := d.DialTCP(b.Context(), "tcp", netip.AddrPort{}, to)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

func BenchmarkBulk(b *testing.B) {
	left, right := newPair(b, nil)
	client, server := connect(b, left, right, right4+":0")
	go func() {
		buf := make([]byte, 256<<10)
		for {
			if _, err := server.Read(buf); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 256<<10)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
}
