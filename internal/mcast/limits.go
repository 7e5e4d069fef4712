package mcast

import "time"

// The bounds of everything in this package that can grow, and the times of RFC 3376 §8 and RFC 3810 §9.
const (
	// maxSources bounds the sources of one group on one interface, over all members: more than a report of 64 KB
	// names.
	maxSources = 8192
	// maxGroups bounds the groups of one machine, those that were left and are still to be told of included.
	// The stack bounds those that are joined at half of it.
	maxGroups = 8192

	// DefaultRobustness is how often a change is told (Linux's igmp_qrv and mld_qrv).
	DefaultRobustness = 2
	// maxRobustness is the most that a querier can ask for: its field has three bits.
	maxRobustness = 7
	// defaultInterval is how often a querier is taken to ask until it says so.
	defaultInterval = 125 * time.Second
	// defaultResponse is how much time it is taken to give for answers.
	defaultResponse = 10 * time.Second

	// oldRepeat and newRepeat are within which time a change is told again, in older versions and in the newest
	// (Linux's igmpv2_unsolicited_report_interval and igmpv3_unsolicited_report_interval).
	oldRepeat = 10 * time.Second
	newRepeat = time.Second

	// shortestResponse is the least time over which answers are spread, whatever a querier says: queries come
	// from strangers, and this bounds what they can make a host send.
	shortestResponse = 10 * time.Millisecond
)
