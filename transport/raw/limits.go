package raw

import "time"

const (
	// flowsMax bounds the flows of a Handler, entries: protocols beside TCP, UDP and ICMP are few between two hosts.
	flowsMax = 1024
	// flowTimeout is how long a flow is remembered after its last packet, as UDP's is.
	flowTimeout = 30 * time.Second
	// firstBytes bounds the first packets that wait for an answer, bytes of memory.
	firstBytes = 1 << 20
)
