// Package tcb is the TCP machine: the transmission control block of RFC 9293 and everything that
// decides about it. It is synchronous and pure: no lock, goroutine, clock, I/O or packet. Every method
// takes now, which never goes back; deadlines are data; payload passes as slab.Pieces, which the machine
// keeps, trims, splits and hands back, and never copies.
//
// The whole interface, which shell, scripts, simulator and fuzzer use and nothing else:
//
//	Init(now, *Conf, Path, Identity)
//	User:     Connect(now), Write(now, Piece) Error, Room() int, Readable() []Piece, Consume(now, n),
//	          Shutdown(now, dir), Close(now), Abort(now), SetConf(now, *Conf), SetPath(now, Path)
//	Network:  Segment(now, *Segment) Drop
//	          Unreachable(now, Error, mtu, seq)  an ICMP error that names this connection
//	          Refused(now)                       the last Out was not taken: not a loss, not an RTT sample
//	Time:     Advance(now)                       runs every deadline <= now
//	Output:   Poll(now, *Out) bool               call until false, after any of the above
//	          Deadline() Time                    when Advance is next needed; 0 is never. May be early, never late
//	          TakeEvents() Events
//	Getters:  State, Info, Err, check
//
// Two small records stand in for a TCB where a full one would cost too much: Request is a half-open
// connection, TimeWait one that is over. Cookie makes a Request that is kept nowhere.
package tcb
