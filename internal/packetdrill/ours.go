package packetdrill

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// Ours is a System that is this stack, in virtual time. The stack is made when something is first asked of it, so that
// the commands before that say what it is like.
type Ours struct {
	guest
	clock   *tcpip.ManualClock
	conf    Conf
	stack   *stack.Stack
	tcp     *tcp.Protocol
	nic     *stack.NIC
	link    *channel.Channel
	begun   tcpip.Time
	queue   []heldPacket
	running []*running

	settings settingValues
	shell    shellHost
	routes   routeConf
	dropping bool             // what is sent is lost below the stack
	counted  map[string]int64 // counters as they were when nstat was last asked
}

// NewOurs makes a host of this stack with one NIC.
func NewOurs(c Conf) (System, error) {
	o := &Ours{clock: tcpip.NewManualClock(), conf: c}
	o.begun = o.clock.Now()
	o.settings.init()
	o.shell = shellHost{get: o.setting, set: o.setSetting, background: o.background, proc: o.procFile, files: map[string]string{}, tools: o.tools()}
	return o, nil
}

// build makes the stack.
func (o *Ours) build() {
	if o.stack != nil {
		return
	}
	wanted := o.settings.conf()
	o.routes.apply(&wanted)
	options := wanted.stack
	options.Clock, options.Random = o.clock, rand.NewChaCha8([32]byte{1})
	options.Networks = []stack.NewNetwork{ipv4.New, ipv6.New}
	newTCP := func(s *stack.Stack) stack.TransportProtocol {
		t := tcp.NewWith(wanted.tcp)(s)
		o.tcp, _ = t.(*tcp.Protocol)
		return t
	}
	options.Transports = []stack.NewTransport{newTCP, udp.New, icmp.New4, icmp.New6}
	options.Raw = raw.New
	var err error
	o.stack, err = stack.Make(options)
	o.check(err)
	o.link = channel.New(channel.Options{MTU: o.conf.MTU})
	o.guest.init(linux.New(o.stack))
	if o.guest.forward != nil {
		o.guest.forward.stack = o.stack
	}
	v4, v6 := &o.conf.Setup.V4, &o.conf.Setup.V6
	_, err = o.stack.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Name: "lo", Addresses: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128"),
	}})
	o.check(err)
	o.nic, err = o.stack.AddNIC(o.link, stack.NICOptions{Name: "tun0", DAD: tcpip.Set(0), Addresses: []netip.Prefix{
		netip.PrefixFrom(v4.Local, v4.Bits), netip.PrefixFrom(v6.Local, v6.Bits),
	}})
	o.check(err)
	for _, a := range []*Addresses{v4, v6} {
		all, _ := a.Local.Prefix(0)
		entry := stack.RouteEntry{Destination: all, NIC: o.nic.ID(), MTU: o.routes.mtu}
		if a.Gateway != a.Local {
			entry.Gateway = a.Gateway
		}
		o.check(o.stack.AddRoute(entry))
	}
	o.check(o.follow(&wanted))
	now := o.clock.Now()
	o.clock.Settle()
	o.collect()
	o.queue = nil
	o.begun = o.begun.Add(o.clock.Now().Sub(now))
}

// check fails the script for what the options of the command line make impossible.
func (o *Ours) check(err error) {
	if err != nil {
		scriptFail("the stack: %v", err)
	}
}

// Name says what it is.
func (o *Ours) Name() string { return "netstack" }

// Now returns the virtual time since the making.
func (o *Ours) Now() time.Duration { return o.clock.Now().Sub(o.begun) }

// Epoch returns the wall clock's time at the making, in nanoseconds.
func (o *Ours) Epoch() int64 { return o.clock.Wall(o.begun).UnixNano() }

// collect takes what was sent, with the time.
func (o *Ours) collect() {
	if o.stack == nil {
		return
	}
	for p := o.link.TryNext(); p != nil; p = o.link.TryNext() {
		b := make([]byte, p.Len())
		p.CopyTo(b)
		p.Release()
		if o.dropping {
			continue
		}
		o.queue = append(o.queue, heldPacket{b, o.Now()})
	}
}

// Sent returns the oldest packet.
func (o *Ours) Sent() (b []byte, at time.Duration, ok bool) {
	o.collect()
	if len(o.queue) == 0 {
		return nil, 0, false
	}
	h := o.queue[0]
	o.queue = o.queue[1:]
	return h.b, h.at, true
}

// Inject makes a packet arrive, now.
func (o *Ours) Inject(b []byte) error {
	o.build()
	err := o.link.Inject(b)
	o.clock.Settle()
	o.collect()
	o.proceed()
	return err
}

// Wait goes from one thing to happen to the next.
func (o *Ours) Wait(t time.Duration, done func() bool) {
	for {
		o.clock.Settle()
		o.collect()
		o.proceed()
		if done() {
			return
		}
		end := o.begun.Add(t)
		next := tcpip.Earliest(o.clock.Next(), o.guest.deadline(o.clock.Now()))
		if next == 0 || next > end {
			if o.clock.Now() < end {
				o.clock.Advance(end.Sub(o.clock.Now()))
			}
			o.collect()
			o.proceed()
			return
		}
		if next > o.clock.Now() {
			o.clock.Advance(next.Sub(o.clock.Now()))
		} else {
			o.clock.Step()
		}
	}
}

// Begin makes a call, and goes on with it whenever something has happened.
func (o *Ours) Begin(c *running) {
	o.build()
	o.running = append(o.running, c)
	o.guest.start(o.clock.Now())
	o.proceed()
}

// proceed goes on with the calls that wait.
func (o *Ours) proceed() {
	for again := true; again; {
		again = false
		for i := 0; i < len(o.running); i++ {
			c := o.running[i]
			o.guest.now = o.clock.Now()
			v, errno, wait := c.body(&o.guest)
			if wait {
				continue
			}
			c.value, c.errno, c.finished, c.at = v, errno, true, o.Now()
			o.running = append(o.running[:i], o.running[i+1:]...)
			again = true
			break
		}
		o.clock.Settle()
		o.collect()
	}
}

// End closes the stack.
func (o *Ours) End() {
	if o.stack == nil {
		return
	}
	o.guest.closeAll()
	if o.guest.forward != nil {
		o.guest.forward.close()
	}
	o.stack.Close()
	o.clock.Settle()
	o.collect()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := o.stack.Wait(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		panic(err)
	}
}
