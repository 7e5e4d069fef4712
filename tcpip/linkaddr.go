package tcpip

import "errors"

// LinkAddr is a 48-bit IEEE 802 MAC address. The zero LinkAddr stands for "none".
type LinkAddr [6]byte

const linkAddrTextLen = len("00:00:00:00:00:00")

var errLinkAddr = errors.New("tcpip: not a link address of six octets")

// BroadcastLinkAddr returns ff:ff:ff:ff:ff:ff, which reaches every station of a link.
func BroadcastLinkAddr() LinkAddr { return LinkAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// ParseLinkAddr reads six octets of two hexadecimal digits each, separated by colons or by hyphens.
func ParseLinkAddr(s string) (LinkAddr, error) {
	var a LinkAddr
	if len(s) != linkAddrTextLen || (s[2] != ':' && s[2] != '-') {
		return LinkAddr{}, errLinkAddr
	}
	for i := range a {
		hi, lo := hexDigit(s[3*i]), hexDigit(s[3*i+1])
		if hi > 15 || lo > 15 || (i < 5 && s[3*i+2] != s[2]) {
			return LinkAddr{}, errLinkAddr
		}
		a[i] = hi<<4 | lo
	}
	return a, nil
}

// hexDigit returns the digit's value, or 255 if c is none.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return (c | 0x20) - 'a' + 10
	}
	return 255
}

// String returns the address in lower case with colons, as in 02:00:5e:10:00:01.
func (a LinkAddr) String() string {
	const digits = "0123456789abcdef"
	var s [linkAddrTextLen]byte
	for i, o := range a {
		s[3*i], s[3*i+1] = digits[o>>4], digits[o&15]
		if i < 5 {
			s[3*i+2] = ':'
		}
	}
	return string(s[:])
}

// IsZero reports whether a is the zero LinkAddr.
func (a LinkAddr) IsZero() bool { return a == LinkAddr{} }

// IsMulticast reports whether a names a group of stations. Broadcast is one.
func (a LinkAddr) IsMulticast() bool { return a[0]&1 != 0 }

// IsBroadcast reports whether a reaches every station.
func (a LinkAddr) IsBroadcast() bool { return a == BroadcastLinkAddr() }

// IsUnicast reports whether a can be the address of one station: neither zero nor a group.
func (a LinkAddr) IsUnicast() bool { return !a.IsMulticast() && !a.IsZero() }
