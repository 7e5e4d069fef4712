package pcapng

import (
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// ErrFormat says that a capture is not one, or is damaged.
var ErrFormat = errors.New("pcapng: malformed capture")

// Reader walks over a capture in memory, in either byte order.
type Reader struct {
	b          []byte
	order      binary.ByteOrder
	interfaces []described
}

type described struct {
	Interface
	perSecond uint64 // units of its timestamps
}

// NewReader returns a Reader over b, which it keeps.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Interface returns the description of an interface of the current section, nil if there is none.
func (r *Reader) Interface(i int) *Interface {
	if i < 0 || i >= len(r.interfaces) {
		return nil
	}
	return &r.interfaces[i].Interface
}

// Next fills p with the next packet; Data aliases the capture. Other blocks are skipped.
//
// Errors: io.EOF at the end, ErrFormat.
func (r *Reader) Next(p *Packet) error {
	for {
		kind, body, err := r.block()
		if err != nil {
			return err
		}
		switch kind {
		case blockSection:
			r.interfaces = nil
		case blockInterface:
			err = r.describe(body)
		case blockPacket:
			return r.packet(body, p)
		}
		if err != nil {
			return err
		}
	}
}

// block takes a block off the capture's front.
func (r *Reader) block() (kind uint32, body []byte, err error) {
	if len(r.b) == 0 {
		return 0, nil, io.EOF
	}
	if len(r.b) < 12 {
		return 0, nil, ErrFormat
	}
	if binary.LittleEndian.Uint32(r.b) == blockSection { // reads the same in both orders
		switch uint32(byteOrderMagic) {
		case binary.LittleEndian.Uint32(r.b[8:]):
			r.order = binary.LittleEndian
		case binary.BigEndian.Uint32(r.b[8:]):
			r.order = binary.BigEndian
		default:
			return 0, nil, ErrFormat
		}
	}
	if r.order == nil {
		return 0, nil, ErrFormat
	}
	kind = r.order.Uint32(r.b)
	n := int64(r.order.Uint32(r.b[4:]))
	if n < 12 || n%4 != 0 || n > int64(len(r.b)) || int64(r.order.Uint32(r.b[n-4:])) != n {
		return 0, nil, ErrFormat
	}
	body, r.b = r.b[8:n-4], r.b[n:]
	return kind, body, nil
}

func (r *Reader) describe(body []byte) error {
	if len(body) < 8 || len(r.interfaces) >= maxInterfaces {
		return ErrFormat
	}
	d := described{perSecond: 1e6}
	d.LinkType = LinkType(r.order.Uint16(body))
	d.SnapLen = int(r.order.Uint32(body[4:]))
	err := r.options(body[8:], func(code uint16, v []byte) bool {
		switch {
		case code == optName:
			d.Name = string(v)
		case code == optTSResol && len(v) != 1:
			return false
		case code == optTSResol && v[0]&0x80 != 0:
			if v[0]&0x7f > 63 {
				return false
			}
			d.perSecond = 1 << (v[0] & 0x7f)
		case code == optTSResol:
			if v[0] > 19 {
				return false
			}
			d.perSecond = 1
			for range v[0] {
				d.perSecond *= 10
			}
		}
		return true
	})
	r.interfaces = append(r.interfaces, d)
	return err
}

func (r *Reader) packet(body []byte, p *Packet) error {
	if len(body) < 20 {
		return ErrFormat
	}
	i := r.order.Uint32(body)
	if int64(i) >= int64(len(r.interfaces)) {
		return ErrFormat
	}
	captured := int64(r.order.Uint32(body[12:]))
	padded := (captured + 3) &^ 3
	if padded > int64(len(body)-20) {
		return ErrFormat
	}
	stamp := uint64(r.order.Uint32(body[4:]))<<32 | uint64(r.order.Uint32(body[8:]))
	per := r.interfaces[i].perSecond
	*p = Packet{
		Interface: int(i),
		Time:      time.Unix(int64(stamp/per), int64(float64(stamp%per)*(1e9/float64(per)))).UTC(),
		Len:       int(r.order.Uint32(body[16:])),
		Data:      body[20 : 20+captured : 20+captured],
	}
	return r.options(body[20+padded:], func(code uint16, v []byte) bool {
		switch {
		case code == optComment && p.Comment == "":
			p.Comment = string(v)
		case code == optFlags && len(v) != 4:
			return false
		case code == optFlags:
			p.Direction = Direction(r.order.Uint32(v) & 3)
		}
		return true
	})
}

// options calls f for every option in b until f reports that one is malformed.
func (r *Reader) options(b []byte, f func(code uint16, v []byte) bool) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return ErrFormat
		}
		code, n := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		if code == optEnd {
			return nil
		}
		b = b[4:]
		padded := (n + 3) &^ 3
		if padded > len(b) || !f(code, b[:n]) {
			return ErrFormat
		}
		b = b[padded:]
	}
	return nil
}
