package oracle

import (
	"path"
	"slices"
)

// difference is a place where we are not as the kernel: a pattern for the names of scenarios (path.Match),
// every one of which must differ.
type difference struct {
	Name, What, Why string
}

// differenceOf returns the first row for a scenario, or nil.
func differenceOf(name string) *difference {
	for i := range differences {
		if ok, _ := path.Match(differences[i].Name, name); ok {
			return &differences[i]
		}
	}
	return nil
}

// differences are to become fewer. Deliberate ones say so; the others are gaps. Each subject has its table,
// in the file of its scenarios.
var differences = slices.Concat(streamDifferences, tcpWireDifferences, tcpLifeDifferences, tcpHeaderDifferences, tcpCloseDifferences, tcpFlagDifferences,
	tcpICMPDifferences, tcpoptDifferences, streamInfoDifferences, udpDifferences, socketDifferences, filterDifferences, packetDifferences, multicastDifferences, pingDifferences, foundDifferences, timerDifferences, ipDifferences, routerDifferences)
