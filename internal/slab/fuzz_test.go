package slab

import (
	"bytes"
	"testing"
)

// FuzzPieces runs a program of operations on pieces and on plain copies of their bytes, and compares.
func FuzzPieces(f *testing.F) {
	f.Add([]byte{0, 10, 1, 0, 3, 2, 0, 5, 3, 0, 2, 4, 0, 1, 9, 0, 0})
	f.Add([]byte{0, 200, 8, 0, 30, 7, 0, 0, 6, 0, 100, 5, 0, 20, 9, 0, 0, 9, 1, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		const pieces = 32
		var pool Pool
		type pair struct {
			p    Piece
			want []byte
		}
		var live []pair
		fresh := byte(1) // every appended byte is different from its neighbours
		for len(program) >= 3 {
			op, which, arg := program[0]%10, int(program[1]), int(program[2])
			program = program[3:]
			if op == 0 || len(live) == 0 {
				if len(live) == pieces {
					continue
				}
				size := []int{1, Small, Medium, Large}[arg%4]
				p, _ := pool.Get(size)
				p.Reserve(arg % 50)
				live = append(live, pair{p: p})
				continue
			}
			i := which % len(live)
			x := &live[i]
			at := 0
			if x.p.Len() > 0 {
				at = arg * 97 % (x.p.Len() + 1)
			}
			switch op {
			case 1, 2: // append
				n := arg * 3
				room := x.p.Room()
				data := make([]byte, n)
				for j := range data {
					data[j] = fresh
					fresh++
				}
				took := x.p.Append(data)
				if took != min(n, room) {
					t.Fatalf("Append took %d of %d with room %d", took, n, room)
				}
				x.want = append(bytes.Clone(x.want), data[:took]...)
			case 3: // share
				if len(live) < pieces {
					live = append(live, pair{x.p.Share(), x.want})
				}
			case 4: // slice
				if len(live) < pieces {
					live = append(live, pair{x.p.Slice(at, x.p.Len()), x.want[at:]})
				}
			case 5: // split
				if len(live) < pieces {
					rest := x.p.Split(at)
					restWant := x.want[at:]
					x.want = x.want[:at]
					live = append(live, pair{rest, restWant})
				}
			case 6:
				x.p.TrimFront(at)
				x.want = x.want[at:]
			case 7:
				x.p.Truncate(at)
				x.want = x.want[:at]
			case 8:
				x.p = x.p.Compact(&pool)
			case 9:
				x.p.Release()
				live = append(live[:i], live[i+1:]...)
			}
			for _, x := range live {
				if !bytes.Equal(x.p.Bytes(), x.want) {
					t.Fatalf("after op %d a piece holds % x, want % x", op, x.p.Bytes(), x.want)
				}
			}
			if len(live) == 0 && pool.Live() != 0 {
				t.Fatalf("%d bytes leaked", pool.Live())
			}
		}
		for i := range live {
			live[i].p.Release()
		}
		if pool.Live() != 0 {
			t.Fatalf("%d bytes leaked", pool.Live())
		}
	})
}
