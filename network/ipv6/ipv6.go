// Package ipv6 is the Internet Protocol, version 6 (RFC 8200), as nodes run it (RFC 8504), with ICMPv6 (RFC
// 4443), neighbour discovery (RFC 4861) and duplicate address detection (RFC 4862): reception, extension
// headers, fragmentation and reassembly, forwarding, errors and echo.
package ipv6

import (
	"errors"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/frag"
	"github.com/seed963a8790/netstack/network/internal/shared"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Protocol is IPv6 in one stack. It is safe for concurrent use.
type Protocol struct {
	stack     *stack.Stack
	dad       detections
	discover  discoveries
	fragments shared.Reassembler
	mld       shared.Membership
	limiter   shared.Limiter
}

var (
	_ stack.InternetProtocol = (*Protocol)(nil)
	_ stack.LinkResolver     = (*Protocol)(nil)
	_ stack.NeighbourWatcher = (*Protocol)(nil)
)

// Options configure the protocol. The zero value is what Linux does.
type Options struct {
	// ReassemblyMemory bounds the bytes of all fragments that wait; unset means 4 MB. A source may have a
	// quarter of it.
	ReassemblyMemory tcpip.Opt[int]
	// ReassemblyTimeout is how long a datagram has to become complete; unset means 60 s.
	ReassemblyTimeout tcpip.Opt[time.Duration]
}

// New makes IPv6 for s. It is a stack.NewNetwork.
func New(s *stack.Stack) stack.NetworkProtocol { return NewWith(Options{})(s) }

// NewWith returns a stack.NewNetwork that makes IPv6 with options.
func NewWith(o Options) stack.NewNetwork {
	return func(s *stack.Stack) stack.NetworkProtocol {
		s.Refuse(errors.Join(
			tcpip.CheckRange("ipv6: Options.ReassemblyMemory", o.ReassemblyMemory, 0, 1<<30),
			tcpip.CheckRange("ipv6: Options.ReassemblyTimeout", o.ReassemblyTimeout, time.Millisecond, time.Hour),
		))
		ip := &Protocol{stack: s}
		ip.dad.ip = ip
		ip.limiter.Init(s)
		ip.initMLD()
		memory := o.ReassemblyMemory.Or(frag.DefaultMemory)
		c := &s.Counters().Ip6
		ip.fragments.Init(s, frag.Conf{
			Memory: memory, SourceMemory: memory / frag.SourceShare, Timeout: o.ReassemblyTimeout.Or(frag.DefaultTimeout6),
		}, shared.ReassemblyCounters{Reqds: &c.ReasmReqds, OKs: &c.ReasmOKs, Fails: &c.ReasmFails, Timeout: &c.ReasmTimeout}, ip.timedOut)
		return ip
	}
}

// EtherType returns IPv6's.
func (*Protocol) EtherType() header.EtherType { return header.EtherTypeIPv6 }

// Resolves returns IPv6's EtherType: neighbour discovery is part of it.
func (*Protocol) Resolves() header.EtherType { return header.EtherTypeIPv6 }

// HeaderLen returns the length of a header without extension headers, bytes.
func (*Protocol) HeaderLen() int { return header.IPv6Size }

// Close stops timers and gives back what waits for reassembly.
func (ip *Protocol) Close() {
	ip.dad.close()
	ip.mld.Close()
	ip.discover.close()
	ip.fragments.Close()
}
