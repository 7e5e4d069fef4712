package tcp

// requirements are those of RFC 9293's appendix B, in its order, each in a few words of our own.
var requirements = []struct{ label, section, text string }{
	// Pushed data.
	{"MAY-16", "3.9.1.2", "data written without push may be gathered"},
	{"SHLD-27", "3.9.1.2", "pushes of several writes collapse into the largest segment"},
	{"MAY-15", "3.9.1.2", "a write may say that it pushes"},
	{"MUST-60", "3.9.1.2", "without such writes: nothing is held back for ever"},
	{"MUST-61", "3.9.1.2", "and the last segment of what is queued has PSH"},
	{"MAY-17", "3.9.1.3", "a reader may be told of PSH"},
	{"SHLD-28", "3.9.1.2", "full-sized segments wherever possible"},
	// The window.
	{"MUST-1", "3.1", "the window is an unsigned number"},
	{"REC-1", "3.1", "and kept in 32 bits"},
	{"SHLD-14", "3.8.6", "the right edge of our window never moves left"},
	{"SHLD-15", "3.8.6", "if the peer's does, no new data is sent beyond it"},
	{"SHLD-16", "3.8.6", "what was sent and is within it is sent again as always"},
	{"SHLD-17", "3.8.6", "the connection does not time out over what lies beyond it"},
	{"MUST-34", "3.8.6", "a usable window below zero does no harm"},
	{"MAY-8", "3.8.6.1", "our window may stay closed for ever"},
	{"MUST-35", "3.8.6", "a window that shrinks to zero is probed as any closed one"},
	{"MUST-36", "3.8.6.1", "closed windows are probed"},
	{"SHLD-29", "3.8.6.1", "first after a retransmission timeout"},
	{"SHLD-30", "3.8.6.1", "and then at times that grow exponentially"},
	{"MUST-37", "3.8.6.1", "a window may stay closed as long as the probes are answered"},
	{"MAY-7", "3.8.6", "what was sent beyond a window that shrank may be sent again"},
	{"MUST-66", "3.4", "RST and URG count though our window is closed"},
	// Urgent data.
	{"MUST-30", "3.8.5", "the urgent mechanism is there"},
	{"MUST-62", "3.8.5", "the pointer names the octet behind the urgent data"},
	{"MUST-31", "3.8.5", "urgent data of any length"},
	{"MUST-32", "3.8.5", "the user is told when a pointer comes or moves on"},
	{"MUST-33", "3.8.5", "and can learn whether there is more urgent data to read"},
	{"SHLD-13", "3.8.5", "new programs do not use it"},
	// Options.
	{"MUST-4", "3.1", "end of list, no-operation and MSS are understood"},
	{"MUST-5", "3.1", "options may come in any segment"},
	{"MUST-6", "3.1", "an unknown option is passed over"},
	{"MUST-68", "3.1", "every option but those of one octet has its length"},
	{"MUST-7", "3.1", "an illegal length does no harm"},
	{"MUST-64", "3.2", "options need not begin at a word's boundary"},
	{"MUST-14", "3.7.1", "the MSS option is sent and understood"},
	{"SHLD-5", "3.7.1", "it is in every SYN unless it would say the default"},
	{"MAY-3", "3.7.1", "or in every SYN"},
	{"MUST-15", "3.7.1", "without it the peer gets 536 bytes a segment, 1220 over IPv6"},
	{"MUST-16", "3.7.1", "segments are no larger than the peer's MSS and the path allow, options subtracted"},
	{"SHLD-6", "3.7.3", "on links whose MTU varies by the packet the least counts for our MSS"},
	{"MUST-65", "3.2", "only a SYN has the MSS option"},
	{"MUST-67", "3.7.1", "our MSS is no more than can be received"},
	{"MUST-69", "3.1", "the header is padded with zeros behind the end of the list"},
	// Checksums.
	{"MUST-2", "3.1", "every segment is sent with its checksum"},
	{"MUST-3", "3.1", "and checked when it is received"},
	// The initial sequence number.
	{"MUST-8", "3.4.1", "it follows a clock"},
	{"SHLD-1", "3.4.1", "from a keyed function of the flow"},
	{"MUST-9", "3.4.1", "which nobody outside can compute"},
	// Opening.
	{"MUST-10", "3.5", "both sides may open at once"},
	{"MUST-11", "3.5", "SYN-RECEIVED remembers whether it came of a passive or an active opening"},
	{"MUST-41", "3.9.1.1", "listening does not touch connections that exist"},
	{"MUST-42", "3.9.1.1", "a port can be listened on while it is in SYN-SENT or SYN-RECEIVED"},
	{"MUST-44", "3.9.1.1", "IP chooses the local address of an active opening that has none"},
	{"MUST-45", "3.9.1.1", "and a connection keeps it"},
	{"MUST-46", "3.9.1.1", "opening to a broadcast, multicast or otherwise invalid address is refused"},
	{"MUST-57", "3.9.2.3", "what is sent to a broadcast or multicast address is dropped in silence"},
	// Closing.
	{"SHLD-2", "3.5.3", "a RST may carry data"},
	{"MUST-12", "3.6", "the user learns whether the connection was closed or aborted"},
	{"MAY-1", "3.6.1", "close may end both directions"},
	{"SHLD-3", "3.6.1", "and is a RST then, if data was lost"},
	{"MUST-13", "3.6.1", "TIME-WAIT lasts 2 MSL"},
	{"MAY-2", "3.6.1", "a newer SYN may open a new connection out of it"},
	{"SHLD-4", "3.6.1", "timestamps shorten it (RFC 6191)"},
	// Retransmission.
	{"MUST-19", "3.8.2", "slow start, congestion avoidance, exponential backoff"},
	{"MAY-4", "3.8.1", "a retransmission may have the IP identification of the original"},
	{"MUST-18", "3.8.1", "the timeout of RFC 6298, with Karn's rule"},
	// Acknowledging.
	{"MUST-58", "3.10.7.4", "one ACK for several segments wherever possible"},
	{"SHLD-31", "3.10.7.4", "what comes out of order is kept"},
	{"MUST-59", "3.10.7.4", "all that waits is processed before an ACK is sent"},
	{"MAY-13", "3.10.7.4", "what comes out of order may be acknowledged at once"},
	{"SHLD-18", "3.8.6.3", "ACKs are delayed"},
	{"MUST-40", "3.8.6.3", "by less than half a second"},
	{"SHLD-19", "3.8.6.3", "every second full segment is acknowledged"},
	{"MUST-39", "3.8.6.2.2", "the receiver avoids silly windows"},
	// Sending.
	{"MUST-49", "3.9.2", "the TTL can be set"},
	{"MUST-38", "3.8.6.2.1", "the sender avoids silly windows"},
	{"SHLD-7", "3.7.4", "Nagle's algorithm"},
	{"MUST-17", "3.7.4", "which can be turned off"},
	// Failing.
	{"MUST-20", "3.8.3", "after R1 retransmissions IP is told, after R2 the connection ends"},
	{"MUST-21", "3.8.3", "the user can set R2"},
	{"SHLD-9", "3.8.3", "the user is told between R1 and R2"},
	{"SHLD-10", "3.8.3", "R1 is at least 3 retransmissions"},
	{"SHLD-11", "3.8.3", "R2 is at least 100 seconds"},
	{"MUST-22", "3.8.3", "the same for SYNs"},
	{"MUST-23", "3.8.3", "whose R2 is at least 3 minutes"},
	// Keep-alive.
	{"MAY-5", "3.8.4", "there may be keep-alives"},
	{"MUST-24", "3.8.4", "the user turns them on and off"},
	{"MUST-25", "3.8.4", "they are off by default"},
	{"MUST-26", "3.8.4", "they are sent only if nothing is in flight and nothing has come for an interval"},
	{"MUST-27", "3.8.4", "which can be set"},
	{"MUST-28", "3.8.4", "and is two hours at least by default"},
	{"MUST-29", "3.8.4", "one that is not answered does not end the connection"},
	{"SHLD-12", "3.8.4", "they have no data"},
	{"MAY-6", "3.8.4", "or, if so set, one octet of garbage"},
	// IP options.
	{"MUST-50", "3.9.2", "unknown IP options are ignored"},
	{"MAY-10", "3.9.2", "the timestamp option may be there"},
	{"MAY-11", "3.9.2", "and record route"},
	{"MUST-51", "3.9.2.1", "an active opening can have a source route"},
	{"MUST-52", "3.9.2.1", "which goes before one that was received"},
	{"MUST-53", "3.9.2.1", "a passive opening answers along the reverse of the route that it was reached by"},
	{"SHLD-24", "3.9.2.1", "and a later one overrides it"},
	// ICMP.
	{"MUST-54", "3.9.2.2", "ICMP errors reach the connection that they are about"},
	{"SHLD-25", "3.9.2.2", "the user can learn of unreachable 0, 1, 5"},
	{"MUST-56", "3.9.2.2", "no soft error aborts a connection"},
	{"SHLD-26", "3.9.2.2", "hard ones (unreachable 2 to 4) abort it"},
	{"MUST-55", "3.9.2.2", "source quench is dropped in silence"},
	{"MUST-63", "3.9.2.3", "a SYN from an invalid address is ignored"},
	// The user's interface.
	{"MUST-47", "3.9.1.8", "soft errors are reported"},
	{"SHLD-20", "3.9.1.8", "unless the user does not want to know"},
	{"MUST-48", "3.9.1.9", "the user sets the Diffserv field"},
	{"SHLD-22", "3.9.1.9", "which reaches IP unchanged"},
	{"SHLD-21", "3.9.1.9", "and can be changed while connected"},
	{"SHLD-23", "3.9.2", "which programs do not generally do"},
	{"MAY-9", "3.9.1.9", "the field received last may be told"},
	{"MAY-14", "3.9.1.7", "there may be a call that empties the send queue"},
	{"MUST-43", "3.9.1.1", "opening takes a local address"},
	// More.
	{"MAY-12", "3.10.7.4", "the checks of RFC 5961 against injected data"},
	{"SHLD-8", "3.8.2", "ECN (RFC 3168)"},
	{"MAY-18", "3.8.2", "other congestion controls that conform"},
}

// remark says why a requirement is not, or not wholly, obeyed; or how, where the code cannot.
type remark struct{ kind, text string }

const (
	notApplicable = "does not apply"
	notUsed       = "not used"
	onPurpose     = "otherwise on purpose"
	explained     = "obeyed"
)

var remarks = map[string]remark{
	"MAY-15":  {notUsed, "as in the socket interface every write pushes, unless MSG_MORE or TCP_CORK says otherwise"},
	"MAY-17":  {notUsed, "PSH means nothing to the readers of a socket"},
	"MAY-7":   {notUsed, "but for the first segment, which then probes the window"},
	"SHLD-13": {notApplicable, "it is about programs"},
	"SHLD-6":  {notApplicable, "every link here has one MTU at a time; a route that changes brings its own"},
	"MUST-13": {explained, "the MSL is taken to be 30 seconds, as on Linux; the RFC's two minutes are called arbitrary by itself"},
	"MAY-4":   {notUsed, "every packet has an identification of its own"},
	"MUST-20": {explained, "the advice to IP is a probe of the neighbour (RFC 4861 §7.3), for which R1 is the second timeout in a row"},
	"SHLD-10": {onPurpose, "the neighbour is probed from the second timeout in a row on, so that a gateway that is gone is found in time; the search for a black hole (RFC 4821) begins with the fourth"},
	"SHLD-9":  {onPurpose, "as on Linux nothing is raised: TCP_INFO tells of timeouts in a row, and SO_ERROR of what ICMP has said"},
	"MUST-23": {onPurpose, "131 seconds, by Linux's defaults (net.ipv4.tcp_syn_retries 6, tcp_syn_linear_timeouts 4); TCP_SYNCNT and the stack's option make it longer"},
	"MAY-6":   {notUsed, "no peer is left that needs it"},
	"MUST-53": {onPurpose, "packets with a source route are refused, as by Linux's default and as RFC 7126 §4.3 advises"},
	"SHLD-24": {onPurpose, "as MUST-53"},
	"MUST-56": {onPurpose, "while connecting any of them ends the attempt, as on Linux and as RFC 5461 §4.1 describes; a connection is never aborted"},
	"SHLD-26": {onPurpose, "a connection survives them, as on Linux and as RFC 5461 §4.1 and RFC 5927 §5.2 advise; an attempt to connect does not"},
	"SHLD-23": {notApplicable, "it is about programs"},
	"MAY-9":   {notUsed, "IP_RECVTOS of a stream is kept as on Linux"},
	"MAY-14":  {notUsed, "Linux has none"},
}
