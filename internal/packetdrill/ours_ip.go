package packetdrill

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// routeConf is what routes say of connections.
type routeConf struct {
	mtu           int
	initialWindow int
	advMSS        int
	rtoMin        time.Duration
	congestion    string
	reordering    int
	hopLimit      int
	ecn           bool
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
	if c.congestion != "" {
		o.tcp.Congestion = tcpip.Set(congestions[c.congestion])
	}
	if c.reordering > 0 {
		o.tcp.Reordering = tcpip.Set(c.reordering)
	}
	if c.ecn {
		o.tcp.ECN = tcpip.Set(tcp.ECNOn)
	}
	if c.hopLimit > 0 {
		o.sockets = append(o.sockets, socketDefault{afINET, levelIP, ipTTL, c.hopLimit}, socketDefault{afINET6, levelIPv6, ipv6Hops, c.hopLimit})
	}
	o.reconcile()
}

// ip is ip(8), as far as it shows the interfaces and flushes what there is none of, gives the route to the script's side its
// metrics, and NICs addresses.
func (o *Ours) ip(_ *shell, args []string, _ string, out *strings.Builder) int {
	args = args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if len(args) == 0 {
		panic(skipped("ip has no meaning here without more"))
	}
	object, verb := args[0], "show"
	if len(args) > 1 {
		verb, args = args[1], args[2:]
	}
	is := func(name string, least int) bool { return len(object) >= least && strings.HasPrefix(name, object) }
	shows := verb == "show" || verb == "list" || verb == "ls" || verb == "get" || verb == "lst"
	switch {
	case is("tcp_metrics", 3), is("tcpmetrics", 3), shows && (is("neighbour", 1) || is("rule", 2) || is("netns", 3) || is("maddress", 2)):
		return 0
	case (is("route", 1) || is("neighbour", 1)) && verb == "flush" && len(args) > 0 && args[0] == "cache":
		return 0
	case is("route", 1) && shows:
		fmt.Fprintf(out, "default via %s dev tun0 onlink\n%s dev tun0 src %s\n", o.conf.Setup.V4.Gateway,
			netip.PrefixFrom(o.conf.Setup.V4.Local, o.conf.Setup.V4.Bits).Masked(), o.conf.Setup.V4.Local)
		return 0
	case is("route", 1) && (verb == "change" || verb == "replace" || verb == "add" || verb == "append" || verb == "chg" || verb == "repl"):
		o.route(args)
		return 0
	case (is("link", 1) || is("address", 1)) && shows:
		out.WriteString(o.links())
		return 0
	case is("link", 1) && (verb == "set" || verb == "change"):
		return o.linkSet(args)
	case is("address", 1) && len(args) > 0 && (verb == "add" || verb == "replace" || verb == "del" || verb == "delete"):
		return o.address(verb, args)
	}
	panic(skipped("ip " + text + " has no meaning here"))
}

// address adds an address to an interface, or removes one.
func (o *Ours) address(verb string, args []string) int {
	p, err := netip.ParsePrefix(args[0])
	if a, addrErr := netip.ParseAddr(args[0]); addrErr == nil {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil {
		return 1
	}
	o.build()
	nic := o.nic
	for _, n := range o.stack.NICs() {
		if slices.Contains(args, n.Name()) {
			nic = n
		}
	}
	if verb == "del" || verb == "delete" {
		err = nic.RemoveAddress(p.Addr())
	} else if err = nic.AddAddress(p); verb == "replace" {
		err = nil
	}
	if o.clock.Settle(); err != nil {
		return 2
	}
	return 0
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
			n, err := strconv.Atoi(next)
			if err != nil {
				panic(skipped("ip route with " + args[i-1] + " " + next + " has no meaning here"))
			}
			return n
		}
		switch args[i] {
		case "dev", "via", "src", "proto", "scope", "metric", "table":
			i++
		case "congctl":
			if next == "lock" && i+2 < len(args) {
				i++
				next = args[i+1]
			}
			if i++; !knownCongestion(next) {
				panic(skipped("ip route with congctl " + next + " has no meaning here"))
			}
			o.routes.congestion = next
		case "features":
			if i++; next != "ecn" {
				panic(skipped("ip route with features " + next + " has no meaning here"))
			}
			o.routes.ecn = true
		case "reordering":
			o.routes.reordering = number()
		case "hoplimit":
			o.routes.hopLimit = number()
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
			d, err := time.ParseDuration(next)
			if i++; err != nil || d <= 0 {
				panic(skipped("ip route with rto_min " + next + " has no meaning here"))
			}
			o.routes.rtoMin = d
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
	o.check(o.tcp.Configure(c.tcp))
	o.check(o.follow(&c))
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
		case "txqueuelen", "qlen", "gso_max_size", "gso_max_segs", "gro_max_size", "gso_ipv4_max_size": // of queues and merging that are not here
			i++
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
