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
	known     = flag.String("known", "", "fail and show those known differences, too, whose names match this regular expression")
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

// sequenceGaps are differences that are known, by their classes and by what one of the sockets of the sequence does, or,
// where it takes two, the sequence as a whole, each with the scenarios that show it, by the name of their row in
// differences: they are counted, and do not fail.
var sequenceGaps = []struct {
	class, one, whole *regexp.Regexp
	scenario          string
}{
	{class: regexp.MustCompile(`TIME false false|with control`), one: regexp.MustCompile(`SO_TIMESTAMPING`)},
	{class: regexp.MustCompile(`^connect\(s, .* gives (EINPROGRESS|EINVAL|ENETUNREACH), ours (EADDRNOTAVAIL|ENETUNREACH)`),
		one:      regexp.MustCompile(`r\.Bind\(s[0-9]+, In[46]\("(::ffff:)?(224|255|10\.77\.0\.255)`),
		scenario: "found/connect-from-many/*"},
	{class: regexp.MustCompile(`^setsockopt\(s, 17, 100,`), one: regexp.MustCompile(`SetOpt`), scenario: "socket/option/UDP_ENCAP/udp?"},
	{class: regexp.MustCompile(`^setsockopt\(s, 41, 1, .* gives 0, ours EADDRNOTAVAIL`), one: regexp.MustCompile(`SetOpt|Set`), scenario: "ip6/addrform/mapped"},
	{class: regexp.MustCompile(`gives (EPROTO|EHOSTUNREACH|ECONNREFUSED|EACCES)|poll`),
		one:      regexp.MustCompile(`sortOf\("(udp|raw|ping)6(.*\n)*.*(Connect|Send|SendMany)\(.*In6\("ff0(.*\n)*complain`),
		scenario: "found/error-about-group/udp6"},
	{class: regexp.MustCompile(`recvm|sendm|poll|sent IPv4`),
		one:      regexp.MustCompile(`sortOf\("udp4(.*\n)*.*0x8000(.*\n)*.*Connect\(.*"(255|192\.0\.2|10\.77\.0\.255)(.*\n)*.*Send`),
		scenario: "found/connect-in-vain/*"},
	{class: regexp.MustCompile(`recvm|sendm|poll|getsockopt|sent IPv4`), one: regexp.MustCompile(`sortOf\("udp4(.*\n)*(.*Connect(.*\n)*){2}.*Send`), scenario: "found/connect-in-vain/*"},
	{class: regexp.MustCompile(`recvm|poll|sent IPv6 .* > 7f00`), one: regexp.MustCompile(`sortOf\("udp6(.*\n)*.*0x8000(.*\n)*.*Connect\(.*ffff(.*\n)*.*Send`), scenario: "found/corked-six-to-four/udp6"},
	{class: regexp.MustCompile(`^(recvm?msg|recvmmsg)\(.* gives (N|[0-9]+) .*, ours (EAGAIN|N)|^poll\(s\) gives 0x.*[145], ours|^ioctl\(.* gives N, ours|^sendmsg\(.* gives ECONNRESET, ours EPIPE|^connect\(.* gives ECONNRESET, ours|^bind\(.* gives EINVAL, ours EADDRINUSE|^shutdown\(.* gives 0, ours ENOTCONN`),
		whole:    regexp.MustCompile(`sortOf\("tcp(.*\n)*.*Send\(s[0-9]+, .*0x8000\)(.*\n)*.*Send`),
		scenario: "found/held-by-more/1400-*/*"},
	{class: regexp.MustCompile(`recvm|sendm|poll|sent IPv4`),
		one:      regexp.MustCompile(`sortOf\("udp4(.*\n)*.*Send\(.*In4\("(10\.77\.0\.2|224|255|10\.77\.0\.255).*0x8000(.*\n)*.*Connect(.*\n)*.*Send`),
		scenario: "found/corked-and-connected/10.77.0.2-1*[01].1/udp4"},
	{class: regexp.MustCompile(`recvm|sendm|poll`),
		one:      regexp.MustCompile(`sortOf\("udp4(.*\n)*.*Connect(.*\n)*(.*UDP_CORK(.*\n)*.*Send\(.*In[46].*|.*Send\(.*In[46].*0x8000.*)\n(.*\n)*.*Send`),
		scenario: "found/corked-elsewhere/*/udp4"},
	{class: regexp.MustCompile(`recvm|sendm|poll|sent IPv4`),
		one:      regexp.MustCompile(`sortOf\("raw4(.*\n)*.*Send\(.*In4\("(10\.77\.0\.2|224|255|10\.77\.0\.255).*0x8000(.*\n)*.*Send`),
		scenario: "found/corked-anew/device/raw4"},
	{class: regexp.MustCompile(`^bind\(.* gives EADDRINUSE, ours 0`), whole: regexp.MustCompile(`sortOf\("tcp6(.*\n)*.*Accept(.*\n)*.*Close(.*\n)*.*Bind\(s[0-9]+, In4`), scenario: "found/bind-beside-child/tcp4"},
	{class: regexp.MustCompile(`^connect\(.* gives 0, ours ENETUNREACH`), one: regexp.MustCompile(`sortOf\("ping6(.*\n)*.*IPV6_V6ONLY`), scenario: "found/ping-mapped/ping6"},
	{class: regexp.MustCompile(`^bind\(.* gives EADDRINUSE, ours 0`), whole: regexp.MustCompile(`sortOf\("udp6(.*\n)*.*Connect(.*\n)*.*Bind`), scenario: "found/bind-beside-six/connected/*"},
	{class: regexp.MustCompile(`^sent IPv4 .* ttl 0`), one: regexp.MustCompile(`IP_MULTICAST_TTL`), scenario: "found/group-without-hops/*"},
	{class: regexp.MustCompile(`gives EAGAIN.*, ours ECONNREFUSED|EINPROGRESS|poll|^shutdown\(.* gives 0, ours ENOTCONN`), one: regexp.MustCompile(`sortOf\("tcp6(.*\n)*.*Bind\(s[0-9]+, In6\("::1"`), scenario: "found/from-one-to-host/*"},
	{class: regexp.MustCompile(`^(recvm?msg|recvmmsg|ioctl|poll)`),
		one:      regexp.MustCompile(`sortOf\("tcp(.*\n)*.*Send\(.*letters\((1400|1473|2000)\).*0x80\)|Accept(.*\n)*.*Send\(.*letters\((1400|1473|2000)\).*0x80\)`),
		scenario: "found/small-behind/1*/*"},
	{class: regexp.MustCompile(`recvm|ioctl`), one: regexp.MustCompile(`SO_RCVBUF`), scenario: "found/least-buffer/*"},
}

// What is known is shown by a scenario that is listed as different.
func TestSequenceGapsHaveScenarios(t *testing.T) {
	for _, g := range sequenceGaps {
		require.True(t, g.scenario == "" || slices.ContainsFunc(differences, func(d difference) bool { return d.Name == g.scenario }), "no difference is listed as %s", g.scenario)
	}
}

// gapOf says which known gap a difference is, "" if it is none.
func gapOf(o outcome, class string) string {
	sockets := o.q.sockets()
	for _, g := range sequenceGaps {
		if g.class.MatchString(class) && (g.whole == nil || g.whole.MatchString(o.q.String())) &&
			(g.one == nil || slices.ContainsFunc(sockets, g.one.MatchString)) {
			return cmp.Or(g.scenario, "what other sockets of the machine want")
		}
	}
	return ""
}

// sockets returns for each socket the text of the steps that concern it, with those that concern none.
func (q Sequence) sockets() (list []string) {
	for n := range maxSlots {
		this := regexp.MustCompile(fmt.Sprintf(`\bs%d\b`, n))
		var b strings.Builder
		concerned := false
		for _, s := range q.Steps {
			own := this.MatchString(s.Text)
			concerned = concerned || own
			if own || !anySocket.MatchString(s.Text) {
				b.WriteString(s.Text + "\n")
			}
		}
		if concerned {
			list = append(list, b.String())
		}
	}
	return list
}

var anySocket = regexp.MustCompile(`\bs[0-9]+\b`)

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
	shownToo := regexp.MustCompile(cmp.Or(*known, "^$"))
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
			if g := gapOf(o, c); g != "" && !shownToo.MatchString(g) {
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
