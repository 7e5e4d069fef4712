package packetdrill

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// Shell runs a command with the shell of this package.
func (o *Ours) Shell(dir, text string) error {
	status, complaints, err := o.shell.Run(dir, text)
	switch {
	case err != nil:
		return err
	case status != 0 && strings.Contains(complaints, noQueue):
		return skipped(strings.TrimSpace(text) + " has no meaning here: " + strings.TrimSpace(complaints))
	case status == 127:
		return skipped("a command is not there: " + strings.TrimSpace(complaints))
	case status != 0:
		return fmt.Errorf("exit status %d: %s", status, strings.TrimSpace(complaints))
	}
	return nil
}

func (o *Ours) setting(name string) (string, error) { return o.settings.get(name) }

// setSetting takes a setting, at once if the stack runs.
func (o *Ours) setSetting(name, value string) error {
	changed, err := o.settings.set(name, value)
	if err != nil || !changed || o.stack == nil {
		return err
	}
	if laterTooLate[name] {
		return skipped("the setting " + name + " has no meaning here while the stack runs")
	}
	c := o.settings.conf()
	o.routes.apply(&c)
	return errors.Join(o.tcp.Configure(c.tcp), o.follow(&c))
}

// laterTooLate are settings that the stack is made with.
var laterTooLate = map[string]bool{
	"net.core.rmem_max": true, "net.core.wmem_max": true, "net.core.rmem_default": true, "net.core.wmem_default": true,
}

// follow takes what settings say of the running stack, but for TCP.
func (o *Ours) follow(c *oursConf) error {
	o.guest.defaults = c.sockets
	for _, n := range o.stack.NICs() {
		n.SetForwarding(c.forwarding)
	}
	if c.down6 {
		_ = o.nic.RemoveAddress(o.conf.Setup.V6.Local) // there is none if it was down before
	}
	if c.ports == [2]int64{} {
		return nil
	}
	return o.stack.SetPortRange(uint16(c.ports[0]), uint16(c.ports[1]))
}

// background takes a setting that scripts have in common.
func (o *Ours) background(name, value string) error {
	err := o.setSetting(name, value)
	var skip skipped
	if errors.As(err, &skip) {
		o.settings.values[name] = value
		return nil
	}
	return err
}

// procFile is a file of /proc/net.
func (o *Ours) procFile(path string) (string, bool) {
	name, ok := strings.CutPrefix(path, "/proc/net/")
	if !ok {
		if name, ok = strings.CutPrefix(path, "/proc/self/net/"); !ok {
			return "", false
		}
	}
	o.build()
	b, ok := o.sockets.ProcNet(name)
	return string(b), ok
}

// tools are the programs that have something to do with the network.
func (o *Ours) tools() map[string]builtin {
	t := builtins()
	t["sysctl"] = o.sysctl
	t["ip"] = o.ip
	t["tc"] = o.tc
	t["nstat"] = o.nstat
	t["ethtool"] = o.ethtool
	t["sleep"] = o.sleep
	t["usleep"] = o.sleep
	return t
}

// sysctl is sysctl(8): names, NAME=VALUE and NAME VALUE with -w.
func (o *Ours) sysctl(s *shell, args []string, _ string, out *strings.Builder) int {
	quiet, values, ignore, status := false, false, false, 0
	var words []string
	for _, a := range args[1:] {
		if len(a) < 2 || a[0] != '-' {
			words = append(words, a)
			continue
		}
		switch strings.TrimLeft(a, "-") {
		case "q", "qw", "wq", "quiet":
			quiet = true
		case "n", "values":
			values = true
		case "w", "write":
		case "e", "ignore":
			ignore = true
		case "qe", "eq", "qew":
			quiet, ignore = true, true
		default:
			panic(skipped("sysctl " + a + " has no meaning here"))
		}
	}
	for _, w := range words {
		name, value, write := strings.Cut(w, "=")
		name = settingName(strings.TrimSpace(name))
		var err error
		if write {
			err = s.assign(name, strings.TrimSpace(value))
		} else {
			value, err = s.host.get(name)
		}
		if skip, ok := err.(skipped); ok {
			panic(skip)
		}
		switch {
		case err != nil && !ignore:
			s.complain("sysctl: %v", err)
			status = 1
		case err != nil, write && quiet:
		case values:
			out.WriteString(value + "\n")
		default:
			out.WriteString(name + " = " + value + "\n")
		}
	}
	return status
}

// routeConf is what routes say of connections.
type routeConf struct {
	mtu           int
	initialWindow int
	advMSS        int
	rtoMin        time.Duration
}

func (c *routeConf) apply(o *oursConf) {
	if c.initialWindow > 0 {
		o.tcp.InitialWindow = tcpip.Set(c.initialWindow)
	}
	if c.advMSS > 0 {
		o.tcp.AnnouncedMSS = tcpip.Set(c.advMSS)
	}
	if c.rtoMin > 0 {
		o.tcp.RTOMin = tcpip.Set(c.rtoMin)
	}
}

// ip is ip(8), as far as it flushes what there is none of, and gives the route to the script's side its metrics.
func (o *Ours) ip(_ *shell, args []string, _ string, out *strings.Builder) int {
	args = args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if len(args) < 2 {
		panic(skipped("ip " + text + " has no meaning here"))
	}
	switch object, verb := args[0], args[1]; {
	case strings.HasPrefix("tcp_metrics", object) && len(object) > 2, strings.HasPrefix("tcpmetrics", object) && len(object) > 2:
		return 0
	case strings.HasPrefix("route", object) && verb == "flush", strings.HasPrefix("neighbour", object) && verb == "flush":
		if len(args) < 3 || args[2] != "cache" {
			panic(skipped("ip " + text + " has no meaning here"))
		}
		return 0
	case strings.HasPrefix("route", object) && (verb == "show" || verb == "get" || verb == "list"):
		fmt.Fprintf(out, "default via %s dev tun0 onlink\n%s dev tun0 src %s\n", o.conf.Setup.V4.Gateway,
			netip.PrefixFrom(o.conf.Setup.V4.Local, o.conf.Setup.V4.Bits).Masked(), o.conf.Setup.V4.Local)
		return 0
	case strings.HasPrefix("route", object) && (verb == "change" || verb == "replace" || verb == "add"):
		o.route(args[2:])
		return 0
	case strings.HasPrefix("link", object) && (verb == "show" || verb == "list"), strings.HasPrefix("address", object) && (verb == "show" || verb == "list"):
		out.WriteString(o.links())
		return 0
	case object == "link" && verb == "set" && len(args) >= 4:
		return o.linkSet(args[2:])
	}
	panic(skipped("ip " + text + " has no meaning here"))
}

// route takes the metrics of a route. The script's side has but one.
func (o *Ours) route(args []string) {
	for i := 0; i < len(args); i++ {
		next := ""
		if i+1 < len(args) {
			next = args[i+1]
		}
		number := func() int {
			i++
			n, err := strconv.Atoi(strings.TrimSuffix(next, "ms"))
			if err != nil {
				panic(skipped("ip route with " + args[i-1] + " " + next + " has no meaning here"))
			}
			return n
		}
		switch args[i] {
		case "dev", "via", "src", "proto", "scope", "metric":
			i++
		case "default", "onlink":
		case "mtu":
			if next == "lock" && i+2 < len(args) {
				i++
				next = args[i+1]
			}
			o.routes.mtu = number()
		case "advmss":
			if next == "lock" && i+2 < len(args) {
				i++
				next = args[i+1]
			}
			o.routes.advMSS = number()
		case "initcwnd":
			o.routes.initialWindow = number()
		case "rto_min":
			if next == "lock" && i+2 < len(args) {
				i++
				next = args[i+1]
			}
			if !strings.HasSuffix(next, "ms") {
				panic(skipped("ip route with rto_min " + next + " has no meaning here"))
			}
			o.routes.rtoMin = time.Duration(number()) * time.Millisecond
		default:
			if strings.ContainsAny(args[i], ".:") { // the destination
				continue
			}
			panic(skipped("ip route with " + args[i] + " has no meaning here"))
		}
	}
	if o.stack == nil {
		return
	}
	c := o.settings.conf()
	o.routes.apply(&c)
	o.tcp.Configure(c.tcp)
	for r := range o.stack.Routes() {
		if r.Destination.Bits() == 0 && r.MTU != o.routes.mtu {
			changed := r
			changed.MTU = o.routes.mtu
			o.check(o.stack.RemoveRoute(r))
			o.check(o.stack.AddRoute(changed))
		}
	}
}

// links is what ip link show and ip address show say of the interfaces.
func (o *Ours) links() string {
	v4, v6 := &o.conf.Setup.V4, &o.conf.Setup.V6
	return fmt.Sprintf("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n2: tun0: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu %d\n"+
		"    inet %s/%d scope global tun0\n    inet6 %s/%d scope global\n", o.conf.MTU, v4.Local, v4.Bits, v6.Local, v6.Bits)
}

func (o *Ours) linkSet(args []string) int {
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "dev", "tun0", "up", "lo":
		case "mtu":
			if i++; i >= len(args) {
				return 2
			}
			n, err := strconv.Atoi(args[i])
			if err != nil {
				return 2
			}
			if o.stack == nil {
				o.conf.MTU = n
			} else if o.nic.SetMTU(n) != nil {
				return 2
			}
		default:
			panic(skipped("ip link set with " + args[i] + " has no meaning here"))
		}
	}
	return 0
}

// noQueue is what tc says of queues that the kernel is built without. The one that this stack is compared with has none
// of these, and scripts that go on without them are to find the same here.
const noQueue = "Specified qdisc kind is unknown"

var absentQueues = []string{"fq", "fq_codel", "netem", "sfq", "prio", "codel", "pie", "fq_pie", "cake"}

// tc is tc(8) with the queues that keep packets in order, and with one of no length, which loses all that is sent.
func (o *Ours) tc(s *shell, args []string, _ string, _ *strings.Builder) int {
	text := strings.Join(args, " ")
	if len(args) < 3 || args[1] != "qdisc" && args[1] != "q" {
		panic(skipped(text + " has no meaning here"))
	}
	switch args[2] {
	case "show", "list":
		return 0
	case "del", "delete":
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
			case 'n', 'r':
				silent = true
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

// ethtool may turn off what this stack's link does not do.
func (o *Ours) ethtool(_ *shell, args []string, _ string, _ *strings.Builder) int {
	if len(args) < 2 || args[1] != "-K" && args[1] != "--offload" && args[1] != "-k" {
		panic(skipped(strings.Join(args, " ") + " has no meaning here"))
	}
	return 0
}

// sleep lets virtual time pass.
func (o *Ours) sleep(_ *shell, args []string, _ string, _ *strings.Builder) int {
	total := 0.0
	for _, a := range args[1:] {
		unit := 1.0
		switch {
		case args[0] == "usleep":
			unit = 1e-6
		case strings.HasSuffix(a, "m"):
			unit = 60
		}
		v, err := strconv.ParseFloat(strings.TrimRight(a, "ms"), 64)
		if err != nil || v*unit > 1e5 {
			return 1
		}
		total += v * unit
	}
	end := o.Now() + time.Duration(total*1e6)*time.Microsecond
	o.Wait(end, func() bool { return false })
	return 0
}
