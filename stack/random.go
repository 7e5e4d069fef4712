package stack

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
)

// Random is a stack's source of randomness: ChaCha8 seeded from Options.Random, so that a draw is cheap
// and a stack with an injected source is repeatable. It is safe for concurrent use.
type Random struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func newRandom(src io.Reader) (*Random, error) {
	var seed [32]byte
	if _, err := io.ReadFull(src, seed[:]); err != nil {
		return nil, fmt.Errorf("stack: the source of randomness failed: %w", err)
	}
	return &Random{r: rand.NewChaCha8(seed)}, nil
}

// Uint64 returns a uniformly random number.
func (r *Random) Uint64() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.Uint64()
}

// Uint32 returns a uniformly random number.
func (r *Random) Uint32() uint32 { return uint32(r.Uint64() >> 32) }

// IntN returns a random number in [0, n), n > 0, with a bias below 2^-31.
func (r *Random) IntN(n int) int { return int(r.Uint64() >> 33 * uint64(n) >> 31) }

// Read fills b. It never fails.
func (r *Random) Read(b []byte) (int, error) {
	for i := 0; i < len(b); i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], r.Uint64())
		copy(b[i:], word[:])
	}
	return len(b), nil
}
