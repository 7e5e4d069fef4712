package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// progress shows on standard error how far a transfer has come: one line that changes on a terminal,
// a line now and then elsewhere.
type progress struct {
	name  string
	total int64
	done  atomic.Int64
	began time.Time
	quit  chan struct{}
	ended sync.WaitGroup
}

func newProgress(name string, total int64) *progress {
	p := &progress{name: name, total: max(total, 1), began: time.Now(), quit: make(chan struct{})}
	p.ended.Go(p.run)
	return p
}

func (p *progress) run() {
	every, end := 250*time.Millisecond, "\n"
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		every, end = 100*time.Millisecond, "\r"
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprint(os.Stderr, p, end)
		case <-p.quit:
			fmt.Fprintln(os.Stderr, p)
			return
		}
	}
}

// String returns the line.
func (p *progress) String() string {
	n := p.done.Load()
	return fmt.Sprintf("%-15s %3d %%  %8.2f Gbit/s", p.name, 100*n/p.total, gigabits(n, time.Since(p.began)))
}

func (p *progress) stop() {
	close(p.quit)
	p.ended.Wait()
}

// reader counts what is read from r.
func (p *progress) reader(r io.Reader) io.Reader { return countingReader{r, p} }

type countingReader struct {
	r io.Reader
	p *progress
}

func (c countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.done.Add(int64(n))
	return n, err
}

func gigabits(bytes int64, in time.Duration) float64 {
	return float64(bytes) * 8 / max(float64(in), 1)
}

// summary tells what has happened.
func summary(w io.Writer, size byteSize, transfers []*transfer, stacks map[string]*stack.Stack) {
	fmt.Fprintln(w, "verified")
	for _, t := range transfers {
		fmt.Fprintf(w, "%v %s in %v: %.2f Gbit/s\n", size, t.name, t.took.Round(time.Millisecond), gigabits(int64(size), t.took))
	}
	for _, t := range transfers {
		fmt.Fprintf(w, "\nTCP_INFO of the client, %s\n", t.name)
		tcpInfo(w, &t.info)
	}
	for _, name := range []string{"client", "server"} {
		if s := stacks[name]; s != nil {
			fmt.Fprintf(w, "\ncounters of the %s\n", name)
			counters(w, s)
		}
	}
}

func tcpInfo(w io.Writer, i *tcp.Info) {
	for _, row := range [][]any{
		{"state", i.State}, {"congestion control", i.Congestion + ", " + i.Phase},
		{"rtt", i.RTT}, {"rttvar", i.RTTVar}, {"min rtt", i.MinRTT}, {"rto", i.RTO},
		{"send mss", i.SendMSS}, {"path mtu", i.PMTU}, {"cwnd segments", i.Cwnd},
		{"send window", i.SendWindow}, {"receive window", i.ReceiveWindow},
		{"segments out", i.SegmentsOut}, {"segments in", i.SegmentsIn}, {"retransmitted", i.TotalRetransmits},
		{"bytes acked", i.BytesAcked}, {"bytes received", i.BytesReceived},
	} {
		fmt.Fprintf(w, "  %-20s %v\n", row...)
	}
}

func counters(w io.Writer, s *stack.Stack) {
	for name, v := range s.Counters().All() {
		if v != 0 {
			fmt.Fprintf(w, "  %-28s %d\n", name, v)
		}
	}
}
