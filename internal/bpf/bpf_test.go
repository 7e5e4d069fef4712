package bpf

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
)

func in(code uint16, k uint32) Instruction { return Instruction{Code: code, K: k} }

func branch(code uint16, k uint32, t, f uint8) Instruction { return Instruction{code, t, f, k} }

func ret(k uint32) Instruction { return in(retConst, k) }

// What Linux's check refuses, and what it lets pass.
func TestCheck(t *testing.T) {
	long := make([]Instruction, MaxInstructions+1)
	for i := range long {
		long[i] = ret(0)
	}
	for _, c := range []struct {
		name string
		code []Instruction
		ok   bool
	}{
		{"empty", nil, false},
		{"longest", long[1:], true},
		{"too long", long, false},
		{"no return", []Instruction{in(ldImm, 1)}, false},
		{"return A", []Instruction{in(retAccu, 0)}, true},
		{"return X", []Instruction{in(classRET|srcX, 0)}, false},
		{"unknown code", []Instruction{in(0xff, 0), ret(0)}, false},
		{"code of 16 bits", []Instruction{in(0x100|ldImm, 0), ret(0)}, false},
		{"division by 0", []Instruction{in(div, 0), ret(0)}, false},
		{"remainder by 0", []Instruction{in(mod, 0), ret(0)}, false},
		{"division by X", []Instruction{in(div|srcX, 0), ret(0)}, true},
		{"shift by 31", []Instruction{in(lsh, 31), ret(0)}, true},
		{"shift by 32", []Instruction{in(rsh, 32), ret(0)}, false},
		{"store 15", []Instruction{in(st, 15), ret(0)}, true},
		{"store 16", []Instruction{in(stx, 16), ret(0)}, false},
		{"unwritten", []Instruction{in(ldMem, 0), ret(0)}, false},
		{"unwritten X", []Instruction{in(st, 1), in(ldxMem, 0), ret(0)}, false},
		{"written", []Instruction{in(st, 3), in(ldxMem, 3), ret(0)}, true},
		{"beyond scratch", []Instruction{in(ldMem, 16), ret(0)}, false},
		{"written on one way", []Instruction{branch(jeq, 0, 0, 1), in(st, 0), in(ldMem, 0), ret(0)}, false},
		{"written on both ways", []Instruction{branch(jeq, 0, 0, 2), in(st, 0), in(ja, 1), in(stx, 0), in(ldMem, 0), ret(0)}, true},
		{"written before the fork", []Instruction{in(st, 0), branch(jeq, 0, 0, 1), in(ja, 0), in(ldMem, 0), ret(0)}, true},
		{"jump", []Instruction{in(ja, 0), ret(0)}, true},
		{"jump too far", []Instruction{in(ja, 1), ret(0)}, false},
		{"jump back", []Instruction{in(ja, 0xffffffff), ret(0)}, false},
		{"branch too far", []Instruction{branch(jset, 0, 1, 0), ret(0)}, false},
		{"branch too far if not", []Instruction{branch(jge|srcX, 0, 0, 1), ret(0)}, false},
		{"JNE is no instruction", []Instruction{branch(classJMP|0x50, 0, 0, 0), ret(0)}, false},
		{"XOR", []Instruction{in(xor, 1), ret(0)}, true},
		{"offset", []Instruction{in(ldB, 0xffffefff), ret(0)}, true},
		{"protocol", []Instruction{in(ldW, ancillary+adProtocol), ret(0)}, true},
		{"any size", []Instruction{in(ldB, ancillary+adMark), ret(0)}, true},
		{"between two", []Instruction{in(ldW, ancillary+2), ret(0)}, false},
		{"last", []Instruction{in(ldW, ancillary+adVLANProto), ret(0)}, true},
		{"beyond the last", []Instruction{in(ldW, ancillary+adMax), ret(0)}, false},
		{"attributes", []Instruction{in(ldW, ancillary+adNlattr), ret(0)}, false},
	} {
		_, err := New(c.code)
		require.Equal(t, c.ok, err == tcpip.OK, c.name)
		_, err = Parse(Encode(nil, c.code))
		require.Equal(t, c.ok, err == tcpip.OK, c.name)
	}
	_, err := Parse(make([]byte, 9))
	require.Equal(t, tcpip.ErrInvalid, err)
}

// packet is an Ethernet frame with IPv4 and UDP, in pieces, seen from the UDP header on.
func packet(t *testing.T, pool *slab.Pool) *View {
	v := &View{
		Link:    []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0},
		Front:   []byte{0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x10, 0x01, 0x20, 0x02, 0, 12, 0, 0},
		Start:   34,
		Network: 14,
		Info:    Info{Protocol: 0x800, Type: 4, NIC: 7, Hardware: 1, Mark: 9, Queue: 3, Hash: 0x12345678, VLAN: 5, HasVLAN: true, VLANProto: 0x8100},
	}
	for _, b := range [][]byte{{1, 2, 3}, {4}} {
		p, ok := pool.Copy(b)
		require.True(t, ok)
		v.Data = append(v.Data, p)
	}
	return v
}

func release(v *View) {
	for i := range v.Data {
		v.Data[i].Release()
	}
}

func TestRun(t *testing.T) {
	const net, link = fromNetwork, fromLink
	a := func(code uint16, k uint32) []Instruction { return []Instruction{in(code, k), in(retAccu, 0)} }
	with := func(x uint32, more ...Instruction) []Instruction {
		return append(append([]Instruction{in(ldxImm, x)}, more...), in(retAccu, 0))
	}
	for _, c := range []struct {
		name string
		code []Instruction
		want uint32
	}{
		{"constant", []Instruction{ret(7)}, 7},
		{"length", a(ldLen, 0), 12},
		{"byte", a(ldB, 1), 1},
		{"half", a(ldH, 0), 0x1001},
		{"word", a(ldW, 0), 0x10012002},
		{"word in three parts", a(ldW, 7), 0x00010203},
		{"word at the end", a(ldW, 8), 0x01020304},
		{"word beyond the end", a(ldW, 9), 0},
		{"far beyond", a(ldB, 0x7fffffff), 0},
		{"network", a(ldB, net+9), 17},
		{"network, word", a(ldW, net+16), 0x0a000002},
		{"link", a(ldH, link+12), 0x800},
		{"link into network", a(ldH, link+13), 0x45},
		{"no offset", a(ldB, 0x80000000), 0},
		{"index", with(2, in(ldIndH, 0)), 0x2002},
		{"index, wrapping to the front", with(0xffffffff, in(ldIndB, 3)), 0x20},
		{"index into the network header", with(9, in(ldIndB, net)), 17},
		{"index into what is ancillary elsewhere", with(0, in(ldIndB, ancillary)), 0},
		{"length of a header", []Instruction{in(ldxMSH, net), in(txa, 0), in(retAccu, 0)}, 20},
		{"protocol", a(ldW, ancillary+adProtocol), 0x800},
		{"type", a(ldB, ancillary+adType), 4},
		{"interface", a(ldH, ancillary+adNIC), 7},
		{"mark", a(ldW, ancillary+adMark), 9},
		{"queue", a(ldW, ancillary+adQueue), 3},
		{"hardware", a(ldW, ancillary+adHardware), 1},
		{"hash", a(ldW, ancillary+adHash), 0x12345678},
		{"cpu", a(ldW, ancillary+adCPU), 0},
		{"xor", with(5, in(ldImm, 6), in(ldW, ancillary+adXorX)), 3},
		{"vlan", a(ldW, ancillary+adVLAN), 5},
		{"vlan present", a(ldW, ancillary+adHasVLAN), 1},
		{"vlan protocol", a(ldW, ancillary+adVLANProto), 0x8100},
		{"payload", a(ldW, ancillary+adPayload), 8},
		{"scratch", with(8, in(stx, 3), in(ldImm, 1), in(st, 2), in(ldxMem, 2), in(ldMem, 3), in(sub|srcX, 0)), 7},
		{"add", with(3, in(ldImm, 4), in(add|srcX, 0), in(add, 1)), 8},
		{"negative", with(0, in(ldImm, 1), in(neg, 0)), 0xffffffff},
		{"product", with(3, in(ldImm, 4), in(mul|srcX, 0)), 12},
		{"quotient", with(3, in(ldImm, 14), in(div|srcX, 0)), 4},
		{"remainder", with(3, in(ldImm, 14), in(mod|srcX, 0)), 2},
		{"by zero", with(0, in(ldImm, 14), in(div|srcX, 0), in(ldImm, 1)), 0},
		{"remainder by zero", with(0, in(ldImm, 14), in(mod|srcX, 0), in(ldImm, 1)), 0},
		{"bits", with(0, in(ldImm, 0xf0), in(or, 1), in(and, 0x11), in(xor, 3), in(lsh, 4), in(rsh, 5)), 9},
		{"shift by 33", with(33, in(ldImm, 1), in(lsh|srcX, 0)), 2},
		{"jump", []Instruction{in(ja, 1), ret(1), ret(2)}, 2},
		{"equal", []Instruction{branch(jeq, 0, 1, 0), ret(1), ret(2)}, 2},
		{"greater", []Instruction{branch(jgt, 0, 1, 0), ret(1), ret(2)}, 1},
		{"greater or equal", []Instruction{branch(jge, 0, 1, 0), ret(1), ret(2)}, 2},
		{"bit set", []Instruction{in(ldImm, 6), in(ldxImm, 2), branch(jset|srcX, 0, 1, 0), ret(1), ret(2)}, 2},
	} {
		var pool slab.Pool
		v := packet(t, &pool)
		p, err := New(c.code)
		require.Equal(t, tcpip.OK, err, c.name)
		require.Equal(t, c.want, p.Run(v), c.name)
		release(v)
		require.Zero(t, pool.Live())
	}
	require.Equal(t, ^uint32(0), (*Program)(nil).Run(&View{}))
}

// The payload begins behind extension headers and TCP's options; of what is no such packet, nowhere.
func TestPayload(t *testing.T) {
	p, err := New([]Instruction{in(ldW, ancillary+adPayload), in(retAccu, 0)})
	require.Equal(t, tcpip.OK, err)
	v6 := func(next byte, rest ...byte) []byte {
		b := make([]byte, 40)
		b[0], b[6] = 0x60, next
		return append(b, rest...)
	}
	tcp := make([]byte, 20)
	tcp[12] = 8 << 4
	fragment4 := make([]byte, 24)
	fragment4[0], fragment4[7], fragment4[9] = 0x45, 1, 17
	for _, c := range []struct {
		name  string
		proto uint16
		b     []byte
		want  uint32
	}{
		{"udp", 0x86dd, v6(17, make([]byte, 8)...), 48},
		{"tcp with options", 0x86dd, v6(6, tcp...), 72},
		{"tcp cut", 0x86dd, v6(6, tcp[:12]...), 0},
		{"hop by hop", 0x86dd, v6(0, append([]byte{17, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 8)...)...), 56},
		{"fragment, first", 0x86dd, v6(44, 17, 0, 0, 1, 0, 0, 0, 0), 56},
		{"fragment, later", 0x86dd, v6(44, 17, 0, 0, 8, 0, 0, 0, 0), 48},
		{"extension cut", 0x86dd, v6(43, 1), 0},
		{"other protocol", 0x86dd, v6(99), 40},
		{"fragment of IPv4", 0x800, fragment4, 20},
		{"short", 0x800, fragment4[:12], 0},
		{"another type", 0x806, fragment4, 0},
		{"endless extensions", 0x86dd, v6(0, make([]byte, 80)...), 0},
	} {
		require.Equal(t, c.want, p.Run(&View{Front: c.b, Info: Info{Protocol: c.proto}}), c.name)
	}
}

func TestRunDoesNotAllocate(t *testing.T) {
	var pool slab.Pool
	v := packet(t, &pool)
	defer release(v)
	p, _ := New([]Instruction{in(ldW, 7), in(st, 0), in(ldMem, 0), in(ldW, ancillary+adPayload), in(retAccu, 0)})
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Run(v) }))
}
