package dad

// maxLoops is how many looped probes make the machine probe again (RFC 7527 §4.1 suggests
// MAX_MULTICAST_SOLICIT, 3).
const maxLoops = 3
