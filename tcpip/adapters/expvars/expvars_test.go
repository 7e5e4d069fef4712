package expvars_test

import (
	"encoding/json"
	"expvar"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/expvars"
)

func TestVar(t *testing.T) {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}, Clock: tcpip.NewManualClock()})
	defer s.Close()
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Name: "lo", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}})
	require.NoError(t, err)
	v := expvars.Var(s)
	s.Counters().Tcp.RetransSegs.Add(7) // a variable shows what is, not what was
	s.Counters().Drops[tcpip.DropNoPort].Add(3)

	var got struct {
		Routes   int
		Counters map[string]uint64
		Drops    map[string]uint64
		NICs     map[string]struct {
			ID        int
			Up        bool
			Addresses []string
			Counters  map[string]uint64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(v.String()), &got))
	require.Equal(t, 1, got.Routes)
	require.EqualValues(t, 7, got.Counters["TcpRetransSegs"])
	require.Equal(t, map[string]uint64{"no-port": 3}, got.Drops)
	lo := got.NICs["lo"]
	require.True(t, lo.Up)
	require.Equal(t, 1, lo.ID)
	require.Equal(t, []string{"127.0.0.1/8"}, lo.Addresses)
	require.Contains(t, lo.Counters, "RxBytes")
}

func Example() {
	s := stack.New(stack.Options{})
	defer s.Close()
	expvar.Publish("netstack", expvars.Var(s))
	s.Counters().Tcp.ActiveOpens.Inc()
	var v struct{ Counters map[string]int }
	_ = json.Unmarshal([]byte(expvar.Get("netstack").String()), &v)
	fmt.Println(v.Counters["TcpActiveOpens"])
	// Output: 1
}
