// Package stack is the frame of a network stack: NICs over links, the dispatch of packets, the demux,
// routes, neighbours and transmit queues. It names no protocol; those are passed to New.
package stack

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/slab"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// Options configure a Stack. The zero value is a working stack without protocols.
type Options struct {
	// Networks and Transports are the protocols.
	Networks   []NewNetwork
	Transports []NewTransport

	// Raw makes raw endpoints; nil: the stack has none.
	Raw NewRaw

	// Clock is the source of time; nil means the system's.
	Clock tcpip.Clock
	// Random is the source of keys, ports and identifiers; nil means crypto/rand. It is read when the
	// stack is made, and to reseed; it need not be safe for concurrent use.
	Random io.Reader
	// Filter sees every packet; nil lets all pass.
	Filter Filter

	// Logger is told of NICs, addresses, routes and neighbours that change; nil: nobody is. It is called with no lock held
	// and may lag behind.
	Logger *slog.Logger

	// MaxMemory bounds the bytes of packets and buffers; unset means no bound. Before it is reached windows shrink and new
	// connections are refused; what each connection keeps all the same (tcp.Options.SendBufferMin) comes on top.
	MaxMemory tcpip.Opt[int64]
	// Buffers are the sizes of endpoints' buffers.
	Buffers Buffers
	// Limits bound tables and queues.
	Limits Limits
	// TTL is the hop limit of sent packets; unset means 64.
	TTL tcpip.Opt[uint8]
	// Forwarding lets packets for others through; unset means off. Each NIC can set its own.
	Forwarding tcpip.Opt[bool]
	// Groups bounds the multicast groups of endpoints.
	Groups GroupLimits
}

// Stack is one network stack. Its methods are safe for concurrent use.
type Stack struct {
	clock   tcpip.Clock
	options Options
	limits  limits           // of options
	initial tcpip.SocketConf // of new endpoints
	refused error            // what protocols have said of their settings, while the stack is made
	filter  Filter
	manual  bool // the clock is manual: everything runs in one goroutine
	random  *Random
	keys    Keys

	// Slabs is the source of payload memory.
	Slabs       slab.Pool
	packets     sync.Pool
	livePackets atomic.Int64
	works       sync.Pool
	runner      waiter.Runner
	counters    Counters

	networks   []NetworkProtocol
	types      []header.EtherType // of networks
	transports [256]TransportProtocol
	resolvers  []LinkResolver

	rawProtocol RawProtocol // nil: none
	raw         rawTable

	mu     sync.Mutex // guards changes of conf and of what hangs on it
	conf   atomic.Pointer[config]
	closed atomic.Bool
	ending ending

	Demux     Demux
	ports     ports
	pmtu      pmtuCache
	endpoints endpoints
	watches   atomic.Pointer[[]Watch]
	dropTaps  atomic.Pointer[[]*Tap] // nil: none
	groups    WatchGroups
	events    events
	journal   *journal // nil: there is no logger
}

// Keys are the secrets of a stack, one for each use.
type Keys struct {
	Flow, ISN, Timestamp, Port, Cookie, ID, PathMTU [2]uint64
}

// New makes a stack. It panics where Make returns an error: it is for options that the program itself has chosen.
func New(o Options) *Stack {
	s, err := Make(o)
	if err != nil {
		panic(err.Error())
	}
	return s
}

// Make makes a stack, of options that may be wrong.
//
// Errors: what is wrong with which option, each wrapping ErrInvalid, those of the protocols included; ErrExists for two
// protocols of one number; that of Options.Random.
func Make(o Options) (*Stack, error) {
	s := &Stack{clock: o.Clock, options: o, filter: o.Filter}
	var err error
	if s.limits, s.initial, err = o.resolve(); err != nil {
		return nil, err
	}
	if s.clock == nil {
		s.clock = tcpip.SystemClock()
	}
	_, s.manual = s.clock.(*tcpip.ManualClock)
	src := o.Random
	if src == nil {
		src = rand.Reader
	}
	if s.random, err = newRandom(src); err != nil {
		return nil, err
	}
	if err := binary.Read(s.random, binary.LittleEndian, &s.keys); err != nil {
		return nil, err
	}
	s.Slabs.SetLimit(o.MaxMemory.Or(0))
	s.conf.Store(newConfig())
	s.ending.flushed, s.ending.over = make(chan struct{}, 1), make(chan struct{})
	s.startJournal()
	s.Demux.init(s)
	s.ports.init(s)
	s.pmtu.init(s)
	s.addProtocols()
	if s.refused != nil {
		s.Close()
		return nil, s.refused
	}
	return s, nil
}

// resolve checks the options, but for those of protocols, and puts the defaults in.
func (o *Options) resolve() (l limits, c tcpip.SocketConf, err error) {
	l, limitErr := o.Limits.resolve()
	c, bufferErr := o.Buffers.resolve()
	err = errors.Join(limitErr, bufferErr,
		tcpip.CheckRange("stack: Options.MaxMemory", o.MaxMemory, 1, math.MaxInt64),
		tcpip.CheckRange("stack: Options.TTL", o.TTL, 1, 255),
		tcpip.CheckRange("stack: Options.Groups.Memberships", o.Groups.Memberships, 0, largestLimit),
		tcpip.CheckRange("stack: Options.Groups.Sources4", o.Groups.Sources4, 0, largestLimit),
		tcpip.CheckRange("stack: Options.Groups.Sources6", o.Groups.Sources6, 0, largestLimit),
	)
	if slices.ContainsFunc(o.Networks, func(f NewNetwork) bool { return f == nil }) ||
		slices.ContainsFunc(o.Transports, func(f NewTransport) bool { return f == nil }) {
		err = errors.Join(err, fmt.Errorf("stack: a protocol in Options is nil: %w", tcpip.ErrInvalid))
	}
	return l, c, err
}

// addProtocols makes the protocols, in the order given.
func (s *Stack) addProtocols() {
	for _, f := range s.options.Networks {
		n := f(s)
		if s.Network(n.EtherType()) != nil {
			s.Refuse(fmt.Errorf("stack: two networks have EtherType %#04x: %w", uint16(n.EtherType()), tcpip.ErrExists))
		}
		s.networks, s.types = append(s.networks, n), append(s.types, n.EtherType())
		if r, ok := n.(LinkResolver); ok {
			s.resolvers = append(s.resolvers, r)
		}
	}
	for _, f := range s.options.Transports {
		t := f(s)
		if s.transports[t.Number()] != nil {
			s.Refuse(fmt.Errorf("stack: two transports have number %d: %w", t.Number(), tcpip.ErrExists))
		}
		s.transports[t.Number()] = t
	}
	if s.options.Raw != nil {
		s.rawProtocol = s.options.Raw(s)
	}
}

// Refuse is how what makes a protocol tells that its settings are wrong: Make then returns err, if it is not nil. It
// must return a protocol all the same, which nothing but Close will be asked of.
func (s *Stack) Refuse(err error) { s.refused = errors.Join(s.refused, err) }

// SocketConf returns the options of new endpoints.
func (s *Stack) SocketConf() tcpip.SocketConf { return s.initial }

// Clock returns the stack's clock.
func (s *Stack) Clock() tcpip.Clock { return s.clock }

// Now reads the clock.
func (s *Stack) Now() tcpip.Time { return s.clock.Now() }

// Random returns the stack's source of randomness.
func (s *Stack) Random() *Random { return s.random }

// Keys returns the stack's secrets.
func (s *Stack) Keys() *Keys { return &s.keys }

// Counters returns the stack's counters.
func (s *Stack) Counters() *Counters { return &s.counters }

// DefaultTTL returns the hop limit of sent packets.
func (s *Stack) DefaultTTL() uint8 { return s.options.TTL.Or(64) }

// Network returns the network protocol of an EtherType, nil if the stack lacks it.
func (s *Stack) Network(etherType header.EtherType) NetworkProtocol {
	for i, t := range s.types {
		if t == etherType {
			return s.networks[i]
		}
	}
	return nil
}

// Internet returns the protocol of an EtherType that carries transports, nil if the stack lacks it.
func (s *Stack) Internet(etherType header.EtherType) InternetProtocol {
	n, _ := s.Network(etherType).(InternetProtocol)
	return n
}

// Transport returns the transport protocol of an IP protocol number, nil if the stack lacks it.
func (s *Stack) Transport(number header.Protocol) TransportProtocol { return s.transports[number] }

// NewEndpoint makes an endpoint of an IP protocol, for IPv4 or IPv6 as netProto says.
//
// Errors: ErrProtocolNotSupported if the stack has no such protocol, ErrClosed after Close or Shutdown, ErrTooMany if
// Limits.Endpoints are there.
func (s *Stack) NewEndpoint(number header.Protocol, netProto header.EtherType) (Endpoint, error) {
	t := s.transports[number]
	if t == nil || s.Internet(netProto) == nil {
		return nil, tcpip.ErrProtocolNotSupported
	}
	if err := s.refuses(); err != tcpip.OK {
		return nil, err
	}
	return t.NewEndpoint(netProto)
}

// LivePackets returns the number of packets that are not released. With all links closed it comes
// down to zero; tests check it.
func (s *Stack) LivePackets() int64 { return s.livePackets.Load() }
