package stack

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/seed963a8790/netstack/internal/siphash"
)

// addr128 is an address as two numbers, IPv4 in its mapped form: a key that compares and hashes without
// following a pointer. Its zero value stands for no address.
type addr128 struct{ hi, lo uint64 }

func addr128From(a netip.Addr) addr128 {
	if !a.IsValid() {
		return addr128{}
	}
	b := a.As16()
	return addr128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// four reports whether a is an address of IPv4.
func (a addr128) four() bool { return a.hi == 0 && a.lo>>32 == 0xffff }

// flowKey is a FlowID in the same manner.
type flowKey struct {
	local, remote addr128
	ports         uint64 // protocol, local port, remote port
}

func keyOf(id FlowID) flowKey {
	return flowKey{
		local:  addr128From(id.Local.Addr()),
		remote: addr128From(id.Remote.Addr()),
		ports:  uint64(id.Proto)<<32 | uint64(id.Local.Port())<<16 | uint64(id.Remote.Port()),
	}
}

// hash returns a keyed hash of the key: whoever does not know k cannot choose flows that collide. Of keys
// without addresses there are so few that less will do.
func (f *flowKey) hash(k *[2]uint64) uint64 {
	if f.local == (addr128{}) && f.remote == (addr128{}) {
		hi, lo := bits.Mul64(f.ports^k[0], k[1]|1)
		return hi ^ lo
	}
	return siphash.Sum13(*k, f.local.hi, f.local.lo, f.remote.hi, f.remote.lo, f.ports)
}

// FlowHash returns the keyed hash of a flow for Packet.Hash. It is the same for all packets in one
// direction and tells an outsider nothing.
func (s *Stack) FlowHash(id FlowID) uint32 {
	k := keyOf(id)
	return uint32(k.hash(&s.keys.Flow) >> 32)
}
