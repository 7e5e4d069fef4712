package tcpip

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// Rows of the table are complete, and no two claim one number.
func TestSocketOptionsTable(t *testing.T) {
	seen := map[OptionID]string{}
	for _, r := range SocketOptions {
		require.NotContains(t, seen, r.ID, r.Name)
		seen[r.ID] = r.Name
		require.NotEmpty(t, r.Name)
		require.NotEmpty(t, r.Doc, r.Name)
		require.NotZero(t, r.On, r.Name)
		require.LessOrEqual(t, r.Min, r.Max, r.Name)
		require.GreaterOrEqual(t, r.Default, r.Min, r.Name)
		require.LessOrEqual(t, r.Default, r.Max, r.Name)
		require.NotNil(t, r.Get, r.Name)
		require.NotNil(t, r.Set, r.Name)
	}
}

// What is set is read back, at the ends of the range and in the middle; what is beyond is refused and
// changes nothing.
func TestSocketOptionsRoundTrip(t *testing.T) {
	// Options whose value is brought into a range or given a meaning, as Linux does.
	adjusted := map[OptionID]map[int]int{
		SO_SNDBUF:           {-5: MaxBuffer, 0: MinSendBuffer, 10000: 20000, 1 << 30: MaxBuffer},
		SO_RCVBUF:           {-5: MaxBuffer, 0: MinReceiveBuffer, 10000: 20000, 1 << 30: MaxBuffer},
		SO_RCVLOWAT:         {-1: 1<<31 - 1, 0: 1, 7: 7},
		IP_TOS:              {-2: 254, 255: 255, 256: 0, 0x10: 0x10},
		IP_TTL:              {-1: -1, 1: 1, 255: 255},
		IP_MULTICAST_TTL:    {-1: 1, 0: 0, 9: 9},
		IPV6_UNICAST_HOPS:   {-1: -1, 0: 0, 255: 255},
		IPV6_MULTICAST_HOPS: {-1: 1, 0: 0, 9: 9},
		IPV6_TCLASS:         {-1: 0, 0: 0, 255: 255},

		IPV6_CHECKSUM:         {math.MinInt32: -1, -1: -1, 0: 0, 2: 2},
		IPV6_ADDR_PREFERENCES: {0: 0x500, 1: 0x401, 2: 0x402, 4: 0x104, 1 << 20: 0x500},
	}
	for _, r := range SocketOptions {
		t.Run(r.Name, func(t *testing.T) {
			c := DefaultSocketConf()
			values := adjusted[r.ID]
			if values == nil {
				values = map[int]int{r.Min: r.Min, r.Max: r.Max, (r.Min + r.Max) / 2: (r.Min + r.Max) / 2}
			}
			for set, want := range values {
				require.Equal(t, OK, r.Put(&c, set))
				require.Equal(t, want, r.Get(&c), "after setting %d", set)
			}
			if r.Unit == "bool" {
				require.Equal(t, OK, r.Put(&c, -77))
				require.Equal(t, 1, r.Get(&c), "every number but 0 is true")
				return
			}
			before := c
			if except, ok := r.Except.Get(); ok {
				require.Equal(t, ErrInvalid, r.Put(&c, except.Min))
				require.Equal(t, ErrInvalid, r.Put(&c, except.Max))
				require.True(t, except.Min <= except.Max && except.Min >= r.Min && except.Max <= r.Max)
			}
			if r.Max < 1<<31-1 {
				require.Equal(t, ErrInvalid, r.Put(&c, r.Max+1))
			}
			if r.Min > -1<<31 {
				require.Equal(t, ErrInvalid, r.Put(&c, r.Min-1))
			}
			require.Equal(t, before, c)
		})
	}
}

// Each row writes a field of its own: setting one option moves no other.
func TestSocketOptionsAreApart(t *testing.T) {
	twins := map[OptionID]OptionID{ // two names of one thing
		IP_FREEBIND: IPV6_FREEBIND, IPV6_FREEBIND: IP_FREEBIND, IP_TRANSPARENT: IPV6_TRANSPARENT, IPV6_TRANSPARENT: IP_TRANSPARENT,
	}
	for _, r := range SocketOptions {
		c := DefaultSocketConf()
		v := r.Get(&c) + 1
		if r.Unit == "bool" {
			v = 1 - r.Get(&c)
		} else if v > r.Max {
			v = r.Get(&c) - 1
		} else if except, ok := r.Except.Get(); ok && except.Has(v) {
			v = except.Max + 1
		}
		require.Equal(t, OK, r.Put(&c, v), r.Name)
		for _, other := range SocketOptions {
			d := DefaultSocketConf()
			if other.ID != r.ID && twins[other.ID] != r.ID {
				require.Equal(t, other.Get(&d), other.Get(&c), "%s moved %s", r.Name, other.Name)
			} else {
				require.NotEqual(t, other.Get(&d), other.Get(&c), "%s does nothing", r.Name)
			}
		}
	}
}

// Every field of the configuration is reached by a row.
func TestSocketConfIsCovered(t *testing.T) {
	var all SocketConf
	for _, r := range SocketOptions {
		v := min(r.Max, 9)
		if except, ok := r.Except.Get(); ok && except.Has(v) {
			v = except.Max + 1
		}
		if r.Unit == "bool" {
			v = 1
		}
		require.Equal(t, OK, r.Put(&all, v))
	}
	v := reflect.ValueOf(all)
	for _, f := range reflect.VisibleFields(v.Type()) {
		if f.Name == "Buffers" { // what options may set, not one of them
			continue
		}
		require.False(t, v.FieldByIndex(f.Index).IsZero(), "no option sets SocketConf.%s", f.Name)
	}
}

func TestDefaultSocketConf(t *testing.T) {
	c := DefaultSocketConf()
	require.Equal(t, DefaultDatagramBuffer, c.ReceiveBuffer)
	require.Equal(t, DefaultDatagramBuffer, c.SendBuffer)
	require.Equal(t, PMTUWant, c.PMTU4)
	require.Equal(t, PMTUWant, c.PMTU6)
	require.True(t, c.MulticastLoop4 && c.MulticastLoop6 && c.MulticastAll)
	require.Equal(t, int16(-1), c.TTL)
	require.Equal(t, int16(1), c.MulticastTTL)
	c.ReuseAddr = true
	require.False(t, DefaultSocketConf().ReuseAddr, "the default is a copy")
}

// BEHAVIOUR B1: Linux's six modes and no others.
func TestPMTUModes(t *testing.T) {
	for _, id := range []OptionID{IP_MTU_DISCOVER, IPV6_MTU_DISCOVER} {
		for _, kind := range []EndpointKinds{KindTCP, KindUDP, KindRaw, KindPing} {
			r := FindOption(SocketOptions, id, kind)
			require.NotNil(t, r)
			c := DefaultSocketConf()
			for mode := 0; mode <= 5; mode++ {
				require.Equal(t, OK, r.Put(&c, mode))
				require.Equal(t, mode, r.Get(&c))
			}
			for _, bad := range []int{-1, 6, 255, 1 << 20} {
				require.Equal(t, ErrInvalid, r.Put(&c, bad))
			}
		}
	}
	require.Equal(t, 5, int(PMTUOmit))
	require.Equal(t, 3, int(TimestampsStrict))
}

func TestFindOption(t *testing.T) {
	require.Equal(t, "IP_MINTTL", FindOption(SocketOptions, IP_MINTTL, KindTCP).Name)
	require.Nil(t, FindOption(SocketOptions, IP_MINTTL, KindUDP), "not an option of this kind")
	require.Nil(t, FindOption(SocketOptions, Option(SOL_SOCKET, 9999), KindTCP))
}

func TestOptionID(t *testing.T) {
	id := Option(IPPROTO_IPV6, 23)
	require.Equal(t, IPV6_MTU_DISCOVER, id)
	require.Equal(t, 41, id.Level())
	require.Equal(t, 23, id.Number())
	require.Equal(t, 255, Option(SOL_SOCKET, 255).Number())
}

func TestOpt(t *testing.T) {
	var unset Opt[int]
	require.False(t, unset.IsSet())
	require.Equal(t, 7, unset.Or(7))
	v, ok := unset.Get()
	require.Zero(t, v)
	require.False(t, ok)

	zero := Set(0)
	require.True(t, zero.IsSet())
	require.Equal(t, 0, zero.Or(7), "a zero that was set is meant")
	_, ok = zero.Get()
	require.True(t, ok)
	require.NotEqual(t, unset, zero)
}

func ExampleOpt() {
	describe := func(ttl Opt[int]) string {
		if v, ok := ttl.Get(); ok {
			return fmt.Sprint("set to ", v)
		}
		return fmt.Sprint("unset, so ", ttl.Or(64))
	}
	fmt.Println(describe(Opt[int]{}))
	fmt.Println(describe(Set(0)))
	// Output:
	// unset, so 64
	// set to 0
}
