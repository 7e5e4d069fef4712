package mcast_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/internal/mcast"
	"github.com/seed963a8790/netstack/tcpip"
)

// An interface joins a group, and says so twice.
func Example() {
	var m mcast.Machine
	m.Init(mcast.Conf{Room: 1476, Random: func(limit time.Duration) time.Duration { return limit / 2 }})

	now := tcpip.Time(1)
	m.Change(now, netip.MustParseAddr("239.1.2.3"), tcpip.SourceFilter{Mode: tcpip.FilterExclude})
	for m.Deadline() != 0 {
		now = m.Deadline()
		m.Advance(now)
		var out mcast.Message
		for m.Poll(&out) {
			for _, r := range out.Records {
				fmt.Println(r.Type, r.Group, time.Duration(now-1))
			}
		}
	}
	// Output:
	// TO_EX 239.1.2.3 0s
	// TO_EX 239.1.2.3 500ms
}
