package oracle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// Step is one call of a generated sequence. Its files are slots that the sequence numbers in advance, so
// that a sequence stays meaningful when steps are left out: a call on an empty slot is EBADF everywhere.
type Step struct {
	Text string // as in a scenario
	do   func(*player)
}

// Sequence is a random conversation with sockets, the same for the same seed.
type Sequence struct {
	Seed  uint64
	Steps []Step
}

// player is what the steps of a sequence share while they run.
type player struct {
	r    *Run
	fds  [maxSlots]int
	sent [][]byte // what has last left through t0
}

const maxSlots = 12

// Scenario returns the sequence as one.
func (q Sequence) Scenario() Scenario {
	return Scenario{fmt.Sprintf("sequence/%d", q.Seed), func(r *Run) {
		p := &player{r: r}
		for i := range p.fds {
			p.fds[i] = -1
		}
		for _, s := range q.Steps {
			s.do(p)
		}
	}}
}

// String returns the steps as the text of a scenario.
func (q Sequence) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "// seed %d\n", q.Seed)
	for _, s := range q.Steps {
		b.WriteString(s.Text + "\n")
	}
	return b.String()
}

// Hash tells sequences apart: one that was recorded from the same seed may have been another, with fewer options.
func (q Sequence) Hash() string {
	h := sha256.Sum256([]byte(q.String()))
	return hex.EncodeToString(h[:8])
}

// Moved reports whether a log shows that data arrived on a socket.
func Moved(log []string) bool {
	return slices.ContainsFunc(log, func(line string) bool {
		call, outcome, ok := strings.Cut(line, ") = ")
		return ok && strings.HasPrefix(call, "recvmsg(") && outcome[0] >= '1' && outcome[0] <= '9' && !strings.Contains(outcome, "flags 0x20")
	})
}

// role is what the generator believes of a slot.
type role int

const (
	empty role = iota
	fresh
	bound
	listener
	client
	server
	closed
)

// slot is the generator's notion of a file; the sockets may know better.
type slot struct {
	role role
	sort sort
	port uint16 // bound to
	to   int    // the slot that receives what this one sends, -1 for none
	four bool   // an IPv6 stream that has had a peer of IPv4
	six  bool   // an IPv6 datagram socket that has had a peer of IPv6
}

type generator struct {
	*rand.Rand
	steps []Step
	slots []slot
	want  int // steps
}

// Generate makes the sequence of a seed.
func Generate(seed uint64) Sequence {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x5eed))}
	g.want = 10 + g.IntN(31)
	switch n := g.IntN(20); {
	case n < 8:
		g.connection()
	case n < 15:
		g.couple()
	case n < 17:
		g.echo()
	}
	for len(g.steps) < g.want {
		g.next()
	}
	return Sequence{seed, g.steps}
}

func (g *generator) step(do func(*player), format string, args ...any) {
	g.steps = append(g.steps, Step{fmt.Sprintf(format, args...), do})
}

// pick returns one of a list.
func pick[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }

// chance is true in n of 100.
func (g *generator) chance(n int) bool { return g.IntN(100) < n }

// ports are those that sequences use. Some meet, most do not.
var sequencePorts = []uint16{4000, 4000, 4000, 4001, 4002}

func (g *generator) port() uint16 { return pick(g, sequencePorts...) }

// socket opens one into a new slot, -1 if there is none left.
func (g *generator) socket(k sort) int {
	if len(g.slots) == maxSlots {
		return -1
	}
	n := len(g.slots)
	g.slots = append(g.slots, slot{role: fresh, sort: k, to: -1})
	g.step(func(p *player) { p.fds[n] = k.open(p.r) }, "s%d := sortOf(%q).open(r)", n, k.name)
	return n
}

// on returns a random slot that has been opened, preferably one of a role.
func (g *generator) on(roles ...role) int {
	var fit, all []int
	for i, s := range g.slots {
		if s.role != closed {
			all = append(all, i)
		}
		if slices.Contains(roles, s.role) {
			fit = append(fit, i)
		}
	}
	switch {
	case len(fit) > 0 && !g.chance(10):
		return pick(g, fit...)
	case len(all) > 0 && !g.chance(2):
		return pick(g, all...)
	case len(g.slots) > 0:
		return g.IntN(len(g.slots))
	}
	return g.socket(g.sort())
}

func (g *generator) sort() sort { return pick(g, sorts...) }

// one is a random socket of few kinds, by their predicate.
func (g *generator) one(of func(sort) bool) sort {
	var fit []sort
	for _, k := range sorts {
		if of(k) {
			fit = append(fit, k)
		}
	}
	return pick(g, fit...)
}

// name is a socket address as it is written in a scenario.
type name struct {
	text string
	b    []byte
}

func in(k sort, v4, v6 string, port uint16) name {
	if k.v6() {
		return name{fmt.Sprintf("In6(%q, %d)", v6, port), In6(v6, port)}
	}
	return name{fmt.Sprintf("In4(%q, %d)", v4, port), In4(v4, port)}
}

// places are where sockets are bound and connected to, in pairs of the two families.
var places = []struct{ v4, v6 string }{
	{"127.0.0.1", "::1"}, {"127.0.0.1", "::1"}, {"127.0.0.1", "::ffff:127.0.0.1"}, {"0.0.0.0", "::"}, {"0.0.0.0", "::ffff:0.0.0.0"},
	{Host4, Host6}, {Host4, "::ffff:" + Host4}, {"127.0.0.2", "::ffff:127.0.0.2"},
	{Peer4, Peer6}, {Peer4, "::ffff:" + Peer4}, {"192.0.2.9", "2001:db8::9"},
	{"224.0.0.99", "ff0e::99"}, {"10.77.0.255", "ff02::99"}, {"255.255.255.255", "ff01::1"},
}

// place is an address to connect or send to: mostly one where somebody may be.
func (g *generator) place(k sort) name {
	if g.chance(3) {
		return name{"Unspec()", Unspec()}
	}
	if g.chance(4) {
		k.family = linux.AF_INET + linux.AF_INET6 - k.family
	}
	n := g.IntN(len(places))
	if g.chance(50) {
		n = g.IntN(4)
	}
	port := g.port()
	if g.chance(4) {
		port = 0
	}
	a := in(k, places[n].v4, places[n].v6, port)
	if g.chance(2) {
		cut := g.IntN(len(a.b))
		a = name{fmt.Sprintf("%s[:%d]", a.text, cut), a.b[:cut]}
	}
	return a
}

// local are the addresses that sockets bind to so that data may move, with one to reach each.
var locals = []struct{ at4, at6, to4, to6 string }{
	{"127.0.0.1", "::1", "127.0.0.1", "::1"},
	{"0.0.0.0", "::", "127.0.0.1", "::1"},
	{"0.0.0.0", "::", "127.0.0.1", "::ffff:127.0.0.1"},
	{"127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1"},
	{Host4, Host6, Host4, Host6},
	{"0.0.0.0", "::", Host4, Host6},
}

// connection makes a listener and one or two connections to it.
func (g *generator) connection() {
	k, at := g.one(streams), pick(g, locals...)
	l := g.socket(k)
	if g.chance(30) {
		g.option(l)
	}
	g.bind(l, in(k, at.at4, at.at6, 4000), 4000)
	g.listen(l, 1+g.IntN(5))
	for range 1 + g.IntN(4)/3 {
		c := g.socket(k)
		if g.chance(30) {
			g.option(c)
		}
		g.connect(c, in(k, at.to4, at.to6, 4000))
		if s := g.accept(l); s >= 0 {
			g.slots[c].role, g.slots[c].to, g.slots[s].to = client, s, c
		}
	}
	g.exchange(len(g.slots) - 1 - g.IntN(2))
}

// couple makes a bound UDP socket and one that sends to it.
func (g *generator) couple() {
	k, at := g.one(udps), pick(g, locals...)
	s, c := g.socket(k), g.socket(k)
	for _, n := range []int{s, c} {
		if g.chance(50) {
			g.option(n)
		}
	}
	g.bind(s, in(k, at.at4, at.at6, 4000), 4000)
	to := in(k, at.to4, at.to6, 4000)
	if g.chance(60) {
		g.connect(c, to)
		g.slots[c].role, g.slots[c].to = client, s
		g.exchange(c)
		return
	}
	g.send(c, to)
	g.receive(s)
}

// echo makes a ping socket that asks its own host.
func (g *generator) echo() {
	k := g.one(pings)
	s := g.socket(k)
	if g.chance(50) {
		g.option(s)
	}
	to := in(k, "127.0.0.1", "::1", 0)
	if g.chance(50) {
		g.connect(s, to)
		g.slots[s].to = s
	}
	g.send(s, to)
	g.receive(s)
}

// exchange sends from a slot and receives where that arrives.
func (g *generator) exchange(n int) {
	g.send(n, name{"nil", nil})
	if to := g.slots[n].to; to >= 0 {
		g.receive(to)
	}
}

// actions are what may come next, each as often as its weight says.
var actions = []struct {
	weight int
	do     func(*generator)
}{
	{14, func(g *generator) { g.exchange(g.on(client, server)) }},
	{8, func(g *generator) { g.sendAnywhere(g.on(client, server, bound, fresh)) }},
	{8, func(g *generator) { g.receive(g.on(client, server, bound)) }},
	{3, func(g *generator) { g.errors(g.on(client, server, bound)) }},
	{14, func(g *generator) { g.option(g.on(client, server, bound, listener, fresh)) }},
	{8, func(g *generator) { g.getOption(g.on(client, server, bound, listener, fresh)) }},
	{4, func(g *generator) { g.wildOption(g.on(client, server, bound, listener, fresh)) }},
	{6, func(g *generator) { g.poll(g.on(client, server, bound, listener)) }},
	{4, func(g *generator) { g.names(g.on(client, server, bound)) }},
	{3, func(g *generator) { g.ioctl(g.on(client, server, bound)) }},
	{3, func(g *generator) { g.shutdown(g.on(client, server)) }},
	{3, func(g *generator) { g.close(g.on(client, server, bound, listener)) }},
	{3, func(g *generator) { g.socket(g.sort()) }},
	{3, func(g *generator) { g.bindAnywhere(g.on(fresh)) }},
	{4, func(g *generator) { n := g.on(fresh, bound); g.connect(n, g.place(g.slots[n].sort)) }},
	{2, func(g *generator) { g.listen(g.on(bound, fresh), g.IntN(4)-1) }},
	{3, func(g *generator) { g.accept(g.on(listener)) }},
	{5, func(g *generator) { g.packets() }},
	{3, func(g *generator) { g.arrive() }},
	{3, func(g *generator) { g.complain() }},
	{2, func(g *generator) { g.many(g.on(client, server, bound)) }},
}

// next adds a step or two.
func (g *generator) next() {
	if len(g.slots) == 0 {
		g.socket(g.sort())
		return
	}
	total := 0
	for _, a := range actions {
		total += a.weight
	}
	n := g.IntN(total)
	for _, a := range actions {
		if n -= a.weight; n < 0 {
			a.do(g)
			return
		}
	}
}
