package linux_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/packet"
)

// Packet sockets are for those who may, and their rings lie where the runtime says.
func TestPacketSockets(t *testing.T) {
	s := stack.New(stack.Options{Clock: tcpip.NewManualClock()})
	defer s.Close()
	_, err := linux.NewWith(s, linux.Options{NetRaw: tcpip.Set(false)}).Socket(linux.AF_PACKET, linux.SOCK_RAW, 0)
	require.Equal(t, linux.EPERM, err)

	shared := make([]byte, 8192)
	k, err := linux.NewWith(s, linux.Options{RingMemory: func(int) []byte { return shared }}).Socket(linux.AF_PACKET, linux.SOCK_RAW, 0)
	require.Zero(t, err)
	defer k.Close()
	require.Nil(t, k.Ring(packet.Receive))
	var req []byte
	for _, v := range []uint32{4096, 2, 2048, 4} {
		req = binary.NativeEndian.AppendUint32(req, v)
	}
	require.Zero(t, k.SetSockOpt(packet.SOL_PACKET, packet.PACKET_RX_RING.Number(), req))
	require.Same(t, &shared[0], &k.Ring(packet.Receive)[0])
	require.Equal(t, linux.EFAULT, k.SetSockOpt(linux.SOL_SOCKET, linux.SO_ATTACH_FILTER.Number(), make([]byte, 16)), "the pointer is the runtime's to follow")
}
