package packetdrill

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/header"
)

// mismatch is how a packet that was sent is not the one that is expected.
func mismatch(format string, args ...any) error { return fmt.Errorf(format, args...) }

// match compares a packet that the system under test has sent with what the script expects, and learns from it what
// is mapped: the initial sequence number, timestamps, the window's scale.
func (f *flow) match(k *Packet, w *wire) error {
	if !w.sum() {
		return mismatch("the checksum is wrong")
	}
	if err := matchIP(&k.IP, w); err != nil {
		return err
	}
	switch {
	case k.TCP != nil:
		if w.tcp == nil {
			return mismatch("the protocol is %d, not TCP", w.proto)
		}
		return f.matchTCP(k.TCP, w.tcp)
	case k.UDP != nil:
		if w.udp == nil {
			return mismatch("the protocol is %d, not UDP", w.proto)
		}
		if n := int(w.udp.Length()) - header.UDPSize; n != k.UDP.Length {
			return mismatch("the payload has %d bytes, not %d", n, k.UDP.Length)
		}
	default:
		return f.matchICMP(k.ICMP, w)
	}
	return nil
}

func matchIP(o *IPInfo, w *wire) error {
	switch {
	case o.TOS != nil && w.tos != *o.TOS:
		return mismatch("TOS is %#x, not %#x", w.tos, *o.TOS)
	case o.ECN != nil && *o.ECN == ECNCapable:
		if w.tos&3 == 0 {
			return mismatch("ECN is 0")
		}
	case o.ECN != nil && *o.ECN == ECT01 && w.tos&3 != uint8(ECT0) && w.tos&3 != uint8(ECT1),
		o.ECN != nil && *o.ECN != ECT01 && w.tos&3 != uint8(*o.ECN):
		return mismatch("ECN is %d", w.tos&3)
	case o.TTL != nil && w.ttl != *o.TTL:
		return mismatch("TTL is %d, not %d", w.ttl, *o.TTL)
	case o.FlowLabel != nil && w.label != *o.FlowLabel:
		return mismatch("the flow label is %#x, not %#x", w.label, *o.FlowLabel)
	}
	return nil
}

func (f *flow) matchTCP(t *TCP, h header.TCP) error {
	flags := t.Flags
	if t.Accurate != nil {
		flags |= accurateFlags(*t.Accurate)
	}
	if h.Flags() != flags {
		return mismatch("flags are %s, not %s", flagText(h.Flags()), flagText(flags))
	}
	if flags&(header.SYN|header.ACK) == header.SYN|header.ACK {
		f.restart(uint32(h.Seq()))
	}
	f.ended[1] = f.ended[1] || flags&header.FIN != 0
	f.over = f.over || flags&header.RST != 0
	if flags&header.SYN != 0 && !f.localKnown {
		f.localScript, f.localLive, f.localKnown = t.Seq, uint32(h.Seq()), true
	}
	if at := f.scriptLocal(uint32(h.Seq())); at != t.Seq && !(flags&header.RST != 0 && (!f.localKnown || t.Seq == uint32(h.Seq()))) {
		return mismatch("seq is %d, not %d", at, t.Seq)
	}
	if n := len(h.Payload()); n != t.Length {
		return mismatch("the payload has %d bytes, not %d", n, t.Length)
	}
	if flags&header.ACK != 0 && (flags&header.SYN == 0 || t.Ack != uint32(h.Ack()) && t.Ack != uint32(h.Ack())-f.remoteLive) {
		f.decide(t.Ack)
		if at := f.scriptRemote(uint32(h.Ack())); at != t.Ack {
			return mismatch("ack is %d, not %d", at, t.Ack)
		}
	}
	if t.Window != nil {
		window := uint32(h.Window())
		if f.scaled && flags&header.SYN == 0 {
			window <<= f.scale
		}
		if window != *t.Window {
			return mismatch("win is %d, not %d", window, *t.Window)
		}
	}
	if flags&header.URG != 0 && h.Urgent() != t.Urgent {
		return mismatch("urg is %d, not %d", h.Urgent(), t.Urgent)
	}
	if err := f.matchOptions(t, h.Options()); err != nil {
		return err
	}
	return f.checkSignature(t, h)
}

// flagText is flags in the language's letters.
func flagText(v header.TCPFlags) string {
	var b strings.Builder
	for _, c := range []byte("FSRP.UEWA") {
		if v&tcpFlags[c] != 0 {
			b.WriteByte(c)
		}
	}
	if b.Len() == 0 {
		return "-"
	}
	return b.String()
}

// matchOptions compares options in their order and bytes.
func (f *flow) matchOptions(t *TCP, b []byte) error {
	live, err := splitOptions(b)
	if err != nil {
		return err
	}
	for _, o := range live {
		if o[0] == kindWScale && len(o) == 3 {
			f.scale = o[2]
		}
	}
	if t.AnyOptions {
		return nil
	}
	if len(live) != len(t.Options) {
		return mismatch("the options are <%s>, not <%s>", f.optionsText(live), t.optionsText())
	}
	for i := range t.Options {
		if !f.matchOption(&t.Options[i], live[i]) {
			return mismatch("the options are <%s>, not <%s>", f.optionsText(live), t.optionsText())
		}
	}
	return nil
}

// splitOptions cuts the bytes of options; what follows the end of the list counts as one more each.
func splitOptions(b []byte) (list [][]byte, err error) {
	for len(b) > 0 {
		n := 1
		if b[0] > kindNOP {
			if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
				return nil, mismatch("the options do not parse: %x", b)
			}
			n = int(b[1])
		}
		list = append(list, b[:n])
		b = b[n:]
	}
	return list, nil
}

// matchOption compares one option.
func (f *flow) matchOption(o *TCPOption, b []byte) bool {
	if o.Kind != b[0] {
		return false
	}
	if o.Name == "generic" {
		return bytes.Equal(o.Data, b[min(2, len(b)):]) && (o.Length < 0 || o.Length == len(b))
	}
	switch o.Kind {
	case kindEOL, kindNOP, kindSACKOK:
		return true
	case kindMSS:
		return len(b) == 4 && uint32(binary.BigEndian.Uint16(b[2:])) == o.Value
	case kindWScale:
		return len(b) == 3 && uint32(b[2]) == o.Value
	case kindSACK:
		if len(b) != 2+8*len(o.Blocks) {
			return false
		}
		for i, s := range o.Blocks {
			if f.scriptRemote(binary.BigEndian.Uint32(b[2+8*i:])) != s.Left || f.scriptRemote(binary.BigEndian.Uint32(b[6+8*i:])) != s.Right {
				return false
			}
		}
		return true
	case kindTimestamp:
		if len(b) != 10 {
			return false
		}
		val, ecr := binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint32(b[6:])
		if !o.Ecr.Any && ecr != o.Ecr.Value {
			return false
		}
		if o.Val.Any {
			return true
		}
		if f.stamps == nil {
			f.stamps = map[uint32]uint32{}
			f.stampScript, f.stampLive = o.Val.Value, val
		}
		if _, seen := f.stamps[o.Val.Value]; !seen {
			f.stamps[o.Val.Value] = val
		}
		return f.ticked(o.Val.Value, val)
	case kindMD5:
		return len(b) == 18 && (len(o.Data) == 0 || bytes.Equal(o.Data, b[2:]))
	}
	return bytes.Equal(o.Data, b[2:])
}

// scriptStamp maps a timestamp that was sent to the script's, once there was a first one.
func (f *flow) scriptStamp(live uint32) uint32 { return live - f.stampLive + f.stampScript }

// ticked reports whether a timestamp is as far from the first one as the script says, where its clock is given. The
// system's counts milliseconds.
func (f *flow) ticked(script, live uint32) bool {
	if f.tick == 0 {
		return true
	}
	want := time.Duration(int32(script-f.stampScript)) * f.tick
	have := time.Duration(int32(live-f.stampLive)) * time.Millisecond
	return (have - want).Abs() <= max(f.tolerance, want/8, time.Millisecond)
}

// optionsText and TCP.optionsText render options for messages.
func (f *flow) optionsText(list [][]byte) string {
	var parts []string
	for _, b := range list {
		switch {
		case b[0] == kindEOL:
			parts = append(parts, "eol")
		case b[0] == kindNOP:
			parts = append(parts, "nop")
		case b[0] == kindMSS && len(b) == 4:
			parts = append(parts, fmt.Sprint("mss ", binary.BigEndian.Uint16(b[2:])))
		case b[0] == kindWScale && len(b) == 3:
			parts = append(parts, fmt.Sprint("wscale ", b[2]))
		case b[0] == kindSACKOK:
			parts = append(parts, "sackOK")
		case b[0] == kindTimestamp && len(b) == 10:
			parts = append(parts, fmt.Sprintf("TS val %d ecr %d", f.scriptStamp(binary.BigEndian.Uint32(b[2:])), binary.BigEndian.Uint32(b[6:])))
		case b[0] == kindSACK && len(b)%8 == 2:
			s := "sack"
			for i := 2; i < len(b); i += 8 {
				s += fmt.Sprintf(" %d:%d", f.scriptRemote(binary.BigEndian.Uint32(b[i:])), f.scriptRemote(binary.BigEndian.Uint32(b[i+4:])))
			}
			parts = append(parts, s)
		case b[0] == kindFastOpen:
			parts = append(parts, fmt.Sprintf("FO %x", b[2:]))
		default:
			parts = append(parts, fmt.Sprintf("%d:%x", b[0], b[2:]))
		}
	}
	return strings.Join(parts, ",")
}

func (t *TCP) optionsText() string {
	var parts []string
	for i := range t.Options {
		o := &t.Options[i]
		switch o.Kind {
		case kindMSS, kindWScale:
			parts = append(parts, fmt.Sprint(o.Name, " ", o.Value))
		case kindTimestamp:
			parts = append(parts, fmt.Sprintf("TS val %s ecr %s", o.Val, o.Ecr))
		case kindSACK:
			s := "sack"
			for _, b := range o.Blocks {
				s += fmt.Sprintf(" %d:%d", b.Left, b.Right)
			}
			parts = append(parts, s)
		case kindEOL, kindNOP, kindSACKOK:
			parts = append(parts, o.Name)
		default:
			parts = append(parts, fmt.Sprintf("%s %x", o.Name, o.Data))
		}
	}
	return strings.Join(parts, ",")
}

func (v TimestampValue) String() string {
	if v.Any {
		return "..."
	}
	return fmt.Sprint(v.Value)
}

// matchICMP compares a message that the system under test has sent.
func (f *flow) matchICMP(m *ICMP, w *wire) error {
	names := icmp4
	if w.v6 {
		names = icmp6
	}
	kind, ok := names[m.Type+"/"+m.Code]
	switch {
	case !ok:
		return mismatch("there is no ICMP message %s %s here", m.Type, m.Code)
	case w.proto != header.ProtocolICMPv4 && w.proto != header.ProtocolICMPv6 || len(w.rest) < 8:
		return mismatch("the protocol is %d, not ICMP", w.proto)
	case w.rest[0] != kind.typ || w.rest[1] != kind.code:
		return mismatch("the message is %d/%d, not %d/%d", w.rest[0], w.rest[1], kind.typ, kind.code)
	case m.HasMTU && binary.BigEndian.Uint32(w.rest[4:]) != m.MTU:
		return mismatch("mtu is %d, not %d", binary.BigEndian.Uint32(w.rest[4:]), m.MTU)
	}
	return nil
}

// render shows a sent packet in the language.
func (f *flow) render(w *wire) string {
	ecn := w.ecnText()
	switch {
	case w.tcp != nil:
		front, back := f.segmentText(w.tcp)
		return "> " + ecn + front + fmt.Sprint(" win ", w.tcp.Window()) + back
	case w.udp != nil:
		return fmt.Sprintf("> %sudp (%d)", ecn, int(w.udp.Length())-header.UDPSize)
	case len(w.rest) >= 2 && (w.proto == header.ProtocolICMPv4 || w.proto == header.ProtocolICMPv6):
		return fmt.Sprintf("> icmp %d/%d (%d)", w.rest[0], w.rest[1], len(w.rest))
	}
	return fmt.Sprintf("> protocol %d (%d)", w.proto, len(w.rest))
}

// ecnText is what a line says of a packet's ECN field.
func (w *wire) ecnText() string { return [...]string{"", "[ect1] ", "[ect0] ", "[ce] "}[w.tos&3] }

// segmentText shows a segment in the language: what stands in front of its window, and what behind.
func (f *flow) segmentText(h header.TCP) (front, back string) {
	at := f.scriptLocal(uint32(h.Seq()))
	front = fmt.Sprintf("%s %d:%d(%d)", flagText(h.Flags()), at, at+uint32(len(h.Payload())), len(h.Payload()))
	if h.Flags()&header.ACK != 0 {
		front += fmt.Sprint(" ack ", f.scriptRemote(uint32(h.Ack())))
	}
	if h.Flags()&header.URG != 0 {
		back += fmt.Sprint(" urg ", h.Urgent())
	}
	if live, err := splitOptions(h.Options()); err == nil && len(live) > 0 {
		back += " <" + f.optionsText(live) + ">"
	}
	return front, back
}

// join appends a segment that continues one that was sent before it, where both are of the kind that one write
// leaves as on the wire: equal headers but for sequence numbers, PSH, FIN and CWR. ok is false if they do not belong
// together.
func join(a, b *wire) (joined []byte, ok bool) {
	if a.tcp == nil || b.tcp == nil || a.v6 != b.v6 || a.tos != b.tos {
		return nil, false
	}
	const may = header.PSH | header.FIN | header.CWR
	x, y := a.tcp, b.tcp
	n := len(x.Payload())
	switch {
	case n == 0 || len(y.Payload()) == 0 || len(y.Payload()) > n,
		uint32(y.Seq()) != uint32(x.Seq())+uint32(n), x.Ack() != y.Ack(), x.Window() != y.Window(),
		x.Flags()&^may != y.Flags()&^may, x.Flags()&header.FIN != 0, !bytes.Equal(x.Options(), y.Options()):
		return nil, false
	}
	ip := len(a.raw) - len(a.rest)
	joined = append(bytes.Clone(a.raw[:ip+len(x)]), y.Payload()...)
	h := header.TCP(joined[ip:])
	h.SetFlags(x.Flags() | y.Flags()&may)
	if a.v6 {
		header.IPv6(joined).SetPayloadLength(uint16(len(joined) - ip))
	} else {
		v4 := header.IPv4(joined)
		v4.SetTotalLength(uint16(len(joined)))
		v4.UpdateChecksum()
	}
	h.SetChecksum(0)
	h.SetChecksum(header.TransportChecksum(header.ProtocolTCP, a.src.Addr(), a.dst.Addr(), h))
	return joined, true
}
