package stack

import "github.com/seed963a8790/netstack/header"

// claimMemory is what Linux notes of SO_REUSEPORT with a port of TCP, and keeps as long as anybody has the port: who
// comes with it as the last did is not compared with each of those who are there, though their options may have changed
// since, or never been like that.
type claimMemory struct {
	begun   bool
	sharing portSharing // the last to come had SO_REUSEPORT
	last    *claim      // who began shareAlike
}

// portSharing is whom a claim with SO_REUSEPORT is then taken to be like.
type portSharing uint8

const (
	shareNone  portSharing = iota
	shareAny               // everybody, having been the first
	shareAlike             // those whose addresses meet the last one's
)

// admits reports whether c may come, or listen, without being compared.
func (m *claimMemory) admits(c *claim) bool {
	return c.ReusePort && (m.sharing == shareAny || m.sharing == shareAlike && c.meets(m.last))
}

// note takes note of c, which has come, or begun to listen.
func (m *claimMemory) note(c *claim) {
	switch {
	case c.Proto != header.ProtocolTCP:
	case !c.ReusePort:
		m.sharing, m.last = shareNone, nil
	case !m.begun:
		m.sharing = shareAny
	case !m.admits(c):
		m.sharing, m.last = shareAlike, c
	}
	m.begun = true
}

// meets reports whether c and o could have the same address.
func (c *claim) meets(o *claim) bool {
	return (c.V4 && o.V4 || c.V6 && o.V6) && (c.local == addr128{} || o.local == addr128{} || c.local == o.local)
}
