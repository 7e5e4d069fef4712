package tcb

import (
	"bytes"
	"testing"

	"github.com/seed963a8790/netstack/internal/slab"
)

// Frames that waste their slabs share one, with their bytes; nobody who gets a piece finds room behind it, where the next
// frame may be. What somebody else sees is left where it is.
func TestQueuePacks(t *testing.T) {
	var pool slab.Pool
	var q receiveQueue
	frame := func(b byte) slab.Piece {
		p, _ := pool.Get(slab.Large)
		p.Append(bytes.Repeat([]byte{b}, 9000))
		return p
	}
	for b := range byte(20) {
		q.push(frame(b))
		if last := q.pieces[len(q.pieces)-1]; last.Room() != 0 {
			t.Fatalf("frame %d has %d bytes behind it", b, last.Room())
		}
	}
	if n := pool.Live(); n != 3*slab.Large {
		t.Errorf("20 frames of 9000 bytes take %d", n)
	}
	if q.cost != 20*charge(9000) {
		t.Errorf("they are charged with %d", q.cost)
	}
	for b := range byte(20) {
		p := q.pieces[q.head]
		if p.Len() != 9000 || bytes.Count(p.Bytes(), []byte{b}) != 9000 {
			t.Fatalf("frame %d is not what came", b)
		}
		q.consume(9000)
	}
	if n := pool.Live(); n != 0 || q.spare != nil {
		t.Errorf("%d bytes are held for nothing", n)
	}

	shared := frame(1)
	other := shared.Share()
	q.push(shared)
	if q.spare != nil {
		t.Error("the slab of a frame that somebody else sees takes others")
	}
	other.Release()
	q.clear()
	if n := pool.Live(); n != 0 {
		t.Errorf("%d bytes are held", n)
	}
}
