package nud_test

import (
	"fmt"

	"github.com/seed963a8790/netstack/internal/nud"
	"github.com/seed963a8790/netstack/tcpip"
)

// A neighbour is resolved, and asked for a sign of life when it is used again later.
func Example() {
	var e nud.Entry
	c, now := nud.DefaultConf(), tcpip.Time(1)

	fmt.Println(e.Use(now, &c) == nud.SolicitAll, e.State())
	fmt.Println(e.Advertised(now, &c, nud.Advert{Link: tcpip.LinkAddr{2, 0, 0, 0, 0, 1}, Solicited: true}) == nud.Resolved, e.State(), e.Link())
	now = e.Deadline()
	e.Advance(now, &c)
	fmt.Println(e.State())
	e.Use(now, &c)
	fmt.Println(e.State())
	fmt.Println(e.Advance(e.Deadline(), &c) == nud.SolicitOne, e.State())
	// Output:
	// true INCOMPLETE
	// true REACHABLE 02:00:00:00:00:01
	// STALE
	// DELAY
	// true PROBE
}
