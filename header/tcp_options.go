package header

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/internal/seq"
	"github.com/seed963a8790/netstack/tcpip"
)

// TCPOptions is what the options of one segment say, or are to say. Decoding allocates nothing; the
// slices alias the segment.
//
// Which options mean something in which segments is the connection's matter: RFC 9293 has MSS, window
// scale, SACK-permitted only in a SYN.
type TCPOptions struct {
	TSVal, TSEcr uint32       // with HasTimestamp (RFC 7323 §3)
	SACK         [4]SACKBlock // the first NumSACK (RFC 2018)
	NumSACK      uint8

	MSS         uint16 // with HasMSS, bytes; not 0 (RFC 9293 §3.7.1)
	UserTimeout uint16 // with HasUserTimeout: granularity bit and 15 bits of seconds or minutes (RFC 5482)
	WindowScale uint8  // with HasWindowScale, 0 to 14 (RFC 7323 §2)

	HasMSS, HasWindowScale, SACKPermitted, HasTimestamp, HasUserTimeout, HasFastOpen bool

	AccECN AccECN // RFC 9768 §3.2.3

	FastOpenExperimental bool // the cookie is, or is to be, in the option of the experiments (RFC 6994)

	FastOpen []byte // with HasFastOpen: the cookie, empty to ask for one (RFC 7413 §4.1)
	MD5      []byte // the digest of 16 bytes, or nil (RFC 2385)
}

// SACKBlock is a range of received octets: Start is the first, End the one after the last (RFC 2018 §3).
type SACKBlock struct{ Start, End seq.Number }

// MaxWindowScale is the largest shift (RFC 7323 §2.3).
const MaxWindowScale = 14

// The kinds of options (IANA "TCP Parameters").
const (
	tcpOptEnd           = 0
	tcpOptNop           = 1
	tcpOptMSS           = 2
	tcpOptWindowScale   = 3
	tcpOptSACKPermitted = 4
	tcpOptSACK          = 5
	tcpOptTimestamp     = 8
	tcpOptMD5           = 19
	tcpOptUserTimeout   = 28
	tcpOptFastOpen      = 34
	tcpOptAccECN0       = 172 // EE0B comes first
	tcpOptAccECN1       = 174 // EE1B comes first
	tcpOptExperiment    = 254
)

// fastOpenExperiment names fast open among the experiments (RFC 6994; IANA "TCP Experimental Option Experiment
// Identifiers").
const fastOpenExperiment = 0xf989

// nopNopTimestamp is how the options of nearly every segment begin (RFC 7323 appendix A).
const nopNopTimestamp = tcpOptNop<<24 | tcpOptNop<<16 | tcpOptTimestamp<<8 | 10

// DecodeTCPOptions fills o with what the options b say, replacing what was there. Unknown options and
// known ones of a wrong length are skipped, as is an MSS of 0; a window scale above 14 is taken as 14
// (RFC 7323 §2.3); of several options of a kind the last one counts. At an option whose length cannot
// be the list ends and what came before stands: DropBadOption then says so, but the segment is good,
// as it is for Linux (RFC 9293 §3.1, MUST-4, MUST-6, MUST-7; §3.2, MUST-64).
func DecodeTCPOptions(b []byte, o *TCPOptions) tcpip.Drop {
	*o = TCPOptions{}
	if len(b) >= 12 && binary.BigEndian.Uint32(b) == nopNopTimestamp {
		o.HasTimestamp = true
		o.TSVal = binary.BigEndian.Uint32(b[4:])
		o.TSEcr = binary.BigEndian.Uint32(b[8:])
		b = b[12:]
	}
	for len(b) > 0 {
		switch b[0] {
		case tcpOptEnd:
			return tcpip.DropNone
		case tcpOptNop:
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return tcpip.DropBadOption
		}
		o.decode(b[0], b[2:b[1]:b[1]])
		b = b[b[1]:]
	}
	return tcpip.DropNone
}

func (o *TCPOptions) decode(kind uint8, v []byte) {
	switch {
	case kind == tcpOptMSS && len(v) == 2:
		o.MSS = binary.BigEndian.Uint16(v)
		o.HasMSS = o.MSS != 0
	case kind == tcpOptWindowScale && len(v) == 1:
		o.WindowScale, o.HasWindowScale = min(v[0], MaxWindowScale), true
	case kind == tcpOptSACKPermitted && len(v) == 0:
		o.SACKPermitted = true
	case kind == tcpOptSACK && len(v) > 0 && len(v)%8 == 0:
		o.NumSACK = uint8(min(len(v)/8, len(o.SACK)))
		for i := range o.SACK[:o.NumSACK] {
			o.SACK[i] = SACKBlock{seq.Number(binary.BigEndian.Uint32(v[8*i:])), seq.Number(binary.BigEndian.Uint32(v[8*i+4:]))}
		}
	case kind == tcpOptTimestamp && len(v) == 8:
		o.HasTimestamp, o.TSVal, o.TSEcr = true, binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
	case kind == tcpOptMD5 && len(v) == 16:
		o.MD5 = v
	case kind == tcpOptUserTimeout && len(v) == 2:
		o.UserTimeout, o.HasUserTimeout = binary.BigEndian.Uint16(v), true
	case kind == tcpOptFastOpen && isCookie(v):
		o.FastOpen, o.HasFastOpen, o.FastOpenExperimental = v, true, false
	case kind == tcpOptAccECN0, kind == tcpOptAccECN1:
		o.AccECN.decode(kind, v)
	case kind == tcpOptExperiment && len(v) >= 2 && binary.BigEndian.Uint16(v) == fastOpenExperiment && isCookie(v[2:]):
		o.FastOpen, o.HasFastOpen, o.FastOpenExperimental = v[2:], true, true
	}
}

// The length of a fast-open cookie, bytes (RFC 7413 §4.1.1). It is even; none at all asks for one.
const (
	minFastOpenCookie = 4
	maxFastOpenCookie = 16
)

func isCookie(v []byte) bool {
	return len(v) == 0 || len(v) >= minFastOpenCookie && len(v) <= maxFastOpenCookie && len(v)%2 == 0
}

// Blocks returns the SACK blocks. It aliases o.
func (o *TCPOptions) Blocks() []SACKBlock { return o.SACK[:min(int(o.NumSACK), len(o.SACK))] }

// MaxSACKBlocks returns how many SACK blocks fit beside o's other options.
func (o *TCPOptions) MaxSACKBlocks() int {
	rest := *o
	rest.NumSACK = 0
	return min(len(o.SACK), max(0, TCPOptionSpace-rest.Size()-4)/8)
}

// Size returns how many bytes Encode writes: a multiple of 4, at most TCPOptionSpace.
func (o *TCPOptions) Size() int {
	var b [TCPOptionSpace]byte
	return o.Encode(b[:])
}

// Encode writes the options to the front of b in Linux's order and alignment, so that a SYN reads
// "mss, sackOK, TS, nop, wscale" and other segments "nop, nop, TS, nop, nop, sack". It returns the
// length, a multiple of 4. What does not fit into TCPOptionSpace is left out: of the SACK blocks the
// last ones, of the others the whole option.
// Each has its length, and padding is made of no-operations, with nothing
// behind the end of the list (RFC 9293 §3.1, MUST-68, MUST-69).
func (o *TCPOptions) Encode(b []byte) int {
	w := optionWriter{b: b}
	if o.MD5 != nil && w.fits(20) {
		w.put32(tcpOptNop<<24 | tcpOptNop<<16 | tcpOptMD5<<8 | 18)
		w.putBytes(o.MD5[:16])
	}
	if o.HasMSS && w.fits(4) {
		w.put32(tcpOptMSS<<24 | 4<<16 | uint32(o.MSS))
	}
	sackPermitted := o.SACKPermitted
	if o.HasTimestamp && w.fits(12) {
		if sackPermitted {
			w.put32(tcpOptSACKPermitted<<24 | 2<<16 | tcpOptTimestamp<<8 | 10)
			sackPermitted = false
		} else {
			w.put32(nopNopTimestamp)
		}
		w.put32(o.TSVal)
		w.put32(o.TSEcr)
	}
	if n := o.AccECN.Size(); n > 0 && w.fits(n+o.fastOpenSize()) { // a cookie counts for more
		w.putAccECN(&o.AccECN)
	}
	if sackPermitted && w.fits(4) {
		w.put32(tcpOptNop<<24 | tcpOptNop<<16 | tcpOptSACKPermitted<<8 | 2)
	}
	if o.HasWindowScale && w.fits(4) {
		w.put32(tcpOptNop<<24 | tcpOptWindowScale<<16 | 3<<8 | uint32(o.WindowScale))
	}
	if o.HasUserTimeout && w.fits(4) {
		w.put32(tcpOptUserTimeout<<24 | 4<<16 | uint32(o.UserTimeout))
	}
	if n := min(len(o.Blocks()), (TCPOptionSpace-w.n-4)/8); n > 0 {
		w.put32(tcpOptNop<<24 | tcpOptNop<<16 | tcpOptSACK<<8 | uint32(2+8*n))
		for _, s := range o.SACK[:n] {
			w.put32(uint32(s.Start))
			w.put32(uint32(s.End))
		}
	}
	if size := o.fastOpenSize(); size > 0 && w.fits(size) {
		n := 2 + len(o.FastOpen)
		if o.FastOpenExperimental {
			n += 2
		}
		if o.FastOpenExperimental {
			w.put32(tcpOptExperiment<<24 | uint32(n)<<16 | fastOpenExperiment)
		} else {
			w.putBytes([]byte{tcpOptFastOpen, uint8(n)})
		}
		w.putBytes(o.FastOpen)
		for ; n%4 != 0; n++ {
			w.putBytes([]byte{tcpOptNop})
		}
	}
	return w.n
}

// fastOpenSize returns how many bytes the cookie's option takes, padded to a multiple of 4.
func (o *TCPOptions) fastOpenSize() int {
	switch n := 2 + len(o.FastOpen); {
	case !o.HasFastOpen:
		return 0
	case o.FastOpenExperimental:
		return (n + 2 + 3) &^ 3
	default:
		return (n + 3) &^ 3
	}
}

// optionWriter writes to the front of b.
type optionWriter struct {
	b []byte
	n int // bytes written
}

func (w *optionWriter) fits(n int) bool { return w.n+n <= TCPOptionSpace }

func (w *optionWriter) put32(v uint32) {
	binary.BigEndian.PutUint32(w.b[w.n:], v)
	w.n += 4
}

func (w *optionWriter) putBytes(v []byte) { w.n += copy(w.b[w.n:w.n+len(v)], v) }
