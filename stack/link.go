package stack

import (
	"context"

	"github.com/seed963a8790/netstack/tcpip"
)

// Link carries packets: a device, a pipe to another stack, or a wrapper around another link.
//
// A link is attached to one Receiver at a time and calls it from whatever goroutine its packets
// arrive on. It owns its file descriptors and at most one goroutine for each that it waits for.
type Link interface {
	// Info describes the link. The answer is constant while the link is attached, but for MTU and Up.
	Info() LinkInfo

	// Attach connects the link with the NIC above it; packets may arrive from then on. It fails if the
	// link is attached or closed.
	Attach(r Receiver) error

	// Transmit sends a batch from the given queue and returns how many packets, counted from the
	// first, it has taken; those are its own from then on, the others remain the caller's. It never
	// blocks: what would have to wait is not taken, and the link calls Receiver.TxReady when it
	// can take more. It is called with no lock held, by one goroutine at a time per queue.
	//
	// A packet that cannot be sent at all is taken and dropped with Packet.Drop. w is the frame's Work;
	// a link in memory passes it to the Deliver of its peer, with the batch.
	Transmit(w *Work, queue int, batch []*Packet) int

	// Close detaches the link and ends its goroutines and descriptors. It does not wait, and closing
	// again does nothing. After it returns Transmit drops what it is given.
	Close()

	// Wait returns when the last goroutine and call into the Receiver has ended, or with ctx's error.
	Wait(ctx context.Context) error
}

// Receiver is what a link is attached to: a NIC, or the wrapper of a link.
type Receiver interface {
	// Deliver hands up a batch of packets that arrived together, oldest first, and takes them; the
	// slice remains the caller's. w is the Work of the frame: one that the link was given in Transmit,
	// or nil where this call is the outermost frame.
	//
	// A link fills in Link and EtherType and trims its own header; Checksum, SegSize and Segs where it
	// knows them.
	Deliver(w *Work, batch []*Packet)

	// TxReady says that a queue from which Transmit did not take everything can take more. w as in
	// Deliver.
	TxReady(w *Work, queue int)

	// LinkChanged says that MTU or Up of the link's Info changed.
	LinkChanged(w *Work)

	// Stack returns the stack above, whose pools and clock the link uses.
	Stack() *Stack

	// Dropped tells that a packet that came through the link was dropped, before it is released. It
	// borrows p. Wrappers that record packets listen to it; the others pass it on.
	Dropped(p *Packet, d tcpip.Drop)
}

// DropObserver is a link that wants to hear of drops of the packets that it delivered (link/sniffer).
type DropObserver interface {
	// ObserveDrop borrows p, at any time between its delivery and its release.
	ObserveDrop(p *Packet, d tcpip.Drop)
}

// LinkKind is the form of a link's packets.
type LinkKind uint8

// The kinds.
const (
	LinkIP       LinkKind = iota // bare IP packets; nothing to resolve
	LinkEthernet                 // Ethernet addresses; ARP and NDP resolve them
	LinkLoopback                 // bare packets that come straight back
)

// LinkInfo describes a link.
type LinkInfo struct {
	Kind    LinkKind
	Up      bool
	MTU     int            // bytes of the largest packet on the wire, without the link's header
	Address tcpip.LinkAddr // LinkEthernet: the station's address
	Queues  int            // transmit queues; 0 counts as 1
	Offload Offload
	GSOMax  int // bytes of the largest super-segment, network header included; 0: none
}

// Offload is what a link can do, or need not do, for a packet.
type Offload uint8

// The abilities.
const (
	OffloadChecksum Offload = 1 << iota // finishes partial TCP and UDP checksums, or carries them to a reader that knows
	OffloadTSO4                         // carries TCP super-segments over IPv4
	OffloadTSO6                         // the same over IPv6
	OffloadUSO                          // carries UDP super-segments
	OffloadReceive                      // hands up super-segments itself, so that merging on receipt is not worth trying
)
