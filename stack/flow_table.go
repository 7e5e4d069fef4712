package stack

import (
	"sync"
	"sync/atomic"
)

// flowTable is a hash table that is read without a lock: chains of nodes whose key and value never change. Their class
// does, under mu, which who reads it holds too.
// Writers hold mu. A reader on a node that is being taken out still comes to the chain's end. Its zero value
// is empty.
type flowTable[V comparable] struct {
	mu      sync.Mutex // a leaf; of two, that of Demux.ports comes first
	buckets atomic.Pointer[flowBuckets[V]]
	count   int
}

// flowBuckets has a power of two of chains.
type flowBuckets[V comparable] []atomic.Pointer[flowNode[V]]

type flowNode[V comparable] struct {
	key   flowKey
	value V
	class claimClass // of a flow: what it allows others; it stays when another value takes its place
	next  atomic.Pointer[flowNode[V]]
}

func (b flowBuckets[V]) chain(hash uint64) *atomic.Pointer[flowNode[V]] {
	return &b[hash&uint64(len(b)-1)]
}

func (b flowBuckets[V]) push(hash uint64, k flowKey, v V, c claimClass) {
	n := &flowNode[V]{key: k, value: v, class: c}
	head := b.chain(hash)
	n.next.Store(head.Load())
	head.Store(n)
}

// lookup returns the value of k.
func (t *flowTable[V]) lookup(hash uint64, k flowKey) (v V, ok bool) {
	b := t.buckets.Load()
	if b == nil {
		return v, false
	}
	for n := b.chain(hash).Load(); n != nil; n = n.next.Load() {
		if n.key == k {
			return n.value, true
		}
	}
	return v, false
}

// insert enters v and reports false if k is there. secret is what hash was made with. mu is held.
func (t *flowTable[V]) insert(secret *[2]uint64, hash uint64, k flowKey, v V, c claimClass) bool {
	if _, there := t.lookup(hash, k); there {
		return false
	}
	b := t.buckets.Load()
	if b == nil {
		fresh := make(flowBuckets[V], flowBucketsMin)
		b = &fresh
		t.buckets.Store(b)
	} else if t.count >= len(*b) {
		b = b.grow(secret)
		t.buckets.Store(b)
	}
	b.push(hash, k, v, c)
	t.count++
	return true
}

// reclass gives r, the value of k, another class and returns the one it had, or ok false if r is not there. mu is held.
func (t *flowTable[V]) reclass(hash uint64, k flowKey, r V, c claimClass) (was claimClass, ok bool) {
	b := t.buckets.Load()
	if b == nil {
		return 0, false
	}
	for n := b.chain(hash).Load(); n != nil; n = n.next.Load() {
		if n.key == k && n.value == r {
			was, n.class = n.class, c
			return was, true
		}
	}
	return 0, false
}

// grow returns a table of twice the size with nodes of its own: readers may still be on the old ones.
func (b *flowBuckets[V]) grow(secret *[2]uint64) *flowBuckets[V] {
	fresh := make(flowBuckets[V], 2*len(*b))
	for i := range *b {
		for n := (*b)[i].Load(); n != nil; n = n.next.Load() {
			fresh.push(n.key.hash(secret), n.key, n.value, n.class)
		}
	}
	return &fresh
}

// replace puts *v in the place of old, or nothing if v is nil, and returns old's class, or ok false if old is not
// there. mu is held.
func (t *flowTable[V]) replace(hash uint64, k flowKey, old V, v *V) (class claimClass, ok bool) {
	b := t.buckets.Load()
	if b == nil {
		return 0, false
	}
	at := b.chain(hash)
	n := at.Load()
	for n != nil && n.key != k {
		at = &n.next
		n = at.Load()
	}
	if n == nil || n.value != old {
		return 0, false
	}
	next := n.next.Load()
	if v != nil {
		m := &flowNode[V]{key: k, value: *v, class: n.class}
		m.next.Store(next)
		next = m
	} else {
		t.count--
	}
	at.Store(next)
	if t.count == 0 && len(*b) > flowBucketsMin {
		t.buckets.Store(nil)
	}
	return n.class, true
}
