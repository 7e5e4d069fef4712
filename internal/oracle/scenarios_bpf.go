package oracle

import (
	"fmt"
	"strings"

	"github.com/seed963a8790/netstack/internal/bpf"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// AttachFilter is SO_ATTACH_FILTER.
func (r *Run) AttachFilter(fd int, code ...bpf.Instruction) int {
	return r.attach(fd, linux.SO_ATTACH_FILTER.Number(), code)
}

// AttachReuseport is SO_ATTACH_REUSEPORT_CBPF.
func (r *Run) AttachReuseport(fd int, code ...bpf.Instruction) int {
	return r.attach(fd, linux.SO_ATTACH_REUSEPORT_CBPF.Number(), code)
}

func (r *Run) attach(fd, option int, code []bpf.Instruction) int {
	e := r.sockets.AttachFilter(fd, option, bpf.Encode(nil, code))
	r.logf("attach(%s, %d, %s) = %s", r.file(fd), option, program(code), errnoName(e))
	return e
}

// program renders instructions: what is long by its length.
func program(code []bpf.Instruction) string {
	if len(code) > 8 {
		return fmt.Sprintf("%d instructions", len(code))
	}
	var s []string
	for _, in := range code {
		s = append(s, fmt.Sprintf("%x:%d:%d:%x", in.Code, in.IfTrue, in.IfFalse, in.K))
	}
	return "{" + strings.Join(s, " ") + "}"
}

// GetFilter is SO_GET_FILTER with room for so many instructions.
func (r *Run) GetFilter(fd, optlen int) {
	code, n, e := r.sockets.GetFilter(fd, optlen)
	if e != 0 {
		r.logf("SO_GET_FILTER(%s, %d) = %s", r.file(fd), optlen, errnoName(e))
		return
	}
	r.logf("SO_GET_FILTER(%s, %d) = %d %x", r.file(fd), optlen, n, code)
}

// Instructions by what they are called in the kernel's own assembler.
func ins(code uint16, k uint32) bpf.Instruction { return bpf.Instruction{Code: code, K: k} }

func jump(code uint16, k uint32, t, f uint8) bpf.Instruction {
	return bpf.Instruction{Code: code, IfTrue: t, IfFalse: f, K: k}
}

const (
	opLdW, opLdH, opLdB = 0x20, 0x28, 0x30
	opIndW, opIndB      = 0x40, 0x50
	opLen, opImm, opMem = 0x80, 0x00, 0x60
	opLdx, opMSH        = 0x01, 0xb1
	opSt, opTax, opTxa  = 0x02, 0x07, 0x87
	opRet, opRetA       = 0x06, 0x16
	opJA, opJEq, opJSet = 0x05, 0x15, 0x45
	opDivX, opModX      = 0x3c, 0x9c
	opAnd, opAddX       = 0x54, 0x0c

	skfAD, skfNet, skfLink = 0xfffff000, 0xfff00000, 0xffe00000
)

func ret(k uint32) bpf.Instruction { return ins(opRet, k) }

// filterPrograms are checked by attaching them.
var filterPrograms = []struct {
	name string
	code []bpf.Instruction
}{
	{"empty", nil}, {"ret", []bpf.Instruction{ret(1)}}, {"ret-a", []bpf.Instruction{ins(opRetA, 0)}}, {"ret-x", []bpf.Instruction{ins(0x0e, 0)}},
	{"no-ret", []bpf.Instruction{ins(opImm, 1)}}, {"longest", repeat(4096)}, {"too-long", repeat(4097)},
	{"unknown", []bpf.Instruction{ins(0xff, 0), ret(0)}}, {"wide", []bpf.Instruction{ins(0x100, 0), ret(0)}},
	{"div-0", []bpf.Instruction{ins(0x34, 0), ret(0)}}, {"mod-0", []bpf.Instruction{ins(0x94, 0), ret(0)}}, {"div-1", []bpf.Instruction{ins(0x34, 1), ret(0)}},
	{"lsh-31", []bpf.Instruction{ins(0x64, 31), ret(0)}}, {"lsh-32", []bpf.Instruction{ins(0x64, 32), ret(0)}}, {"rsh-32", []bpf.Instruction{ins(0x74, 32), ret(0)}},
	{"xor", []bpf.Instruction{ins(0xa4, 1), ret(0)}}, {"neg", []bpf.Instruction{ins(0x84, 0), ret(0)}}, {"neg-x", []bpf.Instruction{ins(0x8c, 0), ret(0)}},
	{"st-15", []bpf.Instruction{ins(opSt, 15), ret(0)}}, {"st-16", []bpf.Instruction{ins(opSt, 16), ret(0)}}, {"stx-16", []bpf.Instruction{ins(3, 16), ret(0)}},
	{"mem-unwritten", []bpf.Instruction{ins(opMem, 0), ret(0)}}, {"mem-written", []bpf.Instruction{ins(opSt, 1), ins(opMem, 1), ret(0)}},
	{"mem-one-way", []bpf.Instruction{jump(opJEq, 0, 0, 1), ins(opSt, 0), ins(opMem, 0), ret(0)}},
	{"mem-both-ways", []bpf.Instruction{jump(opJEq, 0, 0, 2), ins(opSt, 0), ins(opJA, 1), ins(opSt, 0), ins(opMem, 0), ret(0)}},
	{"mem-16", []bpf.Instruction{ins(opMem, 16), ret(0)}},
	{"ja-0", []bpf.Instruction{ins(opJA, 0), ret(0)}}, {"ja-1", []bpf.Instruction{ins(opJA, 1), ret(0)}}, {"ja-back", []bpf.Instruction{ins(opJA, 0xffffffff), ret(0)}},
	{"jt-far", []bpf.Instruction{jump(opJEq, 0, 1, 0), ret(0)}}, {"jf-far", []bpf.Instruction{jump(opJEq, 0, 0, 1), ret(0)}},
	{"jne", []bpf.Instruction{jump(0x55, 0, 0, 0), ret(0)}}, {"jset", []bpf.Instruction{jump(opJSet, 1, 0, 0), ret(0)}},
	{"ad-2", []bpf.Instruction{ins(opLdW, skfAD+2), ret(0)}}, {"ad-60", []bpf.Instruction{ins(opLdW, skfAD+60), ret(0)}},
	{"ad-64", []bpf.Instruction{ins(opLdW, skfAD+64), ret(0)}}, {"ad-byte", []bpf.Instruction{ins(opLdB, skfAD+4), ret(0)}},
	{"ad-nlattr", []bpf.Instruction{ins(opLdW, skfAD+12), ret(0)}}, {"ad-nlattr-nest", []bpf.Instruction{ins(opLdW, skfAD+16), ret(0)}},
	{"below-ad", []bpf.Instruction{ins(opLdW, skfAD-1), ret(0)}}, {"msh-ad", []bpf.Instruction{ins(opMSH, skfAD), ret(0)}},
	{"ldx-abs", []bpf.Instruction{ins(0x21, 0), ret(0)}}, {"ldx-h-len", []bpf.Instruction{ins(0x89, 0), ret(0)}}, {"ld-msh", []bpf.Instruction{ins(0xb0, 0), ret(0)}},
	{"misc", []bpf.Instruction{ins(0x0f, 0), ret(0)}},
}

func repeat(n int) []bpf.Instruction {
	code := make([]bpf.Instruction, n)
	for i := range code {
		code[i] = ret(1)
	}
	return code
}

// filterRuns say what of a datagram is kept.
var filterRuns = []struct {
	name string
	code []bpf.Instruction
}{
	{"all", []bpf.Instruction{ret(0xffffffff)}}, {"none", []bpf.Instruction{ret(0)}}, {"1", []bpf.Instruction{ret(1)}},
	{"8", []bpf.Instruction{ret(8)}}, {"9", []bpf.Instruction{ret(9)}}, {"12", []bpf.Instruction{ret(12)}}, {"1000", []bpf.Instruction{ret(1000)}},
	{"len", []bpf.Instruction{ins(opLen, 0), ins(opRetA, 0)}}, {"first-port", []bpf.Instruction{ins(opLdH, 2), jump(opJEq, 4000, 0, 1), ret(99), ret(0)}},
	{"payload", []bpf.Instruction{ins(opLdB, 8), jump(opJEq, 'a', 0, 1), ret(10), ret(12)}}, {"beyond", []bpf.Instruction{ins(opLdB, 999), ret(99)}},
	{"net", []bpf.Instruction{ins(opLdB, skfNet), ins(opAnd, 0xf0), jump(opJEq, 0x40, 0, 1), ret(11), ret(12)}},
	{"net-proto", []bpf.Instruction{ins(opLdB, skfNet+9), jump(opJEq, 17, 0, 1), ret(11), ret(12)}},
	{"net-msh", []bpf.Instruction{ins(opMSH, skfNet), ins(opTxa, 0), jump(opJEq, 20, 0, 1), ret(11), ret(12)}},
	{"link-type", []bpf.Instruction{ins(opLdH, skfLink+12), jump(opJEq, 0x800, 0, 1), ret(11), ret(12)}},
	{"link-byte", []bpf.Instruction{ins(opLdB, skfLink), jump(opJEq, 0, 0, 1), ret(11), ret(12)}},
	{"ad-protocol", []bpf.Instruction{ins(opLdW, skfAD), jump(opJEq, 0x800, 0, 1), ret(11), ret(12)}},
	{"ad-pkttype", []bpf.Instruction{ins(opLdW, skfAD+4), jump(opJEq, 0, 0, 1), ret(11), ret(12)}},
	{"ad-ifindex", []bpf.Instruction{ins(opLdW, skfAD+8), jump(opJEq, 1, 0, 1), ret(11), ret(12)}},
	{"ad-hatype", []bpf.Instruction{ins(opLdW, skfAD+28), jump(opJEq, 772, 0, 1), ret(11), ret(12)}},
	{"ad-mark", []bpf.Instruction{ins(opLdW, skfAD+20), jump(opJEq, 0, 0, 1), ret(11), ret(12)}},
	{"ad-queue", []bpf.Instruction{ins(opLdW, skfAD+24), jump(opJEq, 0, 0, 1), ret(11), ret(12)}},
	{"ad-vlan", []bpf.Instruction{ins(opLdW, skfAD+48), jump(opJEq, 0, 0, 1), ret(11), ret(12)}},
	{"ad-payload", []bpf.Instruction{ins(opLdW, skfAD+52), ins(opRetA, 0)}},
	{"ad-xor", []bpf.Instruction{ins(opLdx, 5), ins(opImm, 12), ins(opLdW, skfAD+40), ins(opRetA, 0)}},
	{"ind", []bpf.Instruction{ins(opLdx, 9), ins(opIndB, 0), jump(opJEq, 'b', 0, 1), ret(10), ret(12)}},
	{"ind-net", []bpf.Instruction{ins(opLdx, 9), ins(opIndB, skfNet), jump(opJEq, 17, 0, 1), ret(10), ret(12)}},
	{"ind-wrap", []bpf.Instruction{ins(opLdx, 0xffffffff), ins(opIndB, 9), jump(opJEq, 'a', 0, 1), ret(10), ret(12)}},
	{"div-x-0", []bpf.Instruction{ins(opLdx, 0), ins(opDivX, 0), ret(99)}}, {"mod-x-0", []bpf.Instruction{ins(opLdx, 0), ins(opModX, 0), ret(99)}},
}

// filterScenarios are those of BPF programs on sockets.
func filterScenarios() (list []Scenario) {
	for _, p := range filterPrograms {
		list = append(list, Scenario{"bpf/check/" + p.name + "/udp4", func(r *Run) {
			s := sortOf("udp4").open(r)
			r.AttachFilter(s, p.code...)
		}})
	}
	for _, name := range []string{"udp4", "udp6", "ping4", "ping6", "tcp4"} {
		k := sortOf(name)
		list = append(list, filterCalls(k))
	}
	for _, name := range []string{"udp4", "udp6"} {
		k := sortOf(name)
		for _, f := range filterRuns {
			list = append(list, Scenario{"bpf/run/" + f.name + "/" + name, func(r *Run) {
				s := k.open(r)
				r.Bind(s, k.loopback(4000))
				r.AttachFilter(s, f.code...)
				d := k.open(r)
				r.Connect(d, k.loopback(4000))
				r.Send(d, []byte("abcdefgh"), nil, nil, 0)
				r.Recv(s, 100, 0, linux.MSG_TRUNC)
				r.Recv(s, 100, 0, 0)
			}})
		}
	}
	for _, name := range []string{"ping4", "ping6"} {
		k := sortOf(name)
		for _, f := range filterRuns {
			list = append(list, Scenario{"bpf/run/" + f.name + "/" + name, func(r *Run) {
				s := k.open(r)
				r.Bind(s, k.loopback(77))
				r.AttachFilter(s, f.code...)
				echo := byte(8)
				if k.v6() {
					echo = 128
				}
				r.Send(s, append([]byte{echo, 0, 0, 0, 0, 0, 0, 1}, "abcdefgh"...), k.loopback(0), nil, 0)
				m := r.Recv(s, 100, 0, linux.MSG_TRUNC)
				r.Say("%d", m.N)
			}})
		}
	}
	for _, name := range []string{"tcp4", "tcp6"} {
		k := sortOf(name)
		for _, f := range filterRuns[:7] {
			list = append(list, Scenario{"bpf/run/" + f.name + "/" + name, func(r *Run) {
				_, c, s := k.pair(r)
				r.AttachFilter(s, f.code...)
				r.Send(c, []byte("abcdefgh"), nil, nil, 0)
				r.Recv(s, 100, 0, 0)
			}})
		}
		list = append(list, Scenario{"bpf/listener/" + name, func(r *Run) {
			l := k.open(r)
			r.Bind(l, k.loopback(4000))
			r.AttachFilter(l, ret(0xffff))
			r.Set(l, linux.SO_LOCK_FILTER, 1)
			r.Listen(l, 5)
			c := k.open(r)
			r.Connect(c, k.loopback(4000))
			r.Await(l, 1)
			s := r.Accept(l, 0)
			r.GetFilter(s, 9)
			r.Get(s, linux.SO_LOCK_FILTER)
			r.SetOpt(s, 1, 27, Int(0))
			r.GetFilter(c, 9)
		}}, Scenario{"bpf/listener-deaf/" + name, func(r *Run) {
			l := k.open(r)
			r.Bind(l, k.loopback(4000))
			r.AttachFilter(l, ret(0))
			r.Listen(l, 5)
			c := k.open(r)
			r.Connect(c, k.loopback(4000))
			r.Poll(l)
			r.Poll(c)
		}})
	}
	return list
}

// filterCalls attach, read, lock and detach.
func filterCalls(k sort) Scenario {
	return Scenario{"bpf/calls/" + k.name, func(r *Run) {
		s := k.open(r)
		r.GetFilter(s, 0)
		r.GetFilter(s, 4)
		r.SetOpt(s, 1, 27, Int(0))
		r.SetOpt(s, 1, 27, nil)
		r.AttachFilter(s, ins(opImm, 3), ret(0xffff))
		r.GetFilter(s, 0)
		r.GetFilter(s, 1)
		r.GetFilter(s, 2)
		r.GetFilter(s, 9)
		r.AttachFilter(s, ret(7))
		r.AttachFilter(s)
		r.GetFilter(s, 9)
		for _, size := range []int{0, 4, 8, 15, 17, 20} {
			r.SetOpt(s, 1, 26, make([]byte, size))
		}
		r.GetOpt(s, 1, 27, 4)
		for _, option := range []int{50, 52, 51, 68} {
			r.GetOpt(s, 1, option, 4)
		}
		for _, option := range []int{50, 52} {
			r.SetOpt(s, 1, option, Int(-1))
			r.SetOpt(s, 1, option, Int(-1)[:3])
			r.SetOpt(s, 1, option, make([]byte, 8))
		}
		r.Get(s, linux.SO_LOCK_FILTER)
		r.SetOpt(s, 1, 44, []byte{1})
		r.Set(s, linux.SO_LOCK_FILTER, 0)
		r.Set(s, linux.SO_LOCK_FILTER, -5)
		r.Get(s, linux.SO_LOCK_FILTER)
		r.Set(s, linux.SO_LOCK_FILTER, 0)
		r.Set(s, linux.SO_LOCK_FILTER, 1)
		r.AttachFilter(s, ret(7))
		r.AttachFilter(s)
		r.SetOpt(s, 1, 27, Int(0))
		r.SetOpt(s, 1, 50, Int(-1))
		r.SetOpt(s, 1, 52, Int(-1))
		r.GetFilter(s, 9)
	}}
}

var filterDifferences = []difference{
	{"bpf/check/ad-nlattr*/udp4", "loads that walk netlink attributes are refused", "deliberate: no packet here has any, and a program of them takes unbounded time"},
}
