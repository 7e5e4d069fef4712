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
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// Ours is a System that is this stack, in virtual time.
type Ours struct {
	guest
	clock   *tcpip.ManualClock
	stack   *stack.Stack
	link    *channel.Channel
	begun   tcpip.Time
	queue   []heldPacket
	running []*running
}

// NewOurs makes a host of this stack with one NIC.
func NewOurs(c Conf) (System, error) {
	o := &Ours{clock: tcpip.NewManualClock()}
	o.stack = stack.New(stack.Options{
		Clock: o.clock, Random: rand.NewChaCha8([32]byte{1}),
		Networks:   []stack.NewNetwork{ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New, icmp.New4, icmp.New6},
	})
	o.link = channel.New(channel.Options{MTU: c.MTU})
	o.guest.init(linux.New(o.stack))
	v4, v6 := &c.Setup.V4, &c.Setup.V6
	if _, err := o.stack.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Name: "lo", Addresses: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128"),
	}}); err != nil {
		return nil, err
	}
	nic, err := o.stack.AddNIC(o.link, stack.NICOptions{Name: "tun0", DAD: tcpip.Set(0), Addresses: []netip.Prefix{
		netip.PrefixFrom(v4.Local, v4.Bits), netip.PrefixFrom(v6.Local, v6.Bits),
	}})
	if err != nil {
		return nil, err
	}
	for _, a := range []*Addresses{v4, v6} {
		all, _ := a.Local.Prefix(0)
		if err := o.stack.AddRoute(stack.RouteEntry{Destination: all, Gateway: a.Gateway, NIC: nic.ID()}); err != nil {
			return nil, err
		}
	}
	o.clock.Settle()
	o.collect()
	o.queue = nil
	o.begun = o.clock.Now()
	return o, nil
}

// Name says what it is.
func (o *Ours) Name() string { return "netstack" }

// Now returns the virtual time since the making.
func (o *Ours) Now() time.Duration { return o.clock.Now().Sub(o.begun) }

// Epoch returns the wall clock's time at the making, in nanoseconds.
func (o *Ours) Epoch() int64 { return o.clock.Wall(o.begun).UnixNano() }

// collect takes what was sent, with the time.
func (o *Ours) collect() {
	for p := o.link.TryNext(); p != nil; p = o.link.TryNext() {
		b := make([]byte, p.Len())
		p.CopyTo(b)
		p.Release()
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

// Shell knows no command yet.
func (o *Ours) Shell(_, text string) error {
	return skipped("the command " + text + " has no meaning here")
}

// End closes the stack.
func (o *Ours) End() {
	o.guest.closeAll()
	o.stack.Close()
	o.clock.Settle()
	o.collect()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := o.stack.Wait(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		panic(err)
	}
}
