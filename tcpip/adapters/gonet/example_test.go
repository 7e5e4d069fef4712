package gonet_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// An ordinary web server and an ordinary client, over a stack of their own.
func Example() {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New},
		Transports: []stack.NewTransport{tcp.New, udp.New},
	})
	defer s.Close()
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := (&gonet.ListenConfig{Stack: s}).Listen(context.Background(), "tcp", "127.0.0.1:80")
	if err != nil {
		fmt.Println(err)
		return
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from %s", r.Host)
	}))

	client := http.Client{Transport: &http.Transport{DialContext: (&gonet.Dialer{Stack: s}).DialContext}}
	resp, err := client.Get("http://127.0.0.1/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(string(body), err)
	// Output: hello from 127.0.0.1 <nil>
}

// A UDP server on every address answers each question from the address that it was asked at.
func ExampleUDPConn_ReadMsg() {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New},
		Transports: []stack.NewTransport{udp.New},
	})
	defer s.Close()
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("192.0.2.1/24")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := (&gonet.ListenConfig{Stack: s}).ListenUDP(context.Background(), "udp", ":53")
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := (&gonet.ListenConfig{Stack: s}).ListenUDP(context.Background(), "udp", "127.0.0.1:5000")
	if err != nil {
		fmt.Println(err)
		return
	}
	b := make([]byte, 100)
	if _, err := client.WriteToUDPAddrPort([]byte("who?"), netip.MustParseAddrPort("192.0.2.1:53")); err != nil {
		fmt.Println(err)
		return
	}
	_, question, err := server.ReadMsg(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := server.WriteMsg([]byte("me"), gonet.Message{Peer: question.Peer, Local: question.Local}); err != nil {
		fmt.Println(err)
		return
	}
	n, from, err := client.ReadFromUDPAddrPort(b)
	fmt.Println(string(b[:n]), "from", from, err)
	// Output: me from 192.0.2.1:53 <nil>
}
