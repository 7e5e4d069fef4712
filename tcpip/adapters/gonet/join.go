package gonet

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed963a8790/netstack/tcpip"
)

// Join copies between two connections until both directions have ended, and closes both. Where one side has said all it has
// to say, the other is told so by CloseWrite and may go on speaking; one that has no CloseWrite can only be told by closing
// it. Where one fails, the other is reset if it can be (SetLinger), so that nobody takes a part for the whole.
//
// It returns how many bytes went from a to b and from b to a, and the error that ended it, nil if both directions
// came to their ends.
func Join(a, b net.Conn) (ab, ba int64, err error) {
	j := join{a: a, b: b}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		ba = j.copy(a, b)
	}()
	ab = j.copy(b, a)
	wg.Wait()
	a.Close()
	b.Close()
	return ab, ba, j.err
}

// join is what the two directions of Join share.
type join struct {
	a, b net.Conn
	once sync.Once
	err  error
	shut atomic.Bool // one was closed, at the end of the other
}

// copy copies one direction.
func (j *join) copy(dst, src net.Conn) int64 {
	n, err := io.Copy(dst, src)
	switch {
	case err == nil:
		err = j.closeWrite(dst)
	case j.shut.Load() && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)):
		err = nil
	}
	if err != nil {
		j.fail(err)
	}
	return n
}

// fail ends both directions, with a RST where that can be.
func (j *join) fail(err error) {
	j.once.Do(func() {
		j.err = err
		for _, c := range []net.Conn{j.a, j.b} {
			if l, ok := c.(interface{ SetLinger(int) error }); ok {
				_ = l.SetLinger(0)
			}
			c.Close()
		}
	})
}

// closeWrite ends what is written to c. One that has ended meanwhile needs no end.
func (j *join) closeWrite(c net.Conn) error {
	h, ok := c.(interface{ CloseWrite() error })
	if !ok {
		j.shut.Store(true)
		return c.Close()
	}
	err := h.CloseWrite()
	if errors.Is(err, tcpip.ErrNotConnected) || errors.Is(err, syscall.ENOTCONN) {
		return nil
	}
	return err
}
