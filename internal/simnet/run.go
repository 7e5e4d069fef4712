package simnet

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/waiter"
)

// Scenario is a transfer between two hosts, drawn from a seed: the wire's faults, the users' plans and
// options, and when things happen.
type Scenario struct {
	Seed    uint64
	Wire    Wire
	Router  bool // a third host forwards
	V6      bool
	Conns   int
	Orderly bool          // nobody closes midway: everything must arrive
	Close   time.Duration // close the server's stack at this time; 0: not

	Capture func(name string) io.Writer // see Net
}

// Draw makes a scenario from a seed.
func Draw(seed uint64) Scenario {
	r := rand.New(rand.NewPCG(seed, 0x7363656e))
	chance := func(p float64) bool { return r.Float64() < p }
	s := Scenario{Seed: seed, Router: chance(0.2), V6: chance(0.4), Conns: 1 + r.IntN(3), Orderly: chance(0.6)}
	f := fault.Faults{Delay: time.Duration(r.IntN(60)) * time.Millisecond}
	if chance(0.6) {
		f.Loss = r.Float64() * r.Float64() * 0.15
	}
	if chance(0.3) {
		f.Duplicate = r.Float64() * 0.1
	}
	if chance(0.4) {
		f.Reorder, f.ReorderBy = r.Float64()*0.1, time.Duration(1+r.IntN(40))*time.Millisecond
	}
	if chance(0.3) && !s.Router { // two flips on two wires may cancel out in the checksum
		f.Corrupt = r.Float64() * 0.03
	}
	if chance(0.2) {
		f.Jitter = time.Duration(r.IntN(30)) * time.Millisecond
	}
	if chance(0.5) {
		f.Rate, f.Queue = int64(1e6+r.Float64()*50e6), 5000+r.IntN(100000)
	}
	s.Wire = Wire{Faults: f, MTU: []int{1500, 1500, 1500, 9000, 1280, 576}[r.IntN(6)]}
	if s.V6 {
		s.Wire.MTU = max(s.Wire.MTU, 1280)
	}
	if f.Rate != 0 {
		s.Wire.Faults.Queue = max(f.Queue, 2*s.Wire.MTU)
	}
	if chance(0.3) {
		s.Wire.Kind = stack.LinkEthernet
	}
	if !s.Orderly && chance(0.05) {
		s.Close = time.Duration(r.IntN(3000)) * time.Millisecond
	}
	return s
}

// Outcome is what a run came to.
type Outcome struct {
	Users  []*User
	Counts map[string]uint64 // the counters of all hosts, summed
	End    time.Duration     // virtual time of the whole run
}

// tuning is one option that a user may set at the start.
var tuning = []struct {
	id tcpip.OptionID
	v  func(*rand.Rand) int
}{
	{tcp.TCP_NODELAY, func(*rand.Rand) int { return 1 }},
	{tcp.TCP_CORK, func(*rand.Rand) int { return 1 }},
	{tcp.TCP_QUICKACK, func(r *rand.Rand) int { return r.IntN(2) }},
	{tcpip.SO_KEEPALIVE, func(*rand.Rand) int { return 1 }},
	{tcp.TCP_KEEPIDLE, func(r *rand.Rand) int { return 1 + r.IntN(20) }},
	{tcp.TCP_MAXSEG, func(r *rand.Rand) int { return 100 + r.IntN(1400) }},
	{tcpip.SO_RCVBUF, func(r *rand.Rand) int { return 1000 + r.IntN(60000) }},
	{tcpip.SO_SNDBUF, func(r *rand.Rand) int { return 2000 + r.IntN(60000) }},
	{tcp.TCP_TIMESTAMP_MODE, func(r *rand.Rand) int { return r.IntN(4) }},
	{tcp.TCP_WINDOW_CLAMP, func(r *rand.Rand) int { return 2000 + r.IntN(60000) }},
	{tcp.TCP_NOTSENT_LOWAT, func(r *rand.Rand) int { return 1000 + r.IntN(20000) }},
}

// Run plays a scenario and reports what broke.
func (s Scenario) Run() (out Outcome, err error) {
	n := New(s.Seed)
	n.Capture = s.Capture
	r := rand.New(rand.NewPCG(s.Seed, 0x72756e))
	start := n.Clock.Now()
	a, b := n.Host("a"), n.Host("b")
	to := n.connectHosts(a, b, s)
	n.Run(5 * time.Second) // duplicate address detection ends
	proto := header.EtherTypeIPv4
	if s.V6 {
		proto = header.EtherTypeIPv6
	}
	listener, err := b.NewEndpoint(header.ProtocolTCP, proto)
	if err != nil {
		return out, err
	}
	if err := errors.Join(listener.Bind(tcpip.FullAddress{Port: 80}), listener.Listen(8)); err != nil {
		return out, err
	}
	accept := func(waiter.Events) {
		for {
			ep, err := listener.Accept()
			if err != nil {
				return
			}
			out.Users = append(out.Users, n.Use(ep.(stack.Endpoint), s.plan(r)))
		}
	}
	listener.Waiters().Register(waiter.NewFunc(waiter.Readable, accept))
	for range s.Conns {
		ep, err := a.NewEndpoint(header.ProtocolTCP, proto)
		if err != nil {
			return out, err
		}
		for _, o := range tuning {
			if r.Float64() < 0.12 {
				if err := ep.SetOption(o.id, o.v(r)); err != nil {
					return out, fmt.Errorf("option %#x: %w", o.id, err)
				}
			}
		}
		n.Clock.AfterFunc(time.Duration(r.IntN(500))*time.Millisecond, func() {
			if err := ep.Connect(tcpip.FullAddress{Addr: to, Port: 80}); err != tcpip.ErrInProgress && err != nil {
				ep.Close()
				return
			}
			out.Users = append(out.Users, n.Use(ep, s.plan(r)))
		})
	}
	if s.Close > 0 {
		n.Clock.AfterFunc(s.Close, b.Stack.Close)
	}
	done := func() bool {
		if len(out.Users) < s.Conns {
			return false
		}
		for _, u := range out.Users {
			if !u.Finished() {
				return false
			}
		}
		return true
	}
	finished := n.RunUntil(done, time.Hour)
	out.End = n.Clock.Now().Sub(start)
	err = s.judge(&out, finished)
	for _, u := range out.Users {
		u.close()
	}
	listener.Close()
	n.Run(20 * time.Minute) // orphans, TIME-WAIT and half-open records end
	out.Counts = map[string]uint64{}
	for _, h := range n.hosts {
		if got := len(h.Endpoints()); got != 0 {
			err = errors.Join(err, fmt.Errorf("%s: %d endpoints are left", h.Name, got))
		}
		for name, v := range h.Counters().All() {
			out.Counts[name] += v
		}
	}
	return out, errors.Join(err, n.Close())
}

// connectHosts joins a and b, directly or by a router, and returns b's address.
func (n *Net) connectHosts(a, b *Host, s Scenario) netip.Addr {
	pick := func(j Joined) netip.Addr {
		if s.V6 {
			return j.Six[1]
		}
		return j.AddrB
	}
	if !s.Router {
		return pick(n.Join(a, b, s.Wire))
	}
	mid := n.Host("router")
	left, right := n.Join(a, mid, s.Wire), n.Join(mid, b, s.Wire)
	left.B.SetForwarding(true)
	right.A.SetForwarding(true)
	for _, d := range []string{"0.0.0.0/0", "::/0"} {
		dst := netip.MustParsePrefix(d)
		via := func(four, six netip.Addr) netip.Addr {
			if dst.Addr().Is4() {
				return four
			}
			return six
		}
		if err := errors.Join(
			a.AddRoute(stack.RouteEntry{Destination: dst, Gateway: via(left.AddrB, left.Six[1]), NIC: left.A.ID()}),
			b.AddRoute(stack.RouteEntry{Destination: dst, Gateway: via(right.AddrA, right.Six[0]), NIC: right.B.ID()}),
		); err != nil {
			panic(err)
		}
	}
	return pick(right)
}

// plan draws what a user does.
func (s Scenario) plan(r *rand.Rand) Plan {
	p := Plan{Send: r.IntN(1 + r.IntN(300_000)), Chunk: 1 + r.IntN(1+r.IntN(64<<10))}
	if p.Chunk < 64 {
		p.Send = min(p.Send, 20000)
	}
	if r.Float64() < 0.2 {
		p.Pause = time.Duration(r.IntN(200)) * time.Millisecond
		p.Chunk = max(p.Chunk, 4096)
	}
	if !s.Orderly {
		p.Closing = Closing(r.IntN(int(NumClosings)))
		p.Midway = r.IntN(200_000)
	}
	return p
}

// judge checks the invariants at the end of the users' work.
func (s Scenario) judge(out *Outcome, finished bool) error {
	var errs []error
	sum := struct{ sent, received int }{}
	for i, u := range out.Users {
		if u.Bad != nil {
			errs = append(errs, fmt.Errorf("user %d: %w", i, u.Bad))
		}
		sum.sent += u.Written
		sum.received += u.Received
	}
	if !finished && s.Orderly {
		for i, u := range out.Users {
			errs = append(errs, fmt.Errorf("user %d hangs: wrote %d of %d, read %d, eof %v, error %v", i, u.Written, u.Plan.Send, u.Received, u.EOF, u.Err))
		}
		errs = append(errs, errors.New("not finished"))
	}
	if s.Orderly && finished {
		failed := false
		for _, u := range out.Users {
			failed = failed || u.Err != nil
		}
		if !failed && sum.sent != sum.received {
			errs = append(errs, fmt.Errorf("%d bytes were sent and %d received", sum.sent, sum.received))
		}
		if failed && s.Wire.Faults.Loss < 0.05 && s.Wire.Faults.Corrupt < 0.02 {
			for i, u := range out.Users {
				if u.Err != nil {
					errs = append(errs, fmt.Errorf("user %d failed on a fair wire: %w", i, u.Err))
				}
			}
		}
	}
	if sum.received > sum.sent {
		errs = append(errs, fmt.Errorf("%d bytes were received and only %d sent", sum.received, sum.sent))
	}
	return errors.Join(errs...)
}
