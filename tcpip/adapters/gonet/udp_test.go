package gonet_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

func listenUDP(t testing.TB, h *host, network, address string) *gonet.UDPConn {
	t.Helper()
	c, err := h.ListenUDP(context.Background(), network, address)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// Every way to read and to write, over both families.
func TestUDPEcho(t *testing.T) {
	forEachWay(t, func(t *testing.T, from, to *host, address string) {
		server := listenUDP(t, to, "udp", address)
		to4 := server.LocalAddr().(*net.UDPAddr)
		peer := to4.AddrPort()
		client := listenUDP(t, from, "udp", ":0")
		reads := map[string]func([]byte) (int, netip.AddrPort, error){
			"ReadFrom": func(b []byte) (int, netip.AddrPort, error) {
				n, a, err := client.ReadFrom(b)
				return n, a.(*net.UDPAddr).AddrPort(), err
			},
			"ReadFromUDP": func(b []byte) (int, netip.AddrPort, error) {
				n, a, err := client.ReadFromUDP(b)
				return n, a.AddrPort(), err
			},
			"ReadFromUDPAddrPort": client.ReadFromUDPAddrPort,
			"ReadMsg": func(b []byte) (int, netip.AddrPort, error) {
				n, m, err := client.ReadMsg(b)
				return n, m.Peer, err
			},
			"ReadMsgUDP": func(b []byte) (int, netip.AddrPort, error) {
				n, _, _, a, err := client.ReadMsgUDP(b, nil)
				return n, a.AddrPort(), err
			},
		}
		writes := map[string]func([]byte) (int, error){
			"WriteTo":            func(b []byte) (int, error) { return client.WriteTo(b, to4) },
			"WriteToUDP":         func(b []byte) (int, error) { return client.WriteToUDP(b, to4) },
			"WriteToUDPAddrPort": func(b []byte) (int, error) { return client.WriteToUDPAddrPort(b, peer) },
			"WriteMsg":           func(b []byte) (int, error) { return client.WriteMsg(b, gonet.Message{Peer: peer}) },
			"WriteMsgUDP": func(b []byte) (int, error) {
				n, _, err := client.WriteMsgUDP(b, nil, to4)
				return n, err
			},
		}
		for wname, write := range writes {
			for rname, read := range reads {
				want := fmt.Sprint(wname, rname)
				n, err := write([]byte(want))
				require.NoError(t, err, wname)
				require.Equal(t, len(want), n)
				b := make([]byte, 100)
				n, who, err := server.ReadFromUDPAddrPort(b)
				require.NoError(t, err)
				require.Equal(t, client.LocalAddr().(*net.UDPAddr).Port, int(who.Port()))
				_, err = server.WriteToUDPAddrPort(b[:n], who)
				require.NoError(t, err)
				n, who, err = read(b)
				require.NoError(t, err, rname)
				require.Equal(t, want, string(b[:n]))
				require.Equal(t, netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()), netip.AddrPortFrom(who.Addr().Unmap(), who.Port()))
			}
		}
	})
}

func TestUDPConnected(t *testing.T) {
	left, right := newPair(t, nil)
	server := listenUDP(t, right, "udp4", ":0")
	port := server.LocalAddr().(*net.UDPAddr).Port
	require.Equal(t, "0.0.0.0", server.LocalAddr().(*net.UDPAddr).IP.String())
	c, err := left.Dial("udp", net.JoinHostPort(right4, fmt.Sprint(port)))
	require.NoError(t, err)
	defer c.Close()
	client := c.(*gonet.UDPConn)
	require.Equal(t, left4, client.LocalAddr().(*net.UDPAddr).IP.String())
	require.Equal(t, right4, client.RemoteAddr().(*net.UDPAddr).IP.String())

	_, err = client.Write(nil) // an empty datagram is one
	require.NoError(t, err)
	_, err = client.Write([]byte("two"))
	require.NoError(t, err)
	b := make([]byte, 10)
	n, who, err := server.ReadFrom(b)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, client.LocalAddr().String(), who.String())
	n, _, err = server.ReadFrom(b)
	require.NoError(t, err)
	require.Equal(t, "two", string(b[:n]))

	_, err = client.WriteTo([]byte("x"), who)
	require.ErrorIs(t, err, net.ErrWriteToConnected)
	_, err = client.WriteMsg([]byte("x"), gonet.Message{Peer: netip.MustParseAddrPort("192.0.2.9:9")})
	require.ErrorIs(t, err, net.ErrWriteToConnected)
	_, err = server.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.EDESTADDRREQ)
	_, err = server.WriteToUDP([]byte("x"), nil)
	require.ErrorIs(t, err, syscall.EDESTADDRREQ)
	require.Nil(t, server.RemoteAddr())
}

// Nobody there: the ICMP error reaches the connected socket.
func TestUDPRefused(t *testing.T) {
	left, _ := newPair(t, nil)
	for _, address := range []string{right4 + ":9", "[" + right6 + "]:9", "127.0.0.1:9"} {
		c, err := left.Dial("udp", address)
		require.NoError(t, err)
		_, err = c.Write([]byte("anybody?"))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 10))
		require.ErrorIs(t, err, syscall.ECONNREFUSED, address)
		require.NoError(t, c.Close())
	}
}

func TestUDPTooLong(t *testing.T) {
	left, right := newPair(t, nil)
	server := listenUDP(t, right, "udp", ":0")
	client := listenUDP(t, left, "udp", ":0")
	to := netip.AddrPortFrom(netip.MustParseAddr(right4), uint16(server.LocalAddr().(*net.UDPAddr).Port))
	_, err := client.WriteToUDPAddrPort(make([]byte, 65508), to)
	require.ErrorIs(t, err, syscall.EMSGSIZE)

	_, err = client.WriteToUDPAddrPort([]byte("0123456789"), to)
	require.NoError(t, err)
	n, m, err := server.ReadMsg(make([]byte, 4))
	require.NoError(t, err)
	require.Equal(t, 4, n)
	require.Equal(t, 10, m.Length)
	_, err = client.WriteToUDPAddrPort([]byte("0123456789"), to)
	require.NoError(t, err)
	_, _, flags, _, err := server.ReadMsgUDP(make([]byte, 4), nil)
	require.NoError(t, err)
	require.NotZero(t, flags&gonet.FlagTruncated)

	want := noise(20000) // fragmented, and put together again
	_, err = client.WriteToUDPAddrPort(want, to)
	require.NoError(t, err)
	b := make([]byte, 65536)
	n, _, err = server.ReadFromUDPAddrPort(b)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, b[:n]))
}

// BEHAVIOUR C: a server on every address answers from the one that was asked, if it says so; a plain
// answer leaves by the routes' choice.
func TestUDPAnswersFromTheAddressAsked(t *testing.T) {
	left, right := newPair(t, nil)
	require.NoError(t, right.Stack.NIC(2).AddAddress(netip.MustParsePrefix("192.0.2.20/24")))
	require.NoError(t, right.Stack.NIC(2).AddAddress(netip.MustParsePrefix("2001:db8::20/64")))
	server := listenUDP(t, right, "udp", ":53")
	b, oob := make([]byte, 100), make([]byte, 100)
	for _, asked := range []string{"192.0.2.20", right4, "2001:db8::20", right6} {
		client := listenUDP(t, left, "udp", ":0")
		to := netip.AddrPortFrom(netip.MustParseAddr(asked), 53)

		_, err := client.WriteToUDPAddrPort([]byte("typed"), to)
		require.NoError(t, err)
		_, m, err := server.ReadMsg(b)
		require.NoError(t, err)
		require.Equal(t, to.Addr(), m.Local)
		require.Equal(t, to.Addr(), m.Destination)
		require.Equal(t, tcpip.NICID(2), m.NIC)
		_, err = server.WriteMsg([]byte("answer"), gonet.Message{Peer: m.Peer, Local: m.Local})
		require.NoError(t, err)
		_, from, err := client.ReadFromUDPAddrPort(b)
		require.NoError(t, err)
		require.Equal(t, to, from)

		_, err = client.WriteToUDPAddrPort([]byte("as in package net"), to)
		require.NoError(t, err)
		_, oobn, flags, who, err := server.ReadMsgUDPAddrPort(b, oob)
		require.NoError(t, err)
		require.Zero(t, flags)
		require.NotZero(t, oobn)
		_, _, err = server.WriteMsgUDPAddrPort([]byte("answer"), replyTo(t, oob[:oobn], to.Addr()), who)
		require.NoError(t, err)
		_, from, err = client.ReadFromUDPAddrPort(b)
		require.NoError(t, err)
		require.Equal(t, to, from)
	}
	_, err := server.WriteMsg([]byte("x"), gonet.Message{Peer: netip.MustParseAddrPort(left4 + ":9"), Local: netip.MustParseAddr("192.0.2.99")})
	require.Error(t, err, "a source that the stack does not have")
}

func TestUDPMessageExtras(t *testing.T) {
	left, right := newPair(t, nil)
	server := listenUDP(t, right, "udp4", ":0")
	client := listenUDP(t, left, "udp4", ":0")
	to := netip.AddrPortFrom(netip.MustParseAddr(right4), uint16(server.LocalAddr().(*net.UDPAddr).Port))
	b := make([]byte, 10)

	_, err := client.WriteMsg([]byte("x"), gonet.Message{Peer: to, HopLimit: tcpip.Set(uint8(7)), Class: tcpip.Set(uint8(0x20))})
	require.NoError(t, err)
	_, m, err := server.ReadMsg(b)
	require.NoError(t, err)
	require.False(t, m.HopLimit.IsSet(), "nobody asked for it")
	require.True(t, m.Arrival.IsZero())

	for _, id := range []tcpip.OptionID{tcpip.IP_RECVTTL, tcpip.IP_RECVTOS, tcpip.SO_TIMESTAMP} {
		require.NoError(t, server.Endpoint().SetOption(id, 1))
	}
	before := time.Now().Add(-time.Minute)
	_, err = client.WriteMsg([]byte("x"), gonet.Message{Peer: to, HopLimit: tcpip.Set(uint8(7)), Class: tcpip.Set(uint8(0x20))})
	require.NoError(t, err)
	_, m, err = server.ReadMsg(b)
	require.NoError(t, err)
	require.Equal(t, tcpip.Set(uint8(7)), m.HopLimit)
	require.Equal(t, tcpip.Set(uint8(0x20)), m.Class)
	require.True(t, m.Arrival.After(before))
}

func TestUDPGroups(t *testing.T) {
	left, right := newPair(t, nil)
	for _, g := range []struct{ network, group, address string }{
		{"udp4", "239.1.2.3", "239.1.2.3:5353"},
		{"udp6", "ff02::1234", "[ff02::1234%eth0]:5353"},
	} {
		server := listenUDP(t, right, g.network, ":5353")
		group := netip.MustParseAddr(g.group)
		require.NoError(t, server.JoinGroup(group, 2))
		require.ErrorIs(t, server.JoinGroup(group, 2), syscall.EADDRINUSE)
		client := listenUDP(t, left, g.network, ":0")
		to := netip.MustParseAddrPort(g.address)
		_, err := client.WriteMsg([]byte("hello"), gonet.Message{Peer: to, NIC: 2})
		require.NoError(t, err)
		b := make([]byte, 10)
		n, m, err := server.ReadMsg(b)
		require.NoError(t, err)
		require.Equal(t, "hello", string(b[:n]))
		require.Equal(t, group, m.Destination)
		require.False(t, m.Local.IsMulticast())
		require.Equal(t, tcpip.NICID(2), m.NIC)
		require.NoError(t, server.LeaveGroup(group, 2))
		require.Error(t, server.LeaveGroup(group, 2))
	}
}

// Several readers share the datagrams; several writers lose none while there is room.
func TestUDPConcurrent(t *testing.T) {
	left, right := newPair(t, nil)
	server := listenUDP(t, right, "udp", ":0")
	to := netip.AddrPortFrom(netip.MustParseAddr(right4), uint16(server.LocalAddr().(*net.UDPAddr).Port))
	client := listenUDP(t, left, "udp", ":0")
	const n = 50
	got := make(chan string, n)
	for range 4 {
		go func() {
			b := make([]byte, 10)
			for {
				k, _, err := server.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				got <- string(b[:k])
			}
		}()
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := client.WriteToUDPAddrPort(fmt.Append(nil, i), to); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for range n {
		seen[<-got] = true
	}
	require.Len(t, seen, n)
}
