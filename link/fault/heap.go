package fault

import (
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// heap keeps packets by the time at which they are due and, where that is equal, in the order in which
// they came. Its zero value is empty.
type heap struct {
	items []item
	count uint64 // of pushes; the tie-breaker
}

type item struct {
	at     tcpip.Time
	number uint64
	packet *stack.Packet
}

func (i *item) before(j *item) bool {
	return i.at < j.at || i.at == j.at && i.number < j.number
}

func (h *heap) len() int          { return len(h.items) }
func (h *heap) first() tcpip.Time { return h.items[0].at }

func (h *heap) push(at tcpip.Time, p *stack.Packet) {
	h.count++
	h.items = append(h.items, item{at, h.count, p})
	s := h.items
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if !s[i].before(&s[up]) {
			break
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

// pop removes and returns the first packet of a heap that is not empty.
func (h *heap) pop() *stack.Packet {
	p := h.items[0].packet
	n := len(h.items) - 1
	h.items[0] = h.items[n]
	h.items[n] = item{}
	h.items = h.items[:n]
	s := h.items
	for i := 0; ; {
		least := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < n && s[c].before(&s[least]) {
				least = c
			}
		}
		if least == i {
			return p
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
}
