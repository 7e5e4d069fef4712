package udp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/internal/testnet"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/udp"
)

// A datagram that is sent, carried, received and read allocates nothing: connected or not, with the control
// data or without, and alternating between peers.
func TestNoAllocations(t *testing.T) {
	for _, family := range families {
		n := testnet.New(t, testnet.Options{Pipe: pipe.Options{NoChecksum: true, NoGSO: true}}, udp.New)
		server := bound(t, n.B, family, 7)
		other := bound(t, n.A, family, 7)
		for _, id := range []tcpip.OptionID{tcpip.IP_PKTINFO, tcpip.SO_TIMESTAMP} {
			set(t, server, id, 1)
		}
		unconnected, connected := open(t, n.A, family), open(t, n.A, family)
		require.NoError(t, connected.Connect(at(n.B.Addr(family), 7)))
		buf := make([]byte, 65536)
		exchange := func(e, to *udp.Endpoint, size int, o tcpip.WriteOptions) {
			if _, err := e.Write(buf[:size], o); err != nil {
				t.Fatal(err)
			}
			if r, err := to.Read(buf, tcpip.ReadOptions{}); err != nil || r.Count != size {
				t.Fatal(r, err)
			}
		}
		for what, f := range map[string]func(){
			"unconnected": func() { exchange(unconnected, server, 64, to(n.B.Addr(family), 7)) },
			"connected":   func() { exchange(connected, server, 1400, tcpip.WriteOptions{}) },
			"two peers": func() {
				exchange(unconnected, server, 64, to(n.B.Addr(family), 7))
				exchange(unconnected, other, 64, to(n.A.Addr(family), 7))
			},
		} {
			t.Run(name(family)+", "+what, func(t *testing.T) { linktest.NoAllocations(t, f) })
		}
	}
}

func BenchmarkPipe64(b *testing.B)   { benchmark(b, 64) }
func BenchmarkPipe1400(b *testing.B) { benchmark(b, 1400) }

// benchmark sends datagrams over a pipe and reads them, in one goroutine.
func benchmark(b *testing.B, size int) {
	n := testnet.New(b, testnet.Options{System: true}, udp.New)
	server, client := bound(b, n.B, header.EtherTypeIPv4, 7), open(b, n.A, header.EtherTypeIPv4)
	require.NoError(b, client.Connect(at(n.B.V4, 7)))
	buf := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(buf, tcpip.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
		if _, err := server.Read(buf, tcpip.ReadOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
