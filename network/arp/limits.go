package arp

import "time"

const (
	// defendInterval is the least time between two defences of an address (RFC 5227 §1.1 DEFEND_INTERVAL).
	defendInterval = 10 * time.Second
	// maxDefended is how many addresses can be in conflict and still be defended.
	maxDefended = 64
)
