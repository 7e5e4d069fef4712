package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

// copySize is what the demo's own loops move at once, in bytes.
const copySize = 256 << 10

// page is an ordinary http.Handler: it gives a pattern of any size, and checks one that it is given.
func page(size byteSize) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "A web server on a TCP/IP stack in a Go program.\n\n"+
			"GET /data?size=16MiB   a pattern to download\nPUT /data              what was downloaded, to be verified\n")
	})
	mux.HandleFunc("GET /data", func(w http.ResponseWriter, r *http.Request) {
		n := size
		if s := r.URL.Query().Get("size"); s != "" {
			if err := n.Set(s); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(int64(n)))
		_, _ = io.Copy(w, newPattern(int64(n))) // the client sees what is missing
	})
	verify := func(w http.ResponseWriter, r *http.Request) {
		n := r.ContentLength
		if n < 0 {
			n = 1 << 62
		}
		p := newPattern(n)
		_, err := io.CopyBuffer(p, struct{ io.Reader }{r.Body}, make([]byte, copySize))
		if err == nil && r.ContentLength >= 0 {
			err = p.complete()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		fmt.Fprintf(w, "verified %d bytes\n", p.off)
	}
	mux.HandleFunc("PUT /data", verify)
	mux.HandleFunc("POST /data", verify)
	return mux
}

// The small services of RFC 862, 863 and 864, over TCP and UDP.
var services = []struct {
	name   string
	port   int
	stream func(net.Conn) error
	answer func(request []byte) []byte // nil: none
}{
	{"echo", 7, func(c net.Conn) error { _, err := io.Copy(c, c); return err }, func(b []byte) []byte { return b }},
	{"discard", 9, func(c net.Conn) error { _, err := io.Copy(io.Discard, c); return err }, nil},
	{"source", 19, func(c net.Conn) error { _, err := io.Copy(c, newPattern(1<<62)); return err },
		func([]byte) []byte { return chargen }},
}

var chargen = func() []byte {
	var b []byte
	for c := byte(' '); c <= '~'; c++ {
		b = append(b, c)
	}
	return append(b, '\r', '\n')
}()

// listen starts the page and the small services on every address of a stack; they end with it.
func listen(ctx context.Context, l *gonet.ListenConfig, handler http.Handler) error {
	web, err := l.Listen(ctx, "tcp", ":80")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(web, handler) }() // ends when the stack is closed
	for _, s := range services {
		address := fmt.Sprintf(":%d", s.port)
		streams, err := l.Listen(ctx, "tcp", address)
		if err != nil {
			return err
		}
		go accept(streams, s.stream)
		packets, err := l.ListenUDP(ctx, "udp", address)
		if err != nil {
			return err
		}
		go answer(packets, s.answer)
	}
	return nil
}

func accept(l net.Listener, serve func(net.Conn) error) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // the stack was closed
		}
		go func() {
			defer c.Close()
			_ = serve(c) // how it ends is the peer's affair
		}()
	}
}

// answer answers every datagram from the address that was asked.
func answer(c *gonet.UDPConn, f func([]byte) []byte) {
	b := make([]byte, 64<<10)
	for {
		n, m, err := c.ReadMsg(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && f != nil {
			_, _ = c.WriteMsg(f(b[:n]), gonet.Message{Peer: m.Peer, Local: m.Local}) // lost, as datagrams may be
		}
	}
}
