// Command bench measures the stack beside its peers, gVisor's netstack and the kernel, doing the same
// work in the same run: rounds interleaved, data verified, medians and ranges quoted.
//
//	go run . -scenario all
//	go run . -scenario rr,crr -rounds 7 -json
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// peer is one of the systems that do the work.
type peer string

const (
	ours   peer = "ours"
	gvisor peer = "gvisor"
	kernel peer = "kernel"
)

var peers = []peer{ours, gvisor, kernel}

// scenario is one kind of work. run does one round of it and returns the figure.
type scenario struct {
	id, unit string
	lower    bool // less is better
	run      func(peer, time.Duration) (float64, error)
}

// errNotHere is what run returns where a system has no part in a scenario.
var errNotHere = errors.New("no such peer in this scenario")

var scenarios = slices.Concat(bulkScenarios, tunScenarios, rrScenarios, udpScenarios, idleScenarios, flowScenarios, allocScenarios)

// result is one line of the report. Ratios are turned so that more is better.
type result struct {
	Scenario string        `json:"scenario"`
	Unit     string        `json:"unit"`
	Ours     *float64      `json:"ours"`
	Gvisor   *float64      `json:"gvisor"`
	Kernel   *float64      `json:"kernel"`
	VsGvisor *float64      `json:"vs_gvisor"`
	VsKernel *float64      `json:"vs_kernel"`
	BeatsG   *float64      `json:"beats_gvisor"`
	BeatsK   *float64      `json:"beats_kernel"`
	Ranges   [3][2]float64 `json:"ranges"` // lowest and highest round of each, in the order above
	Rounds   int           `json:"rounds"`
}

// choose returns the scenarios that a comma-separated list names. A name that is no scenario's stands for those that
// begin with it and a hyphen.
func choose(list string) (chosen []scenario, err error) {
	if list == "all" {
		return scenarios, nil
	}
	for _, name := range strings.Split(list, ",") {
		before := len(chosen)
		for _, fits := range []func(id string) bool{
			func(id string) bool { return id == name },
			func(id string) bool { return strings.HasPrefix(id, name+"-") },
		} {
			for _, s := range scenarios {
				if fits(s.id) {
					chosen = append(chosen, s)
				}
			}
			if len(chosen) > before {
				break
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("no scenario %q", name)
		}
	}
	return chosen, nil
}

func main() {
	which := flag.String("scenario", "all", "comma-separated scenarios, or all")
	rounds := flag.Int("rounds", 5, "rounds of each scenario and peer")
	length := flag.Duration("time", time.Second, "length of a round")
	asJSON := flag.Bool("json", false, "print a JSON line per scenario instead of a table")
	only := flag.String("peers", "ours,gvisor,kernel", "comma-separated peers")
	profile := flag.String("cpuprofile", "", "write a CPU profile of all rounds to this file")
	flag.Parse()
	chosen, err := choose(*which)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	stop, err := startProfile(*profile)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	raiseFileLimit()
	failed := false
	if !*asJSON {
		fmt.Printf("%-16s %-7s %28s %28s %28s %9s %9s\n", "scenario", "unit", "ours", "gvisor", "kernel", "vs_gvisor", "vs_kernel")
	}
	for _, s := range chosen {
		r, err := measure(s, strings.Split(*only, ","), *rounds, *length)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", s.id, err)
			failed = true
		}
		if *asJSON {
			line, _ := json.Marshal(r)
			fmt.Println(string(line))
		} else {
			fmt.Println(r)
		}
	}
	stop()
	if failed {
		os.Exit(1)
	}
}

// measure runs the rounds of one scenario: ours, peer, peer, ours, ...
func measure(s scenario, only []string, rounds int, length time.Duration) (result, error) {
	figures := map[peer][]float64{}
	var errs []error
	for range rounds {
		for _, p := range peers {
			if !slices.Contains(only, string(p)) {
				continue
			}
			v, err := s.run(p, length)
			switch {
			case errors.Is(err, errNotHere):
			case err != nil:
				errs = append(errs, fmt.Errorf("%s: %w", p, err))
			default:
				figures[p] = append(figures[p], v)
			}
		}
	}
	r := result{Scenario: s.id, Unit: s.unit, Rounds: rounds}
	for i, p := range peers {
		f := figures[p]
		if len(f) == 0 {
			continue
		}
		slices.Sort(f)
		median := f[len(f)/2]
		*[]**float64{&r.Ours, &r.Gvisor, &r.Kernel}[i] = &median
		r.Ranges[i] = [2]float64{f[0], f[len(f)-1]}
	}
	r.VsGvisor, r.BeatsG = compare(s, figures[ours], figures[gvisor])
	r.VsKernel, r.BeatsK = compare(s, figures[ours], figures[kernel])
	return r, errors.Join(errs...)
}

// compare returns the ratio of the medians and that of our worst round to the peer's best.
func compare(s scenario, a, b []float64) (vs, beats *float64) {
	if len(a) == 0 || len(b) == 0 {
		return nil, nil
	}
	ratio := func(x, y float64) *float64 {
		if !s.lower && y == 0 { // of nothing there is no multiple
			return nil
		}
		if s.lower {
			x, y = y, x
		}
		q := math.Round(100*max(x, 0.001)/max(y, 0.001)) / 100 // what is next to nothing counts as equal
		return &q
	}
	last := func(f []float64) float64 { return f[len(f)-1] }
	if s.lower {
		return ratio(a[len(a)/2], b[len(b)/2]), ratio(last(a), b[0])
	}
	return ratio(a[len(a)/2], b[len(b)/2]), ratio(a[0], last(b))
}

func (r result) String() string {
	cell := func(i int, v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf("%.4g [%.4g, %.4g]", *v, r.Ranges[i][0], r.Ranges[i][1])
	}
	times := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf("%.2fx", *v)
	}
	return fmt.Sprintf("%-16s %-7s %28s %28s %28s %9s %9s", r.Scenario, r.Unit, cell(0, r.Ours), cell(1, r.Gvisor), cell(2, r.Kernel), times(r.VsGvisor), times(r.VsKernel))
}
