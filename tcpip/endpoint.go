package tcpip

import "context"

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
	// at once. The zero FullAddress undoes it; on TCP that ends a connection, or an attempt, with a RST.
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
	ReadPeek    ReadFlags = 1 << iota // leave the data where it is
	ReadUrgent                        // the urgent byte (MSG_OOB)
	ReadError                         // the error queue (MSG_ERRQUEUE)
	ReadDiscard                       // copy nothing, say only how much it would have been (MSG_TRUNC of a stream)
	ReadWhole                         // SO_PEEK_OFF counts the whole datagram (MSG_TRUNC of a datagram)
)

// ReadOptions change one Read. The zero value is an ordinary read.
type ReadOptions struct {
	Flags ReadFlags
}

// Received describes what Read took.
type Received struct {
	Count     int         // bytes put into the caller's buffer
	Total     int         // bytes of the datagram, the part that did not fit included
	Skipped   int         // bytes of the datagram in front of those (SO_PEEK_OFF)
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
	WriteProbe                              // find out whether b could be sent, and do not send it (MSG_PROBE)
	WriteZeroCopy                           // tell on the error queue when b is done with (MSG_ZEROCOPY)
	WriteDontRoute                          // send over IPv4 to a neighbour only (MSG_DONTROUTE)
)

// WriteOptions change one Write. The zero value is an ordinary write.
type WriteOptions struct {
	To      FullAddress // datagram endpoints: the destination; zero means the connected peer
	Control Control     // what the endpoint's options would otherwise decide
	Flags   WriteFlags
}
