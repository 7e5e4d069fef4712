package dad_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/internal/dad"
	"github.com/seed963a8790/netstack/tcpip"
)

const start = tcpip.Time(1 << 40)

var ours = dad.Nonce{1, 2, 3, 4, 5, 6}

// run advances the machine from deadline to deadline and returns what it asks for, with the milliseconds
// since the start.
func run(m *dad.Machine) (trace []string) {
	for at := m.Deadline(); at != 0; at = m.Deadline() {
		ev := m.Advance(at)
		trace = append(trace, fmt.Sprint([]string{"nothing", "probe", "unique"}[ev], " ", at.Sub(start).Milliseconds()))
	}
	return trace
}

// RFC 4862 §5.4: a probe, a second of silence, and the address is ours.
func TestUnique(t *testing.T) {
	var m dad.Machine
	require.False(t, m.Running())
	m.Start(start, 1, 300*time.Millisecond, ours)
	require.True(t, m.Running())
	require.Equal(t, dad.Nothing, m.Advance(start))
	require.Equal(t, []string{"probe 300", "unique 1300"}, run(&m))
	require.False(t, m.Running())
	require.Equal(t, dad.Nothing, m.Advance(start.Add(time.Hour)))
}

func TestProbes(t *testing.T) {
	var m dad.Machine
	m.Start(start, 3, 0, ours)
	require.Equal(t, []string{"probe 0", "probe 1000", "probe 2000", "unique 3000"}, run(&m))
	m.Start(start, 0, 0, ours)
	require.Equal(t, []string{"probe 0", "unique 1000"}, run(&m), "at least one")
}

// RFC 4862 §5.4.3, §5.4.4.
func TestDuplicate(t *testing.T) {
	for name, hear := range map[string]func(*dad.Machine) bool{
		"advertisement":              (*dad.Machine).Advertised,
		"probe without a nonce":      func(m *dad.Machine) bool { return m.Solicited(nil) },
		"probe with another's nonce": func(m *dad.Machine) bool { return m.Solicited([]byte{6, 5, 4, 3, 2, 1}) },
		"probe with a longer nonce":  func(m *dad.Machine) bool { return m.Solicited(append(ours[:6:6], 0, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			var m dad.Machine
			m.Start(start, 1, 0, ours)
			m.Advance(start)
			require.True(t, hear(&m))
			require.False(t, m.Running())
			require.False(t, hear(&m), "it is told once")
		})
	}
}

// RFC 7527 §4: our own probe is no other station, but silence after it proves nothing.
func TestLoopedProbe(t *testing.T) {
	var m dad.Machine
	m.Start(start, 1, 0, ours)
	require.Equal(t, dad.Probe, m.Advance(start))
	require.False(t, m.Solicited(ours[:]))
	require.Equal(t, []string{"probe 1000", "unique 2000"}, run(&m))

	m.Start(start, 1, 0, ours)
	var probes int
	for m.Running() {
		if m.Advance(m.Deadline()) == dad.Probe {
			probes++
			m.Solicited(ours[:])
		}
	}
	require.Equal(t, 4, probes, "a link that echoes for ever does not keep it from ending")
}

func TestStop(t *testing.T) {
	var m dad.Machine
	m.Start(start, 1, 0, ours)
	m.Stop()
	require.Empty(t, run(&m))
	require.False(t, m.Advertised())
}

func Example() {
	var m dad.Machine
	m.Start(start, 1, 0, dad.Nonce{1})
	fmt.Println(m.Advance(start) == dad.Probe)
	fmt.Println(m.Advance(start.Add(dad.RetransTimer)) == dad.Unique)
	// Output:
	// true
	// true
}
