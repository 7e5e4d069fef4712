package testnet

import (
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Sink is a transport protocol without endpoints: it keeps what it is given. It is for tests under a
// manual clock.
type Sink struct {
	Got    []Arrival
	Errors []stack.ICMPError
	// Hook, if set, takes packets instead.
	Hook func(w *stack.Work, p *stack.Packet)

	number header.Protocol
}

// Arrival is a packet that a Sink was given.
type Arrival struct {
	Src, Dst, Local netip.Addr
	TTL, TOS        uint8
	FragMax         uint16
	NIC             tcpip.NICID
	Looped          bool
	Data            []byte // from the transport header on
}

// NewSink makes a Sink for a protocol.
func NewSink(number header.Protocol) *Sink { return &Sink{number: number} }

// New is a stack.NewTransport.
func (s *Sink) New(*stack.Stack) stack.TransportProtocol { return s }

// Number returns the protocol's number.
func (s *Sink) Number() header.Protocol { return s.number }

// Receive keeps a copy of p.
func (s *Sink) Receive(w *stack.Work, p *stack.Packet) {
	if s.Hook != nil {
		s.Hook(w, p)
		return
	}
	data := append([]byte(nil), p.Transport()...)
	for _, d := range p.Data() {
		data = append(data, d.Bytes()...)
	}
	s.Got = append(s.Got, Arrival{p.Src, p.Dst, p.Local, p.TTL, p.TOS, p.FragMax, p.NIC.ID(), p.Looped, data})
	p.Release()
}

// Take returns what was given since the last call.
func (s *Sink) Take() []Arrival {
	got := s.Got
	s.Got = nil
	return got
}

// ReceiveError keeps a copy of e.
func (s *Sink) ReceiveError(_ *stack.Work, e *stack.ICMPError) {
	c := *e
	c.Quoted = append([]byte(nil), e.Quoted...)
	c.QuotedPacket = append([]byte(nil), e.QuotedPacket...)
	c.Packet = nil // borrowed
	s.Errors = append(s.Errors, c)
}

// NewEndpoint has none to make.
func (s *Sink) NewEndpoint(header.EtherType) (stack.Endpoint, error) {
	return nil, tcpip.ErrNotSupported
}

// Close does nothing.
func (s *Sink) Close(*stack.Work) {}
