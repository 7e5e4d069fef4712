package tcp

import (
	"slices"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// headersOf copies what TCP_SAVE_SYN keeps of a SYN: the headers of IP and TCP, and with 2 that of the link in front.
func headersOf(p *stack.Packet, mode uint8) []byte {
	var link []byte
	if mode == 2 {
		link = p.AppendLinkHeader(nil)
	}
	return slices.Concat(link, p.Network()[:p.NetworkLen()+len(p.Transport())])
}

// SavedSyn returns the headers of the SYN that e came of, if its listener kept them (TCP_SAVED_SYN), and forgets
// them. What is longer than size stays, and its length comes with ErrInvalid.
func (e *Endpoint) SavedSyn(size int) (headers []byte, length int, err error) {
	w := e.begin()
	defer e.end(w)
	if e.seldom == nil || e.seldom.savedSyn == nil {
		return nil, 0, nil
	}
	headers = e.seldom.savedSyn
	if len(headers) > size {
		return nil, len(headers), tcpip.ErrInvalid
	}
	e.seldom.savedSyn = nil
	return headers, len(headers), nil
}
