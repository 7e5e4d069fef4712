package gonet

import (
	"net"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// UDPConn is a UDP socket: a net.PacketConn and, connected, a net.Conn, with the methods of *net.UDPConn.
// All are safe for concurrent use.
type UDPConn struct{ conn }

var (
	_ net.Conn       = (*UDPConn)(nil)
	_ net.PacketConn = (*UDPConn)(nil)
)

// NewUDPConn returns a connection over ep, a UDP endpoint that is bound or connected, which it takes.
func NewUDPConn(ep stack.Endpoint) *UDPConn {
	c := &UDPConn{}
	c.init(ep, "udp")
	// ReadMsg is to know it all; an endpoint of IPv4 alone lacks the options of IPv6.
	_ = ep.SetOption(tcpip.IP_PKTINFO, 1)
	_ = ep.SetOption(tcpip.IPV6_RECVPKTINFO, 1)
	return c
}

// receive takes one datagram into b, and waits if there is none.
func (c *UDPConn) receive(b []byte) (tcpip.Received, error) {
	c.in.turn.Lock()
	defer c.in.turn.Unlock()
	for {
		if err := c.check(&c.in); err != nil {
			return tcpip.Received{}, err
		}
		r, err := c.ep.Read(b, tcpip.ReadOptions{})
		if !isBlocked(err) {
			return r, err
		}
		c.wait(&c.in, waiter.Readable)
	}
}

// send sends one datagram, and waits where there is no room for it.
func (c *UDPConn) send(b []byte, o *tcpip.WriteOptions) error {
	if err := c.check(&c.out); err != nil {
		return err
	}
	_, err := c.ep.Write(b, *o)
	if !isBlocked(err) {
		return err
	}
	c.out.turn.Lock()
	defer c.out.turn.Unlock()
	for {
		if err := c.check(&c.out); err != nil {
			return err
		}
		if _, err := c.ep.Write(b, *o); !isBlocked(err) {
			return err
		}
		c.wait(&c.out, waiter.Writable)
	}
}

// Message is what is known of a datagram besides its bytes. A server that answers from the address that
// it was asked at, whatever the routes say, copies Peer and Local of the question:
//
//	n, m, err := c.ReadMsg(buf)
//	c.WriteMsg(answer, gonet.Message{Peer: m.Peer, Local: m.Local})
type Message struct {
	// Peer is who sent it; or whom to send it to: zero on a connected socket.
	Peer netip.AddrPort
	// Local is the address of ours that it was received on; or the source to send it from: zero
	// leaves that to the routes.
	Local netip.Addr
	// NIC is where it arrived; or where it has to leave: 0 leaves that to the routes.
	NIC tcpip.NICID
	// Destination is the address that it was sent to, a group perhaps. It is not used when sending.
	Destination netip.Addr
	// HopLimit and Class are set where the endpoint's options ask for them (IP_RECVTTL, IP_RECVTOS,
	// IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS); or what to send with: unset leaves that to the options.
	HopLimit, Class tcpip.Opt[uint8]
	// Arrival is the time of arrival, where SO_TIMESTAMP asks for it. It is not used when sending.
	Arrival time.Time
	// Length is the length of the whole datagram, more than was read if the buffer was too short. It is
	// not used when sending.
	Length int
}

// ReadMsg takes one datagram into b and tells what is known of it. It allocates nothing.
func (c *UDPConn) ReadMsg(b []byte) (int, Message, error) {
	r, err := c.receive(b)
	if err != nil {
		return 0, Message{}, c.fail("read", err)
	}
	return r.Count, c.message(&r), nil
}

func (c *UDPConn) message(r *tcpip.Received) Message {
	m := Message{Peer: addrPort(c.ep.Stack(), r.From), NIC: r.From.NIC, Length: r.Total}
	k := &r.Control
	if k.Has&tcpip.HasPacketInfo != 0 {
		m.NIC, m.Local, m.Destination = k.PacketInfo.NIC, k.PacketInfo.Local, k.PacketInfo.Destination
	}
	if k.Has&tcpip.HasHopLimit != 0 {
		m.HopLimit = tcpip.Set(k.HopLimit)
	}
	if k.Has&tcpip.HasClass != 0 {
		m.Class = tcpip.Set(k.Class)
	}
	if k.Has&tcpip.HasTimestamp != 0 {
		m.Arrival = c.ep.Stack().Clock().Wall(k.Timestamp)
	}
	return m
}

// WriteMsg sends b as m says.
func (c *UDPConn) WriteMsg(b []byte, m Message) (int, error) {
	var o tcpip.WriteOptions
	err := c.address(&o, m.Peer)
	if err == nil {
		if m.Local.IsValid() || m.NIC != 0 {
			o.Control.Has |= tcpip.HasPacketInfo
			o.Control.PacketInfo = tcpip.PacketInfo{NIC: m.NIC, Local: m.Local.Unmap().WithZone("")}
		}
		if v, ok := m.HopLimit.Get(); ok {
			o.Control.Has |= tcpip.HasHopLimit
			o.Control.HopLimit = v
		}
		if v, ok := m.Class.Get(); ok {
			o.Control.Has |= tcpip.HasClass
			o.Control.Class = v
		}
		err = c.send(b, &o)
	}
	return c.sent(b, &o, err)
}

// address puts the destination into o; the zero AddrPort is the connected peer.
func (c *UDPConn) address(o *tcpip.WriteOptions, to netip.AddrPort) error {
	if to == (netip.AddrPort{}) {
		return nil
	}
	if c.remote.Port != 0 {
		return net.ErrWriteToConnected
	}
	a, err := fullAddress(c.ep.Stack(), to)
	o.To = a
	return err
}

// sent is the result of every kind of write.
func (c *UDPConn) sent(b []byte, o *tcpip.WriteOptions, err error) (int, error) {
	if err == nil {
		return len(b), nil
	}
	e := c.fail("write", err).(*net.OpError)
	if o.To.Port != 0 && c.remote.Port == 0 {
		e.Source, e.Addr = c.LocalAddr(), udpAddr(c.ep.Stack(), o.To)
	}
	return 0, e
}

// Read takes one datagram into b; what does not fit is lost.
func (c *UDPConn) Read(b []byte) (int, error) {
	r, err := c.receive(b)
	if err != nil {
		return 0, c.fail("read", err)
	}
	return r.Count, nil
}

// Write sends b to the connected peer.
func (c *UDPConn) Write(b []byte) (int, error) {
	var o tcpip.WriteOptions
	return c.sent(b, &o, c.send(b, &o))
}

// ReadFromUDPAddrPort is Read that tells who sent it. It allocates nothing.
func (c *UDPConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	r, err := c.receive(b)
	if err != nil {
		return 0, netip.AddrPort{}, c.fail("read", err)
	}
	return r.Count, addrPort(c.ep.Stack(), r.From), nil
}

// ReadFromUDP is ReadFromUDPAddrPort with a *net.UDPAddr.
func (c *UDPConn) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	r, err := c.receive(b)
	if err != nil {
		return 0, nil, c.fail("read", err)
	}
	return r.Count, udpAddr(c.ep.Stack(), r.From), nil
}

// ReadFrom is ReadFromUDP with a net.Addr.
func (c *UDPConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := c.ReadFromUDP(b)
	if a == nil {
		return n, nil, err
	}
	return n, a, err
}

// WriteToUDPAddrPort sends b to the given peer. On a connected socket it fails with
// net.ErrWriteToConnected. It allocates nothing.
func (c *UDPConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	var o tcpip.WriteOptions
	var err error = tcpip.ErrDestinationRequired
	if to.IsValid() {
		if err = c.address(&o, to); err == nil {
			err = c.send(b, &o)
		}
	}
	return c.sent(b, &o, err)
}

// WriteToUDP is WriteToUDPAddrPort with a *net.UDPAddr.
func (c *UDPConn) WriteToUDP(b []byte, to *net.UDPAddr) (int, error) {
	if to == nil {
		return c.sent(b, &tcpip.WriteOptions{}, tcpip.ErrDestinationRequired)
	}
	return c.WriteToUDPAddrPort(b, fromIP(to.AddrPort(), to.IP, to.Port))
}

// WriteTo is WriteToUDP with a net.Addr, which must be a *net.UDPAddr.
func (c *UDPConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return c.sent(b, &tcpip.WriteOptions{}, tcpip.ErrInvalid)
	}
	return c.WriteToUDP(b, a)
}

// SetBroadcast allows or forbids sending to broadcast addresses. Sockets of this package may, as those
// of package net.
func (c *UDPConn) SetBroadcast(on bool) error {
	return c.setOption(tcpip.SO_BROADCAST, number(on))
}

// member is an endpoint that can join groups.
type member interface {
	JoinGroup(group netip.Addr, nic tcpip.NICID) error
	LeaveGroup(group netip.Addr, nic tcpip.NICID) error
}

// JoinGroup lets the socket receive what is sent to a multicast group on a NIC; 0 is the NIC of the
// route to the group.
func (c *UDPConn) JoinGroup(group netip.Addr, nic tcpip.NICID) error {
	return c.member(func(m member) error { return m.JoinGroup(group.Unmap(), nic) })
}

// LeaveGroup undoes JoinGroup.
func (c *UDPConn) LeaveGroup(group netip.Addr, nic tcpip.NICID) error {
	return c.member(func(m member) error { return m.LeaveGroup(group.Unmap(), nic) })
}

func (c *UDPConn) member(f func(member) error) error {
	m, ok := c.ep.(member)
	if !ok {
		return c.fail("set", tcpip.ErrNotSupported)
	}
	return c.fail("set", f(m))
}
