package bpf

import (
	"testing"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

var seeds = [][]Instruction{
	{in(ldH, 12), branch(jeq, 0x800, 0, 8), in(ldB, 23), branch(jeq, 17, 0, 6), in(ldH, 20), branch(jset, 0x1fff, 4, 0),
		in(ldxMSH, 14), in(ldIndH, 16), branch(jeq, 53, 0, 1), ret(0x40000), ret(0)},
	{in(ldImm, 5), in(st, 3), in(ldxMem, 3), in(ldW, ancillary+adXorX), in(retAccu, 0)},
	{in(ldB, fromNetwork+9), in(tax, 0), in(div|srcX, 0), in(retAccu, 0)},
	{in(ldB, fromLink), in(neg, 0), in(lsh, 3), in(retAccu, 0)},
}

// FuzzValidate checks programs: what passes can be run over anything, ends and goes round unchanged.
func FuzzValidate(f *testing.F) {
	for _, s := range seeds {
		f.Add(Encode(nil, s), []byte{1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, program, data []byte) {
		p, err := Parse(program)
		if err != tcpip.OK {
			return
		}
		if string(p.Append(nil)) != string(program) || p.Len()*InstructionSize != len(program) {
			t.Fatal("the program came back changed")
		}
		p.Run(&View{Front: data, Start: len(data) / 2, Network: len(data) / 4, Info: Info{Protocol: typeIPv4}})
		p.Run(&View{})
	})
}

// FuzzRun runs programs over a packet in pieces, and, step by step and with the bounds in mind instead of at hand,
// over the same packet in one piece.
func FuzzRun(f *testing.F) {
	for _, s := range seeds {
		f.Add(Encode(nil, s), []byte("0123456789abcdefghijklmnopqrstuvwxyz0123456789"), uint8(14), uint8(3), uint8(20))
	}
	f.Fuzz(func(t *testing.T, program, data []byte, link, cut, start uint8) {
		p, err := Parse(program)
		if err != tcpip.OK || len(data) == 0 || len(data) > slab.Large {
			return
		}
		var pool slab.Pool
		at := int(start) % (len(data) + 1)
		l := int(link) % (len(data) + 1)
		c := l + int(cut)%(len(data)-l+1)
		v := View{Link: data[:l], Front: data[l:c], Start: at, Network: l, Info: Info{Protocol: typeIPv6, Mark: 7, NIC: 2}}
		for rest := data[c:]; len(rest) > 0; {
			n := min(len(rest), 1+int(cut)%7)
			piece, _ := pool.Copy(rest[:n])
			v.Data = append(v.Data, piece)
			rest = rest[n:]
		}
		got := p.Run(&v)
		release(&v)
		flat := View{Front: data, Start: at, Network: l, Info: v.Info}
		if want := naive(p.code, &flat); got != want {
			t.Fatalf("%#x in pieces, %#x by the book", got, want)
		}
		if pool.Live() != 0 {
			t.Fatalf("%d bytes leaked", pool.Live())
		}
	})
}

// naive runs a program over a flat packet by decoding each instruction's parts.
func naive(code []Instruction, v *View) uint32 {
	data := v.Front
	var a, x uint64
	var mem [scratch]uint64
	fetch := func(off uint64, code uint16) (uint64, bool) {
		n := uint64(map[uint16]int{sizeW: 4, sizeH: 2, sizeB: 1}[code&0x18])
		pos := int64(v.Start) + int64(off)
		if s := int64(int32(uint32(off))); s < 0 {
			switch {
			case s >= -0x100000:
				pos = int64(v.Network) + s + 0x100000
			case s >= -0x200000:
				pos = s + 0x200000
			default:
				return 0, false
			}
		}
		if pos < 0 || pos+int64(n) > int64(len(data)) {
			return 0, false
		}
		r := uint64(0)
		for i := range n {
			r = r<<8 | uint64(data[uint64(pos)+i])
		}
		return r, true
	}
	pc := 0
	for {
		i := code[pc]
		pc++
		operand := uint64(i.K)
		if i.Code&srcX != 0 {
			operand = x
		}
		ok := true
		switch i.Code & classMask {
		case classRET:
			if i.Code&0x18 == retA {
				return uint32(a)
			}
			return i.K
		case classLD, classLDX:
			r := uint64(0)
			switch i.Code & 0xe0 {
			case modeIMM:
				r = uint64(i.K)
			case modeABS:
				if s := int32(i.K); s < 0 && s >= -0x1000 {
					r = uint64(v.info(i.K, uint32(a), uint32(x)))
				} else {
					r, ok = fetch(uint64(i.K), i.Code)
				}
			case modeIND:
				r, ok = fetch(uint64(uint32(x)+i.K), i.Code)
			case modeMEM:
				r = mem[i.K]
			case modeLEN:
				r = uint64(len(data) - v.Start)
			case modeMSH:
				r, ok = fetch(uint64(i.K), sizeB)
				r = r % 16 * 4
			}
			if i.Code&classMask == classLD {
				a = r
			} else {
				x = r
			}
		case classST:
			mem[i.K] = a
		case classSTX:
			mem[i.K] = x
		case classMISC:
			if i.Code == tax {
				x = a
			} else {
				a = x
			}
		case classJMP:
			yes := map[uint16]bool{0x10: a == operand, 0x20: a > operand, 0x30: a >= operand, 0x40: a&operand != 0}[i.Code&0xf0]
			switch {
			case i.Code == ja:
				pc += int(i.K)
			case yes:
				pc += int(i.IfTrue)
			default:
				pc += int(i.IfFalse)
			}
		case classALU:
			if op := i.Code & 0xf0; (op == 0x30 || op == 0x90) && operand == 0 {
				return 0
			}
			switch i.Code & 0xf0 {
			case 0x00:
				a += operand
			case 0x10:
				a -= operand
			case 0x20:
				a *= operand
			case 0x30:
				a /= operand
			case 0x40:
				a |= operand
			case 0x50:
				a &= operand
			case 0x60:
				a <<= operand % 32
			case 0x70:
				a >>= operand % 32
			case 0x80:
				a = -a
			case 0x90:
				a %= operand
			case 0xa0:
				a ^= operand
			}
			a &= 0xffffffff
		}
		if !ok {
			return 0
		}
	}
}
