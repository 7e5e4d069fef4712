package tcp

import "github.com/seed963a8790/netstack/tcpip"

// SetFlowLabel sets the flow label of what the endpoint sends over IPv6, also after its connection has come to
// TIME-WAIT; 0 leaves it to the stack. Connections that it accepts do not inherit it.
//
// Errors: ErrClosed.
func (e *Endpoint) SetFlowLabel(label uint32) error {
	w := e.begin()
	defer e.end(w)
	switch label &= 0xfffff; {
	case e.closed:
		return tcpip.ErrClosed
	case label != 0:
		e.rarely().label = label
	case e.seldom != nil:
		e.seldom.label = 0
	}
	return nil
}
