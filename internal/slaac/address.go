package slaac

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// addressState is what has become of an address.
type addressState uint8

const (
	tentative  addressState = iota
	preferred               // as long as its lifetime says
	deprecated              // its preferred lifetime is over
	abandoned               // a duplicate, and no other identifier is to be tried; kept so that none is
)

// address is one that the machine has made.
type address struct {
	addr      netip.Addr
	prefix    netip.Prefix
	state     addressState
	temporary bool
	tries     int        // identifiers that turned out to be taken
	created   tcpip.Time // of temporary ones
	desync    time.Duration
	succeeded bool // a temporary one that has its successor
	preferred tcpip.Time
	valid     tcpip.Time
}

var linkLocalPrefix = netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80}), 64)

// idBits is the length of interface identifiers (RFC 4291 §2.5.1).
const idBits = 64

func (a *address) prefixed() netip.Prefix { return netip.PrefixFrom(a.addr, a.prefix.Bits()) }

// deadline returns when something happens to the address.
func (a *address) deadline() tcpip.Time {
	next := a.valid
	if a.state == preferred {
		next = min(next, a.preferred)
	}
	if at := a.successionAt(); at != 0 {
		next = min(next, at)
	}
	return next
}

// successionAt returns when a temporary address needs its successor (RFC 8981 §3.5), 0 if not at all.
func (a *address) successionAt() tcpip.Time {
	if !a.temporary || a.succeeded || a.state != preferred || a.preferred == forever {
		return 0
	}
	return a.preferred.Add(-regenAdvance)
}

// configure takes in a prefix for addresses (RFC 4862 §5.5.3).
func (h *Host) configure(now tcpip.Time, p *header.NDPPrefixInfo) {
	if p.Preferred > p.Valid || p.Prefix.Bits() != 128-idBits {
		return
	}
	public := false
	for i := range h.addresses {
		a := &h.addresses[i]
		if a.prefix != p.Prefix {
			continue
		}
		if a.temporary {
			h.prolongTemporary(now, a, p)
			continue
		}
		public = true
		valid := until(now, p.Valid)
		if p.Valid > twoHours || valid > a.valid {
			a.valid = valid
		} else if a.valid != forever && a.valid.Sub(now) > twoHours || a.valid == forever {
			a.valid = now.Add(twoHours)
		}
		a.preferred = min(until(now, p.Preferred), a.valid)
		h.refresh(now, a)
	}
	if !public && p.Valid > 0 {
		h.propose(now, p.Prefix, until(now, p.Preferred), until(now, p.Valid))
		h.proposeTemporary(now, p.Prefix, until(now, p.Preferred), until(now, p.Valid))
	}
}

// refresh brings the state in line with the preferred lifetime.
func (h *Host) refresh(now tcpip.Time, a *address) {
	switch {
	case a.state == preferred && a.preferred <= now:
		a.state = deprecated
		h.do(Action{Kind: SetDeprecated, Prefix: a.prefixed(), Deprecated: true})
	case a.state == deprecated && a.preferred > now:
		a.state = preferred
		h.do(Action{Kind: SetDeprecated, Prefix: a.prefixed()})
	}
}

// prolongTemporary extends a temporary address as far as its own age allows (RFC 8981 §3.4 step 1).
func (h *Host) prolongTemporary(now tcpip.Time, a *address, p *header.NDPPrefixInfo) {
	if a.state == abandoned {
		return
	}
	valid := min(until(now, p.Valid), a.created.Add(TemporaryValid))
	preferred := min(until(now, p.Preferred), a.created.Add(TemporaryPreferred-a.desync))
	if p.Valid <= twoHours { // as for public ones, nobody may cut it short
		valid = max(valid, min(a.valid, now.Add(twoHours)))
	}
	a.valid, a.preferred = valid, min(preferred, valid)
	h.refresh(now, a)
}

// propose makes a public address.
func (h *Host) propose(now tcpip.Time, prefix netip.Prefix, preferred, valid tcpip.Time) {
	h.add(now, address{prefix: prefix, preferred: min(preferred, valid), valid: valid})
}

// proposeTemporary makes a temporary one beside it.
func (h *Host) proposeTemporary(now tcpip.Time, prefix netip.Prefix, preferred, valid tcpip.Time) {
	if !h.conf.Temporary {
		return
	}
	a := address{prefix: prefix, temporary: true, created: now, desync: time.Duration(h.random.below(int64(maxDesync)))}
	a.valid = min(valid, now.Add(TemporaryValid))
	a.preferred = min(preferred, now.Add(TemporaryPreferred-a.desync), a.valid)
	if a.preferred > now.Add(regenAdvance) {
		h.add(now, a)
	}
}

func (h *Host) add(now tcpip.Time, a address) {
	if len(h.addresses) >= MaxAddresses {
		return
	}
	if h.identify(&a) {
		h.addresses = append(h.addresses, a)
		h.do(Action{Kind: AddAddress, Prefix: a.prefixed(), Temporary: a.temporary})
	}
}

// identify gives an address its next identifier, and reports false if there is none.
func (h *Host) identify(a *address) bool {
	for ; a.tries <= idRetries; a.tries++ {
		var id identifier
		switch {
		case a.temporary:
			v := h.random.next()
			for i := range id {
				id[i] = byte(v >> (8 * i))
			}
		case h.conf.Generation == Hardware && a.tries > 0:
			return false
		case h.conf.Generation == Hardware:
			id = hardwareID(h.conf.Link)
		default:
			id = stableID(h.conf.Secret, h.conf.Name, a.prefix, a.tries)
		}
		addr := join(a.prefix, id)
		if !id.reserved() && !slices.ContainsFunc(h.addresses, func(o address) bool { return o.addr == addr }) {
			a.addr = addr
			return true
		}
	}
	return false
}

// Detected tells how duplicate address detection for an address has ended: it is ours, or taken (RFC 7217 §6,
// RFC 8981 §3.4 step 7: another identifier is tried a few times). Addresses of others are passed over.
func (h *Host) Detected(now tcpip.Time, addr netip.Addr, unique bool) {
	i := slices.IndexFunc(h.addresses, func(a address) bool { return a.addr == addr && a.state == tentative })
	if i < 0 {
		h.ownLinkLocal(now, addr, unique)
		return
	}
	a := &h.addresses[i]
	if unique {
		a.state = preferred
		h.refresh(now, a)
		h.ownLinkLocal(now, addr, true)
		return
	}
	h.do(Action{Kind: RemoveAddress, Prefix: a.prefixed()})
	if a.tries++; h.identify(a) {
		h.do(Action{Kind: AddAddress, Prefix: a.prefixed(), Temporary: a.temporary})
		return
	}
	a.state = abandoned
}

// ownLinkLocal begins the search for routers when there is an address to search from, whoever has made it.
func (h *Host) ownLinkLocal(now tcpip.Time, addr netip.Addr, unique bool) {
	if h.running && unique && addr.IsLinkLocalUnicast() && !h.linkLocal.IsValid() {
		h.linkLocal = addr
		h.search(now)
	}
}

// advanceAddresses deprecates, replaces and removes.
func (h *Host) advanceAddresses(now tcpip.Time) {
	var heirs []address // of temporary ones
	for i := range h.addresses {
		a := &h.addresses[i]
		if at := a.successionAt(); at != 0 && at <= now {
			a.succeeded = true
			heirs = append(heirs, *a)
		}
		h.refresh(now, a)
	}
	h.addresses = slices.DeleteFunc(h.addresses, func(a address) bool {
		over := a.valid <= now
		if over && a.state != abandoned {
			h.do(Action{Kind: RemoveAddress, Prefix: a.prefixed()})
		}
		return over
	})
	for _, old := range heirs {
		for _, a := range h.addresses { // the public address knows what the router last said
			if a.prefix == old.prefix && !a.temporary {
				h.proposeTemporary(now, a.prefix, a.preferred, a.valid)
				break
			}
		}
	}
}

// Address is an address that the machine has made, with what is left of its lifetimes.
type Address struct {
	Prefix    netip.Prefix // the address, and the length of its network
	Temporary bool
	Preferred time.Duration // header.NDPForever: without end
	Valid     time.Duration
}

// Addresses returns the addresses that hold or are being checked, in the order of their making.
func (h *Host) Addresses(now tcpip.Time) []Address {
	left := func(t tcpip.Time) time.Duration {
		if t == forever {
			return header.NDPForever
		}
		return max(t.Sub(now), 0)
	}
	var list []Address
	for i := range h.addresses {
		if a := &h.addresses[i]; a.state != abandoned {
			list = append(list, Address{a.prefixed(), a.temporary, left(a.preferred), left(a.valid)})
		}
	}
	return list
}
