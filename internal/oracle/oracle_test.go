package oracle

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var record = flag.Bool("record", false, "write what the kernel says to testdata/oracle; with -only what it says to these scenarios")

var replay = flag.Bool("replay", false, "compare with testdata/oracle even where the kernel can be asked")

var only = flag.String("only", "", "run only the scenarios whose names match this regular expression")

var once = flag.Bool("once", false, "take the kernel's first answer, where many scenarios differ")

// recorded is where the kernel's answers are.
const recorded = "../../testdata/oracle/kernel.json.gz"

// recording is what a kernel has said.
type recording struct {
	Kernel    string              `json:"kernel"`
	Scenarios map[string][]string `json:"scenarios"`
}

// TestOracle runs every scenario on the kernel and on ours.
func TestOracle(t *testing.T) {
	all := Scenarios()
	seen := map[string]bool{}
	for _, s := range all {
		require.False(t, seen[s.Name], "two scenarios are named %s", s.Name)
		seen[s.Name] = true
	}
	if *only != "" {
		wanted := regexp.MustCompile(*only)
		all = slices.DeleteFunc(all, func(s Scenario) bool { return !wanted.MatchString(s.Name) })
		require.NotEmpty(t, all, "no scenario matches %s", *only)
	}
	ask := kernelHere() == "" && !*replay
	var asked [][]string
	if ask {
		asked = askAll(t, all)
	}
	rec := recording{Scenarios: map[string][]string{}}
	if *record && !ask {
		t.Fatal(kernelHere())
	}
	if !ask || *record && *only != "" {
		b, err := readPacked(recorded)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &rec))
		if !ask {
			t.Logf("%s; comparing with what %s has said", cmp.Or(kernelHere(), "told not to ask"), rec.Kernel)
		}
	}
	equal, different := 0, map[string]int{}
	for i, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			mine := askOurs(t, s)
			theirs, ok := rec.Scenarios[s.Name]
			if ask {
				theirs = asked[i]
				listed := differenceOf(s.Name) != nil
				if *record && listed || !*once && slices.Equal(mine, theirs) == listed { // what was to be expected need not be asked for again
					if !*record {
						t.Logf("first the kernel said:\n%s", compare(theirs, mine))
					}
					theirs = askAgain(t, s, func(theirs []string) bool {
						return slices.Equal(mine, theirs) == (differenceOf(s.Name) == nil)
					})
				}
				rec.Scenarios[s.Name] = theirs
			} else {
				require.True(t, ok, "the kernel has not been asked: run with -record as root on Linux")
			}
			d := differenceOf(s.Name)
			switch {
			case slices.Equal(mine, theirs) && d == nil:
				equal++
			case slices.Equal(mine, theirs):
				t.Errorf("listed as different (%s), and is not: take it out of the table", d.What)
			case d == nil:
				t.Errorf("ours is not as the kernel:\n%s", compare(theirs, mine))
			default:
				different[d.Name]++
				t.Logf("differs: %s\n%s", d.What, d.Why)
				if testing.Verbose() {
					t.Logf("%s", compare(theirs, mine))
				}
			}
		})
	}
	total := 0
	for _, d := range differences {
		n := different[d.Name]
		if total += n; n == 0 {
			continue
		}
		t.Logf("%3d scenarios differ: %s: %s (%s)", n, d.Name, d.What, d.Why)
	}
	t.Logf("%d scenarios: %d equal, %d different and listed", len(all), equal, total)
	if *record {
		maps.DeleteFunc(rec.Scenarios, func(name string, _ []string) bool { return !seen[name] })
		rec.Kernel = KernelVersion()
		b, err := json.MarshalIndent(rec, "", " ")
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(recorded), 0o755))
		require.NoError(t, writePacked(recorded, b))
	}
}

// A pattern of the table that matches nothing hides nothing, but misleads.
func TestDifferencesAreUsed(t *testing.T) {
	for _, d := range differences {
		require.NotEmpty(t, d.What)
		require.NotEmpty(t, d.Why)
		require.True(t, slices.ContainsFunc(Scenarios(), func(s Scenario) bool {
			ok, err := path.Match(d.Name, s.Name)
			require.NoError(t, err)
			return ok
		}), "no scenario is named %s", d.Name)
	}
}

// The comparison itself can fail: a scenario's log depends on what happened.
func TestLogsDiffer(t *testing.T) {
	s := Scenario{"", func(r *Run) {
		a := sortOf("udp4").open(r)
		r.Bind(a, In4("127.0.0.1", 0))
		r.Names(a)
	}}
	log := askOurs(t, s)
	require.Equal(t, []string{"socket(2, 2, 0) = s0", "bind(s0, 127.0.0.1:0) = 0", "names(s0) = 127.0.0.1:P0, peer ENOTCONN"}, log)
	require.Contains(t, compare([]string{"a", "b"}, []string{"a", "c"}), "kernel: b")
}

func askOurs(t *testing.T, s Scenario) []string {
	o, err := newOurs(func(err error) { t.Error(err) })
	require.NoError(t, err)
	return Perform(s, o)
}

// The kernel's namespaces are apart, so many scenarios run at once: they mostly wait.
const askers = 24

// askAll runs every scenario on the kernel.
func askAll(t *testing.T, all []Scenario) [][]string {
	logs := make([][]string, len(all))
	next := make(chan int)
	var wait sync.WaitGroup
	for range askers {
		wait.Go(func() {
			for i := range next {
				logs[i], _ = askKernel(all[i], 500*time.Microsecond) // what failed here is asked again
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	wait.Wait()
	return logs
}

// patience is how long the kernel gets after each call to deliver, when it is asked again: a busy machine
// may not have delivered by then, but with long pauses other timers run.
var patience = []time.Duration{10 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 2 * time.Millisecond, 100 * time.Millisecond}

// A wait that takes this much longer than it should tells nothing certain of a scenario with timers.
const tooLate = 5 * time.Millisecond

// belated is how many answers beyond those of patience are asked for where answers came from a machine that was late.
const belated = 15

// askAgain asks, with nothing else under way, until the answer is as expected or patience is at its end, which answers
// of a machine that was late do not count for.
func askAgain(t *testing.T, s Scenario, expected func([]string) bool) []string {
	for asked, spent := 0, 0; ; asked++ {
		log, late, err := askKernelTimed(s, patience[asked%len(patience)])
		if err == nil && expected(log) {
			return log
		}
		if late < tooLate || asked >= len(patience)+belated {
			spent++
		}
		if spent >= len(patience) {
			require.NoError(t, err)
			return log
		}
	}
}

// askKernel runs a scenario on the kernel, which gets some time after each call to deliver.
func askKernel(s Scenario, pause time.Duration) ([]string, error) {
	log, _, err := askKernelTimed(s, pause)
	return log, err
}

// askKernelTimed is askKernel, and says how late the machine was at worst.
func askKernelTimed(s Scenario, pause time.Duration) (log []string, late time.Duration, err error) {
	var failed []error
	k, err := newKernel(pause, func(err error) { failed = append(failed, err) })
	if err != nil {
		return nil, 0, err
	}
	log = Perform(s, k)
	if k, ok := k.(interface{ Late() time.Duration }); ok {
		late = k.Late()
	}
	return log, late, errors.Join(failed...)
}

// compare shows two logs side by side, from where they part.
func compare(kernel, ours []string) string {
	var b strings.Builder
	for i := range max(len(kernel), len(ours)) {
		k, o := "(nothing)", "(nothing)"
		if i < len(kernel) {
			k = kernel[i]
		}
		if i < len(ours) {
			o = ours[i]
		}
		if k == o {
			b.WriteString("        " + k + "\n")
			continue
		}
		b.WriteString("kernel: " + k + "\n  ours: " + o + "\n")
	}
	return b.String()
}

// readPacked and writePacked keep a recording small: the answers to one question are mostly those to another.
func readPacked(name string) ([]byte, error) {
	f, err := os.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func writePacked(name string, b []byte) error {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = os.WriteFile(filepath.FromSlash(name), packed.Bytes(), 0o644)
	}
	return err
}
