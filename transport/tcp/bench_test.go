package tcp

import (
	"testing"

	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// ends returns a connection over the system clock: over loopback, or over a pipe with or without offload.
func ends(b *testing.B, how string) (c, s blocking) {
	var client, server *stack.Stack
	to := tcpip.FullAddress{Addr: loopbackOf(addrA[0]), Port: 80}
	if how == "loopback" {
		client = loopHost(b, tcpip.SystemClock(), Options{})
		server = client
	} else {
		client, server = newStack(tcpip.SystemClock(), Options{}, nil), newStack(tcpip.SystemClock(), Options{}, nil)
		l, r := pipe.New(pipe.Options{MTU: 1500, NoChecksum: how == "wire"})
		addNIC(b, client, l, addrA[0])
		addNIC(b, server, r, addrB[0])
		to.Addr = addrB[0]
	}
	l := blocking{listenOn(b, server, 0, 80, 64)}
	c = blocking{endpointOf(b, client, 0)}
	if err := c.connect(to); err != nil {
		b.Fatal(err)
	}
	s, err := l.accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return c, s
}

func BenchmarkBulk(b *testing.B) {
	for _, how := range []string{"loopback", "pipe", "wire"} {
		b.Run(how, func(b *testing.B) {
			c, s := ends(b, how)
			const chunk = 256 << 10
			b.SetBytes(chunk)
			b.ReportAllocs()
			done := make(chan int)
			go func() {
				buf := make([]byte, chunk)
				total := 0
				for {
					n, err := s.Read(buf)
					if err != nil || n == 0 {
						done <- total
						return
					}
					total += n
				}
			}()
			buf := make([]byte, chunk)
			for b.Loop() {
				if _, err := c.Write(buf); err != nil {
					b.Fatal(err)
				}
			}
			_ = c.e.Shutdown(tcpip.ShutdownWrite)
			<-done
		})
	}
}

func BenchmarkRR(b *testing.B) {
	for _, how := range []string{"loopback", "pipe", "wire"} {
		b.Run(how, func(b *testing.B) {
			c, s := ends(b, how)
			_ = c.e.SetOption(TCP_NODELAY, 1)
			b.ReportAllocs()
			go echo(s)
			buf := make([]byte, 64)
			for b.Loop() {
				if _, err := c.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
			c.e.Close()
		})
	}
}

// The same exchange without handing over between goroutines: what the stack itself costs.
func BenchmarkRRInline(b *testing.B) {
	c, s := ends(b, "loopback")
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		for _, d := range [][2]*Endpoint{{c.e, s.e}, {s.e, c.e}} {
			if _, err := d[0].Write(buf, tcpip.WriteOptions{}); err != nil {
				b.Fatal(err)
			}
			if r, err := d[1].Read(buf, tcpip.ReadOptions{}); err != nil || r.Count != 64 {
				b.Fatal(r.Count, err)
			}
		}
	}
}

func BenchmarkConnect(b *testing.B) {
	s := loopHost(b, tcpip.SystemClock(), Options{})
	defer s.Close()
	l := listenOn(b, s, 0, 80, 64)
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		c := endpointOf(b, s, 0)
		_ = c.Connect(tcpip.FullAddress{Addr: loopbackOf(addrA[0]), Port: 80})
		a, err := l.Accept()
		if err != nil {
			b.Fatal(err, protocolOf(s).timeWaits.n)
		}
		_, _ = c.Write(buf, tcpip.WriteOptions{})
		_, _ = a.Read(buf, tcpip.ReadOptions{})
		c.Close()
		a.Close()
	}
}
