package bpf

import "github.com/seed963a8790/netstack/tcpip"

// rule is what check looks at beside the code's being there.
type rule uint8

const (
	absent   rule = iota
	free          // K is any number
	divides       // K is not 0
	shifts        // K is less than 32
	stores        // K is a word of scratch memory
	recalls       // the same, which was written on every way here
	absolute      // K is an offset, or an ancillary load that exists
	jumps         // K is how many instructions to skip
	branches      // IfTrue and IfFalse are
)

// rules has a row for every code.
var rules = func() (r [256]rule) {
	for _, c := range []uint16{ldIndW, ldIndH, ldIndB, ldLen, ldImm, ldxLen, ldxMSH, ldxImm, neg, tax, txa, retConst, retAccu} {
		r[c] = free
	}
	for _, c := range []uint16{add, sub, mul, div, or, and, lsh, rsh, mod, xor} {
		r[c|srcK], r[c|srcX] = free, free
	}
	for _, c := range []uint16{jeq, jgt, jge, jset} {
		r[c|srcK], r[c|srcX] = branches, branches
	}
	for _, c := range []uint16{ldW, ldH, ldB} {
		r[c] = absolute
	}
	r[div|srcK], r[mod|srcK] = divides, divides
	r[lsh|srcK], r[rsh|srcK] = shifts, shifts
	r[st], r[stx] = stores, stores
	r[ldMem], r[ldxMem] = recalls, recalls
	r[ja] = jumps
	return r
}()

// check says whether code may run: every instruction exists and is in its bounds, jumps go forward to
// instructions that are there, the last instruction returns, and no word of scratch memory is read that was not
// written before, on whichever way.
func check(code []Instruction) tcpip.Error {
	if len(code) == 0 || len(code) > MaxInstructions {
		return tcpip.ErrInvalid
	}
	if last := code[len(code)-1].Code; last != retConst && last != retAccu {
		return tcpip.ErrInvalid
	}
	// The words, as bits, that were not written on some jump to an instruction.
	unwritten := make([]uint16, len(code))
	missing := ^uint16(0) // words that were not written on the way to here
	for i, in := range code {
		if in.Code > 0xff {
			return tcpip.ErrInvalid
		}
		missing |= unwritten[i]
		left := len(code) - i - 1
		ok := true
		switch rules[in.Code] {
		case absent:
			ok = false
		case divides:
			ok = in.K != 0
		case shifts:
			ok = in.K < 32
		case stores:
			if ok = in.K < scratch; ok {
				missing &^= 1 << in.K
			}
		case recalls:
			ok = in.K < scratch && missing&(1<<in.K) == 0
		case absolute:
			ok = in.K < ancillary || known(in.K)
		case jumps:
			if ok = int64(in.K) < int64(left); ok {
				unwritten[i+1+int(in.K)] |= missing
				missing = 0
			}
		case branches:
			if ok = int(in.IfTrue) < left && int(in.IfFalse) < left; ok {
				unwritten[i+1+int(in.IfTrue)] |= missing
				unwritten[i+1+int(in.IfFalse)] |= missing
				missing = 0
			}
		}
		if !ok {
			return tcpip.ErrInvalid
		}
	}
	return tcpip.OK
}
