package gonet_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

// copied hides that a connection is ours.
type copied struct{ *gonet.TCPConn }

func (c copied) WriteTo(w io.Writer) (int64, error) {
	return c.TCPConn.WriteTo(struct{ io.Writer }{w})
}

// joinedPair is a connection from left to left that right has made of two, with what joins them.
func joinedPair(t testing.TB, left, right *host, join func(a, b *gonet.TCPConn)) (client, server *gonet.TCPConn) {
	t.Helper()
	client, a := connect(t, left, right, right4+":0")
	b, server := connect(t, right, left, left4+":0")
	done := make(chan struct{})
	go func() {
		defer close(done)
		join(a, b)
	}()
	t.Cleanup(func() {
		client.Close()
		server.Close()
		<-done
	})
	return client, server
}

func join(a, b *gonet.TCPConn) { gonet.Join(a, b) }

// Bytes pass a joined pair whole, both ways at once and in pieces of every size, whether ends share memory with the middle, as
// over a pipe, or not.
func TestJoinCarries(t *testing.T) {
	for name, pair := range map[string]func(testing.TB) (left, right *host){
		"shared": func(t testing.TB) (left, right *host) { return newPair(t, nil) },
		"bad":    func(t testing.TB) (left, right *host) { return newBadPair(t) },
	} {
		t.Run(name, func(t *testing.T) {
			left, right := pair(t)
			client, server := joinedPair(t, left, right, join)
			size := 4 << 20
			if name == "bad" {
				size = 256 << 10
			}
			var wg sync.WaitGroup
			for i, c := range []*gonet.TCPConn{client, server} {
				want := noise(size + i)
				wg.Go(func() {
					rnd := rand.New(rand.NewPCG(1, uint64(i)))
					for b := want; len(b) > 0; {
						n := min(len(b), 1+rnd.IntN(1<<rnd.IntN(18)))
						if _, err := c.Write(b[:n]); err != nil {
							t.Error(err)
							return
						}
						b = b[n:]
					}
					if err := c.CloseWrite(); err != nil {
						t.Error(err)
					}
				})
				other := []*gonet.TCPConn{server, client}[i]
				wg.Go(func() {
					got, err := io.ReadAll(other)
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("read %d bytes of %d, %v; equal: %v", len(got), len(want), err, bytes.Equal(got, want))
					}
				})
			}
			wg.Wait()
		})
	}
}

// The middle copies nothing: what is on its way lies in the slabs that it has come in, and as much of it as buffers allow.
func TestJoinSharesSlabs(t *testing.T) {
	left, right := newPair(t, nil)
	client, server := joinedPair(t, left, right, join)
	go func() {
		_, _ = client.Write(noise(1 << 20)) // more than the server's window, so that some has to wait in the middle
		_ = client.CloseWrite()
	}()
	require.Eventually(t, func() bool { return left.Slabs.Live() > 200<<10 }, 10*time.Second, time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	require.Less(t, right.Slabs.Live(), int64(100<<10))
	got, err := io.ReadAll(server)
	require.NoError(t, err)
	require.True(t, bytes.Equal(noise(1<<20), got))

	// An echo goes round in one connection.
	c, s := connect(t, left, right, right4+":0")
	go func() {
		_, _ = io.Copy(s, s)
		_ = s.CloseWrite()
	}()
	go func() {
		_, _ = c.Write(noise(3 << 20))
		_ = c.CloseWrite()
	}()
	got, err = io.ReadAll(c)
	require.NoError(t, err)
	require.True(t, bytes.Equal(noise(3<<20), got))
}

// A deadline of either side, a reset and Close end a join in the middle of data, and nothing stays behind, which newHost
// looks for.
func TestJoinEnds(t *testing.T) {
	for name, end := range map[string]func(client, server, a, b *gonet.TCPConn){
		"reset by the reader": func(_, server, _, _ *gonet.TCPConn) { _ = server.SetLinger(0); server.Close() },
		"reset by the writer": func(client, _, _, _ *gonet.TCPConn) { _ = client.SetLinger(0); client.Close() },
		"read deadline":       func(_, _, a, _ *gonet.TCPConn) { _ = a.SetReadDeadline(time.Unix(1, 0)) },
		"write deadline":      func(_, _, _, b *gonet.TCPConn) { _ = b.SetWriteDeadline(time.Unix(1, 0)) },
		"close of the source": func(_, _, a, _ *gonet.TCPConn) { a.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			left, right := newPair(t, nil)
			var a, b *gonet.TCPConn
			joined := make(chan struct{})
			client, server := joinedPair(t, left, right, func(x, y *gonet.TCPConn) {
				a, b = x, y
				close(joined)
				_, _, _ = gonet.Join(x, y)
			})
			<-joined
			written := make(chan error)
			go func() {
				_, err := client.Write(make([]byte, 256<<20)) // which nobody reads
				written <- err
			}()
			time.Sleep(20 * time.Millisecond)
			end(client, server, a, b)
			_, err := io.Copy(io.Discard, server) // so that the middle goes on, and finds out
			require.Error(t, err, "nobody takes a part for the whole")
			require.Error(t, <-written)
		})
	}
}

// BenchmarkJoin moves data through a third party that joins two connections, as Join does and with a copy.
func BenchmarkJoin(b *testing.B) {
	for _, c := range []struct {
		name string
		join func(x, y *gonet.TCPConn)
	}{
		{"slabs", join},
		{"copies", func(x, y *gonet.TCPConn) { gonet.Join(copied{x}, copied{y}) }},
	} {
		for _, size := range []int{100, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", c.name, size), func(b *testing.B) {
				left, right := newPair(b, nil)
				client, server := joinedPair(b, left, right, c.join)
				var done sync.WaitGroup
				done.Go(func() {
					_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{server}, make([]byte, 256<<10))
				})
				data := make([]byte, size)
				b.SetBytes(int64(size))
				b.ResetTimer()
				for range b.N {
					if _, err := client.Write(data); err != nil {
						b.Fatal(err)
					}
				}
				_ = client.CloseWrite()
				done.Wait()
			})
		}
	}
}
