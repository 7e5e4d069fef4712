package transport_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// The header of the example's protocol: two ports. It has IP protocol number 253, for experiments (RFC 3692).
const (
	portsNumber header.Protocol = 253
	portsSize   int             = 4
)

var portsShape = transport.Shape{
	Kind: tcpip.KindRaw, Proto4: portsNumber, HeaderSize: portsSize, RemotePort: true,
	Encode: func(p *stack.Packet, flow stack.FlowID, _ bool) {
		binary.BigEndian.PutUint16(p.Transport(), flow.Local.Port())
		binary.BigEndian.PutUint16(p.Transport()[2:], flow.Remote.Port())
	},
	MIB: func(*stack.Counters, bool) transport.MIB { return transport.MIB{} },
}

type portsEndpoint struct{ transport.Datagram }

func (e *portsEndpoint) Deliver(w *stack.Work, p *stack.Packet) {
	from := netip.AddrPortFrom(p.Src, binary.BigEndian.Uint16(p.Transport()))
	e.Queue(w, p, from, len(p.Front())-len(p.Transport())+portsSize)
}

type ports struct {
	*transport.Protocol
	stack *stack.Stack
}

func newPorts(s *stack.Stack) stack.TransportProtocol {
	return &ports{transport.NewProtocol(s, &portsShape), s}
}

func (u *ports) Number() header.Protocol { return portsNumber }

func (u *ports) NewEndpoint(netProto header.EtherType) (stack.Endpoint, error) {
	e := new(portsEndpoint)
	if err := e.Init(u.Protocol, e, netProto); err != tcpip.OK {
		return nil, err
	}
	return e, nil
}

func (u *ports) Receive(w *stack.Work, p *stack.Packet) {
	if _, ok := transport.Front(p, portsSize); !ok {
		p.Drop(tcpip.DropShort)
		return
	}
	t := p.Transport()
	r := u.stack.Demux.Find(stack.FlowID{
		Proto:  portsNumber,
		Local:  netip.AddrPortFrom(p.Dst, binary.BigEndian.Uint16(t[2:])),
		Remote: netip.AddrPortFrom(p.Src, binary.BigEndian.Uint16(t)),
	}, p.NIC, 0)
	if r == nil {
		p.Drop(tcpip.DropNoPort)
		return
	}
	r.Deliver(w, p)
}

func (u *ports) ReceiveError(*stack.Work, *stack.ICMPError) {}

// A datagram protocol is a Shape, the way from a packet to an endpoint, and nothing else: options, binding,
// queues and errors come with Datagram.
func Example() {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New},
		Transports: []stack.NewTransport{newPorts},
	})
	defer s.Close()
	if _, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
	}); err != nil {
		fmt.Println(err)
		return
	}
	server, _ := s.NewEndpoint(portsNumber, header.EtherTypeIPv4)
	client, _ := s.NewEndpoint(portsNumber, header.EtherTypeIPv4)
	defer server.Close()
	defer client.Close()
	_ = server.Bind(tcpip.FullAddress{Port: 9})
	_ = client.Bind(tcpip.FullAddress{Port: 10})
	if _, err := client.Write([]byte("hello"), tcpip.WriteOptions{
		To: tcpip.FullAddress{Addr: netip.MustParseAddr("127.0.0.2"), Port: 9},
	}); err != nil {
		fmt.Println(err)
		return
	}
	b := make([]byte, 100)
	r, err := server.Read(b, tcpip.ReadOptions{})
	fmt.Println(string(b[:r.Count]), r.From.AddrPort(), err)
	// Output: hello 127.0.0.1:10 <nil>
}
