package simnet_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/seed963a8790/netstack/internal/simnet"
)

var (
	seeds  = flag.Int("seeds", 0, "number of seeds to play; 0: 2000, or 300 with -short")
	digest = flag.Bool("digest", false, "print digests of captures, for another process to compare")
	first  = flag.Uint64("seed", 1, "the first seed")
)

// classes are the counters that a set of runs must have moved: a run that never retransmits, or never
// meets a closed window, proves nothing about that.
var classes = []string{
	"TcpRetransSegs", "TcpExtTCPTimeouts", "TcpExtTCPSackRecovery", "TcpActiveOpens", "TcpPassiveOpens", "TcpExtTW",
	"TcpOutRsts", "TcpEstabResets", "IpForwDatagrams", "Ip6OutForwDatagrams", "Drop.fault", "Drop.bad-checksum",
	"Drop.old-data", "TcpExtTCPWinProbe", "TcpExtTCPOFOQueue", "ArpInRequests", "Icmp6InNeighborSolicits",
	"TcpExtTCPChallengeACK", "TcpExtPAWSEstab", "TcpExtTCPDSACKRecv", "TcpExtTCPAbortOnData",
}

func TestSeeds(t *testing.T) {
	n := *seeds
	if n == 0 {
		n = 2000
		if testing.Short() {
			n = 300
		}
	}
	sum := map[string]uint64{}
	failed := 0
	for i := range uint64(n) {
		s := simnet.Draw(*first + i)
		out, err := s.Run()
		if err != nil {
			t.Errorf("seed %d: %v\n%+v", s.Seed, err, s)
			if failed++; failed == 5 {
				t.Fatal("enough")
			}
		}
		for name, v := range out.Counts {
			sum[name] += v
		}
	}
	for _, c := range classes {
		if sum[c] == 0 {
			t.Errorf("no run reached %s", c)
		}
	}
}

// The same seed gives the same packets, byte for byte and at the same times, in two processes.
func TestSameCaptureInTwoProcesses(t *testing.T) {
	if *digest {
		for seed := range uint64(20) {
			fmt.Printf("digest %d %x\n", seed, captureDigest(t, seed))
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Skip("no executable to run again:", err)
	}
	var runs [2]string
	for i := range runs {
		out, err := exec.Command(self, "-test.run=^TestSameCaptureInTwoProcesses$", "-digest").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "digest ") {
				runs[i] += line
			}
		}
	}
	if strings.Count(runs[0], "\n") != 20 || runs[0] != runs[1] {
		t.Errorf("the captures differ:\n%s\n%s", runs[0], runs[1])
	}
}

// captureDigest plays a seed and returns a hash of all its captures.
func captureDigest(t *testing.T, seed uint64) []byte {
	s := simnet.Draw(seed)
	captures := map[string]*bytes.Buffer{}
	s.Capture = func(name string) io.Writer {
		captures[name] = &bytes.Buffer{}
		return captures[name]
	}
	if _, err := s.Run(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(captures)) {
		if captures[name].Len() < 1000 {
			t.Fatalf("seed %d: the capture of %s is all but empty", seed, name)
		}
		fmt.Fprintln(sum, name)
		sum.Write(captures[name].Bytes())
	}
	return sum.Sum(nil)
}

// The same seed gives the same run.
func TestRepeatable(t *testing.T) {
	for seed := range uint64(10) {
		var previous string
		for range 2 {
			out, err := simnet.Draw(seed).Run()
			if err != nil {
				t.Fatal(err)
			}
			now := fmt.Sprint(out.End, out.Counts)
			if previous != "" && now != previous {
				t.Fatalf("seed %d ran differently:\n%s\n%s", seed, previous, now)
			}
			previous = now
		}
	}
}
