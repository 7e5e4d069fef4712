package ipv4

const (
	// maxIGMP is how long a packet with an IGMP message may be: it is copied into one piece. A query of an Ethernet's
	// MTU names 366 sources.
	maxIGMP = 16384
	// identifierSlots is how many counters identifications come from: enough that flows seldom share one,
	// in 16 KB.
	identifierSlots = 2048
	// maxIdentifierStep is how far a counter jumps at most after standing still, so that identifications
	// do not repeat much sooner than after 65,536 datagrams.
	maxIdentifierStep = 256
)
