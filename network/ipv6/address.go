package ipv6

import (
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
)

// AddressAdded begins duplicate address detection for an address that is tentative, and announces one
// that is not.
func (ip *Protocol) AddressAdded(w *stack.Work, nic *stack.NIC, a netip.Addr) {
	if !nic.Up() {
		return // LinkUp comes back to it
	}
	if st, ok := nic.AddressState(a); ok {
		ip.use(w, nic, a, st)
	}
}

// AddressRemoved ends a detection that is running.
func (ip *Protocol) AddressRemoved(_ *stack.Work, nic *stack.NIC, a netip.Addr) {
	ip.dad.stop(nic, a)
}

// LinkUp begins detection for the addresses that are tentative, announces the others and reports the groups. When
// the link goes down, detection waits.
func (ip *Protocol) LinkUp(w *stack.Work, nic *stack.NIC, up bool) {
	ip.mld.Up(nic, up)
	if !up {
		ip.dad.stop(nic, netip.Addr{})
		ip.discover.link(w, nic, false)
		return
	}
	for _, a := range nic.Addresses() {
		if addr := a.Prefix.Addr(); addr.Is6() {
			ip.use(w, nic, addr, a.State)
		}
	}
	ip.discover.link(w, nic, true)
}

// use does what the state of an address asks for.
func (ip *Protocol) use(w *stack.Work, nic *stack.NIC, a netip.Addr, st stack.AddressState) {
	switch {
	case nic.Info().Kind != stack.LinkEthernet:
		if st == stack.AddressTentative { // nobody to ask
			nic.SetAddressState(a, stack.AddressPreferred)
		}
		ip.discover.detected(w, nic, a, true)
	case st == stack.AddressTentative:
		ip.dad.start(nic, a)
	case st != stack.AddressDuplicated:
		ip.announce(w, nic, a)
		ip.discover.detected(w, nic, a, true)
	}
}
