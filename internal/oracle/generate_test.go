package oracle

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	sequences = flag.Int("sequences", 300, "how many random sequences TestSequences runs")
	seed      = flag.Uint64("seed", 1, "the seed of its first")
	known     = flag.Bool("known", false, "whether differences that are known fail and are shown, too")
	classes   = flag.Int("classes", 12, "how many differences it shrinks and shows")
)

// recordedSequences is where the kernel's answers to the first sequences are.
const recordedSequences = "../../testdata/oracle/sequences.json"

// sequencesRecorded is how many are recorded.
const sequencesRecorded = 100

// sequenceRecording is what a kernel has said to one.
type sequenceRecording struct {
	Hash string   `json:"hash"`
	Log  []string `json:"log"`
}

// outcome is what came of one sequence.
type outcome struct {
	q            Sequence
	mine, theirs []string
	same, stable bool // equal in the end; the kernel gave the same answer twice
	wavers       string
}

// sequenceGaps are differences that are known, by their classes and by what is in the sequence, each with the scenarios
// that show it, by the name of their row in differences: they are counted, and do not fail.
var sequenceGaps = []struct {
	class, steps *regexp.Regexp
	scenario     string
}{
	{regexp.MustCompile(`TIME false false|with control`), regexp.MustCompile(`SO_TIMESTAMPING`), ""},
	{regexp.MustCompile(`^connect\(s, .* gives (EINPROGRESS|EINVAL|ENETUNREACH), ours (EADDRNOTAVAIL|ENETUNREACH)`), regexp.MustCompile(`r\.Bind\(s[0-9]+, In[46]\("(::ffff:)?(224|255|10\.77\.0\.255)`), "found/connect-from-many/*"},
	{regexp.MustCompile(`^connect\(s, .* gives (EAFNOSUPPORT|EINVAL), ours 0`), regexp.MustCompile(`sortOf\("raw6`), "found/connect-mapped/raw6"},
	{regexp.MustCompile(`^listen\(.* gives EADDRINUSE, ours 0`), regexp.MustCompile(`Accept`), "found/listen-again/*"},
	{regexp.MustCompile(`^getsockopt\(s, (0, 14|41, 24), .* gives ENOTCONN`), regexp.MustCompile(`SO_DONTROUTE|SO_BINDTOIFINDEX|IP_TOS|SO_MARK|IPV6_TCLASS|IPV6_2292PKTOPTIONS`), "mtu-after-tos/*"},
	{regexp.MustCompile(`^getsockopt\(s, (0, 14|41, 24), .* gives ENOTCONN`), regexp.MustCompile(`(Connect(.*\n)*){2}`), "found/mtu-after-connect/udp4"},
	{regexp.MustCompile(`^setsockopt\(s, 17, 100,`), regexp.MustCompile(`SetOpt`), "socket/option/UDP_ENCAP/udp?"},
	{regexp.MustCompile(`^setsockopt\(s, 1, 62, .* gives 0, ours ENODEV`), regexp.MustCompile(`SetOpt`), "option/SO_BINDTOIFINDEX/tcp?/values"},
	{regexp.MustCompile(`^setsockopt\(s, 41, 1, .* gives 0, ours EADDRNOTAVAIL`), regexp.MustCompile(`SetOpt|Set`), "ip6/addrform/mapped"},
	{regexp.MustCompile(`gives EPROTO|EHOSTUNREACH|ECONNREFUSED|EACCES`), regexp.MustCompile(`sortOf\("(udp|raw|ping)6(.*\n)*.*complain`), "found/error-about-group/udp6"},
	{regexp.MustCompile(`recvm|sendm|poll|getsockopt`), regexp.MustCompile(`sortOf\("udp4(.*\n)*(.*Connect(.*\n)*){2}.*Send`), "found/connect-in-vain/*"},
	{regexp.MustCompile(`^(recvm?msg|recvmmsg)\(.* gives (N|[0-9]+) .*, ours (EAGAIN|N)|^poll\(s\) gives 0x.*[145], ours|^ioctl\(.* gives N, ours|^sendmsg\(.* gives ECONNRESET, ours EPIPE|^connect\(.* gives ECONNRESET, ours|^bind\(.* gives EINVAL, ours EADDRINUSE|^shutdown\(.* gives 0, ours ENOTCONN`),
		regexp.MustCompile(`sortOf\("tcp(.*\n)*.*Send\(s[0-9]+, .*0x8000\)(.*\n)*.*Send`), "found/held-by-more/1400-*/*"},
	{regexp.MustCompile(`recvm|sendm|poll`), regexp.MustCompile(`sortOf\("udp4(.*\n)*.*0x8000(.*\n)*.*Connect(.*\n)*.*Send`), "found/connect-in-vain/*"},
	{regexp.MustCompile(`recvm|sendm|poll`), regexp.MustCompile(`sortOf\("udp4(.*\n)*.*Connect(.*\n)*.*Send\(.*In[46].*0x8000(.*\n)*.*Send`), "found/corked-elsewhere/*/udp4"},
	{regexp.MustCompile(`^bind\(.* gives EADDRINUSE, ours 0`), regexp.MustCompile(`sortOf\("tcp6(.*\n)*.*Accept(.*\n)*.*Close(.*\n)*.*Bind\(s[0-9]+, In4`), "found/bind-beside-child/tcp4"},
	{regexp.MustCompile(`^sendm.*with control gives (ENETUNREACH|EPIPE), ours EINVAL`), regexp.MustCompile(`(IP|IPV6)_(FREEBIND|TRANSPARENT)(.*\n)*.*Cmsg\(41, 50, .*xff`), "found/mapped-source/*"},
	{regexp.MustCompile(`^connect\(.* gives 0, ours ENETUNREACH`), regexp.MustCompile(`sortOf\("ping6(.*\n)*.*IPV6_V6ONLY`), "found/ping-mapped/ping6"},
	{regexp.MustCompile(`recvm|poll|ioctl`), regexp.MustCompile(`sortOf\("(udp|raw)4(.*\n)*.*Cmsg\(0, 8, \[\]byte\("\\x01`), "found/misrouted/udp4"},
	{regexp.MustCompile(`connect|poll|recvm|sendm`), regexp.MustCompile(`sortOf\("tcp6(.*\n)*.*Connect\(.*::ffff:(.*\n)*.*Connect`), "found/four-to-six/tcp6"},
	{regexp.MustCompile(`recvm|sendm|poll|connect`), regexp.MustCompile(`sortOf\("tcp(.*\n)*.*Shutdown(.*\n)*.*Connect`), "found/shut-and-self/*"},
	{regexp.MustCompile(`^bind\(.* gives EADDRINUSE, ours 0`), regexp.MustCompile(`sortOf\("udp6(.*\n)*.*Connect(.*\n)*.*Bind`), "found/bind-beside-six/connected/*"},
	{regexp.MustCompile(`^sent IPv4 .* ttl 0`), regexp.MustCompile(`IP_MULTICAST_TTL`), "found/group-without-hops/*"},
	{regexp.MustCompile(`gives EAGAIN.*, ours ECONNREFUSED|EINPROGRESS|poll|^shutdown\(.* gives 0, ours ENOTCONN`), regexp.MustCompile(`sortOf\("tcp6(.*\n)*.*Bind\(s[0-9]+, In6\("::1"`), "found/from-one-to-host/*"},
	{regexp.MustCompile(`recvm|ioctl`), regexp.MustCompile(`SO_RCVBUF`), "found/least-buffer/*"},
}

// What is known is shown by a scenario that is listed as different.
func TestSequenceGapsHaveScenarios(t *testing.T) {
	for _, g := range sequenceGaps {
		require.True(t, g.scenario == "" || slices.ContainsFunc(differences, func(d difference) bool { return d.Name == g.scenario }), "no difference is listed as %s", g.scenario)
	}
}

// gapOf says which known gap a difference is, "" if it is none.
func gapOf(o outcome, class string) string {
	for _, g := range sequenceGaps {
		if g.class.MatchString(class) && g.steps.MatchString(o.q.String()) {
			return cmp.Or(g.scenario, "what other sockets of the machine want")
		}
	}
	return ""
}

// TestSequences runs random sequences of calls on the kernel and on ours.
func TestSequences(t *testing.T) {
	if kernelHere() != "" || *replay {
		replaySequences(t)
		return
	}
	outcomes := make([]outcome, *sequences)
	next := make(chan int)
	var wait sync.WaitGroup
	for range askers {
		wait.Go(func() {
			for i := range next {
				outcomes[i] = try(t, Generate(*seed+uint64(i)))
			}
		})
	}
	begun := time.Now()
	for i := range outcomes {
		next <- i
		if i%1000 == 999 {
			t.Logf("%d sequences after %v", i+1, time.Since(begun).Round(time.Second))
		}
	}
	close(next)
	wait.Wait()
	for i, o := range outcomes {
		if !o.same { // once more, with nothing else under way
			outcomes[i] = try(t, o.q)
		}
	}
	t.Logf("asked in %v", time.Since(begun).Round(time.Millisecond))
	moved, unstable, calls := 0, 0, 0
	found, gaps := map[string][]outcome{}, map[string]int{}
	var order []string
	for _, o := range outcomes {
		if Moved(o.mine) {
			moved++
		}
		calls += len(o.mine)
		switch {
		case o.same:
		case !o.stable:
			unstable++
			t.Logf("seed %d: the kernel's own answers differ: %s", o.q.Seed, o.wavers)
		default:
			c := class(o.theirs, o.mine)
			if g := gapOf(o, c); g != "" && !*known {
				gaps[g]++
				t.Logf("seed %d differs as is known: %s", o.q.Seed, c)
				continue
			}
			if found[c] == nil {
				order = append(order, c)
			}
			found[c] = append(found[c], o)
		}
	}
	slices.SortStableFunc(order, func(a, b string) int { return len(found[b]) - len(found[a]) })
	shown := make([]outcome, min(*classes, len(order)))
	for i, c := range order[:len(shown)] {
		wait.Go(func() { shown[i] = shrink(t, shortest(found[c])) })
	}
	wait.Wait()
	for i, c := range order {
		if i >= len(shown) {
			t.Errorf("%d sequences differ, such as that of seed %d: %s", len(found[c]), shortest(found[c]).q.Seed, c)
			continue
		}
		t.Errorf("%d sequences differ: %s\n%s%s", len(found[c]), c, shown[i].q, compare(shown[i].theirs, shown[i].mine))
	}
	known := 0
	for g, n := range gaps {
		known += n
		t.Logf("%3d sequences differ, as is known: %s", n, g)
	}
	t.Logf("%d sequences of %d lines in %v: %d moved data, %d differ as is known, %d in %d other classes, %d got different answers from the kernel itself",
		len(outcomes), calls, time.Since(begun).Round(time.Second), moved, known, len(outcomes)-equalOf(outcomes)-unstable-known, len(order), unstable)
	require.GreaterOrEqual(t, 2*moved, len(outcomes), "too few sequences move data")
	require.LessOrEqual(t, unstable, len(outcomes)/50+2, "the kernel says now this, now that")
	if *record {
		recordSequences(t)
	}
}

func shortest(all []outcome) outcome {
	return slices.MinFunc(all, func(a, b outcome) int { return len(a.q.Steps) - len(b.q.Steps) })
}

func equalOf(all []outcome) (n int) {
	for _, o := range all {
		if o.same {
			n++
		}
	}
	return n
}

// pauses are how long the kernel gets after each call to deliver: first little, and more where its answer is
// not ours. A busy machine may not have delivered in time; with long pauses other timers run.
var pauses = []time.Duration{500 * time.Microsecond, 500 * time.Microsecond, 2 * time.Millisecond, 8 * time.Millisecond}

// try runs a sequence on both. The kernel is right when it says what ours does even once.
func try(t *testing.T, q Sequence) outcome {
	o := outcome{q: q, mine: askOurs(t, q.Scenario())}
	for _, p := range pauses {
		log, err := askKernel(q.Scenario(), p)
		if err != nil {
			t.Log(err)
			continue
		}
		if slices.Equal(log, o.mine) {
			o.theirs, o.same = log, true
			return o
		}
		if o.theirs != nil {
			o.stable = o.stable || slices.Equal(log, o.theirs)
			o.wavers = class(o.theirs, log)
		}
		o.theirs = log
	}
	return o // without an answer, if every attempt failed
}

// shrink leaves out steps as long as the difference stays the same in kind.
func shrink(t *testing.T, o outcome) outcome {
	c := class(o.theirs, o.mine)
	for size := len(o.q.Steps) / 2; size > 0; {
		smaller := false
		for at := 0; at+size <= len(o.q.Steps); {
			q := Sequence{o.q.Seed, slices.Delete(slices.Clone(o.q.Steps), at, at+size)}
			if n := try(t, q); !n.same && n.stable && class(n.theirs, n.mine) == c {
				o, smaller = n, true
			} else {
				at += size
			}
		}
		if !smaller || size > 1 {
			size /= 2
		}
	}
	return o
}

// class names a difference by the first lines that differ, without what varies from one sequence to another.
func class(kernel, ours []string) string {
	for i := range max(len(kernel), len(ours)) {
		k, o := "nothing", "nothing"
		if i < len(kernel) {
			k = kernel[i]
		}
		if i < len(ours) {
			o = ours[i]
		}
		if k == o {
			continue
		}
		call, k := split(k)
		other, o := split(o)
		if call != other {
			call += " or " + other
		}
		return call + " gives " + k + ", ours " + o
	}
	return "nothing"
}

// What varies from one sequence to another in a line of a log.
var lineParts = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`"[^"]*"|[0-9]+ bytes`), "DATA"},
	{regexp.MustCompile(` with \{.*\}`), " with control"},
	{regexp.MustCompile(` to \S+( family [0-9]+)?( len [0-9]+)?`), " to a name"},
	{regexp.MustCompile(`\bs[0-9]+\b`), "s"},
	{regexp.MustCompile(`:P?[0-9]+\b`), ":p"},
	{regexp.MustCompile(`, \[[0-9]+\] [0-9a-f]*`), ", VALUE"},
	{regexp.MustCompile(` = [1-9][0-9]*`), " = N"},
}

func split(line string) (call, outcome string) {
	for _, p := range lineParts {
		line = p.what.ReplaceAllString(line, p.name)
	}
	call, outcome, _ = strings.Cut(line, " = ")
	return call, outcome
}

func recordSequences(t *testing.T) {
	rec := map[string]sequenceRecording{}
	for i := range sequencesRecorded {
		q := Generate(uint64(1 + i))
		if o := try(t, q); o.same {
			rec[fmt.Sprint(q.Seed)] = sequenceRecording{q.Hash(), o.theirs}
		}
	}
	b, err := json.MarshalIndent(rec, "", " ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.FromSlash(recordedSequences), append(b, '\n'), 0o644))
}

// replaySequences compares with what the kernel has said to the first sequences.
func replaySequences(t *testing.T) {
	b, err := os.ReadFile(filepath.FromSlash(recordedSequences))
	if err != nil {
		t.Skipf("%s, and no recording: %v", kernelHere(), err)
	}
	var rec map[string]sequenceRecording
	require.NoError(t, json.Unmarshal(b, &rec))
	stale := 0
	for i := range sequencesRecorded {
		q := Generate(uint64(1 + i))
		was, ok := rec[fmt.Sprint(q.Seed)]
		if !ok {
			continue
		}
		if was.Hash != q.Hash() {
			stale++
			continue
		}
		if mine := askOurs(t, q.Scenario()); !slices.Equal(mine, was.Log) {
			t.Errorf("%s%s", q, compare(was.Log, mine))
		}
	}
	t.Logf("%d sequences were recorded, %d of them of other steps than now", len(rec), stale)
}

// The same seed makes the same sequence, another seed another.
func TestGenerateRepeats(t *testing.T) {
	require.Equal(t, Generate(7).String(), Generate(7).String())
	require.NotEqual(t, Generate(7).Hash(), Generate(8).Hash())
	for s := range uint64(200) {
		n := len(Generate(s).Steps)
		require.GreaterOrEqual(t, n, 10)
		require.LessOrEqual(t, n, 50)
	}
}

// What counts as data that moved.
func TestMoved(t *testing.T) {
	require.True(t, Moved([]string{`recvmsg(s1, 10, 0x0) = 3 "abc"`}))
	for _, line := range []string{`recvmsg(s1, 10, 0x0) = 0 ""`, `recvmsg(s1, 10, 0x0) = EAGAIN`, `recvmsg(s1, 3000, 0x2000) = 5 "hello" flags 0x2000`,
		`sendmsg(s1, "abc", 0x0) = 3`} {
		require.False(t, Moved([]string{line}), line)
	}
}
