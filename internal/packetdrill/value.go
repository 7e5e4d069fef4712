package packetdrill

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// run-time errors of scripts are panics of type scriptError within an event.
type scriptError string

func (e scriptError) Error() string { return string(e) }

func scriptFail(format string, args ...any) { panic(scriptError(fmt.Sprintf(format, args...))) }

// number computes a value that has to be a number.
func (v *Value) number() int64 {
	switch v.Kind {
	case Number:
		return v.Int
	case Symbol:
		if n, ok := symbols[v.Str]; ok {
			return n
		}
		if n, ok := errnos[v.Str]; ok {
			return int64(n)
		}
		scriptFail("nothing is named %s", v.Str)
	case Expr:
		n := v.List[0].number()
		for i := range v.Str {
			m := v.List[i+1].number()
			switch v.Str[i] {
			case '|':
				n |= m
			case '&':
				n &= m
			case '^':
				n ^= m
			case '+':
				n += m
			case '-':
				n -= m
			case '*':
				n *= m
			case '/':
				if m == 0 {
					scriptFail("division by zero")
				}
				n /= m
			case '<', '>':
				if m < 0 || m > 63 {
					scriptFail("a shift by %d", m)
				}
				if v.Str[i] == '<' {
					n <<= m
				} else {
					n >>= m
				}
			}
		}
		return n
	case FuncCall:
		if len(v.List) == 1 {
			switch v.Str {
			case "~":
				return ^v.List[0].number()
			case "htons":
				n := uint16(v.List[0].number())
				return int64(n<<8 | n>>8)
			case "htonl":
				b := binary.BigEndian.AppendUint32(nil, uint32(v.List[0].number()))
				return int64(binary.LittleEndian.Uint32(b))
			}
		}
		scriptFail("%s is no number", v.Str)
	case Array:
		if len(v.List) == 1 {
			return v.List[0].number()
		}
	}
	scriptFail("want a number")
	return 0
}

// any reports whether a value stands for whatever comes.
func (v *Value) any() bool { return v.Kind == Ellipsis || v.Kind == Star }

// field returns the field of a struct by name, or by position where fields have no names.
func (v *Value) field(name string, position int) *Value {
	for i := range v.Fields {
		if f := &v.Fields[i]; f.Name == name || f.Name == "" && i == position {
			return &f.Value
		}
	}
	return nil
}

// fieldNumber is the number of a field, byDefault if it is not there or is anything.
func (v *Value) fieldNumber(name string, position int, byDefault int64) int64 {
	f := v.field(name, position)
	if f == nil || f.any() {
		return byDefault
	}
	return f.number()
}

// address reads inet_addr("1.2.3.4"), inet_pton(AF_INET6, "::1") or a number.
func (v *Value) address(v6 bool) netip.Addr {
	if v.Kind == FuncCall && len(v.List) > 0 {
		last := v.List[len(v.List)-1]
		if v.Str == "htonl" && !v6 {
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], uint32(v.List[0].number()))
			return netip.AddrFrom4(b)
		}
		if last.Kind != String && len(v.List) >= 2 {
			last = v.List[1]
		}
		if a, err := netip.ParseAddr(last.Str); err == nil && last.Kind == String {
			return a
		}
		scriptFail("%q is no address", last.Str)
	}
	if v.Kind == Symbol && strings.HasPrefix(v.Str, "in6addr_") {
		if v.Str == "in6addr_loopback" {
			return netip.IPv6Loopback()
		}
		return netip.IPv6Unspecified()
	}
	if v6 {
		return netip.IPv6Unspecified()
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(v.number()))
	return netip.AddrFrom4(b)
}

// integers is the bytes of [1], [1, 2] or a single number, of the given width.
func (v *Value) integers(width int) (b []byte) {
	list := v.List
	if v.Kind != Array {
		list = []Value{*v}
	}
	for i := range list {
		n := uint64(list[i].number())
		for range width {
			b = append(b, byte(n))
			n >>= 8
		}
	}
	return b
}
