package packetdrill

import "github.com/seed963a8790/netstack/tcpip/adapters/linux"

// Nowhere returns a buffer that calls know as one that cannot be reached. This stack's calls take memory of the
// program that they are part of, so that it is for the runtime to fail with EFAULT where Linux does: behind what a
// call checks first.
func (g *guest) Nowhere(n int) []byte {
	b := make([]byte, n)
	g.nowhere = append(g.nowhere, b)
	return b
}

func (g *guest) unreachable(b []byte) bool {
	for _, n := range g.nowhere {
		if len(b) > 0 && &b[0] == &n[0] {
			return true
		}
	}
	return false
}

// sendNowhere is what becomes of a send whose data cannot be read.
func (g *guest) sendNowhere(f *file, name, control []byte, flags int) (int, int, bool) {
	if _, err := f.socket.SendMsg(nil, name, control, flags|linux.MSG_DONTWAIT); err != 0 {
		return -1, int(err), false
	}
	return -1, eFAULT, false
}

// receiveNowhere is what becomes of a receive whose data cannot be written: they stay in the queue.
func (g *guest) receiveNowhere(fd, flags, done int) (Message, int, bool) {
	m, errno, again := g.RecvMsg(fd, make([]byte, 1), nil, flags&^linux.MSG_WAITALL|linux.MSG_PEEK, done)
	if m.N > 0 {
		return Message{N: -1}, eFAULT, false
	}
	return m, errno, again
}
