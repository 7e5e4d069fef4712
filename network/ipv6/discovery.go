package ipv6

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slaac"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Generation is how the identifiers of autoconfigured addresses are made.
type Generation = slaac.Generation

// ConfiguredAddress is an address that autoconfiguration has made, with what is left of its lifetimes.
type ConfiguredAddress = slaac.Address

// The ways of Generation.
const (
	Stable   = slaac.Stable   // a keyed function of prefix and NIC (RFC 7217)
	Hardware = slaac.Hardware // from the link address (modified EUI-64)
)

// DiscoveryOptions say what a NIC learns from routers. The zero value makes a link-local address, and global ones
// from what routers advertise, all with stable identifiers.
type DiscoveryOptions struct {
	NoLinkLocal bool // make no link-local address; discovery waits for one that is given to the NIC
	NoRouters   bool // send no solicitations and pass over advertisements and redirects
	NoAddresses bool // heed routers, but make no global addresses
	// Forwarding: heed routers also while the NIC forwards (Linux's accept_ra 2). A router configures itself
	// by other means (RFC 4861 §6.2).
	Forwarding bool
	Temporary  bool // make temporary addresses too, which connections that begin here prefer (RFC 8981)
	Generation Generation
	// Secret is what stable identifiers are a function of, beside prefix and NIC name: the same one makes the same
	// addresses again. Unset: drawn at random.
	Secret tcpip.Opt[[32]byte]
	// Solicitations is how many are sent at most; unset: with growing intervals until a router answers (RFC 7559).
	Solicitations tcpip.Opt[int]
}

// Advertised is what routers have said that the stack leaves to others.
type Advertised struct {
	DNS     []netip.Addr // recursive servers (RFC 8106)
	Managed bool         // addresses are to be had by DHCPv6
	Other   bool         // other configuration is
}

// Discovery is router discovery and address autoconfiguration on one NIC. Its methods are safe for concurrent use.
type Discovery struct {
	ip      *Protocol
	nic     *stack.NIC
	options DiscoveryOptions
	secret  [32]byte
	waiters waiter.Queue

	mu      sync.Mutex
	host    slaac.Host
	timer   tcpip.Timer
	busy    bool // somebody is carrying actions out
	stopped bool
	managed bool
	other   bool
	routes  map[stack.RouteEntry]bool // that we have added
}

// Discover begins router discovery and address autoconfiguration on a NIC, and goes on whenever its link comes up.
//
// Errors: ErrExists if it has begun already, ErrNotSupported if the stack has no IPv6 or the NIC is a loopback, ErrClosed.
func Discover(nic *stack.NIC, o DiscoveryOptions) (*Discovery, error) {
	s := nic.Stack()
	ip, ok := s.Network(header.EtherTypeIPv6).(*Protocol)
	if !ok || nic.Info().Kind == stack.LinkLoopback {
		return nil, tcpip.ErrNotSupported
	}
	d := &Discovery{ip: ip, nic: nic, options: o, routes: map[stack.RouteEntry]bool{}}
	secret, given := o.Secret.Get()
	if d.secret = secret; !given {
		_, _ = s.Random().Read(d.secret[:])
	}
	if err := ip.discover.add(d); err != tcpip.OK {
		return nil, err
	}
	if nic.Up() {
		w := s.Begin()
		d.begin(w)
		w.End()
	}
	return d, nil
}

// Waiters is told Readable when what Advertised and Addresses return may have changed.
func (d *Discovery) Waiters() *waiter.Queue { return &d.waiters }

// Advertised returns what routers have said.
func (d *Discovery) Advertised() Advertised {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Advertised{DNS: d.host.Servers(), Managed: d.managed, Other: d.other}
}

// Addresses returns the addresses that autoconfiguration has made, with what is left of their lifetimes.
func (d *Discovery) Addresses() []ConfiguredAddress {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.host.Addresses(d.ip.stack.Now())
}

// Stop ends it and undoes what it has done to the NIC.
func (d *Discovery) Stop() {
	w := d.ip.stack.Begin()
	d.ip.discover.remove(d)
	d.end(w)
	w.End()
}

// begin starts the machine on a link that is up.
func (d *Discovery) begin(w *stack.Work) {
	s, o := d.ip.stack, &d.options
	c := slaac.Conf{
		LinkLocal: !o.NoLinkLocal, Routers: !o.NoRouters, Addresses: !o.NoAddresses, Temporary: o.Temporary,
		Generation: o.Generation, Link: d.nic.Info().Address, Name: d.nic.Name(), Secret: d.secret,
		Solicitations: o.Solicitations.Or(-1), MTU: d.nic.MTU(),
	}
	if d.nic.Info().Kind != stack.LinkEthernet {
		c.Generation = Stable // there is no address to make one from
	}
	_, _ = s.Random().Read(c.Seed[:])
	d.mu.Lock()
	if d.host.Running() {
		d.mu.Unlock()
		return
	}
	d.host.Start(s.Now(), c)
	for _, a := range d.nic.Addresses() {
		if a.State <= stack.AddressDeprecated {
			d.host.Detected(s.Now(), a.Prefix.Addr(), true)
		}
	}
	d.run(w)
}

// end stops the machine.
func (d *Discovery) end(w *stack.Work) {
	d.mu.Lock()
	d.host.Stop()
	d.managed, d.other = false, false
	d.run(w)
}

// run carries out what the machine wants and sets the timer. d.mu is held, and released. Where somebody is doing that
// already, they go on with what is new.
func (d *Discovery) run(w *stack.Work) {
	if d.busy {
		d.mu.Unlock()
		return
	}
	d.busy = true
	changed := false
	for a := (slaac.Action{}); d.host.Poll(&a); {
		d.mu.Unlock()
		changed = d.perform(w, &a) || changed
		d.mu.Lock()
	}
	d.busy = false
	d.arm()
	d.mu.Unlock()
	if changed {
		w.Wake(d.ip.stack, &d.waiters, waiter.Readable)
	}
}

// arm sets the timer. d.mu is held.
func (d *Discovery) arm() {
	next := d.host.Deadline()
	if next.IsZero() || d.stopped {
		if d.timer != nil {
			d.timer.Stop()
		}
		return
	}
	wait := next.Sub(d.ip.stack.Now())
	if d.timer == nil {
		d.timer = d.ip.stack.Clock().AfterFunc(wait, d.expire)
	} else {
		d.timer.Reset(wait)
	}
}

func (d *Discovery) expire() {
	w := d.ip.stack.Begin()
	d.mu.Lock()
	d.host.Advance(d.ip.stack.Now())
	d.run(w)
	w.End()
}

// perform does one thing and reports whether users may want to know.
func (d *Discovery) perform(w *stack.Work, a *slaac.Action) bool {
	n := d.nic
	switch a.Kind {
	case slaac.Solicit:
		d.ip.solicitRouters(w, n)
	case slaac.AddAddress:
		_ = n.AddAddressWith(a.Prefix, stack.AddressOptions{NoPrefixRoute: !a.Prefix.Addr().IsLinkLocalUnicast(), Temporary: a.Temporary, Leased: !a.Prefix.Addr().IsLinkLocalUnicast()})
		return true // if the address is there already, its detection is what counts
	case slaac.SetDeprecated:
		state := stack.AddressPreferred
		if a.Deprecated {
			state = stack.AddressDeprecated
		}
		n.SetAddressState(a.Prefix.Addr(), state)
		return true
	case slaac.RemoveAddress:
		_ = n.RemoveAddress(a.Prefix.Addr())
		return true
	case slaac.AddRoute:
		if e := d.entry(a); d.ip.stack.AddRoute(e) == nil {
			d.mu.Lock()
			d.routes[e] = true
			d.mu.Unlock()
		}
	case slaac.RemoveRoute:
		e := d.entry(a)
		d.mu.Lock()
		ours := d.routes[e]
		delete(d.routes, e)
		d.mu.Unlock()
		if ours {
			_ = d.ip.stack.RemoveRoute(e)
		}
	case slaac.SetHopLimit:
		n.SetIPv6HopLimit(uint8(a.Value))
	case slaac.SetReachable:
		n.SetIPv6ReachableTime(a.Duration)
	case slaac.SetRetrans:
		n.SetIPv6RetransTimer(a.Duration)
	case slaac.SetMTU:
		_ = n.SetIPv6MTU(a.Value)
	case slaac.NewServers:
		return true
	}
	return false
}

// The metrics of routes that routers advertise, as on Linux: what is configured comes before a gateway.
const (
	neighbourhoodMetric = 256
	advertisedMetric    = 1024
)

func (d *Discovery) entry(a *slaac.Action) stack.RouteEntry {
	e := stack.RouteEntry{
		Destination: a.Prefix, Gateway: a.Router, NIC: d.nic.ID(), Metric: advertisedMetric, Preference: int8(a.Preference),
		Origin: stack.RouteAdvertised,
	}
	switch {
	case a.Redirected:
		e.Origin = stack.RouteRedirected
	case a.Lasting:
		e.Origin = stack.RouteLasting
	}
	if !a.Router.IsValid() {
		e.Metric = neighbourhoodMetric
	}
	return e
}

// discoveries are those of a stack, one per NIC at most.
type discoveries struct {
	mu     sync.Mutex
	list   []*Discovery
	closed bool
}

func (l *discoveries) add(d *Discovery) tcpip.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return tcpip.ErrClosed
	case slices.ContainsFunc(l.list, func(o *Discovery) bool { return o.nic == d.nic }):
		return tcpip.ErrExists
	}
	l.list = append(l.list, d)
	return tcpip.OK
}

func (l *discoveries) remove(d *Discovery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(o *Discovery) bool { return o == d })
}

// of returns the discovery on a NIC, or nil.
func (l *discoveries) of(nic *stack.NIC) *Discovery {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.list {
		if d.nic == nic {
			return d
		}
	}
	return nil
}

// link follows a NIC's link.
func (l *discoveries) link(w *stack.Work, nic *stack.NIC, up bool) {
	d := l.of(nic)
	switch {
	case d == nil:
	case up:
		d.begin(w)
	default:
		d.end(w)
		if nic.Stack().NIC(nic.ID()) != nic { // removed
			l.remove(d)
		}
	}
}

// detected hands an outcome of duplicate address detection on.
func (l *discoveries) detected(w *stack.Work, nic *stack.NIC, a netip.Addr, unique bool) {
	if d := l.of(nic); d != nil {
		d.mu.Lock()
		d.host.Detected(d.ip.stack.Now(), a, unique)
		d.run(w)
	}
}

func (l *discoveries) close() {
	l.mu.Lock()
	list := l.list
	l.list, l.closed = nil, true
	l.mu.Unlock()
	for _, d := range list {
		d.mu.Lock()
		d.stopped = true
		d.arm()
		d.mu.Unlock()
	}
}

// NeighbourReachable tells of a station that may be a router (stack.NeighbourWatcher).
func (ip *Protocol) NeighbourReachable(w *stack.Work, nic *stack.NIC, a netip.Addr, ok bool) {
	if d := ip.discover.of(nic); d != nil {
		d.mu.Lock()
		d.host.Reachable(a, ok)
		d.run(w)
	}
}

// Forwarding forgets the default routers of a NIC that is a router's itself from now on (stack.ForwardingWatcher).
func (ip *Protocol) Forwarding(w *stack.Work, nic *stack.NIC, _ bool) {
	if d := ip.discover.of(nic); d != nil && !d.heeds() {
		d.mu.Lock()
		d.host.ForgetRouters()
		d.run(w)
	}
}

// heeds reports whether the NIC listens to routers now.
func (d *Discovery) heeds() bool {
	return !d.options.NoRouters && (d.options.Forwarding || !d.nic.Forwarding())
}
