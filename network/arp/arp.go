// Package arp is the Address Resolution Protocol for IPv4 over Ethernet (RFC 826), with announcements and
// the defence of addresses (RFC 5227).
package arp

import (
	"net/netip"
	"sync"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Protocol is ARP in one stack. It is safe for concurrent use.
type Protocol struct {
	stack *stack.Stack

	mu       sync.Mutex // a leaf
	defended [maxDefended]defence
	next     int // slot of the next entry
}

var (
	_ stack.NetworkProtocol = (*Protocol)(nil)
	_ stack.LinkResolver    = (*Protocol)(nil)
)

// New makes ARP for s. It is a stack.NewNetwork.
func New(s *stack.Stack) stack.NetworkProtocol { return &Protocol{stack: s} }

// EtherType returns ARP's.
func (*Protocol) EtherType() header.EtherType { return header.EtherTypeARP }

// Resolves returns IPv4's EtherType.
func (*Protocol) Resolves() header.EtherType { return header.EtherTypeIPv4 }

// Close does nothing: there are no timers.
func (*Protocol) Close() {}

// Receive learns from a message and answers it (RFC 826). A request for any address of the stack is
// answered on every NIC, as Linux does by default (arp_ignore 0), unless the NIC is strict.
func (a *Protocol) Receive(w *stack.Work, nic *stack.NIC, p *stack.Packet) {
	m, drop := a.parse(nic, p)
	if drop != tcpip.DropNone {
		p.Drop(drop)
		return
	}
	c := &a.stack.Counters().Arp
	sender, target := m.SenderAddr(), m.TargetAddr()
	from := m.SenderLinkAddr()
	request := m.Op() == header.ARPRequest
	if request {
		c.InRequests.Inc()
	} else {
		c.InReplies.Inc()
	}
	if a.owns(nic, sender) {
		a.conflict(w, nic, p, sender)
		return
	}
	forUs := a.owns(nic, target)
	if !sender.IsUnspecified() { // not a probe (RFC 5227 §2.1.1)
		nic.NeighbourHeard(w, stack.NeighbourAdvert{
			Addr: sender, Link: from, Override: true,
			Solicited:   !request && forUs && p.Link.Type == stack.PacketHost,
			Unsolicited: request && forUs,
		})
	}
	if request && forUs {
		c.OutReplies.Inc()
		a.send(w, nic, &header.ARPFields{
			Op: header.ARPReply, SenderAddr: target, TargetLinkAddr: from, TargetAddr: sender,
		}, from)
	}
	p.Release()
}

// parse validates a message.
func (a *Protocol) parse(nic *stack.NIC, p *stack.Packet) (header.ARP, tcpip.Drop) {
	if nic.Info().Kind != stack.LinkEthernet {
		return nil, tcpip.DropARPInvalid
	}
	if !p.Pull(header.ARPSize) {
		return nil, tcpip.DropShort
	}
	m, drop := header.ParseARP(p.Front())
	if drop != tcpip.DropNone {
		return nil, drop
	}
	sender, target := m.SenderAddr(), m.TargetAddr()
	switch {
	case m.Op() != header.ARPRequest && m.Op() != header.ARPReply,
		p.Link.Type == stack.PacketOtherHost,
		!m.SenderLinkAddr().IsUnicast() || m.SenderLinkAddr() == nic.Info().Address,
		sender.IsMulticast() || sender.IsLoopback() || nic.Classify(sender) == stack.DestinationBroadcast,
		target.IsMulticast() || target.IsLoopback():
		return nil, tcpip.DropARPInvalid
	}
	return m, tcpip.DropNone
}

// owns reports whether addr is an address that we answer for on nic.
func (a *Protocol) owns(nic *stack.NIC, addr netip.Addr) bool {
	on, st, ok := a.stack.LocalAddress(addr)
	return ok && (on == nic || !nic.StrictHost()) && st != stack.AddressTentative && st != stack.AddressDuplicated
}

// Solicit asks for target's link address (stack.LinkResolver). With source equal to target the request
// is an announcement (RFC 5227 §3), which makes those who know the address update what they know.
func (a *Protocol) Solicit(w *stack.Work, nic *stack.NIC, target, source netip.Addr, to tcpip.LinkAddr) {
	if !a.owns(nic, source) {
		source = nic.PrimaryAddress(false, false)
	}
	if !source.IsValid() {
		source = nic.PrimaryAddress(false, true)
	}
	if !source.IsValid() {
		source = netip.IPv4Unspecified()
	}
	if to.IsZero() {
		to = tcpip.BroadcastLinkAddr()
	}
	a.stack.Counters().Arp.OutRequests.Inc()
	a.send(w, nic, &header.ARPFields{Op: header.ARPRequest, SenderAddr: source, TargetAddr: target}, to)
}

// send sends a message from the NIC's own link address to one station or to all.
func (a *Protocol) send(w *stack.Work, nic *stack.NIC, f *header.ARPFields, to tcpip.LinkAddr) {
	own := nic.Info().Address
	f.SenderLinkAddr = own
	p := a.stack.NewPacket()
	f.Encode(p.Prepend(header.ARPSize))
	p.NIC, p.EtherType = nic, header.EtherTypeARP
	p.Link = stack.LinkPart{Src: own, Dst: to, Type: stack.PacketOutgoing}
	if !nic.Enqueue(w, p) {
		w.Drop(p, tcpip.DropQueueFull)
	}
}
