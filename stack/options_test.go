package stack

import (
	"errors"
	"io"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/tcpip"
)

// Values that cannot work are refused with what is wrong, all of them at once; New panics with the same words.
func TestMakeErrors(t *testing.T) {
	network := func(*Stack) NetworkProtocol { return &testIP{e: header.EtherTypeIPv4} }
	transport := func(*Stack) TransportProtocol { return &testTransport{} }
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{MaxMemory: tcpip.Set[int64](0)}, "stack: Options.MaxMemory is 0, which lies outside 1 to 9223372036854775807: invalid argument"},
		{Options{TTL: tcpip.Set[uint8](0)}, "stack: Options.TTL is 0, which lies outside 1 to 255: invalid argument"},
		{Options{Groups: GroupLimits{Sources4: tcpip.Set(-1)}}, "Groups.Sources4 is -1"},
		{Options{Limits: Limits{Neighbours: tcpip.Set(1)}}, "stack: Limits.Neighbours is 1, which lies outside 2 to 1073741824"},
		{Options{Limits: Limits{Neighbours: tcpip.Set(9), UnresolvedNeighbours: tcpip.Set(10)}}, "UnresolvedNeighbours is 10, more than Neighbours, 9"},
		{Options{Limits: Limits{QueuePackets: tcpip.Set(0)}}, "stack: Limits.QueuePackets is 0"},
		{Options{Buffers: Buffers{Send: BufferSizes{Min: tcpip.Set(0)}}}, "stack: Buffers.Send.Min is 0"},
		{Options{Buffers: Buffers{Receive: BufferSizes{Max: tcpip.Set(1000)}}}, "stack: Buffers.Receive.Min is 2304, more than Max, 1000"},
		{Options{Buffers: Buffers{Receive: BufferSizes{Default: tcpip.Set(100)}}}, "stack: Buffers.Receive.Default is 100, which lies outside 2304 to 8388608"},
		{Options{Networks: []NewNetwork{nil}}, "a protocol in Options is nil"},
		{Options{Transports: []NewTransport{nil}}, "a protocol in Options is nil"},
		{Options{Networks: []NewNetwork{network, network}}, "two networks have EtherType 0x0800: already exists"},
		{Options{Transports: []NewTransport{transport, transport}}, "two transports have number 17: already exists"},
		{Options{Random: iotest.ErrReader(io.ErrUnexpectedEOF)}, "the source of randomness failed: unexpected EOF"},
	} {
		s, err := Make(c.o)
		require.ErrorContains(t, err, c.want)
		require.Nil(t, s)
		require.PanicsWithValue(t, err.Error(), func() { New(c.o) })
		if !strings.Contains(c.want, "randomness") {
			require.True(t, errors.Is(err, tcpip.ErrInvalid) || errors.Is(err, tcpip.ErrExists), "%v", err)
		}
	}
	_, err := Make(Options{TTL: tcpip.Set[uint8](0), MaxMemory: tcpip.Set[int64](-1), Limits: Limits{NICs: tcpip.Set(0), Routes: tcpip.Set(-1)}})
	require.Len(t, strings.Split(err.Error(), "\n"), 4, "each is named")
}

// What protocols say of their settings is returned as well, and what was made is closed.
func TestRefuse(t *testing.T) {
	clock := tcpip.NewManualClock()
	var made *Stack
	_, err := Make(Options{Clock: clock, Transports: []NewTransport{func(s *Stack) TransportProtocol {
		made = s
		s.Refuse(nil)
		s.Refuse(tcpip.ErrInvalid)
		s.Refuse(tcpip.ErrTooMany)
		return &testTransport{}
	}}})
	require.ErrorIs(t, err, tcpip.ErrInvalid)
	require.ErrorIs(t, err, tcpip.ErrTooMany)
	_, err = made.AddNIC(newTestLink(LinkIP), NICOptions{})
	require.ErrorIs(t, err, tcpip.ErrClosed)
}

// Every limit has a default, a least value and its name in all three places, and the least value works.
func TestLimitsAreComplete(t *testing.T) {
	var zero Limits
	r, err := zero.resolve()
	require.NoError(t, err)
	require.Equal(t, defaultLimits, r)
	l := reflect.ValueOf(new(Limits)).Elem()
	require.Equal(t, l.NumField(), reflect.TypeFor[limits]().NumField())
	for i := range l.NumField() {
		name := l.Type().Field(i).Name
		require.Positive(t, reflect.ValueOf(defaultLimits).FieldByName(name).Int(), name)
		for _, v := range []int{-1, largestLimit + 1, math.MinInt} {
			var one Limits
			reflect.ValueOf(&one).Elem().Field(i).Set(reflect.ValueOf(tcpip.Set(v)))
			_, err := one.resolve()
			require.ErrorContains(t, err, "Limits."+name)
		}
		var one Limits
		least := int(reflect.ValueOf(leastLimits).FieldByName(name).Int())
		reflect.ValueOf(&one).Elem().Field(i).Set(reflect.ValueOf(tcpip.Set(least)))
		r, err := one.resolve()
		require.NoError(t, err)
		require.EqualValues(t, least, reflect.ValueOf(r).FieldByName(name).Int())
	}
}

// Each limit is kept: one more is refused.
func TestLimitsHold(t *testing.T) {
	two := tcpip.Set(2)
	f := newFixture(t)
	f.limits, _ = (&Limits{
		NICs: two, Addresses: two, Routes: two, PathMTUs: two, Neighbours: two, RawReceivers: two, Watchers: two, Subscriptions: two,
		QueuePackets: two, NeighbourQueue: tcpip.Set(3 * packetCost), UnresolvedNeighbours: tcpip.Set(1), Groups: tcpip.Set(3),
	}).resolve()
	x := f.limits
	require.Equal(t, 2, x.Addresses)
	n, l := f.nic(LinkEthernet, "10.0.0.1/24", "10.0.0.2/24")
	_, _ = f.nic(LinkIP)
	_, err := f.AddNIC(newTestLink(LinkIP), NICOptions{})
	require.ErrorIs(t, err, tcpip.ErrTooMany)
	require.ErrorIs(t, n.AddAddress(netip.MustParsePrefix("10.0.0.3/24")), tcpip.ErrTooMany)
	f.route("20.0.0.0/8", dev(n))
	f.route("21.0.0.0/8", dev(n))
	require.ErrorIs(t, f.AddRoute(RouteEntry{Destination: netip.MustParsePrefix("22.0.0.0/8"), NIC: n.ID()}), tcpip.ErrTooMany)
	require.NoError(t, n.AddNeighbour(addr("10.0.0.7"), macA))
	require.NoError(t, n.AddNeighbour(addr("10.0.0.8"), macB))
	require.ErrorIs(t, n.AddNeighbour(addr("10.0.0.9"), macB), tcpip.ErrTooMany)
	f.subscribe(AllEvents)
	f.subscribe(AllEvents)
	_, err = f.Subscribe(AllEvents, SubscribeOptions{})
	require.ErrorIs(t, err, tcpip.ErrTooMany)
	for i := range 4 {
		f.LearnPathMTU(netip.AddrFrom4([4]byte{20, 0, 0, byte(i)}), 1000)
	}
	require.Len(t, f.pmtu.all, 2)

	l.room = 0
	w := f.Begin()
	defer w.End()
	sent := 0
	for range 5 {
		p := f.message("x")
		if n.Enqueue(w, p) {
			sent++
		} else {
			p.Release()
		}
	}
	require.Equal(t, 2, sent)
}

// Endpoints begin with the configured buffers, and can set what lies in their range.
func TestBuffers(t *testing.T) {
	c := New(Options{}).SocketConf()
	require.Equal(t, tcpip.DefaultSocketConf(), c)
	o := tcpip.FindOption(tcpip.SocketOptions, tcpip.SO_RCVBUF, tcpip.KindUDP)
	o.Set(&c, 1<<30)
	require.Equal(t, tcpip.MaxBuffer, c.ReceiveBuffer)

	c = New(Options{Buffers: Buffers{
		Receive: BufferSizes{Default: tcpip.Set(50000), Min: tcpip.Set(10000), Max: tcpip.Set(100000)},
		Send:    BufferSizes{Max: tcpip.Set(64 << 20)},
	}}).SocketConf()
	require.Equal(t, 50000, c.ReceiveBuffer)
	require.Equal(t, tcpip.DefaultDatagramBuffer, c.SendBuffer)
	for v, want := range map[int]int{-1: 100000, 0: 10000, 20000: 40000, 60000: 100000} {
		o.Set(&c, v)
		require.Equal(t, want, c.ReceiveBuffer, v)
	}
	tcpip.FindOption(tcpip.SocketOptions, tcpip.SO_SNDBUF, tcpip.KindUDP).Set(&c, 20<<20)
	require.Equal(t, 40<<20, c.SendBuffer)
	small := New(Options{Buffers: Buffers{Send: BufferSizes{Max: tcpip.Set(10000)}}}).SocketConf()
	require.Equal(t, 10000, small.SendBuffer, "the default follows the bound")
}

func TestNICOptionsErrors(t *testing.T) {
	f := newFixture(t)
	for want, o := range map[string]NICOptions{
		"stack: NICOptions.MTU is -1, which lies outside 0 to 1073741824": {MTU: tcpip.Set(-1)},
		"stack: NICOptions.DAD is -1, which lies outside 0 to 255":        {DAD: tcpip.Set(-1)},
		"stack: NICOptions.ReversePath is 9, which lies outside 0 to 2":   {ReversePath: 9},
	} {
		_, err := f.AddNIC(newTestLink(LinkIP), o)
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, tcpip.ErrInvalid)
	}
	require.Empty(t, f.NICs())
}
