package stack

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A snapshot has every counter, under its name, and does not change any more.
func TestSnapshot(t *testing.T) {
	x := newWire(t)
	n := uint64(0)
	var number func(v reflect.Value)
	number = func(v reflect.Value) {
		if c, ok := v.Addr().Interface().(*Counter); ok {
			n++
			c.v.Store(n)
			return
		}
		if v.Kind() == reflect.Array {
			for i := range v.Len() {
				number(v.Index(i))
			}
			return
		}
		for i := range v.NumField() {
			number(v.Field(i))
		}
	}
	number(reflect.ValueOf(x.Counters()).Elem())
	number(reflect.ValueOf(x.n.Counters()).Elem())

	snap := x.Snapshot()
	require.Equal(t, x.Now(), snap.At)
	require.Len(t, snap.NICs, 1)
	x.n.Counters().RxBytes.Inc()
	x.Counters().Arp.InReplies.Inc()
	got := map[string]uint64{}
	for name, v := range snap.Counters.All() {
		require.NotZero(t, v, name)
		got[name] = v
	}
	for name, v := range x.Counters().All() {
		if name == "ArpInReplies" {
			v--
		}
		require.Equal(t, v, got[name], name)
	}
	require.Equal(t, n-5, snap.NICs[0].Counters.RxBytes, "the second of seven")
	nic := 0
	for name, v := range snap.NICs[0].Counters.All() {
		require.NotZero(t, v, name)
		nic++
	}
	require.Equal(t, 7, nic)
}

// What a stack holds is in the snapshot: queued packets, memory, addresses, routes.
func TestSnapshotHolds(t *testing.T) {
	x := newWire(t)
	x.l.room = 0
	x.enqueue(0, 3, nil)
	snap := x.Snapshot()
	require.Equal(t, 3, snap.NICs[0].Queued)
	require.Equal(t, x.LivePackets(), snap.Packets)
	require.Equal(t, x.Slabs.Live(), snap.Memory)
	require.Positive(t, snap.Memory)
	require.Equal(t, len(slices.Collect(x.Routes())), snap.Routes)
	require.Len(t, snap.NICs[0].Addresses, len(x.n.Addresses()))
	x.n.Remove()
	require.Empty(t, x.Snapshot().NICs)
}

func BenchmarkSnapshot(b *testing.B) {
	s := New(Options{})
	defer s.Close()
	for b.Loop() {
		_ = s.Snapshot()
	}
}

// The walks over the whole stack can be left early, and see one time.
func TestWalks(t *testing.T) {
	e := newEther(t)
	e.heard("10.0.0.2", macA, "u")
	e.heard("10.0.0.3", macB, "u")
	other, _ := e.nic(LinkIP, "10.9.0.1/24")
	var seen []string
	for n, a := range e.AllAddresses() {
		seen = append(seen, n.Name()+" "+a.Prefix.String())
		if len(seen) == 1 {
			require.NoError(t, other.RemoveAddress(addr("10.9.0.1")))
		}
	}
	require.Equal(t, []string{"nic1 10.0.0.1/24", "nic1 2001:db8::1/64", "nic1 fe80::1/64", "nic2 10.9.0.1/24"}, seen)
	for n, b := range e.AllNeighbours() {
		require.Equal(t, e.n, n)
		require.Equal(t, addr("10.0.0.2"), b.Addr)
		break
	}
	for r := range e.Routes() {
		require.Equal(t, "10.0.0.0/24", r.Destination.String())
		break
	}
	for range e.AllAddresses() {
		break
	}
}
