package packetdrill

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
)

// sharedSecret is the key that the script has set last by TCP_MD5SIG: what it takes to make and check signatures.
type sharedSecret struct{ key []byte }

// sign computes the signature of a segment between two addresses (RFC 2385 §2.0): over the pseudo-header, the header
// without options and with a checksum of zero, the data and the key.
func (s *sharedSecret) sign(src, dst netip.Addr, h header.TCP) (digest [md5.Size]byte) {
	sum := md5.New()
	b := append(src.AsSlice(), dst.AsSlice()...)
	if src.Is4() {
		b = binary.BigEndian.AppendUint16(append(b, 0, byte(header.ProtocolTCP)), uint16(len(h)))
	} else {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(h))), 0, 0, 0, byte(header.ProtocolTCP))
	}
	at := len(b)
	b = append(b, h[:header.TCPSize]...)
	header.TCP(b[at:]).SetChecksum(0)
	sum.Write(b)
	sum.Write(h.Payload())
	sum.Write(s.key)
	sum.Sum(digest[:0])
	return digest
}

// signatureAt returns where in the segment the signature is, 0 if there is none.
func signatureAt(h header.TCP) int {
	at := header.TCPSize
	for b := h.Options(); len(b) > 0; {
		n := 1
		if b[0] > kindNOP {
			if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
				return 0
			}
			if n = int(b[1]); b[0] == kindMD5 && n == 2+md5.Size {
				return at + 2
			}
		}
		at, b = at+n, b[n:]
	}
	return 0
}

// The names of signatures that the script leaves to the interpreter.
const (
	md5Valid   = "md5 valid"
	md5Invalid = "md5 invalid" // one bit is wrong
)

// signInbound fills in a signature that the script does not spell out.
func (f *flow) signInbound(t *TCP, h header.TCP) {
	for i := range t.Options {
		o := &t.Options[i]
		at := signatureAt(h)
		if o.Kind != kindMD5 || len(o.Data) > 0 || at == 0 {
			continue
		}
		digest := f.secret.sign(f.remote.Addr(), f.local.Addr(), h)
		if o.Name == md5Invalid {
			digest[0] ^= 1
		}
		copy(h[at:], digest[:])
	}
}

// checkSignature compares the signature of a sent segment, where the script wants it looked at.
func (f *flow) checkSignature(t *TCP, h header.TCP) error {
	for i := range t.Options {
		if t.Options[i].Name != md5Valid {
			continue
		}
		at, digest := signatureAt(h), f.secret.sign(f.local.Addr(), f.remote.Addr(), h)
		if at == 0 || !bytes.Equal(h[at:at+md5.Size], digest[:]) {
			return mismatch("the signature is wrong")
		}
	}
	return nil
}
