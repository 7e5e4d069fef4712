package packetdrill

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Verdict is what a recorded script says of two systems.
type Verdict string

// The verdicts.
const (
	// Same is a script that plays on the other system too.
	Same Verdict = "same"
	// Near is one that does once its packets come some milliseconds earlier or later: the systems' timers tell them
	// apart, or chance.
	Near Verdict = "near"
	// Differs is one that does not.
	Differs Verdict = "differs"
	// Unstable is one that does not play again on the system that it was recorded of.
	Unstable Verdict = "unstable"
	// Failed is one that could not be recorded.
	Failed Verdict = "failed"
)

// Comparison records one system and plays what comes of it on another.
type Comparison struct {
	Recorder
	Other func(Conf) (System, error)
	// By how much a packet may be off: where it was recorded, and elsewhere.
	Again, Elsewhere time.Duration
	Retries          int    // how often recording and playing again are tried once more
	Dir              string // that the scripts go to, named by their profile and seed; "": none are kept
	Jobs             int
}

// Run records so many scripts of each profile, with the seeds from first on, and writes a line for each whose verdict is
// not Same; then, alone on a line, the numbers. It reports whether no script differs.
//
// Errors: a file that cannot be written.
func (c *Comparison) Run(w io.Writer, profiles []string, first uint64, n int) (ok bool, err error) {
	type job struct {
		profile string
		seed    uint64
	}
	jobs := make(chan job)
	var wait sync.WaitGroup
	var mu sync.Mutex
	count := map[Verdict]int{}
	for range max(c.Jobs, 1) {
		wait.Go(func() {
			for j := range jobs {
				verdict, why, wrong := c.one(j.profile, j.seed)
				mu.Lock()
				if count[verdict]++; verdict != Same {
					fmt.Fprintf(w, "%s %s-%d: %v\n", verdict, j.profile, j.seed, why)
				}
				if wrong != nil {
					err = wrong
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		for _, profile := range profiles {
			jobs <- job{profile, first + uint64(i)}
		}
	}
	close(jobs)
	wait.Wait()
	fmt.Fprintf(w, "%d same, %d near, %d differ, %d unstable, %d failed\n", count[Same], count[Near], count[Differs], count[Unstable], count[Failed])
	return count[Differs] == 0, err
}

// one records a script, keeps it and judges it. why is what speaks for the verdict.
func (c *Comparison) one(profile string, seed uint64) (v Verdict, why, err error) {
	text, why := c.Record(profile, seed)
	for i := 0; why != nil && i < c.Retries; i++ {
		text, why = c.Record(profile, seed)
	}
	name := fmt.Sprintf("%s-%d.pkt", profile, seed)
	if c.Dir != "" {
		name = filepath.Join(c.Dir, name)
		err = os.WriteFile(name, []byte(text), 0o644)
	}
	if why != nil {
		return Failed, why, err
	}
	v, why = c.Judge(name, text, seed)
	return v, why, err
}

// nudged is how often a script is played with other times before it is said to differ.
const nudged = 24

// Judge plays a recorded script again, and on the other system. The seed decides about the times that are tried.
func (c *Comparison) Judge(name, text string, seed uint64) (Verdict, error) {
	s, err := Parse(name, text, nil)
	if err != nil {
		return Failed, err
	}
	conf := c.Conf
	conf.Tolerance = c.Again
	again := verdict(Play(s, conf, c.Make))
	for i := 0; again != nil && i < c.Retries; i++ {
		again = verdict(Play(s, conf, c.Make))
	}
	if again != nil {
		return Unstable, again
	}
	conf.Tolerance = c.Elsewhere
	differs := verdict(Play(s, conf, c.Other))
	if differs == nil {
		return Same, nil
	}
	d := rand.New(rand.NewPCG(seed, 3))
	for i := range nudged {
		if verdict(Play(s.nudge(d, time.Duration(1+i/3)*time.Millisecond), conf, c.Other)) == nil {
			return Near, differs
		}
	}
	return Differs, differs
}

func verdict(r Result) error {
	if r.Skip != "" {
		return skipped(r.Skip)
	}
	return r.Err
}

// nudge returns a script whose packets and calls come up to a time earlier or later, and those after a pause up to an eighth
// of it, as Linux's timers do.
func (s *Script) nudge(d *rand.Rand, by time.Duration) *Script {
	n := *s
	n.Events = slices.Clone(s.Events)
	for i := range n.Events {
		e := &n.Events[i]
		if e.Time.At > 2*by && (e.Call != nil || e.Packet != nil && e.Packet.Inbound) {
			most := by + e.Time.At/8
			e.Time.At += time.Duration(d.Int64N(int64(2*most)+1)) - most
		}
	}
	return &n
}
