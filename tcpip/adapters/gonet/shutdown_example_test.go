package gonet_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// A stack that ends without cutting its peers off: what was written before arrives.
func ExampleDialer_shutdown() {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}, Transports: []stack.NewTransport{tcp.New}})
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}})
	if err != nil {
		panic(err)
	}
	listen := gonet.ListenConfig{Stack: s}
	l, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:80")
	if err != nil {
		panic(err)
	}
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.WriteString(c, "goodbye")
			_ = c.Close()
		}
	}()
	dialer := gonet.Dialer{Stack: s}
	c, err := dialer.Dial("tcp", "127.0.0.1:80")
	if err != nil {
		panic(err)
	}
	got, err := io.ReadAll(c)
	fmt.Println(string(got), err)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(s.Shutdown(ctx))
	// Output:
	// goodbye <nil>
	// <nil>
}
