package linux

import "bytes"

// procNet are the files of /proc/net that can be rendered.
var procNet = map[string]func(*Sockets, *bytes.Buffer){
	"tcp":    func(n *Sockets, b *bytes.Buffer) { n.procTCP(b, false) },
	"tcp6":   func(n *Sockets, b *bytes.Buffer) { n.procTCP(b, true) },
	"udp":    func(n *Sockets, b *bytes.Buffer) { n.procDatagram(b, &procUDP) },
	"udp6":   func(n *Sockets, b *bytes.Buffer) { n.procDatagram(b, &procUDP6) },
	"raw":    func(n *Sockets, b *bytes.Buffer) { n.procDatagram(b, &procRaw) },
	"raw6":   func(n *Sockets, b *bytes.Buffer) { n.procDatagram(b, &procRaw6) },
	"icmp":   func(n *Sockets, b *bytes.Buffer) { n.procDatagram(b, &procPing) },
	"icmp6":  func(n *Sockets, b *bytes.Buffer) { n.procDatagram(b, &procPing6) },
	"packet": (*Sockets).procPacket,

	"sockstat":  (*Sockets).procSockstat,
	"sockstat6": (*Sockets).procSockstat6,
	"snmp":      (*Sockets).procSNMP,
	"snmp6":     (*Sockets).procSNMP6,
	"netstat":   (*Sockets).procNetstat,

	"dev":        (*Sockets).procDev,
	"arp":        (*Sockets).procARP,
	"if_inet6":   (*Sockets).procAddresses6,
	"igmp":       (*Sockets).procGroups4,
	"igmp6":      (*Sockets).procGroups6,
	"route":      (*Sockets).procRoute,
	"ipv6_route": (*Sockets).procRoute6,
}

// ProcNet renders a file of /proc/net from the stack: the same headers, columns and widths as Linux's. It
// reports false for a file that there is none of. Inodes are numbers of this package's own, given to
// sockets in the order of their making; users and kernel pointers are 0. What Linux orders by a hash is in the order
// of making.
func (n *Sockets) ProcNet(name string) ([]byte, bool) {
	f, ok := procNet[name]
	if !ok {
		return nil, false
	}
	var b bytes.Buffer
	f(n, &b)
	return b.Bytes(), true
}
