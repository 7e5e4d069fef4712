package tcpip

import (
	"context"
	"net/netip"
)

// Endpoint is what a socket is made of: one TCP connection or listener, one UDP port, one ping
// identifier. No method blocks but Wait; where a system call would wait, they return ErrWouldBlock
// and an event follows (stack.Endpoint has the waiter queue). All methods are safe for concurrent use,
// and all but Wait may be called from a waiter's function.
//
// The errors returned are of type Error.
type Endpoint interface {
	// Bind sets the local address. The zero Addr means every address, port 0 an ephemeral port. A
	// group or broadcast address is allowed on datagram endpoints.
	Bind(local FullAddress) error

	// Connect sets the remote address. On TCP it starts the handshake and returns ErrInProgress
	// (Writable follows, and then SO_ERROR holds the outcome); on datagram endpoints it takes effect
	// at once, and the zero FullAddress undoes it.
	Connect(remote FullAddress) error

	// Listen makes a TCP endpoint accept connections. backlog bounds those that wait to be accepted
	// and, separately, those that are half open.
	Listen(backlog int) error

	// Accept returns the oldest connection that waits, or ErrWouldBlock.
	Accept() (Endpoint, error)

	// Read takes received bytes or one datagram into b. A TCP endpoint gives what is there and, at
	// the end of the stream, 0 bytes and no error. Of a datagram longer than b the rest is lost, and
	// Received.Total says how long it was.
	Read(b []byte, o ReadOptions) (Received, error)

	// Write sends b, or as much of it as the send buffer takes, and returns how much that was; a
	// datagram is sent whole or not at all. It copies: b is the caller's again when Write returns.
	Write(b []byte, o WriteOptions) (int, error)

	// Shutdown ends one direction or both. On TCP ShutdownWrite sends FIN behind the queued data.
	Shutdown(d Shutdown) error

	// Close gives the endpoint up and returns at once; TCP goes on sending what is queued.
	Close()

	// Wait returns when a closed endpoint has left the stack: its last frame and timer have ended
	// and its memory is given back.
	Wait(ctx context.Context) error

	// LocalAddress and RemoteAddress return the two ends, zero where not set.
	LocalAddress() FullAddress
	RemoteAddress() FullAddress

	// SetOption and Option set and get the option named by its Linux level and number. The table of
	// options has their units and ranges. Errors: ErrNoProtocolOption for an option that this kind
	// of endpoint lacks, ErrInvalid for a value out of range.
	SetOption(id OptionID, v int) error
	Option(id OptionID) (int, error)

	// LastError returns the pending error and clears it (SO_ERROR).
	LastError() error
}

// Shutdown is a set of directions.
type Shutdown uint8

// The directions.
const (
	ShutdownRead Shutdown = 1 << iota
	ShutdownWrite
)

// ReadFlags change one Read, as the flags of recvmsg(2) do.
type ReadFlags uint8

// The flags.
const (
	ReadPeek   ReadFlags = 1 << iota // leave the data where it is
	ReadUrgent                       // the urgent byte (MSG_OOB)
	ReadError                        // the error queue (MSG_ERRQUEUE)
)

// ReadOptions change one Read. The zero value is an ordinary read.
type ReadOptions struct {
	Flags ReadFlags
}

// Received describes what Read took.
type Received struct {
	Count     int         // bytes put into the caller's buffer
	Total     int         // bytes of the datagram, the part that did not fit included
	From      FullAddress // who sent the datagram; NIC is where it arrived
	Control   Control     // what the endpoint's options asked for
	SegmentBy int         // UDP GRO: the size of the datagrams joined in the buffer, 0 for one
}

// WriteFlags change one Write, as the flags of sendmsg(2) do.
type WriteFlags uint8

// The flags.
const (
	WriteMore        WriteFlags = 1 << iota // more follows (MSG_MORE)
	WriteUrgent                             // the last byte is urgent (MSG_OOB)
	WriteEndOfRecord                        // do not join with what follows (MSG_EOR)
)

// WriteOptions change one Write. The zero value is an ordinary write.
type WriteOptions struct {
	To      FullAddress // datagram endpoints: the destination; zero means the connected peer
	Control Control     // what the endpoint's options would otherwise decide
	Flags   WriteFlags
}

// Control is what the kernel passes in control messages, of either family. Each field is there only
// if its bit is in Has.
type Control struct {
	Has        ControlFields
	PacketInfo PacketInfo
	HopLimit   uint8 // TTL
	Class      uint8 // TOS or traffic class
	SegmentBy  uint16
	Timestamp  Time // arrival, on the stack's clock; Clock.Wall converts it
	Original   netip.AddrPort
	Err        ErrorReport
}

// ControlFields says which fields of a Control are there.
type ControlFields uint16

// The fields.
const (
	HasPacketInfo ControlFields = 1 << iota
	HasHopLimit
	HasClass
	HasSegmentBy
	HasTimestamp
	HasOriginal
	HasError
)

// PacketInfo is struct in_pktinfo and struct in6_pktinfo in one.
type PacketInfo struct {
	NIC NICID // received: where it arrived; sending: the NIC to use, 0 for the route's
	// Local is ipi_spec_dst: received, the local address that the datagram was received on; sending,
	// the source address to use, zero for the route's.
	Local netip.Addr
	// Destination is ipi_addr, the destination in the header. It is not used when sending.
	Destination netip.Addr
}

// ErrorOrigin says where an entry of the error queue comes from (SO_EE_ORIGIN_*).
type ErrorOrigin uint8

// The origins, with Linux's numbers.
const (
	OriginNone  ErrorOrigin = 0
	OriginLocal ErrorOrigin = 1
	OriginICMP  ErrorOrigin = 2
	OriginICMP6 ErrorOrigin = 3
)

// ErrorReport is one entry of the error queue (struct sock_extended_err).
type ErrorReport struct {
	Err      Error
	Origin   ErrorOrigin
	Type     uint8 // ICMP type and code
	Code     uint8
	Info     uint32     // the MTU of a "too big"
	Offender netip.Addr // the node that sent the error
}
