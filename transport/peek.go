package transport

// peek returns the datagram that a peek looks at and how many of its bytes were peeked at before: without
// SO_PEEK_OFF the oldest and none. As on Linux one without bytes is shown once. q.mu is held.
func (q *queue) peek() (e *datagram, offset int) {
	offset = q.peekAt
	if offset < 0 {
		return q.data.head, 0
	}
	for e = q.data.head; e != nil; e = e.next {
		if offset >= e.size && (offset > 0 || e.peeked) {
			offset -= e.size
			continue
		}
		e.peeked = e.peeked || e.size == 0
		break
	}
	return e, offset
}

// peekOn moves SO_PEEK_OFF, if it is set, by n bytes: on after peeking, back after reading. q.mu is held.
func (q *queue) peekOn(n int) {
	if q.peekAt >= 0 {
		q.peekAt = max(q.peekAt+n, 0)
	}
}

func (q *queue) setPeekOffset(v int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.peekAt = v
}

func (q *queue) peekOffset() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.peekAt
}
