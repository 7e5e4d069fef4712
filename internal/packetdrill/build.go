package packetdrill

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/checksum"
	"github.com/seed963a8790/netstack/internal/seq"
)

// build makes the bytes of an inbound packet of a flow.
func (f *flow) build(k *Packet) ([]byte, error) {
	var err error
	var b []byte
	switch {
	case k.TCP != nil:
		b, err = f.buildTCP(k.TCP)
	case k.UDP != nil:
		b = make([]byte, header.UDPSize+k.UDP.Length)
		u := header.UDPFields{SrcPort: f.remote.Port(), DstPort: f.local.Port(), Length: uint16(len(b))}
		h := u.Encode(b)
		h.SetChecksum(header.TransportChecksum(header.ProtocolUDP, f.remote.Addr(), f.local.Addr(), b))
	default:
		return f.buildICMP(k.ICMP)
	}
	if err != nil {
		return nil, err
	}
	return encapsulate(f.remote.Addr(), f.local.Addr(), f.proto, &k.IP, b), nil
}

// encapsulate puts an IP header in front of a transport's packet.
func encapsulate(src, dst netip.Addr, proto header.Protocol, o *IPInfo, b []byte) []byte {
	tos, ttl := uint8(0), uint8(255)
	if o.TOS != nil {
		tos = *o.TOS
	}
	if o.ECN != nil {
		tos = tos&^3 | uint8(*o.ECN)&3
	}
	if o.TTL != nil {
		ttl = *o.TTL
	}
	if src.Is4() {
		h := header.IPv4Fields{TOS: tos, TTL: ttl, Protocol: proto, Src: src, Dst: dst, TotalLength: uint16(header.IPv4Size + len(b))}
		p := append(make([]byte, header.IPv4Size), b...)
		h.Encode(p).UpdateChecksum()
		return p
	}
	h := header.IPv6Fields{TrafficClass: tos, HopLimit: ttl, NextHeader: proto, Src: src, Dst: dst, PayloadLength: uint16(len(b))}
	if o.FlowLabel != nil {
		h.FlowLabel = *o.FlowLabel
	}
	p := append(make([]byte, header.IPv6Size), b...)
	h.Encode(p)
	return p
}

func (f *flow) buildTCP(t *TCP) ([]byte, error) {
	options, err := f.buildOptions(t.Options)
	if err != nil {
		return nil, err
	}
	flags := t.Flags
	if t.Accurate != nil {
		flags |= accurateFlags(*t.Accurate)
	}
	window := uint32(0)
	if t.Window != nil {
		window = *t.Window
	}
	if window > 0xffff {
		return nil, fmt.Errorf("a window of %d does not fit", window)
	}
	at := t.Seq
	if flags&header.SYN == 0 {
		f.decide(t.Seq)
		at = f.remoteSeq(t.Seq)
	}
	b := make([]byte, header.TCPSize+len(options)+t.Length)
	h := header.TCPFields{
		SrcPort: f.remote.Port(), DstPort: f.local.Port(), Seq: seq.Number(at), Flags: flags,
		Window: uint16(window), Urgent: t.Urgent,
	}
	if t.HasAck || flags&header.ACK != 0 {
		h.Ack = seq.Number(f.localSeq(t.Ack))
		if flags&header.ACK == 0 {
			h.Ack = seq.Number(t.Ack)
		}
	}
	h.Encode(b, nil)
	b[12] = b[12]&1 | uint8((header.TCPSize+len(options))/4)<<4
	copy(b[header.TCPSize:], options)
	pattern(b[header.TCPSize+len(options):], t.Seq)
	f.signInbound(t, b)
	header.TCP(b).SetChecksum(header.TransportChecksum(header.ProtocolTCP, f.remote.Addr(), f.local.Addr(), b))
	return b, nil
}

// pattern fills a payload with bytes that tell where in the stream they are.
func pattern(b []byte, at uint32) {
	for i := range b {
		b[i] = byte(at + uint32(i))
	}
}

// accurateFlags puts an ACE count into AE, CWR and ECE (RFC 9768 §3.2).
func accurateFlags(count uint8) (f header.TCPFlags) {
	for i, bit := range []header.TCPFlags{header.ECE, header.CWR, header.AE} {
		if count>>i&1 != 0 {
			f |= bit
		}
	}
	return f
}

// buildOptions encodes options in the order in which they are written, padded with zeroes.
func (f *flow) buildOptions(list []TCPOption) ([]byte, error) {
	var b []byte
	for i := range list {
		o := &list[i]
		kind := int(o.Kind)
		if o.Name == "generic" {
			kind = -1 // bytes, whatever the kind
		}
		switch kind {
		case kindEOL, kindNOP:
			b = append(b, o.Kind)
			continue
		case kindMSS:
			b = binary.BigEndian.AppendUint16(append(b, o.Kind, 4), uint16(o.Value))
			continue
		case kindWScale:
			b = append(b, o.Kind, 3, uint8(o.Value))
			continue
		case kindSACKOK:
			b = append(b, o.Kind, 2)
			continue
		case kindSACK:
			b = append(b, o.Kind, uint8(2+8*len(o.Blocks)))
			for _, s := range o.Blocks {
				b = binary.BigEndian.AppendUint32(b, f.localSeq(s.Left))
				b = binary.BigEndian.AppendUint32(b, f.localSeq(s.Right))
			}
			continue
		case kindTimestamp:
			ecr := o.Ecr.Value
			if live, ok := f.stamps[ecr]; ok {
				ecr = live
			} else if ecr != 0 {
				return nil, fmt.Errorf("the timestamp %d that is echoed was never sent", ecr)
			}
			b = append(b, o.Kind, 10)
			b = binary.BigEndian.AppendUint32(b, o.Val.Value)
			b = binary.BigEndian.AppendUint32(b, ecr)
			continue
		}
		if o.Kind == kindMD5 && len(o.Data) == 0 {
			b = append(append(b, o.Kind, 2+md5.Size), make([]byte, md5.Size)...)
			continue
		}
		size := 2 + len(o.Data)
		if o.Name == "generic" && o.Length >= 0 {
			size = o.Length
		}
		b = append(append(b, o.Kind, uint8(size)), o.Data...)
	}
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	if len(b) > 40 {
		return nil, fmt.Errorf("%d bytes of options do not fit", len(b))
	}
	return b, nil
}

// icmpKind is a message by its name in scripts.
type icmpKind struct{ typ, code uint8 }

var icmp4 = map[string]icmpKind{
	"unreachable/net_unreachable": {3, 0}, "unreachable/host_unreachable": {3, 1}, "unreachable/protocol_unreachable": {3, 2},
	"unreachable/port_unreachable": {3, 3}, "unreachable/frag_needed": {3, 4}, "unreachable/source_route_failed": {3, 5},
	"unreachable/net_unknown": {3, 6}, "unreachable/host_unknown": {3, 7}, "unreachable/source_host_isolated": {3, 8},
	"unreachable/net_prohibited": {3, 9}, "unreachable/host_prohibited": {3, 10}, "unreachable/net_unreachable_for_tos": {3, 11},
	"unreachable/host_unreachable_for_tos": {3, 12}, "unreachable/comm_prohibited": {3, 13}, "unreachable/packet_filtered": {3, 13},
	"unreachable/host_precedence": {3, 14}, "unreachable/precedence_cutoff": {3, 15},
	"source_quench/": {4, 0}, "redirect/net": {5, 0}, "redirect/host": {5, 1}, "echo_request/": {8, 0}, "echo_reply/": {0, 0},
	"time_exceeded/ttl_exceeded": {11, 0}, "time_exceeded/": {11, 0}, "time_exceeded/frag_time_exceeded": {11, 1},
	"parameter_problem/": {12, 0},
}

var icmp6 = map[string]icmpKind{
	"unreachable/no_route": {1, 0}, "unreachable/net_unreachable": {1, 0}, "unreachable/admin_prohibited": {1, 1},
	"unreachable/host_prohibited": {1, 1}, "unreachable/not_neighbour": {1, 2}, "unreachable/address_unreachable": {1, 3},
	"unreachable/host_unreachable": {1, 3}, "unreachable/port_unreachable": {1, 4}, "unreachable/policy_fail": {1, 5},
	"unreachable/reject_route": {1, 6}, "packet_too_big/": {2, 0}, "unreachable/frag_needed": {2, 0},
	"time_exceeded/": {3, 0}, "time_exceeded/ttl_exceeded": {3, 0}, "time_exceeded/frag_time_exceeded": {3, 1},
	"parameter_problem/": {4, 0}, "echo_request/": {128, 0}, "echo_reply/": {129, 0},
}

// buildICMP makes an ICMP message about a packet that was sent, or an echo.
func (f *flow) buildICMP(m *ICMP) ([]byte, error) {
	names := icmp4
	if f.local.Addr().Is6() {
		names = icmp6
	}
	kind, ok := names[m.Type+"/"+m.Code]
	if !ok {
		return nil, fmt.Errorf("there is no ICMP message %s %s here", m.Type, m.Code)
	}
	b := make([]byte, 8)
	b[0], b[1] = kind.typ, kind.code
	switch {
	case m.Type == "echo_request" || m.Type == "echo_reply":
		binary.BigEndian.PutUint16(b[4:], m.ID)
		binary.BigEndian.PutUint16(b[6:], m.Seq)
		b = append(b, make([]byte, m.Length)...)
	default:
		binary.BigEndian.PutUint32(b[4:], m.MTU)
		about := f.quotable(m.About)
		if about == nil {
			return nil, fmt.Errorf("no packet was sent that the message could be about")
		}
		b = append(b, about[:min(len(about), 548)]...)
	}
	proto := header.ProtocolICMPv4
	if f.local.Addr().Is6() {
		proto = header.ProtocolICMPv6
		binary.BigEndian.PutUint16(b[2:], header.TransportChecksum(proto, f.remote.Addr(), f.local.Addr(), b))
	} else {
		binary.BigEndian.PutUint16(b[2:], checksum.Partial{}.Add(b).Checksum())
	}
	return encapsulate(f.remote.Addr(), f.local.Addr(), proto, &IPInfo{}, b), nil
}
