package ratelimit

const (
	// hostBurst is how many tokens a host can save, in tokens (as Linux).
	hostBurst = 6
	// sets and ways are the size of the table of hosts: 1024 of them, in 48 KB.
	sets = 256
	ways = 4
)
