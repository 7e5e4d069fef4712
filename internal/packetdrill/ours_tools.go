package packetdrill

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// noQueue is what tc says of queues that the kernel is built without. The one that this stack is compared with has none
// of these, and scripts that go on without them are to find the same here.
const noQueue = "Specified qdisc kind is unknown"

var absentQueues = []string{"fq", "fq_codel", "netem", "sfq", "prio", "codel", "pie", "fq_pie", "cake"}

// tc is tc(8) with the queues that keep packets in order, and with one of no length, which loses all that is sent.
func (o *Ours) tc(s *shell, args []string, _ string, _ *strings.Builder) int {
	text := strings.Join(args, " ")
	for len(args) > 1 && strings.HasPrefix(args[1], "-") { // of how it shows what there is
		args = args[1:]
	}
	if len(args) > 2 && (args[2] == "show" || args[2] == "list" || args[2] == "ls") {
		return 0
	}
	if len(args) < 3 || args[1] != "qdisc" && args[1] != "q" {
		panic(skipped(text + " has no meaning here"))
	}
	if args[2] == "del" || args[2] == "delete" {
		o.dropping = false
		return 0
	}
	for i := 3; i < len(args); i++ {
		switch args[i] {
		case "dev", "handle", "parent":
			i++
		case "root":
		case "pfifo", "bfifo", "pfifo_fast", "noqueue":
			rest := args[i+1:]
			switch {
			case len(rest) == 0:
				o.dropping = false
			case len(rest) == 2 && rest[0] == "limit":
				o.dropping = rest[1] == "0"
			default:
				panic(skipped(text + " has no meaning here"))
			}
			return 0
		default:
			if slices.Contains(absentQueues, args[i]) {
				s.complain("Error: %s.", noQueue)
				return 2
			}
			panic(skipped(text + " has no meaning here"))
		}
	}
	return 0
}

// nstat is nstat(8): counters and by how much they have grown since it was last asked.
func (o *Ours) nstat(_ *shell, args []string, _ string, out *strings.Builder) int {
	zeroes, absolute, keep, silent := false, false, false, false
	var names []string
	for _, a := range args[1:] {
		if !strings.HasPrefix(a, "-") {
			names = append(names, a)
			continue
		}
		for _, c := range strings.TrimLeft(a, "-") {
			switch c {
			case 'z':
				zeroes = true
			case 'a':
				absolute = true
			case 's':
				keep = true
			case 'n':
				silent = true
			case 'r':
				o.counted = nil
			default:
				panic(skipped("nstat " + a + " has no meaning here"))
			}
		}
	}
	o.build()
	now := map[string]int64{}
	var order []string
	for _, file := range []string{"snmp", "snmp6", "netstat"} {
		b, _ := o.sockets.ProcNet(file)
		lines := strings.Split(string(b), "\n")
		for i := 0; i < len(lines); i++ {
			heads := strings.Fields(lines[i])
			if len(heads) == 2 && file == "snmp6" {
				now[heads[0]], _ = strconv.ParseInt(heads[1], 10, 64)
				order = append(order, heads[0])
				continue
			}
			if len(heads) < 2 || i+1 >= len(lines) {
				continue
			}
			values := strings.Fields(lines[i+1])
			for j := 1; j < min(len(heads), len(values)); j++ {
				name := strings.TrimSuffix(heads[0], ":") + heads[j]
				now[name], _ = strconv.ParseInt(values[j], 10, 64)
				order = append(order, name)
			}
			i++
		}
	}
	out.WriteString("#kernel\n")
	for _, name := range order {
		v := now[name]
		if !absolute {
			v -= o.counted[name]
		}
		wanted := len(names) == 0
		for _, n := range names {
			wanted = wanted || strings.Contains(name, strings.Trim(n, "*"))
		}
		if wanted && !silent && (v != 0 || zeroes) {
			fmt.Fprintf(out, "%-32s%-16d%3.1f\n", name, v, 0.0)
		}
	}
	if !keep && len(names) == 0 {
		o.counted = now
	}
	return 0
}

// ethtool may turn off what this stack's link does not do, and shows that it does not.
func (o *Ours) ethtool(_ *shell, args []string, _ string, out *strings.Builder) int {
	if len(args) < 3 {
		panic(skipped(strings.Join(args, " ") + " has no meaning here"))
	}
	switch args[1] {
	case "-K", "--offload", "--features":
	case "-k", "--show-offload", "--show-features":
		fmt.Fprintf(out, "Features for %s:\n", args[2])
		for _, f := range []string{
			"rx-checksumming", "tx-checksumming", "scatter-gather", "tcp-segmentation-offload", "generic-segmentation-offload",
			"generic-receive-offload", "large-receive-offload",
		} {
			out.WriteString(f + ": off\n")
		}
	case "-i", "--driver":
		out.WriteString("driver: tun\n")
	default:
		panic(skipped(strings.Join(args, " ") + " has no meaning here"))
	}
	return 0
}

// ifconfig shows the interfaces, or changes an MTU.
func (o *Ours) ifconfig(_ *shell, args []string, _ string, out *strings.Builder) int {
	if len(args) < 3 {
		out.WriteString(o.links())
		return 0
	}
	return o.linkSet(args[2:])
}
