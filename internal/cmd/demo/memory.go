package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"os"
	"time"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/network/arp"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

func newStack(link stack.Link, name string, addresses ...netip.Prefix) (*stack.Stack, error) {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{arp.New, ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New, icmp.New4, icmp.New6},
	})
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Name: "lo", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")},
	})
	if err == nil {
		_, err = s.AddNIC(link, stack.NICOptions{Name: name, Addresses: addresses})
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// transfer is one way of the main job, and what came of it.
type transfer struct {
	name   string
	method string
	url    string
	took   time.Duration
	info   tcp.Info
}

// inMemory runs the main job: down over IPv4, up over IPv6.
func inMemory(ctx context.Context, o *options) (err error) {
	serverLink, clientLink := pipe.New(pipe.Options{})
	capture, err := openCapture(o.pcap)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, capture.close()) }()
	server, err := newStack(capture.around(serverLink, "server"), "eth0", netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64"))
	if err != nil {
		return err
	}
	client, err := newStack(clientLink, "eth0", netip.MustParsePrefix("192.0.2.2/24"), netip.MustParsePrefix("2001:db8::2/64"))
	if err != nil {
		server.Close()
		return err
	}
	defer func() { err = errors.Join(err, shut(server, client)) }()

	if err := listen(ctx, &gonet.ListenConfig{Stack: server}, page(o.size)); err != nil {
		return err
	}
	if err := ask(ctx, client); err != nil {
		return err
	}
	transfers := []*transfer{
		{name: "down over IPv4", method: http.MethodGet, url: "http://192.0.2.1/data"},
		{name: "up over IPv6", method: http.MethodPut, url: "http://[2001:db8::1]/data"},
	}
	web := &http.Client{Transport: &http.Transport{
		DialContext:     (&gonet.Dialer{Stack: client}).DialContext,
		ReadBufferSize:  copySize,
		WriteBufferSize: copySize,
	}}
	for _, t := range transfers {
		if err := t.run(ctx, web, int64(o.size)); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	web.CloseIdleConnections()
	summary(os.Stdout, o.size, transfers, map[string]*stack.Stack{"client": client, "server": server})
	return nil
}

// ask sends a datagram to the echo service and awaits it back.
func ask(ctx context.Context, s *stack.Stack) error {
	c, err := (&gonet.Dialer{Stack: s}).DialContext(ctx, "udp", "192.0.2.1:7")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	const question = "is anybody there?"
	if _, err := c.Write([]byte(question)); err != nil {
		return err
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err == nil && string(b[:n]) != question {
		err = fmt.Errorf("the echo of %q was %q", question, b[:n])
	}
	return err
}

// run moves and verifies size bytes.
func (t *transfer) run(ctx context.Context, client *http.Client, size int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var conn *gonet.TCPConn
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { conn, _ = i.Conn.(*gonet.TCPConn) }})
	p := newProgress(t.name, size)
	defer p.stop()
	var body io.Reader
	if t.method == http.MethodPut {
		body = p.reader(newPattern(size))
	}
	req, err := http.NewRequestWithContext(ctx, t.method, t.url, body)
	if err != nil {
		return err
	}
	if body != nil {
		req.ContentLength = size
	}
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	if body == nil {
		err = verify(resp.Body, p, size)
	}
	t.took = time.Since(began)
	if conn != nil {
		t.info = conn.Info()
	}
	return err
}

func verify(body io.Reader, p *progress, size int64) error {
	want := newPattern(size)
	if _, err := io.CopyBuffer(want, struct{ io.Reader }{p.reader(body)}, make([]byte, copySize)); err != nil {
		return err
	}
	return want.complete()
}

// shut closes the stacks and looks whether everything came back.
func shut(stacks ...*stack.Stack) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, s := range stacks {
		s.Close()
	}
	for _, s := range stacks {
		if err := s.Wait(ctx); err != nil {
			return fmt.Errorf("closing: %w", err)
		}
		if packets, bytes := s.LivePackets(), s.Slabs.Live(); packets != 0 || bytes != 0 {
			return fmt.Errorf("leaked %d packets and %d bytes of slabs", packets, bytes)
		}
	}
	return nil
}
