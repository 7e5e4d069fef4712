package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"sync/atomic"

	"github.com/seed963a8790/netstack/link/tunnel"
)

const (
	frameHeader = 14                  // bytes that a frame adds to the packet in it
	batch       = 32                  // frames that are read or written in one go
	maxFrame    = 1<<16 + frameHeader // bytes: more is no frame but a stream out of step
	lengthSize  = 4                   // bytes in front of each frame of a stream, in network byte order (qemu's -netdev stream)
)

// buffers returns a batch of buffers, each for a frame behind room bytes.
func buffers(room int) (bufs [][]byte, sizes []int) {
	for range batch {
		bufs = append(bufs, make([]byte, room+maxFrame))
	}
	return bufs, make([]int, batch)
}

// send hands what the stack sends to write until the stack is closed; each frame has room bytes in front.
func send(wire *tunnel.Tunnel, room int, write func(frames net.Buffers)) {
	bufs, sizes := buffers(room)
	frames := make([][]byte, batch)
	for {
		n, err := wire.ReadPackets(bufs, sizes, room)
		if err != nil {
			return
		}
		for i := range n {
			frames[i] = bufs[i][:room+sizes[i]]
		}
		write(frames[:n])
	}
}

// listenStream serves one guest after another, each with a connection of its own.
func listenStream(ctx context.Context, wire *tunnel.Tunnel, path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var guest atomic.Pointer[net.Conn] // the one that is there
	go send(wire, lengthSize, func(frames net.Buffers) {
		c := guest.Load()
		if c == nil {
			return
		}
		for _, b := range frames {
			binary.BigEndian.PutUint32(b, uint32(len(b)-lengthSize))
		}
		if _, err := frames.WriteTo(*c); err != nil {
			(*c).Close() // half a frame may be under way
		}
	})
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { c.Close() })
		guest.Store(&c)
		if err := receiveStream(wire, bufio.NewReaderSize(c, 1<<18)); err != io.EOF && ctx.Err() == nil {
			log.Println("guest:", err)
		}
		guest.Store(nil)
		stop()
		c.Close()
	}
}

// receiveStream gives the stack what a guest sends, as many frames at once as have come together.
func receiveStream(wire *tunnel.Tunnel, r *bufio.Reader) error {
	bufs, sizes := buffers(lengthSize)
	for {
		n := 0
		for ; n == 0 || n < batch && r.Buffered() >= lengthSize; n++ {
			b := bufs[n]
			if _, err := io.ReadFull(r, b[:lengthSize]); err != nil {
				return err
			}
			sizes[n] = int(min(binary.BigEndian.Uint32(b), maxFrame+1))
			if sizes[n] == 0 || sizes[n] > maxFrame {
				return errors.New("a frame of an impossible length")
			}
			if _, err := io.ReadFull(r, b[lengthSize:][:sizes[n]]); err != nil {
				return err
			}
		}
		if _, err := wire.WritePackets(bufs[:n], sizes, lengthSize); err != nil {
			return err
		}
	}
}

// listenDatagram serves the guest that has sent last.
func listenDatagram(ctx context.Context, wire *tunnel.Tunnel, path string) error {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var guest atomic.Pointer[net.UnixAddr]
	go send(wire, 0, func(frames net.Buffers) {
		for _, b := range frames {
			if to := guest.Load(); to != nil {
				c.WriteToUnix(b, to) // what a guest that has gone misses is lost
			}
		}
	})
	b := make([]byte, maxFrame)
	for {
		n, from, err := c.ReadFromUnix(b)
		if err != nil {
			return err
		}
		if from != nil && from.Name != "" {
			guest.Store(from)
		}
		if n < frameHeader { // how vfkit says that it is there
			continue
		}
		if _, err := wire.WritePackets([][]byte{b[:n]}, nil, 0); err != nil {
			return err
		}
	}
}
