// Package slaac is the machine of a host that learns from routers, one per link: router discovery (RFC 4861 §6.3,
// RFC 7559), address autoconfiguration (RFC 4862 §5.5) with stable (RFC 7217), hardware-derived (RFC 4291) and
// temporary identifiers (RFC 8981), router preferences and more-specific routes (RFC 4191), and DNS servers (RFC 8106).
//
// It is fed with advertisements, the outcomes of duplicate address detection and the time, and asked by Poll what is
// to be done. It is synchronous and knows nothing of packets: its owner sends the solicitations, parses the
// advertisements, and puts addresses and routes where they belong.
package slaac
