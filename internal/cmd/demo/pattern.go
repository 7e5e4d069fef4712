package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

// pattern is a stream of bytes in which every block is different from every other, so that a byte lost,
// repeated or displaced is noticed: blocks of noise, each beginning with its number.
type pattern struct {
	noise []byte // blockSize bytes
	off   int64
	end   int64
}

const blockSize = 64 << 10

func newPattern(size int64) *pattern {
	noise := make([]byte, blockSize)
	_, _ = rand.NewChaCha8([32]byte{'n', 'o', 'i', 's', 'e'}).Read(noise)
	return &pattern{noise: noise, end: size}
}

// next returns how many bytes, up to n, follow in the same block, and that block's number in bytes.
func (p *pattern) next(n int) (at, count int, number [8]byte) {
	at = int(p.off % blockSize)
	binary.BigEndian.PutUint64(number[:], uint64(p.off/blockSize))
	return at, int(min(int64(n), int64(blockSize-at), p.end-p.off)), number
}

// Read gives the pattern's next bytes, up to its end.
func (p *pattern) Read(b []byte) (n int, _ error) {
	if p.off == p.end {
		return 0, io.EOF
	}
	for n < len(b) && p.off < p.end {
		at, count, number := p.next(len(b) - n)
		out := b[n : n+count]
		copy(out, p.noise[at:])
		if at < len(number) {
			copy(out, number[at:])
		}
		n += count
		p.off += int64(count)
	}
	return n, nil
}

// Write checks that b is how the pattern goes on.
func (p *pattern) Write(b []byte) (n int, _ error) {
	for n < len(b) {
		at, count, number := p.next(len(b) - n)
		if count == 0 {
			return n, fmt.Errorf("%d bytes more than the %d expected", len(b)-n, p.end)
		}
		in := b[n : n+count]
		head := number[min(at, len(number)):min(at+count, len(number))]
		if !bytes.Equal(in[:len(head)], head) || !bytes.Equal(in[len(head):], p.noise[at+len(head):at+count]) {
			return n, fmt.Errorf("wrong data in the %d bytes from %d on", count, p.off)
		}
		n += count
		p.off += int64(count)
	}
	return n, nil
}

// complete returns an error if bytes are missing.
func (p *pattern) complete() error {
	if p.off != p.end {
		return fmt.Errorf("%d bytes of %d arrived", p.off, p.end)
	}
	return nil
}
