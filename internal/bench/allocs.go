package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"time"
)

var allocScenarios = []scenario{
	{id: "allocs-segment", unit: "/seg", lower: true, run: allocsPerSegment},
	{id: "allocs-datagram", unit: "/dgram", lower: true, run: allocsPerDatagram},
}

const allocSegment = 1448

// allocsPerSegment returns the heap allocations per data segment and its share of ACKs of a TCP stream
// in steady state, over real 1500-byte packets.
func allocsPerSegment(p peer, _ time.Duration) (float64, error) {
	if p == kernel {
		return 0, errNotHere
	}
	e, err := newEnv(p, shape1500)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	l, err := e.Listen(bulkPort)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	go func() {
		c, err := e.Dial(bulkPort)
		if err != nil {
			return
		}
		defer c.Close()
		block := make([]byte, 16*allocSegment)
		for {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	}()
	c, err := l.Accept()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	buf := make([]byte, 64<<10)
	read := func(total int) error {
		for total > 0 {
			n, err := c.Read(buf[:min(len(buf), total)])
			if err != nil {
				return err
			}
			total -= n
		}
		return nil
	}
	if err := read(64 << 20); err != nil { // let windows and pools grow
		return 0, err
	}
	const segments = 50000
	before := mallocs()
	if err := read(segments * allocSegment); err != nil {
		return 0, err
	}
	return float64(mallocs()-before) / segments, nil
}

// allocsPerDatagram returns the heap allocations per datagram sent, received and answered.
func allocsPerDatagram(p peer, _ time.Duration) (float64, error) {
	if p == kernel {
		return 0, errNotHere
	}
	e, err := newEnv(p, shapeLoop)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	in, err := e.ListenUDP(bulkPort)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	reader, ok := in.(io.Reader)
	if !ok {
		return 0, fmt.Errorf("%T cannot Read", in)
	}
	out, err := e.DialUDP(bulkPort)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	msg, buf := make([]byte, 512), make([]byte, 2048)
	exchange := func(n int) error {
		for i := range n {
			binary.LittleEndian.PutUint64(msg, uint64(i))
			if _, err := out.Write(msg); err != nil {
				return err
			}
			if _, err := reader.Read(buf); err != nil {
				return err
			}
			if binary.LittleEndian.Uint64(buf) != uint64(i) {
				return fmt.Errorf("datagram %d was lost", i)
			}
		}
		return nil
	}
	if err := exchange(10000); err != nil {
		return 0, err
	}
	const datagrams = 20000
	before := mallocs()
	if err := exchange(datagrams); err != nil {
		return 0, err
	}
	return float64(mallocs()-before) / datagrams, nil
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
