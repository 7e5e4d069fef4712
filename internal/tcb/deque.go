package tcb

// deque is a sequence in one run of memory: cheap at both ends, indexed, and open in the middle at
// the price of moving the shorter side. It keeps its array until trim.
type deque[T any] struct {
	buf        []T
	head, tail int // the elements are buf[head:tail]
}

func (d *deque[T]) len() int { return d.tail - d.head }

// at returns the i-th element, 0 <= i < len, in place.
func (d *deque[T]) at(i int) *T { return &d.buf[d.head+i] }

func (d *deque[T]) first() *T { return &d.buf[d.head] }
func (d *deque[T]) last() *T  { return &d.buf[d.tail-1] }

func (d *deque[T]) pushBack(v T) {
	if d.tail == len(d.buf) {
		d.move(0)
	}
	d.buf[d.tail] = v
	d.tail++
}

func (d *deque[T]) popFront() T {
	var zero T
	v := d.buf[d.head]
	d.buf[d.head] = zero
	if d.head++; d.head == d.tail {
		d.head, d.tail = 0, 0
	}
	return v
}

func (d *deque[T]) popBack() T {
	var zero T
	d.tail--
	v := d.buf[d.tail]
	d.buf[d.tail] = zero
	return v
}

// insert puts v in front of the i-th element, 0 <= i <= len.
func (d *deque[T]) insert(i int, v T) {
	if i >= d.len()/2 {
		if d.tail == len(d.buf) {
			d.move(0)
		}
		d.tail++
		copy(d.buf[d.head+i+1:d.tail], d.buf[d.head+i:])
	} else {
		if d.head == 0 {
			d.move(max(len(d.buf)/4, 1))
		}
		d.head--
		copy(d.buf[d.head:], d.buf[d.head+1:d.head+1+i])
	}
	d.buf[d.head+i] = v
}

// remove takes the i-th element out, 0 <= i < len.
func (d *deque[T]) remove(i int) {
	if i < d.len()/2 {
		copy(d.buf[d.head+1:], d.buf[d.head:d.head+i])
		d.popFront()
		return
	}
	copy(d.buf[d.head+i:], d.buf[d.head+i+1:d.tail])
	d.popBack()
}

// move makes the elements start at buf[to], in a larger array if they fill more than half of this
// one: so whatever is moved is moved once per so many insertions at that end.
func (d *deque[T]) move(to int) {
	n, buf := d.len(), d.buf
	if 2*n >= len(buf) {
		buf = make([]T, max(4, 2*len(buf)))
	}
	copy(buf[to:], d.buf[d.head:d.tail])
	clear(buf[:to])
	clear(buf[to+n:])
	d.buf, d.head, d.tail = buf, to, to+n
}

// trim gives the array back if the deque is empty and the array holds more than keep elements.
func (d *deque[T]) trim(keep int) {
	if d.len() == 0 && len(d.buf) > keep {
		*d = deque[T]{}
	}
}
