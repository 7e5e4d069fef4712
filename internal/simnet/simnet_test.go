package simnet_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/seed963a8790/netstack/internal/simnet"
)

var (
	seeds = flag.Int("seeds", 0, "number of seeds to play; 0: 2000, or 300 with -short")
	first = flag.Uint64("seed", 1, "the first seed")
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
