package oracle

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// procFiles are the files of /proc/net that are compared, and what in their lines cannot be equal.
var procFiles = []struct {
	name   string
	normal func(string) string
}{
	{"tcp", normalSocket}, {"tcp6", normalSocket}, {"udp", normalDatagram}, {"udp6", normalDatagram},
	{"raw", normalDatagram}, {"raw6", normalDatagram}, {"icmp", normalDatagram}, {"icmp6", normalDatagram},
	{"snmp", same}, {"snmp6", same}, {"netstat", same},
	{"route", same}, {"ipv6_route", normalRoute6}, {"if_inet6", same}, {"dev", normalDevice},
	{"arp", same}, {"igmp", same}, {"igmp6", same}, {"sockstat", same}, {"sockstat6", same}, {"packet", same},
}

func same(line string) string { return line }

var (
	socketTail   = regexp.MustCompile(`( +)[0-9]+( +)([0-9]+) [0-9]+ ([0-9]+) [0-9a-f]{16}`)
	socketTimer  = regexp.MustCompile(` ([0-9A-F]{2}):[0-9A-F]{8} `)
	socketNumber = regexp.MustCompile(`^ *[0-9]+:`)
	tcpTail      = regexp.MustCompile(`POINTER ([0-9]+) [0-9]+ [0-9]+ ([0-9]+) (-?[0-9]+) *`)
	ephemeral    = regexp.MustCompile(`:([89A-F][0-9A-F]{3}) `)
)

// normalSocket leaves out inodes, pointers, how long a timer has yet to run, ephemeral ports, numbers that come of a
// hash, and how soon TCP would acknowledge.
func normalSocket(line string) string {
	size := 0 // of lines that are padded
	if strings.HasSuffix(line, " \n") {
		size = len(line)
	}
	line = socketTail.ReplaceAllString(line, "${1}UID${2}$3 INODE REFS POINTER")
	line = socketTimer.ReplaceAllString(line, " $1:WHEN ")
	line = ephemeral.ReplaceAllString(line, ":PORT ")
	line = socketNumber.ReplaceAllStringFunc(line, func(n string) string { return fmt.Sprintf("%d columns:", len(n)-1) })
	line = tcpTail.ReplaceAllString(line, "POINTER $1 ATO QUICK $2 $3")
	return fmt.Sprintf("%s padded to %d", strings.TrimRight(line, " \n"), size)
}

// normalDatagram is normalSocket, and leaves out how much memory a queue takes: we count slabs.
func normalDatagram(line string) string {
	return heldMemory.ReplaceAllString(normalSocket(line), ":HELD ")
}

var heldMemory = regexp.MustCompile(`:0000[0-9A-F]*[1-9A-F][0-9A-F]* `)

// normalRoute6 leaves out counters of references and of use, which depend on caches.
func normalRoute6(line string) string {
	f := strings.Fields(line)
	if len(f) != 10 {
		return line
	}
	return strings.Join(append(f[:6], f[8:]...), " ") + fmt.Sprint(" ", len(line))
}

// normalDevice leaves out the counters' values: multicast listener reports are among them.
var deviceCounter = regexp.MustCompile(`[0-9]+( |\n)`)

func normalDevice(line string) string {
	if strings.Contains(line, "|") {
		return line
	}
	name, rest, _ := strings.Cut(line, ":")
	return fmt.Sprintf("%s: %d columns", name, len(deviceCounter.FindAllString(rest, -1)))
}

// situations are what /proc/net is looked at in.
var situations = []struct {
	name string
	make func(*Run)
}{
	{"empty", func(*Run) {}},
	{"listening", func(r *Run) {
		for _, name := range []string{"tcp4", "tcp6"} {
			k := sortOf(name)
			s := k.open(r)
			r.Bind(s, k.any(4000+uint16(len(r.names))))
			r.Listen(s, 5)
		}
	}},
	{"connected", func(r *Run) { sortOf("tcp4").pair(r); sortOf("tcp4").open(r) }},
	{"connected6", func(r *Run) { sortOf("tcp6").pair(r) }},
	{"waiting-to-be-accepted", func(r *Run) {
		k := sortOf("tcp4")
		s, c := k.open(r), k.open(r)
		r.Bind(s, k.loopback(4000))
		r.Listen(s, 5)
		r.Connect(c, k.loopback(4000))
	}},
	{"unread", func(r *Run) {
		_, c, _ := sortOf("tcp4").pair(r)
		r.Send(c, []byte("hello"), nil, nil, 0)
	}},
	{"connecting", func(r *Run) {
		k := sortOf("tcp4")
		s := k.open(r)
		r.Connect(s, k.peer(4000))
	}},
	{"half-closed", func(r *Run) {
		_, c, _ := sortOf("tcp4").pair(r)
		r.Shutdown(c, linux.SHUT_WR)
	}},
	{"closed", func(r *Run) {
		_, c, s := sortOf("tcp4").pair(r)
		r.Close(c)
		r.Close(s)
	}},
	{"orphan", func(r *Run) {
		_, c, _ := sortOf("tcp4").pair(r)
		r.Close(c)
	}},
	{"udp", func(r *Run) {
		for _, name := range []string{"udp4", "udp6"} {
			k := sortOf(name)
			s, c := k.open(r), k.open(r)
			r.Bind(s, k.loopback(4000))
			r.Connect(c, k.loopback(4000))
			r.Send(c, []byte("hello"), nil, nil, 0)
			k.open(r) // one that is not bound
		}
	}},
	{"ping", func(r *Run) {
		for _, name := range []string{"ping4", "ping6"} {
			k := sortOf(name)
			s := k.open(r)
			r.Bind(s, k.loopback(77))
			k.open(r)
		}
	}},
	{"raw", func(r *Run) {
		r.Socket(linux.AF_INET, linux.SOCK_RAW, linux.IPPROTO_ICMP)
		r.Socket(linux.AF_INET6, linux.SOCK_RAW, linux.IPPROTO_ICMPV6)
	}},
}

// procnetScenarios read /proc/net in some situations.
func procnetScenarios() (list []Scenario) {
	for _, f := range procFiles {
		for _, st := range situations {
			counts := strings.Contains("snmp snmp6 netstat sockstat sockstat6", f.name)
			if counts {
				continue
			}
			list = append(list, Scenario{"procnet/" + f.name + "/" + st.name, func(r *Run) {
				st.make(r)
				r.ProcNet(f.name, f.normal)
			}})
		}
	}
	for _, name := range []string{"snmp", "snmp6", "netstat", "sockstat", "sockstat6"} {
		list = append(list, Scenario{"procnet/" + name + "/names", func(r *Run) {
			r.ProcNet(name, counterNames)
		}})
	}
	return list
}

var number = regexp.MustCompile(`-?[0-9]+`)

// counterNames leaves the values out: the line without its numbers.
func counterNames(line string) string {
	if strings.HasPrefix(line, "MPTcpExt:") {
		return "" // of a protocol that a kernel may lack
	}
	f := strings.Fields(line)
	for i := range f {
		if i > 0 && number.FindString(f[i]) == f[i] {
			f[i] = "N"
		}
	}
	return strings.Join(f, " ")
}
