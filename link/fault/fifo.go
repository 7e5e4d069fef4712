package fault

import "github.com/seed963a8790/netstack/stack"

// fifo is a queue of packets, of which what was taken last can be put back. Its zero value is empty.
type fifo struct {
	s    []*stack.Packet
	head int // s[:head] was taken
}

func (f *fifo) len() int             { return len(f.s) - f.head }
func (f *fifo) all() []*stack.Packet { return f.s[f.head:] }

func (f *fifo) push(p *stack.Packet) { f.s = append(f.s, p) }

// take moves packets from the front to dst and returns how many.
func (f *fifo) take(dst []*stack.Packet) int {
	if f.head > len(f.s)/2 {
		n := copy(f.s, f.s[f.head:])
		clear(f.s[n:])
		f.s, f.head = f.s[:n], 0
	}
	n := copy(dst, f.s[f.head:])
	f.head += n
	return n
}

// putBack returns the last of what the latest take has taken to the front.
func (f *fifo) putBack(rest []*stack.Packet) {
	f.head -= len(rest)
	copy(f.s[f.head:], rest)
}
