package linux

import "github.com/seed963a8790/netstack/tcpip"

// parseStream reads the control messages of a send on a stream: those of SOL_SOCKET; others are passed over.
func (s *Socket) parseStream(b []byte, c *tcpip.Control) Errno {
	if len(b) == 0 {
		return 0
	}
	return eachControl(b, func(level, typ int, data []byte) Errno {
		if level != SOL_SOCKET {
			return 0
		}
		return parseSocket(s, typ, data, c)
	})
}
