// Package ipv4 is the Internet Protocol, version 4 (RFC 791), as hosts (RFC 1122) and routers (RFC 1812)
// run it, with ICMP (RFC 792): reception, fragmentation and reassembly, forwarding, errors and echo.
package ipv4

import (
	"errors"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/frag"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Protocol is IPv4 in one stack. It is safe for concurrent use.
type Protocol struct {
	stack     *stack.Stack
	ids       identifiers
	fragments shared.Reassembler
	igmp      shared.Membership
	limiter   shared.Limiter
}

var _ stack.InternetProtocol = (*Protocol)(nil)

// Options configure the protocol. The zero value is what Linux does.
type Options struct {
	// ReassemblyMemory bounds the bytes of all fragments that wait; unset means 4 MB. A source may have a
	// quarter of it.
	ReassemblyMemory tcpip.Opt[int]
	// ReassemblyTimeout is how long a datagram has to become complete; unset means 30 s.
	ReassemblyTimeout tcpip.Opt[time.Duration]
}

// New makes IPv4 for s. It is a stack.NewNetwork.
func New(s *stack.Stack) stack.NetworkProtocol { return NewWith(Options{})(s) }

// NewWith returns a stack.NewNetwork that makes IPv4 with options.
func NewWith(o Options) stack.NewNetwork {
	return func(s *stack.Stack) stack.NetworkProtocol {
		s.Refuse(errors.Join(
			tcpip.CheckRange("ipv4: Options.ReassemblyMemory", o.ReassemblyMemory, 0, 1<<30),
			tcpip.CheckRange("ipv4: Options.ReassemblyTimeout", o.ReassemblyTimeout, time.Millisecond, time.Hour),
		))
		ip := &Protocol{stack: s}
		ip.ids.init(s)
		ip.limiter.Init(s)
		ip.initIGMP()
		memory := o.ReassemblyMemory.Or(frag.DefaultMemory)
		c := &s.Counters().Ip
		ip.fragments.Init(s, frag.Conf{
			Memory: memory, SourceMemory: memory / frag.SourceShare, Timeout: o.ReassemblyTimeout.Or(frag.DefaultTimeout4),
		}, shared.ReassemblyCounters{Reqds: &c.ReasmReqds, OKs: &c.ReasmOKs, Fails: &c.ReasmFails, Timeout: &c.ReasmTimeout}, ip.timedOut)
		return ip
	}
}

// EtherType returns IPv4's.
func (*Protocol) EtherType() header.EtherType { return header.EtherTypeIPv4 }

// HeaderLen returns the length of a header without options, bytes.
func (*Protocol) HeaderLen() int { return header.IPv4Size }

// Close stops timers and gives back what waits for reassembly.
func (ip *Protocol) Close() {
	ip.igmp.Close()
	ip.fragments.Close()
}
