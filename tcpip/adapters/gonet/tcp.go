package gonet

import (
	"io"
	"net"
	"time"

	"github.com/seed963a8790/netstack/internal/growstack"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/waiter"
)

// TCPConn is a TCP connection: a net.Conn with the methods of *net.TCPConn. All are safe for concurrent
// use; the bytes of one Write stay together.
type TCPConn struct{ conn }

var (
	_ net.Conn      = (*TCPConn)(nil)
	_ io.ReaderFrom = (*TCPConn)(nil)
	_ io.WriterTo   = (*TCPConn)(nil)
)

// NewTCPConn returns a net.Conn over ep, a connected TCP endpoint, which it takes.
func NewTCPConn(ep stack.Endpoint) *TCPConn {
	c := &TCPConn{}
	c.init(ep, "tcp")
	return c
}

// Read takes what has arrived into b, and waits if nothing has. At the end of the stream it returns
// io.EOF.
func (c *TCPConn) Read(b []byte) (int, error) {
	growstack.Ensure()
	c.in.turn.Lock()
	n, err := c.read(b)
	c.in.turn.Unlock()
	if err != nil {
		return n, c.fail("read", err)
	}
	return n, nil
}

// read is Read with the turn held.
func (c *TCPConn) read(b []byte) (int, error) {
	for {
		if err := c.check(&c.in); err != nil || len(b) == 0 {
			return 0, err
		}
		r, err := c.ep.Read(b, tcpip.ReadOptions{})
		switch {
		case isBlocked(err):
			c.wait(&c.in, waiter.Readable|waiter.ReadHangUp)
		case err == nil && r.Count == 0:
			return 0, io.EOF
		default:
			return r.Count, err
		}
	}
}

// Write queues b for sending and waits where the send buffer is full. It returns less than len(b) only
// with an error.
func (c *TCPConn) Write(b []byte) (int, error) {
	growstack.Ensure()
	c.out.turn.Lock()
	n, err := c.write(b)
	c.out.turn.Unlock()
	if err != nil {
		return n, c.fail("write", err)
	}
	return n, nil
}

// write is Write with the turn held.
func (c *TCPConn) write(b []byte) (done int, _ error) {
	for {
		if err := c.check(&c.out); err != nil || len(b) == 0 {
			return done, err
		}
		n, err := c.ep.Write(b[done:], tcpip.WriteOptions{})
		done += n
		switch {
		case isBlocked(err):
			c.wait(&c.out, waiter.Writable)
		case err != nil || done == len(b):
			return done, err
		}
	}
}

// copyBuffer is the most bytes that ReadFrom and WriteTo move at once: a super-segment's worth, so that
// they are still in the cache when they are copied again. leastBuffer is what ReadFrom waits with for little.
const (
	copyBuffer  = 64 << 10
	leastBuffer = 4 << 10
)

// ReadFrom sends what r has, until io.EOF. While r is quiet it holds no more than a small buffer.
func (c *TCPConn) ReadFrom(r io.Reader) (total int64, err error) {
	b := make([]byte, leastBuffer)
	for {
		n, err := r.Read(b)
		if n > 0 {
			m, werr := c.Write(b[:n])
			if total += int64(m); werr != nil {
				return total, werr
			}
		}
		switch {
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, c.wrap("readfrom", err)
		case n == leastBuffer && len(b) == leastBuffer:
			b = make([]byte, copyBuffer)
		case n < leastBuffer && len(b) > leastBuffer:
			b = make([]byte, leastBuffer)
		}
	}
}

// WriteTo passes what arrives to w, until the end of the stream. While nothing arrives it holds no buffer. To another
// TCPConn of the same stack nothing is copied.
func (c *TCPConn) WriteTo(w io.Writer) (total int64, err error) {
	move := func() error { return c.moveData(w, &total) }
	if d, ok := w.(*TCPConn); ok {
		from, ours := c.ep.(*tcp.Endpoint)
		to, theirs := d.ep.(*tcp.Endpoint)
		if ours && theirs && from.Stack() == to.Stack() {
			move = func() error { return c.pass(d, from, to, &total) }
		}
	}
	for err == nil {
		err = move()
	}
	if err == io.EOF {
		return total, nil
	}
	return total, c.wrap("writeto", err)
}

// moveData passes what has arrived to w, through a slab of the stack's, until there is no more; then it gives the slab back
// and waits.
func (c *TCPConn) moveData(w io.Writer, total *int64) error {
	slab, ok := c.ep.Stack().Slabs.Get(copyBuffer)
	defer slab.Release()
	var b []byte
	if ok {
		b = slab.Extend(copyBuffer)
	} else {
		b = make([]byte, leastBuffer) // memory is short, so make some free
	}
	for {
		c.in.turn.Lock()
		err := c.check(&c.in)
		var r tcpip.Received
		if err == nil {
			r, err = c.ep.Read(b, tcpip.ReadOptions{})
		}
		if isBlocked(err) {
			slab.Release()
			c.wait(&c.in, waiter.Readable|waiter.ReadHangUp)
			c.in.turn.Unlock()
			return nil
		}
		c.in.turn.Unlock()
		switch {
		case err != nil:
			return err
		case r.Count == 0:
			return io.EOF
		}
		n, err := w.Write(b[:r.Count])
		*total += int64(n)
		if err == nil && n < r.Count {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
	}
}

// pass gives what has arrived to d, until there is no more, and waits. The slabs go from queue to queue.
func (c *TCPConn) pass(d *TCPConn, from, to *tcp.Endpoint, total *int64) error {
	var b tcp.Batch
	defer b.Release()
	for {
		c.in.turn.Lock()
		err := c.check(&c.in)
		if err == nil {
			_, err = from.Take(&b)
		}
		if isBlocked(err) {
			c.wait(&c.in, waiter.Readable|waiter.ReadHangUp)
			c.in.turn.Unlock()
			return nil
		}
		c.in.turn.Unlock()
		switch {
		case err != nil:
			return err
		case b.Len() == 0:
			return io.EOF
		}
		d.out.turn.Lock()
		err = d.give(to, &b, total)
		d.out.turn.Unlock()
		if err != nil {
			return d.fail("write", err)
		}
	}
}

// give is write for what another connection has received. The turn is held.
func (c *TCPConn) give(ep *tcp.Endpoint, b *tcp.Batch, total *int64) error {
	for b.Len() > 0 {
		if err := c.check(&c.out); err != nil {
			return err
		}
		n, err := ep.Give(b)
		*total += int64(n)
		switch {
		case isBlocked(err):
			c.wait(&c.out, waiter.Writable)
		case err != nil:
			return err
		}
	}
	return nil
}

// wrap is fail for errors that may be another connection's, or wrapped by our own Read or Write.
func (c *TCPConn) wrap(op string, err error) error {
	if e, ok := err.(*net.OpError); ok && e.Net == c.network {
		return err
	}
	return c.fail(op, err)
}

// CloseRead ends receiving: reads return io.EOF once what is queued was read. The peer does not notice.
func (c *TCPConn) CloseRead() error { return c.shutdown(tcpip.ShutdownRead) }

// CloseWrite ends sending: FIN follows what is queued.
func (c *TCPConn) CloseWrite() error { return c.shutdown(tcpip.ShutdownWrite) }

func (c *TCPConn) shutdown(d tcpip.Shutdown) error {
	if c.closed.Load() {
		return c.fail("close", net.ErrClosed)
	}
	if err := c.ep.Shutdown(d); err != nil {
		return c.fail("close", err)
	}
	if d&tcpip.ShutdownRead != 0 {
		c.in.wake()
	}
	if d&tcpip.ShutdownWrite != 0 {
		c.out.wake()
	}
	return nil
}

// SetNoDelay turns Nagle's algorithm off (true, as connections of this package begin) or on.
func (c *TCPConn) SetNoDelay(on bool) error { return c.setOption(tcp.TCP_NODELAY, number(on)) }

// SetLinger says what Close does with data that was not sent or not acknowledged yet: negative, which is
// how connections begin, and positive mean that it is sent in the background; 0 that it is discarded and
// the connection reset. Close never waits.
func (c *TCPConn) SetLinger(sec int) error { return c.setOption(tcpip.SO_LINGER, max(sec, -1)) }

// SetKeepAlive turns keep-alive probes on or off.
func (c *TCPConn) SetKeepAlive(on bool) error { return c.setOption(tcpip.SO_KEEPALIVE, number(on)) }

// SetKeepAlivePeriod sets how long the connection is idle before the first probe; as package net does,
// it leaves the interval between probes alone.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	return c.setOption(tcp.TCP_KEEPIDLE, seconds(d))
}

// SetKeepAliveConfig sets everything about keep-alive. As in package net, a zero duration or count means
// its default (15 s, 15 s, 9), a negative one leaves the setting alone.
func (c *TCPConn) SetKeepAliveConfig(k net.KeepAliveConfig) error {
	if err := setKeepAlive(c.ep, k); err != nil {
		return c.fail("set", err)
	}
	return nil
}

func setKeepAlive(ep tcpip.Endpoint, k net.KeepAliveConfig) error {
	if err := ep.SetOption(tcpip.SO_KEEPALIVE, number(k.Enable)); err != nil {
		return err
	}
	for _, o := range [...]struct {
		id        tcpip.OptionID
		v, normal int
	}{
		{tcp.TCP_KEEPIDLE, seconds(k.Idle), 15},
		{tcp.TCP_KEEPINTVL, seconds(k.Interval), 15},
		{tcp.TCP_KEEPCNT, k.Count, 9},
	} {
		if o.v < 0 {
			continue
		}
		if o.v == 0 {
			o.v = o.normal
		}
		if err := ep.SetOption(o.id, o.v); err != nil {
			return err
		}
	}
	return nil
}

// seconds rounds up, so that no positive time becomes none.
func seconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int((d + time.Second - 1) / time.Second)
}

// Info describes the connection, as TCP_INFO does. It is zero where the endpoint is not this library's TCP.
func (c *TCPConn) Info() tcp.Info {
	if e, ok := c.ep.(interface{ Info() tcp.Info }); ok {
		return e.Info()
	}
	return tcp.Info{}
}
