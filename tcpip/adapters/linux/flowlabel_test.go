package linux

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
)

// flowRequest is a struct in6_flowlabel_req.
func flowRequest(label uint32, action, share uint8, flags uint16) []byte {
	dst := netip.MustParseAddr("2001:db8::1").As16()
	b := binary.BigEndian.AppendUint32(dst[:], label)
	b = append(b, action, share)
	b = binary.NativeEndian.AppendUint16(b, flags)
	return append(b, make([]byte, flowRequestSize-len(b))...)
}

func flowSockets(t *testing.T) (*Sockets, *tcpip.ManualClock) {
	clock := tcpip.NewManualClock()
	s := stack.New(stack.Options{Clock: clock, Networks: []stack.NewNetwork{ipv6.New}, Transports: []stack.NewTransport{udp.New}})
	t.Cleanup(s.Close)
	return New(s), clock
}

func flowSocket(t *testing.T, n *Sockets) *Socket {
	s, err := n.Socket(AF_INET6, SOCK_DGRAM, 0)
	require.Zero(t, err)
	t.Cleanup(s.Close)
	return s
}

// A label is one socket's until it is given back and has lingered; who may share it is said when it is made.
func TestFlowLabels(t *testing.T) {
	n, clock := flowSockets(t)
	a, b := flowSocket(t, n), flowSocket(t, n)
	get := func(s *Socket, label uint32, share uint8, flags uint16) Errno {
		return s.manageFlowLabel(flowRequest(label, flowGet, share, flags))
	}
	require.Equal(t, ENOENT, get(a, 5, flowShareAlone, 0))
	require.Zero(t, get(a, 5, flowShareAlone, flowCreate))
	require.Equal(t, EPERM, get(b, 5, flowShareAlone, flowCreate))
	require.Equal(t, EEXIST, get(b, 5, flowShareAny, flowCreate|flowExclusive))
	require.Zero(t, get(a, 6, flowShareAny, flowCreate))
	require.Zero(t, get(b, 6, flowShareAny, 0))
	require.Equal(t, ERANGE, get(a, flowLabelMade, flowShareAny, flowCreate))
	require.Equal(t, EINVAL, get(a, 1<<20, flowShareAny, flowCreate))

	request := flowRequest(0, flowGet, flowShareAny, flowCreate)
	require.Zero(t, a.manageFlowLabel(request))
	made := binary.BigEndian.Uint32(request[16:])
	require.NotZero(t, made, "one is chosen and told")
	require.Less(t, made, uint32(flowLabelMade))

	_, may := b.mayLabel(5)
	require.False(t, may, "it is another's")
	require.Equal(t, ESRCH, b.manageFlowLabel(flowRequest(5, flowPut, 0, 0)))
	require.Zero(t, a.manageFlowLabel(flowRequest(5, flowPut, 0, 0)))
	require.Equal(t, EPERM, get(b, 5, flowShareAlone, flowCreate), "it lingers")
	clock.Advance(time.Minute)
	require.Zero(t, get(b, 5, flowShareAlone, flowCreate))
	b.Close()
	require.Equal(t, EPERM, get(a, 5, flowShareAlone, flowCreate))
	clock.Advance(time.Minute)
	require.Zero(t, get(a, 5, flowShareAlone, flowCreate), "closing gives back")
}

// Neither one socket nor all together can take more than so many.
func TestFlowLabelsBounded(t *testing.T) {
	n, _ := flowSockets(t)
	took := 0
	for range maxFlowLabels/maxSocketFlowLabels + 2 {
		s := flowSocket(t, n)
		mine := 0
		for s.manageFlowLabel(flowRequest(0, flowGet, flowShareAny, flowCreate)) == 0 {
			mine++
			require.LessOrEqual(t, mine, maxSocketFlowLabels)
		}
		took += mine
	}
	require.Equal(t, maxFlowLabels, took)
	require.Len(t, n.flowLabels.labels, maxFlowLabels)
}
