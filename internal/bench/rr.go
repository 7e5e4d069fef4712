package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var rrScenarios = []scenario{
	{id: "rr", unit: "us", lower: true, run: rr(0.50)},
	{id: "rr-p99", unit: "us", lower: true, run: rr(0.99)},
	{id: "crr", unit: "k/s", run: crr},
}

const (
	rrBytes    = 64
	crrWorkers = 16
	crrPorts   = 8 // listeners, so that ephemeral ports last
)

// rr returns the given quantile of the time that 64 bytes there and back take.
func rr(quantile float64) func(peer, time.Duration) (float64, error) {
	return func(p peer, length time.Duration) (float64, error) {
		e, err := newEnv(p, shapeLoop)
		if err != nil {
			return 0, err
		}
		defer e.Close()
		l, err := e.Listen(bulkPort)
		if err != nil {
			return 0, err
		}
		defer l.Close()
		go serveEcho(l)
		c, err := e.Dial(bulkPort)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		var times []time.Duration
		msg := make([]byte, rrBytes)
		for end := time.Now().Add(length); ; {
			start := time.Now()
			if start.After(end) {
				break
			}
			if err := exchange(c, msg, byte(len(times))); err != nil {
				return 0, err
			}
			times = append(times, time.Since(start))
		}
		slices.Sort(times)
		return float64(times[int(quantile*float64(len(times)))].Nanoseconds()) / 1e3, nil
	}
}

// exchange sends a message and reads it back.
func exchange(c net.Conn, msg []byte, mark byte) error {
	msg[0] = mark
	if _, err := c.Write(msg); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, msg); err != nil {
		return err
	}
	if msg[0] != mark {
		return fmt.Errorf("got %d back for %d", msg[0], mark)
	}
	return nil
}

func serveEcho(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, rrBytes)
			for {
				if _, err := io.ReadFull(c, buf); err != nil {
					return
				}
				if _, err := c.Write(buf); err != nil {
					return
				}
			}
		}()
	}
}

// crr returns how many times a second 16 workers connect, exchange 64 bytes and close.
func crr(p peer, length time.Duration) (float64, error) {
	e, err := newEnv(p, shapeLoop)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	for i := range crrPorts {
		l, err := e.Listen(bulkPort + i)
		if err != nil {
			return 0, err
		}
		defer l.Close()
		go serveEcho(l)
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, crrWorkers)
	start := time.Now()
	end := start.Add(length)
	for worker := range crrWorkers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			msg := make([]byte, rrBytes)
			for i := worker; time.Now().Before(end); i++ {
				c, err := e.Dial(bulkPort + i%crrPorts)
				if err == nil {
					err = exchange(c, msg, byte(i))
					c.Close()
				}
				if err != nil {
					errs <- err
					return
				}
				done.Add(1)
			}
		}()
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-errs:
		return 0, err
	default:
		return float64(done.Load()) / took.Seconds() / 1e3, nil
	}
}
