package packet

import (
	"bytes"
	"encoding/binary"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// The states of a frame of the transmit ring (TP_STATUS_*).
const (
	sendAvailable = 0
	sendRequest   = 1
	sendWrong     = 4
)

// transmitRing is a ring that packets are sent from.
type transmitRing struct{ frames }

// transmit returns the ring that writes send from, nil if there is none.
func (q *queue) transmit() *transmitRing {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tx
}

// sendRing sends the frames that the user has asked to send, and returns how many bytes that were. mu is held.
func (e *Endpoint) sendRing(w *stack.Work, r *transmitRing, n *stack.NIC, a *Address) (sent int, err tcpip.Error) {
	for range r.count {
		f := r.at(r.head)
		if r.status(f) != sendRequest {
			break
		}
		b, err := e.frame(r, n, f)
		if err == tcpip.OK {
			err = e.send(w, n, bytes.Clone(b), a) // the user may change it meanwhile
		}
		switch {
		case err == tcpip.OK:
			sent += len(b)
		case err == tcpip.ErrWouldBlock || err == tcpip.ErrNoBuffers:
			if sent > 0 {
				return sent, tcpip.OK
			}
			return 0, err
		case !e.options.Loss:
			r.setStatus(f, sendWrong)
			return sent, err
		}
		r.setStatus(f, sendAvailable)
		r.next()
	}
	return sent, tcpip.OK
}

// frame returns the packet in a frame.
func (e *Endpoint) frame(r *transmitRing, n *stack.NIC, f []byte) ([]byte, tcpip.Error) {
	l := r.layout
	size := int64(binary.NativeEndian.Uint32(f[l.size:]))
	least := l.header
	most := int64(len(f) - least)
	if e.options.VNetSize == 0 {
		most = min(most, int64(n.MTU()+n.LinkHeaderLen()+vlanSize))
	}
	if size > most {
		return nil, tcpip.ErrMessageSize
	}
	at := least
	if e.options.TxHasOffset {
		field := l.mac
		if e.mode == Cooked {
			field = l.net
		}
		at = int(binary.NativeEndian.Uint16(f[field:]))
		if at < least || at > len(f)-int(size) {
			return nil, tcpip.ErrInvalid
		}
	}
	return f[at : at+int(size)], tcpip.OK
}
