package gonet

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// JoinPackets carries datagrams between two connections until one of them is closed, or its deadline has passed, and closes
// both. Other errors are those of datagrams, such as a port that nobody listens at, and end nothing.
func JoinPackets(a, b net.Conn) {
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		wg.Go(func() {
			carry(way[0].Write, way[1])
			a.Close()
			b.Close()
		})
	}
	wg.Wait()
}

// carry passes what arrives at src to write until either has ended.
func carry(write func([]byte) (int, error), src net.Conn) {
	b := make([]byte, maxDatagram)
	for {
		n, err := src.Read(b)
		if err == nil {
			_, err = write(b[:n])
		}
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// maxDatagram is the longest datagram, bytes.
const maxDatagram = 1 << 16

// RelayOptions bound a relay. Every field is of use with its zero value.
type RelayOptions struct {
	// Idle is how long the connection of a sender may be silent; unset means 2 minutes.
	Idle tcpip.Opt[time.Duration]
	// Max bounds the senders that have a connection, and so a goroutine and its buffer of 64 KB; what others send meanwhile
	// is lost. Unset means 256.
	Max tcpip.Opt[int]
	// Clock is that of the deadlines of the connections; nil means the system's.
	Clock tcpip.Clock
}

// RelayPackets is a port forward for datagrams: what arrives at l goes on through a connection of its own for each sender,
// which dial opens, and what comes back there is sent to it from l. It returns when l is closed or ctx ends, and has
// then closed l and every connection.
//
// Errors: net.ErrClosed, or ctx's.
func RelayPackets(ctx context.Context, l net.PacketConn, o RelayOptions, dial func(context.Context) (net.Conn, error)) error {
	r := relay{to: make(map[string]net.Conn)}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer r.close()
	clock := o.Clock
	if clock == nil {
		clock = tcpip.SystemClock()
	}
	b := make([]byte, maxDatagram)
	for {
		n, from, err := l.ReadFrom(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			return errors.Join(ctx.Err(), err)
		case err != nil:
			continue
		}
		c := r.get(from.String())
		if c == nil {
			if r.len() >= o.Max.Or(relayMax) {
				continue
			}
			if c, err = dial(ctx); err != nil {
				continue
			}
			r.add(from.String(), c, func(b []byte) (int, error) { return l.WriteTo(b, from) })
		}
		_ = c.SetReadDeadline(clock.Wall(clock.Now()).Add(o.Idle.Or(relayIdle)))
		_, _ = c.Write(b[:n])
	}
}

// Defaults of RelayOptions: what RFC 4787 REQ-5 asks of a mapping, and 16 MB of buffers.
const (
	relayIdle = 2 * time.Minute
	relayMax  = 256
)

// relay is the connections of a RelayPackets, by their sender.
type relay struct {
	mu   sync.Mutex
	to   map[string]net.Conn
	work sync.WaitGroup
}

func (r *relay) get(from string) net.Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to[from]
}

func (r *relay) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.to)
}

// add enters c and carries what it receives, until it has been silent for too long.
func (r *relay) add(from string, c net.Conn, back func([]byte) (int, error)) {
	r.mu.Lock()
	r.to[from] = c
	r.mu.Unlock()
	r.work.Go(func() {
		carry(back, c)
		c.Close()
		r.mu.Lock()
		delete(r.to, from)
		r.mu.Unlock()
	})
}

// close ends every connection.
func (r *relay) close() {
	r.mu.Lock()
	for _, c := range r.to {
		c.Close()
	}
	r.mu.Unlock()
	r.work.Wait()
}
