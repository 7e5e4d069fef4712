package prometheus

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/seed963a8790/netstack/stack"
)

// groups are the groups of stack.Counters, a name that another begins with behind that, with the prefix of their
// metrics and where they are defined.
var groups = []struct{ group, prefix, source string }{
	{"Icmp6", "icmp6", "RFC 4293, ICMP for IPv6"},
	{"Icmp", "icmp", "RFC 4293, ICMP for IPv4"},
	{"Igmp", "igmp", "messages of IGMP"},
	{"Ip6", "ip6", "RFC 4293, IPv6"},
	{"Ip", "ip", "RFC 4293, IPv4"},
	{"TcpExt", "tcpext", "Linux's extensions of TCP's MIB"},
	{"Tcp", "tcp", "RFC 4022, TCP"},
	{"Udp6", "udp6", "RFC 4113, UDP over IPv6"},
	{"Udp", "udp", "RFC 4113, UDP over IPv4"},
	{"Arp", "arp", "messages of ARP"},
}

// dropPrefix begins the names of counters of discarded packets.
const dropPrefix = "Drop."

// metricOf returns the name of the metric of a counter, and what it says in its HELP.
func metricOf(name string) (metric, help string) {
	for _, g := range groups {
		if field, ok := strings.CutPrefix(name, g.group); ok {
			short := strings.TrimPrefix(field, "TCP") // of TcpExt, whose prefix says it
			if short == "" {
				short = field
			}
			return "netstack_" + g.prefix + "_" + snake(short) + "_total", name + " (" + g.source + ")."
		}
	}
	return "netstack_" + snake(name) + "_total", name + "."
}

// irregular are words that snake would take apart.
var irregular = strings.NewReplacer("MLDv2", "Mldv2", "ACKs", "Acks", "RTOs", "Rtos", "OKs", "Oks")

// snake turns a name like InCsumErrors or PAWSEstab into in_csum_errors or paws_estab.
func snake(s string) string {
	r := []rune(irregular.Replace(s))
	var b strings.Builder
	for i, c := range r {
		if i > 0 && unicode.IsUpper(c) && (!unicode.IsUpper(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// counters writes those of the MIBs, and then the drops, in the order of their declaration.
func (e *encoder) counters(stacks []Stack) {
	values := make([][]uint64, len(stacks))
	for i := range stacks {
		for _, v := range stacks[i].Snapshot.Counters.All() {
			values[i] = append(values[i], v)
		}
	}
	const drops = "netstack_drops_total"
	at, first := 0, true
	for name := range new(stack.CounterValues).All() {
		metric, help := metricOf(name)
		reason, drop := strings.CutPrefix(name, dropPrefix)
		switch {
		case !drop:
			e.family(metric, help, counter)
		case first:
			first = false
			e.family(drops, "Packets discarded, by reason.", counter)
		}
		for i := range stacks {
			v := strconv.FormatUint(values[i][at], 10)
			if drop {
				e.sample(drops, v, label{"stack", stacks[i].Name}, label{"reason", reason})
			} else {
				e.sample(metric, v, label{"stack", stacks[i].Name})
			}
		}
		at++
	}
}
