package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"time"
)

var idleScenarios = []scenario{
	{id: "idle", unit: "B/ep", lower: true, run: idle(func(m, _ float64) float64 { return m })},
	{id: "idle-goroutines", unit: "per ep", lower: true, run: idle(func(_, g float64) float64 { return g })},
}

const idleConns = 10000

// idle holds 10,000 connections (the kernel as many as descriptors allow), both ends in this process, each of which has carried a few bytes, and
// returns the memory and the goroutines that one endpoint takes.
func idle(pick func(memory, goroutines float64) float64) func(peer, time.Duration) (float64, error) {
	return func(p peer, _ time.Duration) (float64, error) {
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
		count := idleConns
		if p == kernel {
			count = min(count, raiseFileLimit()/2-100)
		}
		conns := make([]net.Conn, 0, 2*count)
		defer func() {
			for _, c := range conns {
				if t, ok := c.(interface{ SetLinger(int) error }); ok {
					_ = t.SetLinger(0)
				}
				c.Close()
			}
		}()
		memory, goroutines := footprint(p)
		accepted := make(chan net.Conn)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					close(accepted)
					return
				}
				accepted <- c
			}
		}()
		msg := make([]byte, rrBytes)
		for i := range count {
			out, err := e.Dial(bulkPort)
			if err != nil {
				return 0, fmt.Errorf("connection %d: %w", i, err)
			}
			in, ok := <-accepted
			if !ok {
				return 0, net.ErrClosed
			}
			conns = append(conns, out, in)
			if _, err := out.Write(msg); err != nil {
				return 0, err
			}
			if _, err := in.Read(msg); err != nil {
				return 0, err
			}
		}
		after, running := footprint(p)
		ends := float64(2 * count)
		return pick((after-memory)/ends, (running-goroutines)/ends), nil
	}
}

// footprint returns the bytes and goroutines in use: of this process, or of the kernel's slabs.
func footprint(p peer) (memory, goroutines float64) {
	for range 3 {
		runtime.GC()
		time.Sleep(100 * time.Millisecond) // let delayed ACKs and timers end
	}
	if p == kernel {
		return kernelSlab(), float64(runtime.NumGoroutine())
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse), float64(runtime.NumGoroutine())
}

func kernelSlab() float64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kb float64
		if line := s.Text(); strings.HasPrefix(line, "Slab:") {
			if _, err := fmt.Sscanf(line, "Slab: %f kB", &kb); err == nil {
				return kb * 1024
			}
		}
	}
	return 0
}
