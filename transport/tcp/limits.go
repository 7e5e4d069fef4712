package tcp

import "time"

// The bounds of everything in this package that can grow. Unit, reason and source stand beside each.
const (
	// backlogSlack is what an endpoint's backlog may hold in slab bytes beyond its receive limit, as
	// Linux's tcp_add_backlog has it: room for headers and pure ACKs.
	backlogSlack = 64 << 10

	// maxTransmit is the most bytes that one connection keeps below itself, in transmit queues, however
	// fast it is. Linux's tcp_limit_output_bytes is 4 MB; a quarter keeps them in the second-level cache.
	maxTransmit = 1 << 20
	// minTransmit is what it may always keep there: two super-segments.
	minTransmit = 2 << 16

	// maxBacklog bounds the accept queue, connections (net.core.somaxconn).
	maxBacklog = 4096
	// synBacklog is the default bound of a listener's half-open connections, of which its backlog is
	// another (net.ipv4.tcp_max_syn_backlog with plenty of memory).
	synBacklog = 4096
	// keptHalfOpen is for how many half-open connections the table is kept when there are none, entries.
	keptHalfOpen = 256
	// synAckRetries is how often a SYN-ACK is sent again (net.ipv4.tcp_synack_retries): 63 s in all.
	synAckRetries = 5

	// timeWaitMax bounds the connections in TIME-WAIT of a stack (net.ipv4.tcp_max_tw_buckets is
	// 65,536 with 4 GB). Beyond it the oldest goes first.
	timeWaitMax = 65536
	// timeWaitReuse is how old a connection in TIME-WAIT must be before a connect may take its port
	// (net.ipv4.tcp_tw_reuse_delay); timeWaitSteps is how many of the oldest are looked at, and timeWaitScan
	// how many of the right addresses are tried.
	timeWaitReuse = time.Second
	timeWaitSteps = 1024
	timeWaitScan  = 64
	// timeWaitCrowd is the number of them from which a connect looks for one to reuse before it looks for a
	// free port: with most ports taken that search would be long.
	timeWaitCrowd = 4096

	// orphanMax bounds the closed endpoints that still send (net.ipv4.tcp_max_orphans with 4 GB). Beyond
	// it Close resets.
	orphanMax = 16384

	// errorBacklog bounds the ICMP errors that wait for an endpoint's lock, entries.
	errorBacklog = 8
	// maxQuoted bounds what such an entry keeps of the packet that an ICMP error quotes, bytes.
	maxQuoted = 1280

	// stampsMax bounds the writes whose time stamps are due, and arrivalsMax the times of arrival of what is unread. What is
	// due goes to the error queue, which shares the receive buffer.
	stampsMax   = 256
	arrivalsMax = 1024
	// zeroCopyMax bounds the completions of WriteZeroCopy that a connection owes or that wait to be read, entries: as many
	// as Linux's net.core.optmem_max of 128 KB holds, measured.
	zeroCopyMax = 157

	// resetRate bounds the RSTs sent to segments without a connection, per second; a burst is as many.
	resetRate = 10000
	// challengeRate bounds the challenge ACKs of a stack, per second, before randomisation
	// (net.ipv4.tcp_challenge_ack_limit was 1000 while it had a limit).
	challengeRate = 1000

	// pathRefresh is how long a connection uses a learnt path MTU before it asks the cache again, which
	// forgets.
	pathRefresh = time.Minute
	// confirmInterval is the least time between two confirmations of reachability to the neighbour
	// machine (RFC 4861 §7.3.1), whose own unit is seconds.
	confirmInterval = time.Second

	// suspectRetries is after how many timeouts in a row the neighbour is probed: one is an everyday loss.
	suspectRetries = 2

	// minPathMTU4 and minPathMTU6 are the least MTUs, bytes, that an ICMP error is believed to mean
	// (net.ipv4.route.min_pmtu; RFC 8200 §5).
	minPathMTU4 = 552
	minPathMTU6 = 1280

	// md5KeysMax bounds the keys of TCP_MD5SIG of an endpoint, entries: Linux's net.core.optmem_max of 128 KB holds about
	// as many. md5SecretMax is the length of one, bytes (TCP_MD5SIG_MAXKEYLEN).
	md5KeysMax   = 1024
	md5SecretMax = 80

	// fastCacheMax bounds the servers whose fast-open cookies are kept, entries: about as many as Linux's tcp_metrics has
	// with little memory. The oldest goes first.
	fastCacheMax = 1024
	// fastOpenPenalty is how long a connection that began with fast open, was accepted and then reset before its
	// handshake was over counts against the listener's bound (RFC 7413 §5.1, as Linux has it).
	fastOpenPenalty = time.Minute
	// blackholeTimeouts is after how many timeouts in a row a connection that began with data is taken to be swallowed,
	// and maxBlackholeDoublings how often the pause for it doubles, as on Linux.
	blackholeTimeouts     = 3
	maxBlackholeDoublings = 6

	// requestsMax bounds the requests of a Handler that are unanswered or in their handshake, entries of about 700 bytes: as
	// many as synBacklog. requestTimeout is how long one waits for its answer.
	requestsMax    = synBacklog
	requestTimeout = 30 * time.Second

	// batchPieces bounds the pieces of a Batch: a super-segment of full Ethernet frames has 45.
	batchPieces = 64

	// redeliveries is how often a packet may find its endpoint gone and ask the demux again.
	redeliveries = 2
)
