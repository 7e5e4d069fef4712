package udp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/bpf"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
)

// assembled is a program as sockets take it.
func assembled(code ...bpf.Instruction) []byte { return bpf.Encode(nil, code) }

// sizes reads everything and returns how long it was.
func sizes(e stack.Endpoint) (all []int) {
	for {
		r, err := e.Read(make([]byte, 3000), tcpip.ReadOptions{})
		if err != nil {
			return all
		}
		all = append(all, r.Count)
	}
}

// Of a super-segment the filter sees each datagram by itself.
func TestFilterSeesDatagrams(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	server := n.B.Endpoint(t, header.ProtocolUDP, header.EtherTypeIPv4)
	require.NoError(t, server.Bind(tcpip.FullAddress{Port: 7}))
	f := server.(*udp.Endpoint).SocketFilter()
	require.Equal(t, tcpip.OK, f.Attach(assembled( // what begins with 'n' is dropped, the rest cut to 3 bytes
		bpf.Instruction{Code: 0x30, K: 8}, bpf.Instruction{Code: 0x15, IfTrue: 1, K: 'n'},
		bpf.Instruction{Code: 0x06, K: 11}, bpf.Instruction{Code: 0x06, K: 0})))
	client := n.A.Endpoint(t, header.ProtocolUDP, header.EtherTypeIPv4)
	before := n.B.Drops(tcpip.DropFiltered)
	_, err := client.Write([]byte("yes.no..yes.no"), tcpip.WriteOptions{
		To: tcpip.FullAddress{Addr: n.B.V4, Port: 7}, Control: tcpip.Control{Has: tcpip.HasSegmentBy, SegmentBy: 4},
	})
	require.NoError(t, err)
	n.Clock.Settle()
	require.Equal(t, []int{3, 3}, sizes(server))
	require.Equal(t, 2, n.B.Drops(tcpip.DropFiltered)-before)
	require.Equal(t, tcpip.OK, f.Detach())
	require.Equal(t, tcpip.ErrNotFound, f.Detach())
}

// A program chooses among more endpoints than are looked at one by one, and the last takes the place of one that goes.
func TestReuseProgram(t *testing.T) {
	n := testnet.New(t, testnet.Options{}, udp.New)
	var group []stack.Endpoint
	for range 40 {
		e := n.B.Endpoint(t, header.ProtocolUDP, header.EtherTypeIPv4)
		require.NoError(t, e.SetOption(tcpip.SO_REUSEPORT, 1))
		require.NoError(t, e.Bind(tcpip.FullAddress{Port: 7}))
		group = append(group, e)
	}
	require.Equal(t, tcpip.OK, group[3].(*udp.Endpoint).AttachReuse(assembled(
		bpf.Instruction{Code: 0x30, K: 0}, bpf.Instruction{Code: 0x16}))) // the first byte of the payload
	client := n.A.Endpoint(t, header.ProtocolUDP, header.EtherTypeIPv4)
	send := func(b byte) {
		_, err := client.Write([]byte{b}, tcpip.WriteOptions{To: tcpip.FullAddress{Addr: n.B.V4, Port: 7}})
		require.NoError(t, err)
		n.Clock.Settle()
	}
	for _, i := range []byte{37, 0, 39, 5} {
		send(i)
		require.Equal(t, []int{1}, sizes(group[i]), "member %d", i)
	}
	group[5].Close()
	send(5)
	require.Equal(t, []int{1}, sizes(group[39]))
	send(200) // beyond: by hash
	total := 0
	for _, e := range group {
		total += len(sizes(e))
	}
	require.Equal(t, 1, total)
	require.Equal(t, tcpip.OK, group[0].(*udp.Endpoint).DetachReuse())
	require.Equal(t, tcpip.ErrNotFound, group[0].(*udp.Endpoint).DetachReuse())
}
