package gonet_test

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

// settled moves a manual clock for as long as f runs. Time passes faster than it does, but not so fast that a goroutine which
// has to wait for a processor would miss minutes of it.
func settled(clock *tcpip.ManualClock, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	for {
		select {
		case <-done:
			return
		default:
			clock.Advance(time.Millisecond)
			time.Sleep(10 * time.Microsecond)
		}
	}
}

// Under a manual clock deadlines pass when the clock is moved past them, and not before.
func TestDeadlineManualClock(t *testing.T) {
	clock := tcpip.NewManualClock()
	left, right := newPair(t, clock)
	var client, server *gonet.TCPConn
	settled(clock, func() { client, server = connect(t, left, right, right4+":0") })

	wall := clock.Wall(clock.Now())
	require.NoError(t, client.SetReadDeadline(wall.Add(time.Hour)))
	results := make(chan error)
	read := func() {
		_, err := client.Read(make([]byte, 1))
		results <- err
	}
	go read()
	clock.Advance(time.Hour - 1)
	select {
	case err := <-results:
		t.Fatal("too early: ", err)
	default:
	}
	clock.Advance(1)
	require.ErrorIs(t, <-results, os.ErrDeadlineExceeded)
	go read()
	require.ErrorIs(t, <-results, os.ErrDeadlineExceeded, "it stays expired")

	// Moving it on makes reads possible again.
	require.NoError(t, client.SetReadDeadline(wall.Add(3*time.Hour)))
	_, err := server.Write([]byte("x"))
	require.NoError(t, err)
	go read()
	require.NoError(t, <-results)

	// Moving it back wakes the one who waits; writing has a deadline of its own.
	go read()
	require.NoError(t, client.SetReadDeadline(wall))
	require.ErrorIs(t, <-results, os.ErrDeadlineExceeded)
	_, err = client.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, client.SetDeadline(wall))
	_, err = client.Write([]byte("x"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, client.SetDeadline(time.Time{}))
	_, err = client.Write([]byte("x"))
	require.NoError(t, err)
}

// An expired deadline wins over data that is there, as in package net.
func TestDeadlineBeforeData(t *testing.T) {
	left, right := newPair(t, nil)
	client, server := connect(t, left, right, right4+":0")
	_, err := server.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, client.SetReadDeadline(time.Unix(1, 0)))
	n, err := client.Read(make([]byte, 1))
	require.Zero(t, n)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	require.NoError(t, client.SetReadDeadline(time.Time{}))
	n, err = client.Read(make([]byte, 1))
	require.Equal(t, 1, n)
	require.NoError(t, err)
}

// What was written before a write deadline passed was written, and is reported.
func TestWriteDeadlineReportsProgress(t *testing.T) {
	left, right := newPair(t, nil)
	client, server := connect(t, left, right, right4+":0")
	much := make([]byte, 256<<20) // which nobody reads before the deadline
	require.NoError(t, client.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
	n, err := client.Write(much)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Greater(t, n, 0)
	require.Less(t, n, 256<<20)
	require.NoError(t, client.SetWriteDeadline(time.Time{}))
	require.NoError(t, client.CloseWrite())
	got, err := io.Copy(io.Discard, server)
	require.NoError(t, err)
	require.Equal(t, int64(n), got)
}

// Deadlines are set again and again while calls come and go (for the race detector), and the last one
// holds.
func TestDeadlineChurn(t *testing.T) {
	left, right := newPair(t, nil)
	client, _ := connect(t, left, right, right4+":0")
	results := make(chan error)
	for range 3 {
		go func() {
			for {
				_, err := client.Read(make([]byte, 1))
				if _, ok := err.(net.Error); !ok || !err.(net.Error).Timeout() {
					results <- err
					return
				}
			}
		}()
	}
	for i := range 300 {
		require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Duration(i%5-1)*50*time.Microsecond)))
	}
	require.NoError(t, client.SetReadDeadline(time.Time{}))
	require.NoError(t, client.Close())
	for range 3 {
		require.ErrorIs(t, <-results, net.ErrClosed)
	}
}

// Dialer.Timeout runs on the stack's clock.
func TestDialTimeoutManualClock(t *testing.T) {
	clock := tcpip.NewManualClock()
	left, _ := newPair(t, clock)
	d := left.Dialer
	d.Timeout = tcpip.Set(10 * time.Second)
	began := clock.Now()
	settled(clock, func() {
		_, err := d.DialContext(context.Background(), "tcp", "192.0.2.77:80")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
	require.GreaterOrEqual(t, clock.Now().Sub(began), 10*time.Second)
}

// The same over UDP, whose reads and writes are others.
func TestUDPDeadline(t *testing.T) {
	_, right := newPair(t, nil)
	c, err := right.ListenUDP(context.Background(), "udp", ":0")
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
	_, _, err = c.ReadFrom(make([]byte, 10))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetWriteDeadline(time.Unix(1, 0)))
	_, err = c.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(left4), Port: 9})
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetDeadline(time.Time{}))
	results := make(chan error)
	go func() {
		_, _, err := c.ReadFrom(make([]byte, 10))
		results <- err
	}()
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-results, net.ErrClosed)
	_, err = c.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(left4), Port: 9})
	require.ErrorIs(t, err, net.ErrClosed)
}

// A deadline that is further away than a Duration can say is far, not past.
func TestDeadlineFarAway(t *testing.T) {
	left, right := newPair(t, nil)
	client, server := connect(t, left, right, right4+":0")
	for _, at := range []time.Time{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<62, 0)} {
		require.NoError(t, client.SetDeadline(at))
		_, err := client.Write([]byte("x"))
		require.NoError(t, err)
		_, err = io.ReadFull(server, make([]byte, 1))
		require.NoError(t, err)
	}
	d := left.Dialer
	d.Timeout = tcpip.Set(time.Duration(1<<63 - 1))
	l, err := right.Listen(context.Background(), "tcp", right4+":0")
	require.NoError(t, err)
	defer l.Close()
	c, err := d.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, c.Close())
	_, err = d.DialContext(context.Background(), "tcp", right4+":1")
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}
