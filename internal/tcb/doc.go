// Package tcb is the TCP machine: the transmission control block of RFC 9293 and everything that
// decides about it. It is synchronous and pure: no lock, goroutine, clock, I/O or packet. Every method
// takes now, which never goes back; deadlines are data; payload passes as slab.Pieces, which the machine
// keeps, trims, splits and hands back, and never copies, except to save the waste of very small ones.
//
// The whole interface, which shell, scripts, simulator and fuzzer use and nothing else:
//
//	Init(now, *Conf, Path, Identity), Accepted()
//	User:     Connect(now) Error, Write(now, Piece) Error, Append(now, []byte) int, Give(now, Piece) Error,
//	          Room() int, Space() int, Starved() bool, SetShort(bool), Writable() bool, SetMore(now, bool), MarkUrgent(now), EndRecord(now),
//	          Readable() []Piece, ReadableLen() int, AtEnd() bool, Consume(now, n), Urgent() (byte, Error), TakeUrgent(),
//	          AtMark() bool, Shutdown(now, dir) Error, Close(now), Abort(now), Disconnect(now), SetConf(now, *Conf),
//	          SetPath(now, Path)
//	Network:  Segment(now, *Segment) Drop
//	          Unreachable(now, Error, mtu, seq) Drop  an ICMP error that names this connection
//	          Refused(now, *Out)                 the last Out was not taken: not a loss, not an RTT sample
//	Time:     Advance(now)                       runs every deadline <= now
//	Output:   Poll(now, *Out) bool               call until false, after any of the above
//	          PollAck(now, *Out) bool            what is no data, while enough data waits below
//	          Deadline() Time                    when Advance is next needed; 0 is never. May be early, never late
//	          TakeEvents() Events
//	Getters:  State, Info, Err, SoftError, Path, Check
//
// Two small records stand in for a TCB where a full one would cost too much: Request is a half-open
// connection, TimeWait one that is over. Cookies make a Request that is kept nowhere. BuildReset is
// the answer to a segment that belongs to none of them.
//
// The way of a passive connection: Request.Init and Request.SynAck; Request.Segment until it says
// VerdictEstablish; then Request.Establish makes the TCB and feeds it that segment. An active one:
// Init, Connect, Poll.
package tcb
