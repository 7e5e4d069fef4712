package header

// AccECN is the option of accurate ECN feedback (RFC 9768 §3.2.3): how many bytes of payload have come, by their mark,
// the lowest 24 bits of each count. The zero value is no option.
type AccECN struct {
	Fields    [3]uint32 // the first Count, in the order on the wire: CE is always second
	Count     uint8     // 0 to 3; what is left out has not changed
	Has       bool
	ECT1First bool // kind 174: ECT(1), CE, ECT(0); or else ECT(0), CE, ECT(1)
}

// AccECNMask is what of a count is in a field.
const AccECNMask = 1<<24 - 1

// E0, CE and E1 return a field, and whether it is there.
func (a *AccECN) E0() (v uint32, ok bool) { return a.field(2 * b2i(a.ECT1First)) }
func (a *AccECN) CE() (v uint32, ok bool) { return a.field(1) }
func (a *AccECN) E1() (v uint32, ok bool) { return a.field(2 * b2i(!a.ECT1First)) }

func (a *AccECN) field(i int) (v uint32, ok bool) {
	if i >= int(a.Count) {
		return 0, false
	}
	return a.Fields[i], true
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Size returns how many bytes the option takes, padded to a multiple of 4.
func (a *AccECN) Size() int {
	if !a.Has {
		return 0
	}
	return (2 + accECNField*min(int(a.Count), len(a.Fields)) + 3) &^ 3
}

const accECNField = 3 // bytes

// decode takes as many whole fields as fit; what is behind them is padding (§3.2.3).
func (a *AccECN) decode(kind uint8, v []byte) {
	*a = AccECN{Has: true, ECT1First: kind == tcpOptAccECN1, Count: uint8(min(len(v)/accECNField, len(a.Fields)))}
	for i := range a.Fields[:a.Count] {
		f := v[accECNField*i:]
		a.Fields[i] = uint32(f[0])<<16 | uint32(f[1])<<8 | uint32(f[2])
	}
}

// putAccECN writes the option and pads it with no-operations.
func (w *optionWriter) putAccECN(a *AccECN) {
	kind, count := uint8(tcpOptAccECN0), min(int(a.Count), len(a.Fields))
	if a.ECT1First {
		kind = tcpOptAccECN1
	}
	n := 2 + accECNField*count
	w.putBytes([]byte{kind, uint8(n)})
	for _, v := range a.Fields[:count] {
		w.putBytes([]byte{uint8(v >> 16), uint8(v >> 8), uint8(v)})
	}
	for ; n%4 != 0; n++ {
		w.putBytes([]byte{tcpOptNop})
	}
}
