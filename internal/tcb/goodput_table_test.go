package tcb

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	goodputAll    = flag.Bool("goodput.all", false, "TestGoodputTables plays every cell, not a sample (minutes)")
	goodputRecord = flag.Bool("goodput.record", false, "TestGoodputTables writes its tables anew; with -goodput.all")
)

// cell is one line of a table: a path, and what a bulk transfer made of it.
type cell struct {
	bottleneck
	sample bool // played in every run of the tests
}

const (
	goodputSeeds     = 3    // a cell is their mean
	goodputTolerance = 0.10 // of the recorded goodput
	goodputSlack     = 0.005
)

// length is how long the transfer takes: long enough for many sawteeth, or for the few that there are; and for what BBR's
// STARTUP costs, which is up to three and a half seconds of the line at 1 Gbit/s and 200 ms, not to count for much.
func (c *cell) length() time.Duration {
	long := c.rtt >= 200*time.Millisecond
	switch {
	case long && c.cc == BBR:
		return 120 * time.Second
	case long && c.rate >= 1e9 && c.reorder > 0:
		return 60 * time.Second // as long as CUBIC takes from where HyStart ends
	case long || c.rate >= 1e9 && c.reorder > 0:
		return 40 * time.Second
	}
	return 20 * time.Second
}

// key names the path.
func (c *cell) key() string {
	return fmt.Sprintf("%d\t%d\t%g\t%g", c.rate/1e6, c.rtt.Milliseconds(), 100*c.loss, 100*c.reorder)
}

// goodputCells are the paths of the tables: losses alone, and reordering alone.
func goodputCells(cc Congestion) (cells []cell) {
	for _, rate := range []int{10e6, 100e6, 1e9} {
		for _, rtt := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond} {
			for _, loss := range []float64{0, 0.001, 0.01, 0.05} {
				b := bottleneck{rate: rate, rtt: rtt, loss: loss, cc: cc, sack: true}
				cells = append(cells, cell{b, rate == 10e6 && rtt < 200*time.Millisecond || rate == 100e6 && rtt == 50*time.Millisecond && loss > 0})
			}
			if cc == BBR { // what reordering does is recovery's matter, whatever the algorithm
				continue
			}
			for _, reorder := range []float64{0.01, 0.03, 0.10} {
				b := bottleneck{rate: rate, rtt: rtt, cc: cc, sack: true, reorder: reorder}
				bdp := int(float64(rate/8) * rtt.Seconds())
				b.window = max(bdp+bdp*3/4, 16<<10)
				cells = append(cells, cell{b, rate == 10e6 && rtt < 200*time.Millisecond || rate == 100e6 && rtt == 10*time.Millisecond})
			}
		}
	}
	return cells
}

// play returns the mean of the seeds.
func (c *cell) play() (share, late, spurious float64, last goodput) {
	seeds := goodputSeeds
	if c.loss == 0 { // there is no chance in it, or it does not matter
		seeds = 1
	}
	for seed := range uint64(seeds) {
		last = c.run(seed+1, c.length())
		share += last.share / float64(seeds)
		late += last.late / float64(seeds)
		spurious += last.spurious() / float64(seeds)
	}
	return share, late, spurious, last
}

func goodputFile(cc Congestion) string {
	return filepath.Join("testdata", "goodput", algorithms[cc].name+".tsv")
}

const goodputHeader = "# Mbit/s\tRTT ms\tloss %\treordered %\tgoodput, of the rate\tin the last third\tspurious retransmissions, of what was sent\n"

// The goodput of bulk transfers, next to what is recorded in testdata/goodput. The queue holds one bandwidth-delay
// product; where there is reordering, the receiver's window keeps it from overflowing, so that nothing is lost: then
// the line must be full all the same in the end, and hardly anything sent twice. With up to one loss in a hundred BBR leaves
// nine tenths of the line, from the first segment to the last, and in the last third.
func TestGoodputTables(t *testing.T) {
	for _, cc := range []Congestion{Cubic, BBR} {
		t.Run(algorithms[cc].name, func(t *testing.T) {
			recorded := map[string]float64{}
			text, err := os.ReadFile(goodputFile(cc))
			if err != nil && !*goodputRecord {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				if f := strings.Split(line, "\t"); len(f) == 7 && line[0] != '#' {
					var v float64
					fmt.Sscan(f[4], &v)
					recorded[strings.Join(f[:4], "\t")] = v
				}
			}
			out := goodputHeader
			for _, c := range goodputCells(cc) {
				if !c.sample && !*goodputAll {
					continue
				}
				share, late, spurious, last := c.play()
				line := fmt.Sprintf("%s\t%.4f\t%.4f\t%.4f", c.key(), share, late, spurious)
				t.Log(line, last)
				out += line + "\n"
				if was, known := recorded[c.key()]; !*goodputRecord {
					if !known {
						t.Errorf("%s: not recorded", c.key())
					} else if d := share - was; d > was*goodputTolerance+goodputSlack || -d > was*goodputTolerance+goodputSlack {
						t.Errorf("%s: %.4f of the rate, recorded is %.4f", c.key(), share, was)
					}
				}
				if full := float64(last.info.SendMSS) / float64(last.info.SendMSS+goodputOverhead); cc == BBR && c.loss <= 0.01 && min(share, late) < 0.9*full {
					t.Errorf("%s: %.4f of the rate, and %.4f in the last third, less than %.4f", c.key(), share, late, 0.9*full)
				}
				if c.reorder == 0 {
					continue
				}
				line95 := 0.95 * float64(last.info.SendMSS) / float64(last.info.SendMSS+goodputOverhead)
				if late < line95 {
					t.Errorf("%s: %.4f of the rate with reordering alone, less than %.4f", c.key(), late, line95)
				}
				if spurious >= 0.01 {
					t.Errorf("%s: %.4f of what was sent was spurious", c.key(), spurious)
				}
			}
			if !*goodputRecord || !*goodputAll {
				return
			}
			if err := os.MkdirAll(filepath.Dir(goodputFile(cc)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(goodputFile(cc), []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

const goodputOverhead = 52 // bytes of headers in front of a segment's data
