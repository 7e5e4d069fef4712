package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

var bulkScenarios = []scenario{
	{id: "bulk-lo", unit: "Gbit/s", run: bulk(shapeLoop)},
	{id: "bulk-pipe", unit: "Gbit/s", run: bulk(shapePipe)},
	{id: "bulk-1500", unit: "Gbit/s", run: bulk(shape1500)},
}

const (
	bulkPort  = 5001
	bulkWrite = 256 << 10
	stampStep = 4096 // every so many bytes of the stream stands its position, checked by the reader
)

func bulk(s shape) func(peer, time.Duration) (float64, error) {
	return func(p peer, length time.Duration) (float64, error) {
		e, err := newEnv(p, s)
		if err != nil {
			return 0, err
		}
		defer e.Close()
		return transfer(e.Listen, e.Dial, length)
	}
}

// transfer moves a stream from a dialled connection to an accepted one for about length, and returns
// the rate seen by the reader in Gbit/s.
func transfer(listen func(int) (net.Listener, error), dial func(int) (net.Conn, error), length time.Duration) (float64, error) {
	l, err := listen(bulkPort)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	wrote := make(chan error, 1)
	var sent int64
	go func() {
		c, err := dial(bulkPort)
		if err != nil {
			l.Close()
			wrote <- err
			return
		}
		sent, err = writeStamped(c, time.Now().Add(length))
		c.Close()
		wrote <- err
	}()
	c, err := l.Accept()
	if err != nil {
		return 0, fmt.Errorf("accept: %w (%v)", err, <-wrote)
	}
	defer c.Close()
	start := time.Now()
	got, err := readStamped(c)
	took := time.Since(start)
	if err != nil {
		return 0, err
	}
	if err := <-wrote; err != nil {
		return 0, err
	}
	if got != sent {
		return 0, fmt.Errorf("read %d bytes of %d", got, sent)
	}
	return float64(got) * 8 / took.Seconds() / 1e9, nil
}

func writeStamped(c io.Writer, end time.Time) (int64, error) {
	block := make([]byte, bulkWrite)
	for i := range block {
		block[i] = byte(i * 7)
	}
	var at int64
	for time.Now().Before(end) {
		for i := 0; i < len(block); i += stampStep {
			binary.LittleEndian.PutUint64(block[i:], uint64(at)+uint64(i))
		}
		n, err := c.Write(block)
		at += int64(n)
		if err != nil {
			return at, err
		}
	}
	return at, nil
}

func readStamped(c io.Reader) (int64, error) {
	buf := make([]byte, bulkWrite+8)
	var at int64 // position of buf[0] in the stream
	have := 0
	for {
		n, err := c.Read(buf[have:bulkWrite])
		have += n
		i := 0
		if r := at % stampStep; r != 0 {
			i = int(stampStep - r)
		}
		for ; i+8 <= have; i += stampStep {
			if v := binary.LittleEndian.Uint64(buf[i:]); v != uint64(at)+uint64(i) {
				return at, fmt.Errorf("byte %d of the stream is wrong", at+int64(i))
			}
		}
		// A stamp that is cut by the end of the buffer is kept for the next round.
		keep := 0
		if i < have {
			keep = have - i
		}
		copy(buf, buf[have-keep:have])
		at += int64(have - keep)
		have = keep
		if err == io.EOF {
			return at + int64(keep), nil
		}
		if err != nil {
			return at, err
		}
	}
}
