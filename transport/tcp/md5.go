package tcp

import (
	"bytes"
	"crypto/md5" // RFC 2385 knows no other
	"crypto/subtle"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/internal/tcb"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// md5Keys are the keys of TCP_MD5SIG: the secrets that an endpoint shares with peers, longest prefix first. A table is
// never changed once endpoints have it.
type md5Keys []md5Key

type md5Key struct {
	peers  netip.Prefix
	secret []byte
}

// md5OptionSize is what the option takes of a segment, with its padding, bytes.
const md5OptionSize = 20

// find returns the secret shared with peer, nil if there is none.
func (k md5Keys) find(peer netip.Addr) []byte {
	for i := range k {
		if k[i].peers.Contains(peer) {
			return k[i].secret
		}
	}
	return nil
}

// only returns the keys of a connection with peer: the one that it shares, if any.
func (k md5Keys) only(peer netip.Addr) md5Keys {
	if secret := k.find(peer); secret != nil {
		return md5Keys{{netip.PrefixFrom(peer, peer.BitLen()), secret}}
	}
	return nil
}

// with returns k with the key for exactly these peers set, or taken out if secret is empty.
func (k md5Keys) with(peers netip.Prefix, secret []byte) (md5Keys, tcpip.Error) {
	kept := slices.DeleteFunc(slices.Clone(k), func(o md5Key) bool { return o.peers == peers })
	switch {
	case len(secret) == 0 && len(kept) == len(k):
		return nil, tcpip.ErrNotFound
	case len(secret) == 0 && len(kept) == 0:
		return nil, tcpip.OK
	case len(secret) == 0:
		return kept, tcpip.OK
	case len(kept) >= md5KeysMax:
		return nil, tcpip.ErrNoMemory
	}
	kept = append(kept, md5Key{peers, bytes.Clone(secret)})
	slices.SortStableFunc(kept, func(a, b md5Key) int { return b.peers.Bits() - a.peers.Bits() })
	return kept, tcpip.OK
}

// SetMD5 sets the secret for segments to and from peers, which are signed from then on (RFC 2385; TCP_MD5SIG): what
// comes from them without a right signature is dropped. An empty secret takes it back. Connections inherit the keys
// that their listener has when their SYN arrives.
//
// Errors: ErrInvalid for a secret of more than 80 bytes or no prefix, ErrNotFound if there was nothing to take back,
// ErrNoMemory for too many keys, ErrClosed.
func (e *Endpoint) SetMD5(peers netip.Prefix, secret []byte) error {
	if len(secret) > md5SecretMax || !peers.IsValid() {
		return tcpip.ErrInvalid
	}
	w := e.begin()
	err := tcpip.ErrClosed
	if !e.closed {
		err = e.setMD5(peers.Masked(), secret)
	}
	e.end(w)
	return err.Err()
}

func (e *Endpoint) setMD5(peers netip.Prefix, secret []byte) tcpip.Error {
	keys, err := e.opts.md5.with(peers, secret)
	if err != tcpip.OK {
		return err
	}
	o := *e.opts
	o.md5 = keys
	e.configure(&o)
	if e.running {
		e.rekey()
		e.reroute()
	}
	return tcpip.OK
}

// rekey looks up the secret that e shares with its peer.
func (e *Endpoint) rekey() {
	if e.opts.md5 == nil {
		if e.seldom != nil {
			e.seldom.secret = nil
		}
		return
	}
	e.rarely().secret = e.opts.md5.find(e.id.Remote.Addr())
}

// secret returns what e signs with, nil if it does not.
func (e *Endpoint) secret() []byte {
	if e.opts.md5 == nil {
		return nil
	}
	return e.seldom.secret
}

// signedPath is p for a connection whose segments are signed with secret: each has the option, and none can be cut.
func signedPath(p tcb.Path, secret []byte) tcb.Path {
	if secret != nil {
		p.Options, p.MaxSegment = md5OptionSize, 0
	}
	return p
}

// checkMD5 says what is wrong with the signature of s, which arrived as p, for an endpoint that shares secret with the
// peer, or nothing if that is nil.
func (t *Protocol) checkMD5(p *stack.Packet, s *tcb.Segment, secret []byte) tcpip.Drop {
	c := &t.counters.TcpExt
	switch {
	case s.Options.MD5 == nil && secret == nil:
		return tcpip.DropNone
	case s.Options.MD5 == nil:
		c.TCPMD5NotFound.Inc()
		return tcpip.DropMD5Missing
	case secret == nil:
		c.TCPMD5Unexpected.Inc()
		return tcpip.DropMD5Unexpected
	}
	digest := digestMD5(header.TCP(p.Transport()), p.Src, p.Dst, s.Data, s.Len, secret)
	if subtle.ConstantTimeCompare(digest[:], s.Options.MD5) == 0 {
		c.TCPMD5Failure.Inc()
		return tcpip.DropMD5Wrong
	}
	return tcpip.DropNone
}

// digestMD5 is the signature of a segment (RFC 2385 §2.0): of the pseudo-header, the header without options and with
// a checksum of zero, the n bytes of data, and the secret.
func digestMD5(h header.TCP, src, dst netip.Addr, data []slab.Piece, n int, secret []byte) (digest [md5.Size]byte) {
	sum := md5.New()
	length := h.HeaderLen() + n
	b := append(src.AsSlice(), dst.AsSlice()...)
	if src.Is4() {
		b = append(b, 0, byte(header.ProtocolTCP))
		b = binary.BigEndian.AppendUint16(b, uint16(length))
	} else {
		b = binary.BigEndian.AppendUint32(b, uint32(length))
		b = append(b, 0, 0, 0, byte(header.ProtocolTCP))
	}
	at := len(b)
	b = append(b, h[:header.TCPSize]...)
	header.TCP(b[at:]).SetChecksum(0)
	sum.Write(b)
	for i := range data {
		sum.Write(data[i].Bytes())
	}
	sum.Write(secret)
	sum.Sum(digest[:0])
	return digest
}

// signMD5 puts the signature into the segment whose header, h, has room for it right behind its fixed part.
func signMD5(h header.TCP, id stack.FlowID, data []slab.Piece, n int, secret []byte) {
	digest := digestMD5(h, id.Local.Addr(), id.Remote.Addr(), data, n, secret)
	copy(h[header.TCPSize+md5OptionSize-len(digest):], digest[:])
}
