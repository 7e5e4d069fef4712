package ipv4

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// AddressAdded announces a new address to the link (RFC 5227 §2.3).
func (ip *Protocol) AddressAdded(w *stack.Work, nic *stack.NIC, a netip.Addr) {
	ip.announce(w, nic, a)
}

// AddressRemoved does nothing: nobody is told.
func (ip *Protocol) AddressRemoved(*stack.Work, *stack.NIC, netip.Addr) {}

// LinkUp announces all addresses and reports all groups when the link comes up.
func (ip *Protocol) LinkUp(w *stack.Work, nic *stack.NIC, up bool) {
	ip.igmp.Up(nic, up)
	if !up {
		return
	}
	for _, a := range nic.Addresses() {
		if a.Prefix.Addr().Is4() {
			ip.announce(w, nic, a.Prefix.Addr())
		}
	}
}

// announce sends an ARP announcement: a request for our own address, from it, to everybody.
func (ip *Protocol) announce(w *stack.Work, nic *stack.NIC, a netip.Addr) {
	if nic.Info().Kind != stack.LinkEthernet || !nic.Up() {
		return
	}
	if r, ok := ip.stack.Network(header.EtherTypeARP).(stack.LinkResolver); ok {
		r.Solicit(w, nic, a, a, tcpip.LinkAddr{})
	}
}
