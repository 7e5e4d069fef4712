package linux

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// The states of /proc/net/tcp, by TCP's.
var procStates = map[tcp.State]int{
	tcp.StateEstablished: 1, tcp.StateSynSent: 2, tcp.StateSynRcvd: 3, tcp.StateFinWait1: 4, tcp.StateFinWait2: 5,
	tcp.StateTimeWait: 6, tcp.StateClosed: 7, tcp.StateCloseWait: 8, tcp.StateLastAck: 9, tcp.StateListen: 10, tcp.StateClosing: 11,
}

// procClosed is the state of a datagram socket without a peer.
const procClosed = 7

// The widths of the lines of IPv4 sockets, which are padded, without the newline.
const (
	procWidthTCP      = 149
	procWidthDatagram = 127
)

// ticks is a duration in clock ticks of 10 ms (USER_HZ), never negative.
func ticks(d time.Duration) int { return int(max(d, 0) / (10 * time.Millisecond)) }

// hexAddress writes an address as these files do: in words of the machine's order.
func hexAddress(a tcpip.FullAddress, v6 bool) string {
	b := encode(AF_INET, a)[4:8]
	if v6 {
		b = encode(AF_INET6, a)[8:24]
	}
	var s strings.Builder
	for ; len(b) > 0; b = b[4:] {
		fmt.Fprintf(&s, "%08X", binary.NativeEndian.Uint32(b))
	}
	fmt.Fprintf(&s, ":%04X", a.Port)
	return s.String()
}

// padded ends a line of an IPv4 file, which Linux fills up with spaces.
func padded(b *bytes.Buffer, width int, line string) { fmt.Fprintf(b, "%-*s\n", width, line) }

const procHeader6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"

// procTCP renders tcp or tcp6: listeners, then connections, then what is left of them in TIME-WAIT.
func (n *Sockets) procTCP(b *bytes.Buffer, v6 bool) {
	put := func(line string) { padded(b, procWidthTCP, line) }
	if v6 {
		put = func(line string) { b.WriteString(line + "\n") }
		put(procHeader6)
	} else {
		put("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode")
	}
	sl := 0
	next := func(line string) {
		put(fmt.Sprintf("%4d: %s", sl, line))
		sl++
	}
	var others []string
	for _, ep := range n.stack.Endpoints() {
		e, ok := ep.(*tcp.Endpoint)
		if !ok || e.IPv6() != v6 {
			continue
		}
		switch st := e.State(); st {
		case tcp.StateClosed: // in no table
		case tcp.StateListen:
			next(n.tcpLine(e, st))
		default:
			others = append(others, n.tcpLine(e, st))
		}
	}
	t := n.tcp()
	if t != nil {
		for _, r := range t.HalfOpen() {
			if r.Local.Addr.Is6() == v6 {
				others = append(others, remnantLine(r, v6, tcp.StateSynRcvd, 1))
			}
		}
	}
	for _, line := range others {
		next(line)
	}
	if t == nil {
		return
	}
	for _, r := range t.TimeWaits() {
		if r.Local.Addr.Is6() == v6 {
			next(remnantLine(r, v6, tcp.StateTimeWait, 3))
		}
	}
}

// remnantLine is the line of a connection without a socket, whose timer has a number of its own.
func remnantLine(r tcp.Remnant, v6 bool, st tcp.State, timer int) string {
	return fmt.Sprintf("%s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d %d %016x", hexAddress(r.Local, v6), hexAddress(r.Remote, v6),
		procStates[st], 0, 0, timer, ticks(r.Left), 0, 0, 0, 0, 3, 0)
}

func (n *Sockets) tcp() *tcp.Protocol {
	t, _ := n.stack.Transport(header.ProtocolTCP).(*tcp.Protocol)
	return t
}

// tcpLine is a line of tcp or tcp6 without its number.
func (n *Sockets) tcpLine(e *tcp.Endpoint, st tcp.State) string {
	info := e.Info()
	sent, unread, timer, timeout := e.Unsent(), e.Unread(), 0, 0
	inode := n.inode(e)
	refs, rto, cwnd, ssthresh := 1, ticks(info.RTO), info.Cwnd, -1
	switch st {
	case tcp.StateListen:
		sent, unread = 0, info.AcceptQueue
		rto, cwnd, ssthresh = listenerRTO, listenerWindow, 0
	case tcp.StateSynSent: // the SYN counts, and the FIN
		sent = 1
	case tcp.StateCloseWait, tcp.StateLastAck, tcp.StateClosing:
		unread++
	}
	if sent > 0 {
		timer, refs = 1, 2
	}
	if n := info.Ssthresh; st != tcp.StateListen && n < 0x7fffffff {
		ssthresh = n
	}
	v6 := e.IPv6()
	if st == tcp.StateFinWait2 && inode == 0 { // of which Linux keeps no more than of TIME-WAIT
		return remnantLine(tcp.Remnant{Local: e.LocalAddress(), Remote: e.RemoteAddress()}, v6, st, 3)
	}
	return fmt.Sprintf("%s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d %d %016x %d %d %d %d %d",
		hexAddress(e.LocalAddress(), v6), hexAddress(e.RemoteAddress(), v6), procStates[st], sent, unread, timer, timeout,
		info.Retransmits, 0, info.Probes, inode, refs, 0, rto, ticks(info.ATO), 0, cwnd, ssthresh)
}

// What a listener shows of a connection that it does not have: 1 s and 10 segments.
const (
	listenerRTO    = 100
	listenerWindow = 10
)

func (n *Sockets) inode(ep stack.Endpoint) uint64 {
	if s := n.files.socket(ep); s != nil {
		return s.inode
	}
	return 0
}

// procKind is a file of datagram sockets: its header, how wide its lines are, and whose they are.
type procKind struct {
	head  string
	width int // 0: not padded
	sl    int // the number's width
	v6    bool
	is    func(stack.Endpoint) bool
	both  bool // those of the other family are there too, without their addresses: as measured
}

// The files of datagram sockets.
var (
	procUDP = procKind{"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
		procWidthDatagram, 5, false, isA[*udp.Endpoint], false}
	procUDP6 = procKind{procHeader6 + " ref pointer drops", 0, 5, true, isA[*udp.Endpoint], false}
	procRaw  = procKind{"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
		0, 4, false, isA[*raw.Endpoint], false}
	procRaw6 = procKind{procHeader6 + " ref pointer drops", 0, 5, true, isA[*raw.Endpoint], false}
	procPing = procKind{"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
		procWidthDatagram, 5, false, isA[*icmp.Endpoint], false}
	procPing6 = procKind{procHeader6 + " ref pointer drops", 0, 5, true, isA[*icmp.Endpoint], true}
)

func isA[T stack.Endpoint](ep stack.Endpoint) bool {
	_, ok := ep.(T)
	return ok
}

// sixed is an endpoint that knows its family.
type sixed interface{ IPv6() bool }

// holder is an endpoint that says what its receive queue holds, in slab bytes, and how often it was full.
type holder interface {
	Held() (bytes int, dropped uint32)
}

// procDatagram renders the file of a kind of datagram sockets: those that are bound.
func (n *Sockets) procDatagram(b *bytes.Buffer, k *procKind) {
	put := func(line string) { fmt.Fprintf(b, "%-*s\n", k.width, line) }
	put(k.head)
	sl := 0
	for _, ep := range n.stack.Endpoints() {
		f, ok := ep.(sixed)
		if !ok || !k.is(ep) || f.IPv6() != k.v6 && !k.both {
			continue
		}
		local, remote := n.ends(ep)
		if local.Port == 0 {
			continue
		}
		if f.IPv6() != k.v6 {
			local.Addr, remote.Addr = netip.Addr{}, netip.Addr{}
		}
		sent, held, dropped := 0, 0, uint32(0)
		if u, ok := ep.(unsender); ok {
			sent = u.Unsent()
		}
		if q, ok := ep.(holder); ok {
			held, dropped = q.Held()
		}
		st := procClosed
		if remote.Addr.IsValid() {
			st = procStates[tcp.StateEstablished]
		}
		put(fmt.Sprintf("%*d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d %d %016x %d",
			k.sl, sl, hexAddress(local, k.v6), hexAddress(remote, k.v6), st, sent, held, 0, 0, 0, 0, 0, n.inode(ep), 2, 0, dropped))
		sl++
	}
}

// ends are the addresses of an endpoint as its socket shows them: a raw one's port is its protocol.
func (n *Sockets) ends(ep stack.Endpoint) (local, remote tcpip.FullAddress) {
	local, remote = ep.LocalAddress(), ep.RemoteAddress()
	if s := n.files.socket(ep); s != nil {
		if b, err := s.GetSockName(); err == 0 && len(b) >= 4 {
			local.Port = binary.BigEndian.Uint16(b[2:])
		}
	}
	if local.Addr == netip.IPv4Unspecified() {
		local.Addr = netip.Addr{}
	}
	return local, remote
}
