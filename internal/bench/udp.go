package main

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
)

var udpScenarios = []scenario{
	{id: "udp-64", unit: "M/s", run: udpOneWay(64)},
	{id: "udp-1400", unit: "M/s", run: udpOneWay(1400)},
}

// udpOneWay returns how many datagrams a second arrive from a sender that does nothing but send.
func udpOneWay(size int) func(peer, time.Duration) (float64, error) {
	return func(p peer, length time.Duration) (float64, error) {
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
		out, err := e.DialUDP(bulkPort)
		if err != nil {
			return 0, err
		}
		defer out.Close()
		var got, wrong atomic.Int64
		go func() {
			buf := make([]byte, 2048)
			last := uint64(0)
			for {
				n, _, err := in.ReadFrom(buf)
				if err != nil {
					return
				}
				// Datagrams may be lost, never damaged, and on these paths never overtake.
				if v := binary.LittleEndian.Uint64(buf); n != size || v <= last || buf[n-1] != byte(v) {
					wrong.Add(1)
				} else {
					last = v
				}
				got.Add(1)
			}
		}()
		msg := make([]byte, size)
		start := time.Now()
		for i := uint64(1); ; i++ {
			binary.LittleEndian.PutUint64(msg, i)
			msg[size-1] = byte(i)
			if _, err := out.Write(msg); err != nil {
				return 0, err
			}
			if i%256 == 0 && time.Since(start) > length {
				break
			}
		}
		took := time.Since(start)
		n := got.Load()
		if w := wrong.Load(); w != 0 || n == 0 {
			return 0, fmt.Errorf("%d of %d datagrams were wrong", w, n)
		}
		return float64(n) / took.Seconds() / 1e6, nil
	}
}
