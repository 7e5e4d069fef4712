package transport

import (
	"encoding/binary"

	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// RFC 4884: an ICMP error may have extensions behind the packet that it quotes, whose length it then tells.
const (
	extensionHeader  = 4   // bytes: version, reserved, checksum
	extensionObject  = 4   // bytes: length, class, type
	extensionVersion = 2   // in the upper four bits
	leastQuoted      = 128 // bytes in front of extensions (RFC 4884 §3)
	extensionsBroken = 1   // SO_EE_RFC4884_FLAG_INVALID
)

// extended returns what Linux says of the extensions of an ICMP error (struct sock_ee_data_rfc4884): where they begin
// in quoted, which is a part of the packet that the error quotes, and whether they are broken. 0 is that there are
// none.
func extended(e *stack.ICMPError, quoted []byte) uint32 {
	if e.Packet == nil {
		return 0
	}
	h := e.Packet.Transport()
	at := 0
	switch {
	case len(h) < 8:
	case e.Origin == tcpip.OriginICMP: // §4.1 to §4.3: the second byte behind the checksum, in words
		at = int(h[5]) * 4
	case e.Origin == tcpip.OriginICMP6: // the first, in units of 8 bytes
		at = int(h[4]) * 8
	}
	headers := len(e.QuotedPacket) - len(quoted)
	if at < leastQuoted || at < headers || at-headers+extensionHeader > len(quoted) {
		return 0
	}
	at -= headers
	var b [4]byte
	binary.NativeEndian.PutUint16(b[:], uint16(at))
	if !soundExtensions(quoted[at:]) {
		b[2] = extensionsBroken
	}
	return binary.NativeEndian.Uint32(b[:])
}

// soundExtensions checks the checksum and the lengths of the objects.
func soundExtensions(b []byte) bool {
	switch {
	case len(b) < extensionHeader:
		return false
	case b[0]>>4 != extensionVersion: // as measured: of what is unknown nothing is known to be broken
		return true
	}
	if b[2]|b[3] != 0 && (checksum.Partial{}).Add(b).Checksum() != 0 {
		return false
	}
	for b = b[extensionHeader:]; len(b) > 0; {
		if len(b) < extensionObject {
			return false
		}
		n := int(binary.BigEndian.Uint16(b))
		if n < extensionObject || n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}
