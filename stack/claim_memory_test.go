package stack

import (
	"testing"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/stretchr/testify/require"
)

// What a flow allows others is what its options say now.
func TestReshare(t *testing.T) {
	d := &newFixture(t).Demux
	id := flow(header.ProtocolTCP, "10.0.0.1:53 10.0.0.2:1000")
	s := &sharing{}
	require.Equal(t, tcpip.OK, d.Insert(id, s))
	bind := func() tcpip.Error {
		b := claimOf("tcp v4 reuse", &named{"b"})
		err := d.Bind(b)
		d.Unbind(b)
		return err
	}
	require.Equal(t, tcpip.ErrAddrInUse, bind())
	for _, shares := range []bool{true, false, true} {
		s.addr = shares
		d.Reshare(id, s)
		require.Equal(t, shares, bind() == tcpip.OK)
	}
	d.Reshare(id, &sharing{}) // who is not there changes nothing
	require.Equal(t, tcpip.OK, bind())
	require.True(t, d.Remove(id, s))
	require.Equal(t, tcpip.OK, d.Bind(claimOf("tcp v4", &named{"alone"})), "every count came back")
}

// Who has SO_REUSEPORT as the last who came is not compared with those who have changed their minds.
func TestClaimMemory(t *testing.T) {
	d := &newFixture(t).Demux
	first := claimOf("tcp v4 share", &named{"first"})
	require.Equal(t, tcpip.OK, d.Bind(first))
	require.Equal(t, tcpip.OK, d.Rebind(first, func(b *Binding) { b.ReusePort = false }))
	second := claimOf("tcp v4 share", &named{"second"})
	require.Equal(t, tcpip.OK, d.Bind(second))
	d.Unbind(second)
	d.Unbind(first)
	require.Equal(t, tcpip.OK, d.Bind(claimOf("tcp v4", &named{"third"})), "with the last one all is forgotten")
	require.Equal(t, tcpip.ErrAddrInUse, d.Bind(claimOf("tcp v4 share", &named{"fourth"})))
}
