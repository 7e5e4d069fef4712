package ipv4

const (
	// identifierSlots is how many counters identifications come from: enough that flows seldom share one,
	// in 16 KB.
	identifierSlots = 2048
	// maxIdentifierStep is how far a counter jumps at most after standing still, so that identifications
	// do not repeat much sooner than after 65,536 datagrams.
	maxIdentifierStep = 256
)
