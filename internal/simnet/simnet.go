// Package simnet builds networks of stacks that live in one goroutine under a manual clock: hosts,
// wires with delay, rate, loss, reordering, duplication and corruption, and users of TCP connections that
// check every byte. Everything is drawn from one seed, so that a run can be repeated.
package simnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/link/sniffer"
	"github.com/seed963a8790/netstack/network/arp"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// Net is a network of hosts on one clock. It is not safe for concurrent use.
type Net struct {
	Clock *tcpip.ManualClock
	Rand  *rand.Rand
	// Capture, if set before Join, gives the writer of the capture of a NIC, by host and wire.
	Capture func(name string) io.Writer
	hosts   []*Host
	wires   int
}

// New returns an empty network whose every draw comes from seed.
func New(seed uint64) *Net {
	return &Net{Clock: tcpip.NewManualClock(), Rand: rand.New(rand.NewPCG(seed, 0x73696d6e6574))}
}

// Host is a stack with a name.
type Host struct {
	*stack.Stack
	Name string
}

// source makes a reader of a generator, for stack.Options.Random.
type source struct{ r *rand.Rand }

func (s source) Read(b []byte) (int, error) {
	for i := 0; i < len(b); i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], s.r.Uint64())
		copy(b[i:], word[:])
	}
	return len(b), nil
}

var _ io.Reader = source{}

// Host adds a host with all protocols and a loopback NIC.
func (n *Net) Host(name string) *Host {
	s := stack.New(stack.Options{
		Clock:      n.Clock,
		Random:     source{n.Rand},
		Networks:   []stack.NewNetwork{arp.New, ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New, icmp.New4, icmp.New6},
	})
	h := &Host{s, name}
	n.hosts = append(n.hosts, h)
	if _, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Name: "lo", Addresses: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128"),
	}}); err != nil {
		panic(err)
	}
	return h
}

// Wire describes both directions of a link between two hosts.
type Wire struct {
	MTU    int            // 0: 1500
	Kind   stack.LinkKind // LinkIP or LinkEthernet
	Faults fault.Faults   // of each direction
}

// Joined is a wire in place.
type Joined struct {
	A, B         *stack.NIC
	AddrA, AddrB netip.Addr // IPv4
	Six          [2]netip.Addr
}

// Join connects two hosts by a wire. The n-th wire has the prefixes 10.n.0.0/24 and fd00:n::/64; the first host is 1,
// the second 2.
func (n *Net) Join(a, b *Host, w Wire) Joined {
	n.wires++
	if w.MTU == 0 {
		w.MTU = 1500
	}
	x, y := pipe.New(pipe.Options{MTU: w.MTU, NoGSO: true, NoChecksum: true, Kind: w.Kind})
	var j Joined
	ends := [2]struct {
		host *Host
		link stack.Link
		nic  **stack.NIC
		addr *netip.Addr
	}{{a, x, &j.A, &j.AddrA}, {b, y, &j.B, &j.AddrB}}
	for i, e := range ends {
		four := netip.AddrFrom4([4]byte{10, byte(n.wires), 0, byte(i + 1)})
		six := netip.AddrFrom16([16]byte{0xfd, 0, 0, byte(n.wires), 15: byte(i + 1)})
		var link stack.Link = fault.New(e.link, fault.Options{Seed: n.Rand.Uint64(), Tx: w.Faults})
		if n.Capture != nil {
			link = sniffer.New(link, n.Capture(fmt.Sprintf("%s-w%d", e.host.Name, n.wires)), sniffer.Options{})
		}
		nic, err := e.host.AddNIC(link, stack.NICOptions{
			Name:      fmt.Sprintf("w%d", n.wires),
			Addresses: []netip.Prefix{netip.PrefixFrom(four, 24), netip.PrefixFrom(six, 64)},
		})
		if err != nil {
			panic(err)
		}
		*e.nic, *e.addr, j.Six[i] = nic, four, six
	}
	return j
}

// Run moves the clock by d.
func (n *Net) Run(d time.Duration) { n.Clock.Advance(d) }

// RunUntil moves the clock from event to event until done holds, and reports whether it came to that
// within limit. It stops early where nothing is left to happen.
func (n *Net) RunUntil(done func() bool, limit time.Duration) bool {
	end := n.Clock.Now().Add(limit)
	for !done() {
		if next := n.Clock.Next(); next.IsZero() || next > end {
			return false
		}
		n.Clock.Step()
	}
	return true
}

// Close ends all hosts and reports what they have not given back.
func (n *Net) Close() error {
	var errs []error
	for _, h := range n.hosts {
		h.Close()
	}
	n.Clock.Settle()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // nothing may need waiting for
	for _, h := range n.hosts {
		if err := h.Wait(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: still busy after Close: %w", h.Name, err))
		}
		if p, b := h.LivePackets(), h.Slabs.Live(); p != 0 || b != 0 {
			errs = append(errs, fmt.Errorf("%s: %d packets and %d bytes of slabs were not given back", h.Name, p, b))
		}
	}
	if next := n.Clock.Next(); !next.IsZero() {
		errs = append(errs, errors.New("a timer is set after Close"))
	}
	return errors.Join(errs...)
}
