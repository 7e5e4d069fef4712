package ipv4

import (
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// checkOptions validates the options of a packet that is for us or to be forwarded, and has its sender
// told what is wrong with them (RFC 1122 §3.2.1.8). Source routes are refused, as by Linux's default.
// What is unknown is ignored (RFC 9293 §3.9.2, MUST-50).
func (ip *Protocol) checkOptions(w *stack.Work, p *stack.Packet, h header.IPv4) tcpip.Drop {
	options, pointer, drop := header.ParseIPv4Options(h.Options())
	if drop != tcpip.DropNone {
		ip.SendError(w, p, stack.ICMPParameter, int(pointer))
		return drop
	}
	if options.SourceRoute() != nil {
		return tcpip.DropBadOption
	}
	return tcpip.DropNone
}

// record enters one of our addresses, and the time, into the options of h that ask for it.
func (ip *Protocol) record(h header.IPv4, a netip.Addr) {
	options, _, drop := header.ParseIPv4Options(h.Options())
	if drop != tcpip.DropNone || !a.Is4() {
		return
	}
	changed := false
	for option := range options.All() {
		switch option.Type() {
		case header.IPv4OptRecordRoute:
			option.Record(a)
			changed = true
		case header.IPv4OptTimestamp:
			option.Stamp(a, ip.milliseconds())
			changed = true
		}
	}
	if changed {
		h[:h.HeaderLen()].UpdateChecksum()
	}
}

// recordSent enters our address and the time into the options of h, which is about to be sent; who found no room is
// not counted, as on Linux. (RFC 9293 §3.9.2, MAY-10, MAY-11)
func (ip *Protocol) recordSent(h header.IPv4, a netip.Addr) {
	options, _, drop := header.ParseIPv4Options(h.Options())
	if drop != tcpip.DropNone {
		return
	}
	for option := range options.All() {
		switch {
		case option.Type() == header.IPv4OptRecordRoute:
			option.Record(a)
		case option.Type() == header.IPv4OptTimestamp && !option.Full():
			option.Stamp(a, ip.milliseconds())
		}
	}
	h[:h.HeaderLen()].UpdateChecksum()
}

// milliseconds returns the time since midnight UTC, as ICMP and IP timestamps have it (RFC 792).
func (ip *Protocol) milliseconds() uint32 {
	clock := ip.stack.Clock()
	t := clock.Wall(clock.Now()).UTC()
	midnight := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return uint32(t.Sub(midnight) / time.Millisecond)
}
