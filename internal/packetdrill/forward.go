package packetdrill

import (
	"net/netip"
	"slices"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// NewForwarder is NewOurs, but that no socket listens: what a script calls listen(2) for is taken over by tcp.Handle, as by a
// program that forwards, and accept(2) returns what that has accepted. Options of the listening socket are not inherited.
func NewForwarder(c Conf) (System, error) {
	s, err := NewOurs(c)
	if err != nil {
		return nil, err
	}
	o := s.(*Ours)
	o.guest.forward = &forwarder{}
	return o, nil
}

// forwarder stands in for the sockets that listen.
type forwarder struct {
	stack     *stack.Stack
	handler   *tcp.Handler
	listening []*file
	requests  []*tcp.Request // answered and not yet returned by accept(2)
}

// listen takes the flows to f's address from now on.
func (w *forwarder) listen(f *file) int {
	if w.handler == nil {
		h, err := tcp.Handle(w.stack, transport.HandleOptions{}, w.handle)
		if err != nil {
			scriptFail("the forwarder: %v", err)
		}
		w.handler = h
	}
	w.listening = append(w.listening, f)
	return 0
}

func (w *forwarder) handle(r *tcp.Request) {
	if !slices.ContainsFunc(w.listening, func(f *file) bool { return boundTo(f, r.Dst) }) {
		r.Reject(transport.RejectReset)
		return
	}
	if err := r.Answer(tcp.AcceptOptions{}); err == nil {
		w.requests = append(w.requests, r)
	}
}

func boundTo(f *file, a netip.AddrPort) bool {
	e, ok := f.socket.Endpoint().(*tcp.Endpoint)
	return ok && e.LocalAddress().Port == a.Port()
}

// accept returns the oldest connection to f's address whose handshake is over.
func (w *forwarder) accept(s *linux.Sockets, f *file) (*linux.Socket, linux.Errno) {
	for i, r := range w.requests {
		if !boundTo(f, r.Dst) {
			continue
		}
		select {
		case <-r.Done():
		default:
			continue
		}
		w.requests = slices.Delete(w.requests, i, i+1)
		e, err := r.Endpoint()
		if err != nil { // it has come to nothing: the next
			return w.accept(s, f)
		}
		return s.Adopt(e), 0
	}
	return nil, eAGAIN
}

// close ends the handling, and what nobody has accepted.
func (w *forwarder) close() {
	if w.handler != nil {
		w.handler.Close()
	}
	for _, r := range w.requests {
		if e, err := r.Endpoint(); err == nil {
			e.Close()
		}
	}
}
