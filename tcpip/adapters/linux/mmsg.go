package linux

// Outgoing is one message of a sendmmsg.
type Outgoing struct {
	Data, Name, Control []byte
	N                   int // what was sent of it (msg_len)
}

// Incoming is one message of a recvmmsg: its buffers, and what was put there.
type Incoming struct {
	Data, Control []byte
	Received      Received
}

// SendMMsg is sendmmsg(2): it sends one message after the other and returns how many were taken. The first that
// fails ends it; its error is returned if it was the first of all, and is otherwise lost, as on Linux. At most 1024
// messages are looked at.
func (s *Socket) SendMMsg(messages []Outgoing, flags int) (int, Errno) {
	for i := range messages[:min(len(messages), maxMessages)] {
		m := &messages[i]
		n, err := s.SendMsg(m.Data, m.Name, m.Control, flags)
		if err != 0 {
			if i > 0 {
				return i, 0
			}
			return 0, err
		}
		m.N = n
	}
	return min(len(messages), maxMessages), 0
}

// RecvMMsg is recvmmsg(2) without waiting: it receives until there is nothing more, and returns how many messages
// it filled in. An error but EAGAIN that comes after the first message is kept for the next call, which it is then
// returned by. Urgent data ends it. A runtime whose guest waits calls again with the rest, unless MSG_WAITFORONE
// is set and there was one, or the guest's timeout has passed.
func (s *Socket) RecvMMsg(messages []Incoming, flags int) (int, Errno) {
	if flags&MSG_ERRQUEUE == 0 {
		if err := s.takeError(); err != 0 {
			return 0, err
		}
	}
	flags &^= MSG_WAITFORONE
	for i := range messages[:min(len(messages), maxMessages)] {
		m := &messages[i]
		r, err := s.RecvMsg(m.Data, m.Control, flags|MSG_DONTWAIT)
		switch {
		case err == 0:
		case i == 0:
			return 0, err
		case err == EAGAIN:
			return i, 0
		default:
			s.late.Store(uint32(err))
			return i, 0
		}
		m.Received = r
		if r.Flags&MSG_OOB != 0 {
			return i + 1, 0
		}
	}
	return min(len(messages), maxMessages), 0
}

// takeError returns the pending error and clears it.
func (s *Socket) takeError() Errno {
	if err := s.takeLate(); err != 0 {
		return err
	}
	return errnoOf(s.ep.LastError())
}

// takeLate returns the error that a RecvMMsg has left behind, once.
func (s *Socket) takeLate() Errno {
	if s.late.Load() == 0 {
		return 0
	}
	return Errno(s.late.Swap(0))
}
