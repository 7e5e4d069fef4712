package peer

import (
	"container/heap"
	"time"
)

// kind is what an event is.
type kind uint8

const (
	arrival  kind = iota // of a segment, here
	delayed              // an ACK that has waited for more segments up to segment.End
	reading              // by the user
	delivery             // of an ACK, there
)

// event is something that will happen.
type event struct {
	at      time.Duration
	count   int // in which order events of one time happen
	kind    kind
	segment Segment
	ack     Ack
}

// queue is a heap of events.
type queue []event

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].count < q[j].count
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push and Pop are container/heap's.
func (q *queue) Push(x any) { *q = append(*q, x.(event)) }

func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	*q = (*q)[:last]
	return e
}

// push schedules an event on the grid.
func (p *Peer) push(at time.Duration, e event) {
	p.count++
	e.at, e.count = (at+Grid-1)/Grid*Grid, p.count
	heap.Push(&p.queue, e)
}
