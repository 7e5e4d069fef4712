package oracle

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// tcpFlow is a flow of TCP as t0 shows it: ports of the host and of its peer.
type tcpFlow struct{ host, peer uint16 }

// tcpStart is where the two directions of a flow begin to count.
type tcpStart struct {
	host, peer         uint32
	knowHost, knowPeer bool

	seen map[tcpSpan]bool // segments of the host that took up sequence numbers
}

// tcpSpan is what a segment takes up.
type tcpSpan struct {
	seq    uint32
	length int
	fin    bool
}

func (r *Run) tcpStart(f tcpFlow) *tcpStart {
	if r.flows == nil {
		r.flows = map[tcpFlow]*tcpStart{}
	}
	if r.flows[f] == nil {
		r.flows[f] = &tcpStart{}
	}
	return r.flows[f]
}

// tcpFlagNames are the flags from the lowest bit on.
const tcpFlagNames = "FSRPAUEC"

func tcpFlags(v byte) string {
	s := ""
	for i, c := range tcpFlagNames {
		if v>>i&1 != 0 {
			s += string(c)
		}
	}
	if s == "" {
		return "."
	}
	return s
}

// tcp renders a segment that the host has sent. Sequence numbers count from the SYNs, or from the first segment
// that is seen; the host's timestamps are a name. The window is shown where it is the first or closed: what lies
// between follows what each side's buffers cost. PSH is left out where more data follows: it shows how a sender has
// cut its super-segments, which hangs on measured times. So does when a segment goes out again as it was: that is
// r.repeated, and not shown.
func (r *Run) tcp(b []byte) string {
	f := tcpFlow{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}
	seq, ack, flags := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), b[13]
	start := r.tcpStart(f)
	if flags&tcpSYN != 0 && (!start.knowHost || flags&tcpACK == 0) || !start.knowHost && flags&tcpRST == 0 {
		start.host, start.knowHost = seq, true
	}
	n := int(b[12]>>4) * 4
	if span := (tcpSpan{seq, len(b) - n, flags&tcpFIN != 0}); flags&(tcpSYN|tcpRST) == 0 && (span.length > 0 || span.fin) {
		if r.repeated = start.seen[span]; start.seen == nil {
			start.seen = map[tcpSpan]bool{}
		}
		start.seen[span] = true
	}
	if r.followed {
		flags &^= tcpPSH
	}
	if n < 20 || n > len(b) {
		return fmt.Sprintf(" TCP header %d of %d", n, len(b))
	}
	s := fmt.Sprintf(" TCP %s > %s %s", r.port(f.host), r.port(f.peer), tcpFlags(flags))
	if start.knowHost && (seq != 0 || flags&tcpRST == 0) {
		s += fmt.Sprint(" seq ", seq-start.host)
	} else {
		s += fmt.Sprint(" seq =", seq)
	}
	switch {
	case flags&tcpACK == 0 && ack == 0:
	case start.knowPeer:
		s += fmt.Sprint(" ack ", ack-start.peer)
	default:
		s += fmt.Sprint(" ack =", ack)
	}
	if win := binary.BigEndian.Uint16(b[14:]); flags&tcpSYN != 0 || win == 0 && flags&tcpRST == 0 {
		s += fmt.Sprint(" win ", win)
	}
	if u := binary.BigEndian.Uint16(b[18:]); u != 0 {
		s += fmt.Sprint(" urg ", u)
	}
	return s + tcpOptions(b[20:n]) + fmt.Sprint(" data ", len(b)-n)
}

// tcpOptions renders options in their order, padding included.
func tcpOptions(o []byte) string {
	var s []string
	for len(o) > 0 {
		if o[0] <= 1 {
			s = append(s, []string{"end", "nop"}[o[0]])
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			s = append(s, fmt.Sprintf("bad %x", o))
			break
		}
		v := o[2:o[1]]
		switch {
		case o[0] == 2 && len(v) == 2:
			s = append(s, fmt.Sprint("mss ", binary.BigEndian.Uint16(v)))
		case o[0] == 3 && len(v) == 1:
			s = append(s, fmt.Sprint("wscale ", v[0]))
		case o[0] == 4:
			s = append(s, "sackOK")
		case o[0] == 5:
			s = append(s, fmt.Sprintf("sack %d blocks", len(v)/8))
		case o[0] == 8 && len(v) == 8:
			s = append(s, fmt.Sprint("TS ecr ", binary.BigEndian.Uint32(v[4:])))
		default:
			s = append(s, fmt.Sprintf("%d{%x}", o[0], v))
		}
		o = o[o[1]:]
	}
	if s == nil {
		return ""
	}
	return " <" + strings.Join(s, " ") + ">"
}

// tcpFollowed reports whether the first packet is followed by one that continues its data.
func tcpFollowed(packets [][]byte) bool {
	if len(packets) < 2 {
		return false
	}
	var end, next uint32
	for i, b := range packets[:2] {
		if len(b) < 60 {
			return false
		}
		proto, t := transportOf(b)
		if proto != 6 || len(t) < 20 || len(t) <= int(t[12]>>4)*4 {
			return false
		}
		if next = binary.BigEndian.Uint32(t[4:]); i == 0 {
			end = next + uint32(len(t)-int(t[12]>>4)*4)
		}
	}
	return end == next
}
