package udp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/udp"
)

// IPv4 options that are set stand in every packet until they are taken back, and malformed ones change nothing.
func TestSentOptions(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	e := open(t, n.A, header.EtherTypeIPv4)
	sent := testnet.Capture(n.A.NIC)
	options := func() []byte {
		send(t, e, "hello", to(n.B.V4, 9))
		packets := sent()
		require.Len(t, packets, 1)
		h, drop := header.ParseIPv4(packets[0])
		require.Equal(t, tcpip.DropNone, drop)
		require.True(t, h.ChecksumValid())
		return h.Options()
	}
	require.Empty(t, options())
	alert := []byte{0x94, 4, 0, 0}
	require.NoError(t, e.SetIPOptions(alert))
	require.Equal(t, alert, e.IPOptions())
	require.Equal(t, alert, options())
	require.Equal(t, tcpip.ErrInvalid, e.SetIPOptions([]byte{0x94, 9, 0}))
	require.Equal(t, alert, options())
	require.NoError(t, e.SetIPOptions(nil))
	require.Empty(t, options())
	e.Close()
	require.Equal(t, tcpip.ErrClosed, e.SetIPOptions(alert))
}

// IPv6 extension headers stand in their order, whatever the order of setting them; fragments repeat those in front.
func TestSentExtensions(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	e := open(t, n.A, header.EtherTypeIPv6)
	sent := testnet.Capture(n.A.NIC)
	chain := func(size int) (all [][]header.Protocol) {
		send(t, e, string(make([]byte, size)), to(n.B.V6, 9))
		for _, b := range sent() {
			var list []header.Protocol
			for _, x := range header.IPv6ExtHeaders(b) {
				list = append(list, x.Protocol)
			}
			all = append(all, list)
		}
		return all
	}
	padded := []byte{0, 0, 1, 4, 0, 0, 0, 0} // PadN
	require.Equal(t, [][]header.Protocol{nil}, chain(5))
	require.NoError(t, e.SetExtension(transport.ExtensionOptions, padded))
	require.NoError(t, e.SetExtension(transport.ExtensionHopByHop, padded))
	require.Equal(t, [][]header.Protocol{{header.ProtocolHopByHop, header.ProtocolDestOptions}}, chain(5))
	require.Len(t, chain(3000), 3)
	for _, list := range chain(3000) {
		require.Equal(t, header.ProtocolHopByHop, list[0])
	}
	require.Equal(t, padded, e.Extension(transport.ExtensionHopByHop))
	require.Equal(t, tcpip.ErrInvalid, e.SetExtension(transport.ExtensionHopByHop, padded[:7]))
	require.Equal(t, tcpip.ErrInvalid, e.SetExtension(transport.ExtensionRouting, padded), "type 1")
	require.NoError(t, e.SetExtension(transport.ExtensionHopByHop, nil))
	require.NoError(t, e.SetExtension(transport.ExtensionOptions, nil))
	require.Equal(t, [][]header.Protocol{nil}, chain(5))
}

// A flow label that is set for the peer is the one of every packet; without one the label is the flow's own.
func TestSentFlowLabel(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	e := open(t, n.A, header.EtherTypeIPv6)
	bound(t, n.B, header.EtherTypeIPv6, 9)
	require.NoError(t, e.Connect(at(n.B.V6, 9)))
	sent := testnet.Capture(n.A.NIC)
	label := func() uint32 {
		send(t, e, "x", tcpip.WriteOptions{})
		return header.IPv6(sent()[0]).FlowLabel()
	}
	own := label()
	require.GreaterOrEqual(t, own, uint32(0x80000))
	require.Equal(t, own, label())
	require.NoError(t, e.SetFlowLabel(0x12345))
	require.Equal(t, uint32(0x12345), label())
	require.NoError(t, e.SetFlowLabel(0))
	require.Equal(t, own, label())
}
