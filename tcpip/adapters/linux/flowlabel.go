package linux

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
)

// flowLabels are the IPv6 flow labels that sockets of one stack have taken (RFC 6437 §3, IPV6_FLOWLABEL_MGR). All
// sockets count as those of one process and one user.
type flowLabels struct {
	mu     sync.Mutex // a leaf
	labels map[uint32]*flowLabel
	// managed says that a label was taken that is not for everybody. From then on a socket can send with
	// labels only that it has taken.
	managed bool
}

// flowLabel is one label.
type flowLabel struct {
	label uint32
	share uint8
	users int // how often sockets have taken it, less how often they have given it back
	// linger is how long the label is kept from others when nobody has it any more, until `until`.
	linger time.Duration
	until  tcpip.Time
	hop    []byte // hop-by-hop options of what is sent with it
}

// struct in6_flowlabel_req, and what its fields can be.
const (
	flowRequestSize = 32

	flowGet, flowPut, flowRenew = 0, 1, 2

	flowCreate, flowExclusive, flowReflect = 1, 2, 4

	flowShareNone, flowShareAlone, flowShareProcess, flowShareUser, flowShareAny = 0, 1, 2, 3, 255

	flowLabelMask = 0xfffff
	flowLabelMade = 0x80000 // the labels that stacks make up have it, as with net.ipv6.flowlabel_state_ranges
)

// manageFlowLabel takes a struct in6_flowlabel_req, control messages behind it.
func (s *Socket) manageFlowLabel(v []byte) Errno {
	if len(v) < flowRequestSize {
		return EINVAL
	}
	label, action, share := binary.BigEndian.Uint32(v[16:]), v[20], v[21]
	flags, linger := binary.NativeEndian.Uint16(v[22:]), time.Duration(binary.NativeEndian.Uint16(v[26:]))*time.Second
	f := &s.sockets.flowLabels
	f.mu.Lock()
	defer f.mu.Unlock()
	now := s.sockets.stack.Now()
	f.expire(now)
	switch action {
	case flowPut:
		return f.put(s, label, now)
	case flowRenew:
		if l := s.flow(label); l != nil {
			l.linger = max(l.linger, linger)
			return 0
		}
		if share == flowShareNone && f.labels[label] != nil {
			return 0
		}
		return ESRCH
	case flowGet:
	default:
		return EINVAL
	}
	switch {
	case flags&flowReflect != 0:
		return EPERM
	case label&^flowLabelMask != 0:
		return EINVAL
	case label&flowLabelMade != 0:
		return ERANGE
	}
	hop, err := s.checkFlow(v, share)
	if err != 0 {
		return err
	}
	return f.get(s, v[16:20], share, flags, max(linger, flowLinger), hop)
}

// checkFlow checks a request for a new label and returns the hop-by-hop options for what is sent with it. Others
// cannot be kept with a label.
func (s *Socket) checkFlow(v []byte, share uint8) (hop []byte, err Errno) {
	var c tcpip.Control
	if err := s.parseControl6(v[flowRequestSize:], &c); err != 0 {
		return nil, err
	}
	if c.ControlRare != nil {
		if c.DestOpts != nil || c.Routing != nil {
			return nil, EINVAL
		}
		hop = slices.Clone(c.HopOpts)
	}
	dst := netip.AddrFrom16([16]byte(v))
	if dst.IsUnspecified() || dst.Is4In6() {
		return nil, EINVAL
	}
	switch share {
	case flowShareAlone, flowShareProcess, flowShareUser, flowShareAny:
		return hop, 0
	}
	return nil, EINVAL
}

// get gives a socket the label that is in request, or for 0 one that is free, which is written there.
func (f *flowLabels) get(s *Socket, request []byte, share uint8, flags uint16, linger time.Duration, hop []byte) Errno {
	label := binary.BigEndian.Uint32(request)
	l := f.labels[label]
	if label == 0 || l != nil && l.users == 0 && flags&flowCreate == 0 {
		l = nil
	}
	if l != nil && l.users > 0 {
		if flags&flowExclusive != 0 {
			return EEXIST
		}
	} else if flags&flowCreate == 0 {
		return ENOENT
	}
	if l != nil && (l.share == flowShareAlone || l.share != share) {
		return EPERM
	}
	if len(s.flows) >= maxSocketFlowLabels {
		return ENOBUFS
	}
	if l == nil {
		if len(f.labels) >= maxFlowLabels {
			return ENOBUFS
		}
		for label == 0 || f.labels[label] != nil {
			label = s.sockets.stack.Random().Uint32() & (flowLabelMade - 1)
		}
		l = &flowLabel{label: label, share: share, hop: hop}
		if f.labels == nil {
			f.labels = map[uint32]*flowLabel{}
		}
		f.labels[label] = l
		f.managed = f.managed || share != flowShareAny
		binary.BigEndian.PutUint32(request, label)
	}
	l.linger = max(l.linger, linger)
	l.users++
	s.flows = append(s.flows, l)
	return 0
}

// put takes a label from a socket, which goes on sending without one.
func (f *flowLabels) put(s *Socket, label uint32, now tcpip.Time) Errno {
	i := slices.IndexFunc(s.flows, func(l *flowLabel) bool { return l.label == label })
	if i < 0 {
		return ESRCH
	}
	s.flows[i].leave(now)
	s.flows = slices.Delete(s.flows, i, i+1)
	if e, ok := s.ep.(labeller); ok && s.peerFlow&flowLabelMask == label {
		s.peerFlow &^= flowLabelMask
		_ = e.SetFlowLabel(0) // the endpoint may be closed
	}
	return 0
}

func (l *flowLabel) leave(now tcpip.Time) {
	if l.users--; l.users == 0 {
		l.until = now.Add(l.linger)
	}
}

// expire forgets labels that nobody has had for long enough.
func (f *flowLabels) expire(now tcpip.Time) {
	for label, l := range f.labels { // in no order: all that are due go
		if l.users == 0 && l.until <= now {
			delete(f.labels, label)
		}
	}
}

// flow returns a label that the socket has, nil if it has not.
func (s *Socket) flow(label uint32) *flowLabel {
	for _, l := range s.flows {
		if l.label == label {
			return l
		}
	}
	return nil
}

// leaveFlows gives a closed socket's labels back.
func (s *Socket) leaveFlows() {
	f := &s.sockets.flowLabels
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range s.flows {
		l.leave(s.sockets.stack.Now())
	}
	s.flows = nil
}

// mayLabel reports whether the socket may send with a label, and returns it if the socket has taken it.
func (s *Socket) mayLabel(label uint32) (*flowLabel, bool) {
	f := &s.sockets.flowLabels
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.managed {
		return nil, true
	}
	l := s.flow(label)
	return l, l != nil
}

// flowOf returns sin6_flowinfo of a name, 0 if the socket does not go by it.
func (s *Socket) flowOf(name []byte) uint32 {
	if s.kind.family != AF_INET6 || len(name) < minSockaddrIn6 || familyOf(name) != AF_INET6 || !s.flag(tcpip.IPV6_FLOWINFO_SEND) {
		return 0
	}
	return binary.BigEndian.Uint32(name[4:]) & 0x0fffffff
}

// labelled brings the flow label of a datagram into its Control: that of the name, unless a control message has
// one, with the headers that come with it.
func (s *Socket) labelled(c *tcpip.Control, flow uint32) Errno {
	if c.Has&tcpip.HasFlowInfo != 0 {
		flow = c.FlowInfo
	}
	flow &= flowLabelMask
	if flow == 0 {
		return 0
	}
	l, ok := s.mayLabel(flow)
	if !ok {
		return EINVAL
	}
	rare := c.Rare()
	rare.FlowInfo = flow
	if l != nil && l.hop != nil {
		if c.Has&tcpip.HasExtensions == 0 {
			rare.DestOpts = s.ep.(headed).Extension(transport.ExtensionOptions)
			if len(rare.DestOpts) == 0 {
				rare.DestOpts = nil
			}
		}
		rare.HopOpts, rare.RoutingOpts, rare.Routing = l.hop, nil, nil
		c.Has |= tcpip.HasExtensions
	}
	c.Has |= tcpip.HasFlowInfo
	return 0
}

// connectFlow is what a connect does with sin6_flowinfo of the peer's name.
func (s *Socket) connectFlow(name []byte) Errno {
	flow := s.flowOf(name)
	if flow&flowLabelMask != 0 {
		if _, ok := s.mayLabel(flow & flowLabelMask); !ok {
			return EINVAL
		}
	}
	f := &s.sockets.flowLabels
	f.mu.Lock()
	changed := flow != s.peerFlow
	s.peerFlow = flow
	f.mu.Unlock()
	if e, ok := s.ep.(labeller); ok && changed {
		return errnoOf(e.SetFlowLabel(flow & flowLabelMask))
	}
	return 0
}

// tellFlow puts the peer's flow into its name.
func (s *Socket) tellFlow(name []byte) {
	if s.kind.family != AF_INET6 || !s.flag(tcpip.IPV6_FLOWINFO_SEND) {
		return
	}
	f := &s.sockets.flowLabels
	f.mu.Lock()
	defer f.mu.Unlock()
	binary.BigEndian.PutUint32(name[4:], s.peerFlow)
}
