package bpf

// Run runs the program over a packet, which it borrows, and returns how many of its bytes to keep: 0 means to
// drop it, and a number beyond its length all of it. nil keeps everything.
func (p *Program) Run(v *View) uint32 {
	if p == nil {
		return ^uint32(0)
	}
	var a, x uint32
	var mem [scratch]uint32
	code := p.code
	for pc := 0; pc < len(code); pc++ {
		in := &code[pc]
		k := in.K
		ok := true
		switch in.Code {
		case ldW:
			if k >= ancillary {
				a = v.info(k, a, x)
			} else {
				a, ok = v.offset(k, 4)
			}
		case ldH:
			if k >= ancillary {
				a = v.info(k, a, x)
			} else {
				a, ok = v.offset(k, 2)
			}
		case ldB:
			if k >= ancillary {
				a = v.info(k, a, x)
			} else {
				a, ok = v.offset(k, 1)
			}
		case ldIndW:
			a, ok = v.offset(x+k, 4)
		case ldIndH:
			a, ok = v.offset(x+k, 2)
		case ldIndB:
			a, ok = v.offset(x+k, 1)
		case ldLen:
			a = uint32(v.Len())
		case ldImm:
			a = k
		case ldMem:
			a = mem[k&(scratch-1)]
		case ldxLen:
			x = uint32(v.Len())
		case ldxMSH:
			x, ok = v.offset(k, 1)
			x = x & 15 * 4
		case ldxImm:
			x = k
		case ldxMem:
			x = mem[k&(scratch-1)]
		case st:
			mem[k&(scratch-1)] = a
		case stx:
			mem[k&(scratch-1)] = x
		case tax:
			x = a
		case txa:
			a = x
		case ja:
			pc += int(k)
		case retConst:
			return k
		case retAccu:
			return a
		default:
			if in.Code&srcX != 0 {
				k = x
			}
			if in.Code&classMask == classJMP {
				if jump(in.Code, a, k) {
					pc += int(in.IfTrue)
				} else {
					pc += int(in.IfFalse)
				}
				continue
			}
			a, ok = compute(in.Code, a, k)
		}
		if !ok {
			return 0
		}
	}
	return 0
}

// jump decides a conditional jump.
func jump(code uint16, a, k uint32) bool {
	switch code &^ srcX {
	case jeq:
		return a == k
	case jgt:
		return a > k
	case jge:
		return a >= k
	}
	return a&k != 0 // jset
}

// compute does arithmetic, which only a division by zero ends. The count of a shift by X is taken modulo 32.
func compute(code uint16, a, k uint32) (uint32, bool) {
	switch code &^ srcX {
	case add:
		return a + k, true
	case sub:
		return a - k, true
	case mul:
		return a * k, true
	case div:
		if k == 0 {
			return 0, false
		}
		return a / k, true
	case mod:
		if k == 0 {
			return 0, false
		}
		return a % k, true
	case or:
		return a | k, true
	case and:
		return a & k, true
	case xor:
		return a ^ k, true
	case lsh:
		return a << (k & 31), true
	case rsh:
		return a >> (k & 31), true
	}
	return -a, true // neg
}
