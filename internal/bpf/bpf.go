// Package bpf is the classic BPF machine: the filters that programs attach to sockets (SO_ATTACH_FILTER) and
// that libpcap compiles. A program is checked once, as Linux's bpf_check_classic does, and can then be run
// over any packet: it has no loops, reads nothing outside the packet, and neither allocates nor panics.
//
// An instruction is Linux's struct sock_filter. The machine has an accumulator A, an index register X and 16
// words of scratch memory; loads from the packet are big-endian. What a program returns is how many bytes of
// the packet to keep, 0 for none of it. A load beyond the packet and a division by an X of 0 end the program
// with 0.
package bpf

import (
	"encoding/binary"
	"slices"

	"github.com/seed963a8790/netstack/tcpip"
)

// Instruction is struct sock_filter.
type Instruction struct {
	Code            uint16
	IfTrue, IfFalse uint8 // jumps: how many instructions to skip
	K               uint32
}

// InstructionSize is the size of a struct sock_filter in bytes.
const InstructionSize = 8

// The parts of a code: class; size and mode of loads; operation and source of arithmetic and jumps.
const (
	classLD   = 0x00
	classLDX  = 0x01
	classST   = 0x02
	classSTX  = 0x03
	classALU  = 0x04
	classJMP  = 0x05
	classRET  = 0x06
	classMISC = 0x07
	classMask = 0x07

	sizeW = 0x00
	sizeH = 0x08
	sizeB = 0x10

	modeIMM = 0x00
	modeABS = 0x20
	modeIND = 0x40
	modeMEM = 0x60
	modeLEN = 0x80
	modeMSH = 0xa0

	srcK = 0x00
	srcX = 0x08

	retK = 0x00
	retA = 0x10
)

// The codes that exist.
const (
	ldW      = classLD | sizeW | modeABS
	ldH      = classLD | sizeH | modeABS
	ldB      = classLD | sizeB | modeABS
	ldIndW   = classLD | sizeW | modeIND
	ldIndH   = classLD | sizeH | modeIND
	ldIndB   = classLD | sizeB | modeIND
	ldLen    = classLD | sizeW | modeLEN
	ldImm    = classLD | modeIMM
	ldMem    = classLD | modeMEM
	ldxLen   = classLDX | sizeW | modeLEN
	ldxMSH   = classLDX | sizeB | modeMSH
	ldxImm   = classLDX | modeIMM
	ldxMem   = classLDX | modeMEM
	st       = classST
	stx      = classSTX
	add      = classALU
	sub      = classALU | 0x10
	mul      = classALU | 0x20
	div      = classALU | 0x30
	or       = classALU | 0x40
	and      = classALU | 0x50
	lsh      = classALU | 0x60
	rsh      = classALU | 0x70
	neg      = classALU | 0x80
	mod      = classALU | 0x90
	xor      = classALU | 0xa0
	ja       = classJMP
	jeq      = classJMP | 0x10
	jgt      = classJMP | 0x20
	jge      = classJMP | 0x30
	jset     = classJMP | 0x40
	tax      = classMISC
	txa      = classMISC | 0x80
	retConst = classRET | retK
	retAccu  = classRET | retA
)

// Program is a program that was found good. It is constant and safe for concurrent use; nil keeps every packet
// whole.
type Program struct {
	code   []Instruction
	random bool
}

// New checks a program. It copies.
//
// Errors: ErrInvalid for what Linux refuses, and for the two loads that walk netlink attributes
// (SKF_AD_NLATTR and SKF_AD_NLATTR_NEST), which no packet here has.
func New(code []Instruction) (*Program, tcpip.Error) {
	if err := check(code); err != tcpip.OK {
		return nil, err
	}
	return newProgram(append([]Instruction(nil), code...)), tcpip.OK
}

// Parse is New for an array of struct sock_filter in the machine's byte order.
//
// Errors: ErrInvalid, also for a length that is no multiple of InstructionSize.
func Parse(b []byte) (*Program, tcpip.Error) {
	if len(b)%InstructionSize != 0 || len(b)/InstructionSize > MaxInstructions {
		return nil, tcpip.ErrInvalid
	}
	code := make([]Instruction, len(b)/InstructionSize)
	for i := range code {
		in := b[i*InstructionSize:]
		code[i] = Instruction{binary.NativeEndian.Uint16(in), in[2], in[3], binary.NativeEndian.Uint32(in[4:])}
	}
	if err := check(code); err != tcpip.OK {
		return nil, err
	}
	return newProgram(code), tcpip.OK
}

func newProgram(code []Instruction) *Program {
	return &Program{code, slices.ContainsFunc(code, func(in Instruction) bool {
		return rules[in.Code] == absolute && in.K == ancillary+adRandom
	})}
}

// UsesRandom reports whether the program looks at Info.Random, which has to be drawn for each run.
func (p *Program) UsesRandom() bool { return p != nil && p.random }

// Len returns the number of instructions.
func (p *Program) Len() int {
	if p == nil {
		return 0
	}
	return len(p.code)
}

// Append appends the program as Parse reads it to b.
func (p *Program) Append(b []byte) []byte {
	if p == nil {
		return b
	}
	return Encode(b, p.code)
}

// Encode appends instructions to b as an array of struct sock_filter.
func Encode(b []byte, code []Instruction) []byte {
	for _, in := range code {
		b = binary.NativeEndian.AppendUint16(b, in.Code)
		b = append(b, in.IfTrue, in.IfFalse)
		b = binary.NativeEndian.AppendUint32(b, in.K)
	}
	return b
}
