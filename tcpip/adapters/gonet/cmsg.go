package gonet

import (
	"encoding/binary"
	"net"
	"net/netip"
	"unsafe"

	"github.com/seed963a8790/netstack/tcpip"
)

// Control messages in the layout of Linux (cmsg(3)), for programs that were written against
// ReadMsgUDP and WriteMsgUDP of package net. New ones have ReadMsg and WriteMsg.

// The flags that ReadMsgUDP returns, with Linux's numbers.
const (
	FlagControlTruncated = 0x8  // MSG_CTRUNC: oob was too short
	FlagTruncated        = 0x20 // MSG_TRUNC: b was too short
)

// struct cmsghdr is a size_t length, which includes the header, an int level and an int type; what
// follows, and the next header, are aligned to a size_t.
const (
	wordSize = int(unsafe.Sizeof(uintptr(0)))
	cmsgSize = wordSize + 8
)

func aligned(n int) int { return (n + wordSize - 1) &^ (wordSize - 1) }

var (
	cmsgPacketInfo4 = tcpip.IP_PKTINFO
	cmsgTTL         = tcpip.IP_TTL
	cmsgTOS         = tcpip.IP_TOS
	cmsgPacketInfo6 = tcpip.Option(tcpip.IPPROTO_IPV6, 50)
	cmsgHopLimit    = tcpip.Option(tcpip.IPPROTO_IPV6, 52)
	cmsgClass       = tcpip.IPV6_TCLASS
)

// ReadMsgUDPAddrPort takes one datagram into b and its control messages, as Linux lays them out, into
// oob: IP_PKTINFO or IPV6_PKTINFO always, TTL and TOS where the endpoint's options ask for them.
func (c *UDPConn) ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, from netip.AddrPort, err error) {
	r, err := c.receive(b)
	if err != nil {
		return 0, 0, 0, netip.AddrPort{}, c.fail("read", err)
	}
	w := cmsgWriter{b: oob[:0], room: len(oob)}
	w.control(&r.Control, r.From.Addr.Is4())
	if r.Total > r.Count {
		w.flags |= FlagTruncated
	}
	return r.Count, len(w.b), w.flags, addrPort(c.ep.Stack(), r.From), nil
}

// ReadMsgUDP is ReadMsgUDPAddrPort with a *net.UDPAddr.
func (c *UDPConn) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, from *net.UDPAddr, err error) {
	n, oobn, flags, ap, err := c.ReadMsgUDPAddrPort(b, oob)
	if err == nil {
		from = net.UDPAddrFromAddrPort(ap)
	}
	return n, oobn, flags, from, err
}

// WriteMsgUDPAddrPort sends b to a peer, on a connected socket to the zero AddrPort, with the control
// messages in oob: packet info, TTL and TOS of either family.
func (c *UDPConn) WriteMsgUDPAddrPort(b, oob []byte, to netip.AddrPort) (n, oobn int, err error) {
	var o tcpip.WriteOptions
	if err = parseControl(oob, &o.Control); err == nil {
		if err = c.address(&o, to); err == nil {
			err = c.send(b, &o)
		}
	}
	n, err = c.sent(b, &o, err)
	if err != nil {
		return n, 0, err
	}
	return n, len(oob), nil
}

// WriteMsgUDP is WriteMsgUDPAddrPort with a *net.UDPAddr; nil is the connected peer.
func (c *UDPConn) WriteMsgUDP(b, oob []byte, to *net.UDPAddr) (n, oobn int, err error) {
	var ap netip.AddrPort
	if to != nil {
		ap = fromIP(to.AddrPort(), to.IP, to.Port)
	}
	return c.WriteMsgUDPAddrPort(b, oob, ap)
}

type cmsgWriter struct {
	b     []byte
	room  int // bytes that b may grow to
	flags int
}

// add appends a message and returns its data for the caller to fill, nil if there is no room.
func (w *cmsgWriter) add(id tcpip.OptionID, n int) []byte {
	at := len(w.b)
	if at+cmsgSize+n > w.room {
		w.flags |= FlagControlTruncated
		return nil
	}
	end := min(at+cmsgSize+aligned(n), w.room)
	w.b = w.b[:end]
	clear(w.b[at:])
	m := w.b[at:]
	if wordSize == 8 {
		binary.NativeEndian.PutUint64(m, uint64(cmsgSize+n))
	} else {
		binary.NativeEndian.PutUint32(m, uint32(cmsgSize+n))
	}
	binary.NativeEndian.PutUint32(m[wordSize:], uint32(id.Level()))
	binary.NativeEndian.PutUint32(m[wordSize+4:], uint32(id.Number()))
	return m[cmsgSize : cmsgSize+n]
}

func (w *cmsgWriter) addInt(id tcpip.OptionID, v int) {
	if m := w.add(id, 4); m != nil {
		binary.NativeEndian.PutUint32(m, uint32(v))
	}
}

func (w *cmsgWriter) control(k *tcpip.Control, v4 bool) {
	info, ttl, tos := cmsgPacketInfo6, cmsgHopLimit, cmsgClass
	if v4 {
		info, ttl, tos = cmsgPacketInfo4, cmsgTTL, cmsgTOS
	}
	if k.Has&tcpip.HasPacketInfo != 0 {
		w.packetInfo(info, &k.PacketInfo)
	}
	if k.Has&tcpip.HasHopLimit != 0 {
		w.addInt(ttl, int(k.HopLimit))
	}
	if k.Has&tcpip.HasClass != 0 {
		if !v4 {
			w.addInt(tos, int(k.Class))
		} else if m := w.add(tos, 1); m != nil {
			m[0] = k.Class
		}
	}
}

// packetInfo writes struct in_pktinfo (index, local, destination) or in6_pktinfo (destination, index).
func (w *cmsgWriter) packetInfo(id tcpip.OptionID, p *tcpip.PacketInfo) {
	if id == cmsgPacketInfo4 {
		if m := w.add(id, 12); m != nil {
			binary.NativeEndian.PutUint32(m, uint32(p.NIC))
			copy(m[4:], p.Local.AsSlice())
			copy(m[8:], p.Destination.AsSlice())
		}
		return
	}
	if m := w.add(id, 20); m != nil {
		a := p.Destination.As16()
		copy(m, a[:])
		binary.NativeEndian.PutUint32(m[16:], uint32(p.NIC))
	}
}

// parseControl reads the control messages of a send into k. Like the kernel it refuses what it does
// not know at these levels, and passes over other levels.
func parseControl(oob []byte, k *tcpip.Control) error {
	for len(oob) >= cmsgSize {
		n := int(binary.NativeEndian.Uint32(oob))
		if wordSize == 8 {
			n = int(min(binary.NativeEndian.Uint64(oob), 1<<31-1))
		}
		if n < cmsgSize || n > len(oob) {
			return tcpip.ErrInvalid
		}
		level := int(int32(binary.NativeEndian.Uint32(oob[wordSize:])))
		typ := int(int32(binary.NativeEndian.Uint32(oob[wordSize+4:])))
		if level == tcpip.IPPROTO_IP || level == tcpip.IPPROTO_IPV6 {
			if !parseMessage(tcpip.Option(level, typ), oob[cmsgSize:n], k) {
				return tcpip.ErrInvalid
			}
		}
		oob = oob[min(aligned(n), len(oob)):]
	}
	return nil
}

// parseMessage reads one message, and reports false for one that is malformed or unknown.
func parseMessage(id tcpip.OptionID, m []byte, k *tcpip.Control) bool {
	switch id {
	case cmsgPacketInfo4:
		if len(m) != 12 {
			return false
		}
		k.Has |= tcpip.HasPacketInfo
		k.PacketInfo.NIC = tcpip.NICID(binary.NativeEndian.Uint32(m))
		k.PacketInfo.Local = specified(netip.AddrFrom4([4]byte(m[4:])))
		return true
	case cmsgPacketInfo6:
		if len(m) != 20 {
			return false
		}
		k.Has |= tcpip.HasPacketInfo
		k.PacketInfo.NIC = tcpip.NICID(binary.NativeEndian.Uint32(m[16:]))
		k.PacketInfo.Local = specified(netip.AddrFrom16([16]byte(m)).Unmap())
		return true
	}
	v := 0
	switch len(m) {
	case 1:
		v = int(m[0])
	case 4:
		v = int(int32(binary.NativeEndian.Uint32(m)))
	default:
		return false
	}
	if v < -1 || v > 255 {
		return false
	}
	switch id {
	case cmsgTTL, cmsgHopLimit:
		if v >= 0 {
			k.Has |= tcpip.HasHopLimit
			k.HopLimit = uint8(v)
		}
	case cmsgTOS, cmsgClass:
		if v >= 0 {
			k.Has |= tcpip.HasClass
			k.Class = uint8(v)
		}
	default:
		return false
	}
	return true
}

// specified turns the unspecified address, which chooses nothing, into the zero Addr.
func specified(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
