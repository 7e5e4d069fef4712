package packetdrill

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ownRecorder records this stack, in virtual time.
func ownRecorder() Recorder { return Recorder{Conf: DefaultConf(), Make: NewOurs} }

func playOwn(text string) Result {
	s := Suite{Conf: DefaultConf(), Make: NewOurs}
	return s.PlayText("recorded.pkt", text)
}

// What is recorded of this stack plays on this stack, and a seed leads to the same again. What all the scripts together
// must have come by says that the recorder does not record idle connections.
func TestRecord(t *testing.T) {
	rec := ownRecorder()
	reached := map[string]int{}
	for _, profile := range Profiles() {
		for seed := range uint64(10) {
			text, err := rec.Record(profile, seed)
			require.NoError(t, err, "%s %d\n%s", profile, seed, text)
			again, err := rec.Record(profile, seed)
			require.NoError(t, err)
			require.Equal(t, text, again, "%s %d", profile, seed)
			r := playOwn(text)
			require.True(t, r.Passed(), "%s %d: %v %s\n%s", profile, seed, r.Err, r.Skip, text)
			for _, what := range toReach {
				if strings.Contains(text, what) {
					reached[what]++
				}
			}
		}
	}
	for _, what := range toReach {
		if reached[what] == 0 {
			t.Errorf("no script has %q", what)
		}
	}
}

// toReach are pieces of scripts.
var toReach = []string{
	"tcpi_ca_state == 1", "tcpi_ca_state == 2", "tcpi_ca_state == 3", "tcpi_ca_state == 4", "tcpi_backoff == 2",
	"tcpi_reord_seen == 1", "tcpi_dsack_dups == 1", "tcpi_delivered_ce == 1", "tcpi_snd_wnd == 0", "tcpi_sacked == 5", "tcpi_lost == 5",
	"TS val", "[ect0]", "> FP.", "> F.", ".W ", "< .E", "connect(", "ip_version=ipv6", "NOTSENT_LOWAT", "TCP_CORK", "mss 536", `"reno"`, "close(",
}

// A recording that says something else than what happened does not play: every number in it counts.
func TestRecordIsChecked(t *testing.T) {
	rec := ownRecorder()
	text, err := rec.Record("loss", 3)
	require.NoError(t, err)
	numbers := regexp.MustCompile(`(?m)(== |> P?\. )(\d+)`).FindAllStringIndex(text, -1)
	require.Greater(t, len(numbers), 20)
	for _, at := range numbers {
		r := playOwn(text[:at[1]] + "1" + text[at[1]:])
		require.False(t, r.Passed(), text[at[0]:at[1]])
	}
}

// A system that behaves otherwise is told from this stack; one whose timer is a little off is not.
func TestRecordedDifference(t *testing.T) {
	with := func(name, value string) func(Conf) (System, error) {
		return func(c Conf) (System, error) {
			s, err := NewOurs(c)
			if err == nil {
				err = s.(*Ours).setSetting(name, value)
			}
			return s, err
		}
	}
	for _, test := range []struct {
		name, value string
		differs     bool
	}{
		{"net.ipv4.tcp_early_retrans", "3", false},
		{"net.ipv4.tcp_early_retrans", "0", true},
		{"net.ipv4.tcp_rto_min_us", "202000", false},
		{"net.ipv4.tcp_rto_min_us", "300000", true},
		{"net.ipv4.tcp_reordering", "6", true},
	} {
		c := Comparison{Recorder: ownRecorder(), Other: with(test.name, test.value), Elsewhere: 10 * time.Millisecond}
		var report strings.Builder
		ok, err := c.Run(&report, []string{"loss", "idle"}, 0, 10)
		require.NoError(t, err)
		require.Equal(t, !test.differs, ok, "%s=%s:\n%s", test.name, test.value, report.String())
		require.Contains(t, report.String(), " 0 unstable, 0 failed\n")
	}
}

func TestRecordUnknownProfile(t *testing.T) {
	rec := ownRecorder()
	_, err := rec.Record("none", 1)
	require.ErrorContains(t, err, `no profile "none", only acks, big,`)
}

// Whatever a seed leads to is recorded and plays.
func FuzzRecord(f *testing.F) {
	for i := range len(Profiles()) {
		f.Add(uint8(i), uint64(1000+i))
	}
	f.Fuzz(func(t *testing.T, profile uint8, seed uint64) {
		rec := ownRecorder()
		name := Profiles()[int(profile)%len(Profiles())]
		text, err := rec.Record(name, seed)
		require.NoError(t, err, "%s %d\n%s", name, seed, text)
		r := playOwn(text)
		require.True(t, r.Passed(), "%s %d: %v %s\n%s", name, seed, r.Err, r.Skip, text)
	})
}
