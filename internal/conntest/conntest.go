// Package conntest holds connections that carry datagrams against the rules of package net, as golang.org/x/net/nettest
// does it for streams: that suite takes for granted that nothing is lost and that bytes have no borders.
package conntest

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// Subject is a connection to test.
type Subject struct {
	Conn    net.Conn
	Message []byte // what can be written to it
	Arrive  func() // makes a datagram arrive at it; called by one goroutine at a time, before and after Conn is closed
	Network string // of its addresses
}

// rules are what holds for every connection. Each has one of its own.
var rules = []struct {
	name string
	test func(t *testing.T, s *Subject)
}{
	{"addresses", addresses},
	{"one read, one datagram", oneByOne},
	{"a deadline in the past", past},
	{"a deadline now", present},
	{"a deadline to come", future},
	{"a deadline that moves", moving},
	{"deadlines of both directions", both},
	{"close wakes who waits", closeWakes},
	{"closed", closed},
	{"reads race", racyReads},
	{"writes race", racyWrites},
	{"everything at once", everything},
}

// Datagrams tests the connections that open makes; what it needs beside them ends with the test.
func Datagrams(t *testing.T, open func(t *testing.T) *Subject) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			s := open(t)
			defer s.Conn.Close()
			over := time.AfterFunc(patience, func() { panic("conntest: " + t.Name() + " does not end") })
			defer over.Stop()
			r.test(t, s)
		})
	}
}

// patience is how long a test may take that has nothing to wait for.
const patience = time.Minute

// long is a time that no test waits for, short one that some do.
const long, short = time.Hour, 20 * time.Millisecond

// long ago, which is a deadline like any other.
var aeon = time.Unix(1, 0)

func addresses(t *testing.T, s *Subject) {
	local, remote := s.Conn.LocalAddr(), s.Conn.RemoteAddr()
	for _, a := range []net.Addr{local, remote} {
		if a == nil || a.String() == "" {
			t.Fatalf("address %v", a)
		}
		if a.Network() != s.Network {
			t.Errorf("the network of %v is %q, not %q", a, a.Network(), s.Network)
		}
	}
	s.Conn.Close()
	if a := s.Conn.LocalAddr(); a == nil || a.String() != local.String() {
		t.Errorf("closed, its address is %v, before it was %v", a, local)
	}
	if a := s.Conn.RemoteAddr(); a == nil || a.String() != remote.String() {
		t.Errorf("closed, its peer is %v, before it was %v", a, remote)
	}
}

// A buffer that is too short loses the rest of one datagram, and nothing of the next.
func oneByOne(t *testing.T, s *Subject) {
	b := make([]byte, 1<<16)
	for _, size := range []int{len(b), 1, len(b)} {
		s.Arrive()
		n, err := s.Conn.Read(b[:size])
		if err != nil || n == 0 || n > size {
			t.Fatalf("Read into %d bytes: %d, %v", size, n, err)
		}
	}
	n, err := s.Conn.Write(s.Message)
	if err != nil || n != len(s.Message) {
		t.Errorf("Write: %d, %v", n, err)
	}
}

// late wants err to be that of a deadline.
func late(t *testing.T, what string, n int, err error) {
	t.Helper()
	var e net.Error
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &e) || !e.Timeout() {
		t.Errorf("%s: %d, %v", what, n, err)
	}
}

// It stops what has not begun, even where there is something to read, and as often as one tries; taken back, it loses nothing.
func past(t *testing.T, s *Subject) {
	must(t, s.Conn.SetDeadline(aeon))
	b := make([]byte, 1<<16)
	for range 3 {
		n, err := s.Conn.Read(b)
		late(t, "Read", n, err)
		n, err = s.Conn.Write(s.Message)
		late(t, "Write", n, err)
	}
	must(t, s.Conn.SetDeadline(time.Time{}))
	s.Arrive()
	must(t, s.Conn.SetReadDeadline(aeon))
	n, err := s.Conn.Read(b)
	late(t, "Read of what is there", n, err)
	must(t, s.Conn.SetReadDeadline(time.Time{}))
	if n, err = s.Conn.Read(b); err != nil || n == 0 {
		t.Errorf("Read without a deadline: %d, %v", n, err)
	}
	if _, err = s.Conn.Write(s.Message); err != nil {
		t.Errorf("Write without a deadline: %v", err)
	}
}

// It wakes who waits already.
func present(t *testing.T, s *Subject) {
	for _, at := range []func() time.Time{func() time.Time { return aeon }, time.Now} {
		waiting := make(chan struct{})
		go func() {
			<-waiting
			time.Sleep(short) // so that it waits by then; if it does not, the outcome is the same
			if err := s.Conn.SetReadDeadline(at()); err != nil {
				t.Error(err)
			}
		}()
		must(t, s.Conn.SetReadDeadline(time.Time{}))
		close(waiting)
		n, err := s.Conn.Read(make([]byte, 1<<16))
		late(t, "Read", n, err)
	}
}

// It passes when it is time, and not before.
func future(t *testing.T, s *Subject) {
	for _, set := range []func(time.Time) error{s.Conn.SetDeadline, s.Conn.SetReadDeadline} {
		end := time.Now().Add(short)
		must(t, set(end))
		n, err := s.Conn.Read(make([]byte, 1<<16))
		late(t, "Read", n, err)
		if now := time.Now(); now.Before(end) {
			t.Errorf("Read returned %v too early", end.Sub(now))
		}
	}
	must(t, s.Conn.SetDeadline(time.Now().Add(long)))
	s.Arrive()
	if n, err := s.Conn.Read(make([]byte, 1<<16)); err != nil || n == 0 {
		t.Errorf("Read in time: %d, %v", n, err)
	}
}

// The last one that was set counts, whatever a call found when it began.
func moving(t *testing.T, s *Subject) {
	must(t, s.Conn.SetReadDeadline(time.Now().Add(long)))
	result := make(chan error)
	go func() {
		_, err := s.Conn.Read(make([]byte, 1<<16))
		result <- err
	}()
	for _, d := range []time.Duration{2 * long, short, long} {
		must(t, s.Conn.SetReadDeadline(time.Now().Add(d)))
	}
	select {
	case err := <-result: // it may have passed meanwhile, on a slow machine
		late(t, "Read", 0, err)
		return
	case <-time.After(2 * short):
	}
	end := time.Now().Add(short)
	must(t, s.Conn.SetReadDeadline(end))
	late(t, "Read", 0, <-result)
	if time.Now().Before(end) {
		t.Error("Read returned too early")
	}
}

// One direction's leaves the other alone.
func both(t *testing.T, s *Subject) {
	must(t, s.Conn.SetReadDeadline(aeon))
	if _, err := s.Conn.Write(s.Message); err != nil {
		t.Errorf("Write behind a deadline for reading: %v", err)
	}
	must(t, s.Conn.SetReadDeadline(time.Time{}))
	must(t, s.Conn.SetWriteDeadline(aeon))
	n, err := s.Conn.Write(s.Message)
	late(t, "Write", n, err)
	must(t, s.Conn.SetWriteDeadline(time.Time{}))
	s.Arrive()
	must(t, s.Conn.SetWriteDeadline(aeon))
	if n, err := s.Conn.Read(make([]byte, 1<<16)); err != nil || n == 0 {
		t.Errorf("Read behind a deadline for writing: %d, %v", n, err)
	}
}

func closeWakes(t *testing.T, s *Subject) {
	results := make(chan error)
	for range 3 { // two of which wait for the first
		go func() {
			_, err := s.Conn.Read(make([]byte, 1<<16))
			results <- err
		}()
	}
	time.Sleep(short)
	must(t, s.Conn.Close())
	for range 3 {
		ended(t, "Read", <-results)
	}
}

// ended wants err to be that of a closed connection.
func ended(t *testing.T, what string, err error) {
	t.Helper()
	var e net.Error
	if !errors.Is(err, net.ErrClosed) || errors.As(err, &e) && e.Timeout() {
		t.Errorf("%s: %v", what, err)
	}
}

func closed(t *testing.T, s *Subject) {
	s.Arrive()
	must(t, s.Conn.SetDeadline(time.Now().Add(long)))
	must(t, s.Conn.Close())
	for what, f := range map[string]func() error{
		"Read":             func() error { _, err := s.Conn.Read(make([]byte, 10)); return err },
		"Write":            func() error { _, err := s.Conn.Write(s.Message); return err },
		"SetDeadline":      func() error { return s.Conn.SetDeadline(time.Time{}) },
		"SetReadDeadline":  func() error { return s.Conn.SetReadDeadline(aeon) },
		"SetWriteDeadline": func() error { return s.Conn.SetWriteDeadline(aeon) },
		"Close":            s.Conn.Close,
	} {
		ended(t, what, f())
	}
}

// flutter sets deadlines until stop is closed.
func flutter(wg *sync.WaitGroup, stop <-chan struct{}, set func(time.Time) error) {
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			_ = set(time.Now().Add(time.Duration(i%3) * time.Millisecond))
		}
	})
}

// Whoever reads while deadlines come and go gets datagrams or the error of a deadline.
func racyReads(t *testing.T, s *Subject) {
	var others, readers sync.WaitGroup
	stop := make(chan struct{})
	flutter(&others, stop, s.Conn.SetReadDeadline)
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Microsecond):
				s.Arrive()
			}
		}
	})
	for range 10 {
		readers.Go(func() {
			b := make([]byte, 1<<16)
			for range 20 {
				if n, err := s.Conn.Read(b); err != nil {
					late(t, "Read", n, err)
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	others.Wait()
}

// The same for writing.
func racyWrites(t *testing.T, s *Subject) {
	var others, writers sync.WaitGroup
	stop := make(chan struct{})
	flutter(&others, stop, s.Conn.SetWriteDeadline)
	for range 10 {
		writers.Go(func() {
			for range 20 {
				if n, err := s.Conn.Write(s.Message); err != nil {
					late(t, "Write", n, err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	others.Wait()
}

// All methods at once, Close included (for the race detector); all return.
func everything(t *testing.T, s *Subject) {
	var wg sync.WaitGroup
	for range 20 {
		for _, f := range []func(){
			func() { _, _ = s.Conn.Read(make([]byte, 1<<16)) },
			func() { _, _ = s.Conn.Write(s.Message) },
			func() { _ = s.Conn.SetDeadline(time.Now().Add(10 * time.Millisecond)) },
			func() { _ = s.Conn.SetReadDeadline(aeon) },
			func() { _ = s.Conn.SetWriteDeadline(aeon) },
			func() { s.Conn.LocalAddr() },
			func() { s.Conn.RemoteAddr() },
		} {
			wg.Go(f)
		}
	}
	s.Arrive()
	time.Sleep(short)
	if err := s.Conn.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
