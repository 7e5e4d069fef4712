// Package prometheus writes what stacks have counted in Prometheus' text format, version 0.0.4. It depends on nothing
// but the standard library.
//
// A counter of a MIB is named after it, like netstack_tcp_retrans_segs_total for TcpRetransSegs, which its HELP says as
// well. What was discarded is netstack_drops_total with the reason as a label; what a NIC has counted begins with
// netstack_nic_.
package prometheus

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/seed963a8790/netstack/stack"
)

// ContentType is the media type of what Write writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Stack is one stack that is to be shown.
type Stack struct {
	Name     string // the value of the label "stack"; "": without that label, which only one stack may be
	Snapshot stack.Snapshot
}

// Write writes the metrics of stacks, each metric once with the samples of all stacks.
//
// Errors: those of w.
func Write(w io.Writer, stacks ...Stack) error {
	e := &encoder{w: bufio.NewWriter(w)}
	e.stacks(stacks)
	e.nics(stacks)
	e.counters(stacks)
	return e.w.Flush()
}

// Handler answers requests with the metrics of what source returns. source may be called by several goroutines at the
// same time.
func Handler(source func() []Stack) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", ContentType)
		_ = Write(w, source()...) // whoever asked has gone
	})
}

// kind is a metric's type.
type kind string

const (
	gauge   kind = "gauge"
	counter kind = "counter"
)

// encoder writes one exposition. Its writer keeps the first error.
type encoder struct{ w *bufio.Writer }

// family begins a metric.
func (e *encoder) family(name, help string, k kind) {
	e.put("# HELP ", name, " ", escape(help, false), "\n# TYPE ", name, " ", string(k), "\n")
}

// label is one label of a sample.
type label struct{ name, value string }

// sample writes one line. Labels without a value are left out.
func (e *encoder) sample(name string, v string, labels ...label) {
	e.put(name)
	sep := "{"
	for _, l := range labels {
		if l.value != "" {
			e.put(sep, l.name, `="`, escape(l.value, true), `"`)
			sep = ","
		}
	}
	if sep == "," {
		e.put("}")
	}
	e.put(" ", v, "\n")
}

func (e *encoder) put(parts ...string) {
	for _, p := range parts {
		_, _ = e.w.WriteString(p) // Flush returns the error
	}
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// escape makes s fit for a HELP line, or, quoted, for the value of a label.
func escape(s string, quoted bool) string {
	if quoted {
		return labelEscapes.Replace(s)
	}
	return helpEscapes.Replace(s)
}

// stackMetrics are what a stack holds, and what it has counted beside stack.Counters.
var stackMetrics = []struct {
	name, help string
	kind       kind
	value      func(s *stack.Snapshot) uint64
}{
	{"netstack_packets", "Packets that exist.", gauge, func(s *stack.Snapshot) uint64 { return uint64(s.Packets) }},
	{"netstack_memory_bytes", "Bytes of packets and buffers in use.", gauge, func(s *stack.Snapshot) uint64 { return uint64(s.Memory) }},
	{"netstack_memory_limit_bytes", "Bytes of packets and buffers that may be in use, 0 for no bound.", gauge, func(s *stack.Snapshot) uint64 { return uint64(s.MemoryLimit) }},
	{"netstack_endpoints", "Endpoints that have not left the stack.", gauge, func(s *stack.Snapshot) uint64 { return uint64(s.Endpoints) }},
	{"netstack_routes", "Rows of the routing table.", gauge, func(s *stack.Snapshot) uint64 { return uint64(s.Routes) }},
	{"netstack_lost_events_total", "Events that subscribers lost because their queues were full.", counter, func(s *stack.Snapshot) uint64 { return s.LostEvents }},
}

func (e *encoder) stacks(stacks []Stack) {
	for _, g := range stackMetrics {
		e.family(g.name, g.help, g.kind)
		for i := range stacks {
			e.sample(g.name, strconv.FormatUint(g.value(&stacks[i].Snapshot), 10), label{"stack", stacks[i].Name})
		}
	}
}

// nicMetrics are what a NIC has counted, and holds.
var nicMetrics = []struct {
	name, help string
	kind       kind
	value      func(n *stack.NICSnapshot) uint64
}{
	{"netstack_nic_up", "Whether the NIC and its link are up.", gauge, func(n *stack.NICSnapshot) uint64 {
		if n.Up {
			return 1
		}
		return 0
	}},
	{"netstack_nic_mtu_bytes", "Largest packet.", gauge, func(n *stack.NICSnapshot) uint64 { return uint64(n.MTU) }},
	{"netstack_nic_neighbours", "Known stations on the link.", gauge, func(n *stack.NICSnapshot) uint64 { return uint64(n.Neighbours) }},
	{"netstack_nic_queued_packets", "Packets in transmit queues.", gauge, func(n *stack.NICSnapshot) uint64 { return uint64(n.Queued) }},
	{"netstack_nic_receive_packets_total", "Packets received.", counter, func(n *stack.NICSnapshot) uint64 { return n.Counters.RxPackets }},
	{"netstack_nic_receive_bytes_total", "Bytes received, without link headers.", counter, func(n *stack.NICSnapshot) uint64 { return n.Counters.RxBytes }},
	{"netstack_nic_receive_drops_total", "Packets discarded on their arrival.", counter, func(n *stack.NICSnapshot) uint64 { return n.Counters.RxDropped }},
	{"netstack_nic_receive_multicast_total", "Multicast packets received.", counter, func(n *stack.NICSnapshot) uint64 { return n.Counters.RxMulticast }},
	{"netstack_nic_transmit_packets_total", "Packets sent.", counter, func(n *stack.NICSnapshot) uint64 { return n.Counters.TxPackets }},
	{"netstack_nic_transmit_bytes_total", "Bytes sent, without link headers.", counter, func(n *stack.NICSnapshot) uint64 { return n.Counters.TxBytes }},
	{"netstack_nic_transmit_drops_total", "Packets discarded before they were sent.", counter, func(n *stack.NICSnapshot) uint64 { return n.Counters.TxDropped }},
}

func (e *encoder) nics(stacks []Stack) {
	for _, m := range nicMetrics {
		e.family(m.name, m.help, m.kind)
		for i := range stacks {
			for j := range stacks[i].Snapshot.NICs {
				n := &stacks[i].Snapshot.NICs[j]
				e.sample(m.name, strconv.FormatUint(m.value(n), 10), label{"stack", stacks[i].Name}, label{"nic", n.Name})
			}
		}
	}
}
