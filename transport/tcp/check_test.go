package tcp

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

func TestCheck(t *testing.T) {
	require.NoError(t, (&Options{}).Check())
	require.NoError(t, (&Options{ReceiveBuffer: tcpip.Set(4096), RTOMin: tcpip.Set(5 * time.Millisecond), KeepIdle: tcpip.Set(time.Second)}).Check())
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{KeepCount: tcpip.Set(0)}, "tcp: Options.KeepCount is 0, which lies outside 1 to 127: invalid argument"},
		{Options{Congestion: tcpip.Set(Congestion(99))}, "Options.Congestion is 99"},
		{Options{SendBuffer: tcpip.Set(5 << 20)}, "tcp: Options.SendBuffer is 5242880, more than SendBufferMax, 4194304: invalid argument"},
		{Options{ReceiveBufferMax: tcpip.Set(1000)}, "Options.ReceiveBuffer is 131072, more than ReceiveBufferMax, 1000"},
		{Options{RTOMin: tcpip.Set(2 * time.Second), RTOMax: tcpip.Set(time.Second)}, "Options.RTOMin is 2s, more than RTOMax, 1s"},
		{Options{RTOMax: tcpip.Set(time.Hour)}, "Options.RTOMax is 1h0m0s, which lies outside 1ms to 2m0s"},
		{Options{KeepIdle: tcpip.Set(-time.Second)}, "Options.KeepIdle is -1s"},
	} {
		require.ErrorContains(t, c.o.Check(), c.want)
		require.ErrorIs(t, c.o.Check(), tcpip.ErrInvalid)
	}
}

// Every setting that is a number has its range: a negative one, or one far too large, is refused by name.
func TestCheckIsComplete(t *testing.T) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Options]()) {
		if f.Anonymous {
			continue
		}
		name := f.Name
		var far Options
		field := reflect.ValueOf(&far).Elem().FieldByIndex(f.Index)
		switch field.Interface().(type) {
		case tcpip.Opt[int]:
			field.Set(reflect.ValueOf(tcpip.Set(-1)))
		case tcpip.Opt[time.Duration]:
			field.Set(reflect.ValueOf(tcpip.Set(-time.Second)))
		case tcpip.Opt[ECNMode]:
			field.Set(reflect.ValueOf(tcpip.Set(ECNMode(200))))
		case tcpip.Opt[Congestion]:
			field.Set(reflect.ValueOf(tcpip.Set(Congestion(200))))
		case tcpip.Opt[MTUProbing]:
			field.Set(reflect.ValueOf(tcpip.Set(MTUProbing(200))))
		case tcpip.Opt[CookieMode]:
			field.Set(reflect.ValueOf(tcpip.Set(CookieMode(200))))
		case tcpip.Opt[ECNReports]:
			field.Set(reflect.ValueOf(tcpip.Set(ECNReports(200))))
		case tcpip.Opt[ReuseMode]:
			field.Set(reflect.ValueOf(tcpip.Set(ReuseMode(200))))
		case tcpip.Opt[tcpip.TimestampMode]:
			field.Set(reflect.ValueOf(tcpip.Set(tcpip.TimestampMode(200))))
		case tcpip.Opt[bool], tcpip.Opt[FastOpenMode], tcpip.Opt[FastOpenKeys]: // every value has a meaning
			continue
		default:
			t.Errorf("%s is of a type that this test does not know", name)
			continue
		}
		require.ErrorContains(t, far.Check(), "Options."+name+" is")
	}
}

// A stack that cannot be made with its TCP's options says why; one that runs keeps those that it has.
func TestMakeAndConfigure(t *testing.T) {
	networks := []stack.NewNetwork{ipv4.New}
	_, err := stack.Make(stack.Options{Networks: networks, Transports: []stack.NewTransport{NewWith(Options{KeepCount: tcpip.Set(0)})}})
	require.ErrorContains(t, err, "tcp: Options.KeepCount is 0")
	s, err := stack.Make(stack.Options{Networks: networks, Transports: []stack.NewTransport{NewWith(Options{KeepCount: tcpip.Set(3)})}})
	require.NoError(t, err)
	defer s.Close()
	tcp := s.Transport(6).(*Protocol)
	require.ErrorIs(t, tcp.Configure(Options{KeepCount: tcpip.Set(200)}), tcpip.ErrInvalid)
	e, err := s.NewEndpoint(6, 0x0800)
	require.NoError(t, err)
	defer e.Close()
	n, err := e.Option(TCP_KEEPCNT)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.NoError(t, tcp.Configure(Options{}))
}
