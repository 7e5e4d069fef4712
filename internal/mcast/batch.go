package mcast

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
)

// batch makes messages of records, as few as there is room for them in.
type batch struct {
	m       *Machine
	records []header.GroupRecordFields
	left    int // bytes of the message at hand
}

func (b *batch) init(m *Machine) { b.m, b.left = m, m.room() }

// reportHeader is the bytes of a message in front of its records.
const reportHeader = 8

// room returns how many bytes of records a message has room for: at least one with a source.
func (m *Machine) room() int { return max(m.conf.Room-reportHeader, 4+16+16) }

// add adds a record. Of one that says what is excluded, only as many sources are told as fit; others continue in
// the next message (RFC 3376 §4.2.16, RFC 3810 §5.2.15).
func (b *batch) add(t header.GroupRecordType, group netip.Addr, sources []netip.Addr) {
	width := group.BitLen() / 8
	head := 4 + width
	cut := t == header.ModeIsExclude || t == header.ChangeToExcludeMode
	least := head
	switch {
	case cut:
		least += width * len(sources)
	case len(sources) > 0:
		least += width
	}
	for {
		if b.left < least && len(b.records) > 0 {
			b.flush()
		}
		n := min(len(sources), (b.left-head)/width)
		b.records = append(b.records, header.GroupRecordFields{Type: t, Group: group, Sources: sources[:n:n]})
		b.left -= head + width*n
		if sources = sources[n:]; len(sources) == 0 || cut {
			return
		}
	}
}

// flush ends the message at hand.
func (b *batch) flush() {
	if len(b.records) > 0 {
		b.m.out = append(b.m.out, Message{Kind: Records, Records: b.records})
	}
	b.records, b.left = nil, b.m.room()
}
