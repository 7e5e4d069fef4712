package slaac

import "time"

// Bounds of what one link may make us remember. What comes when they are reached is ignored.
const (
	MaxRouters   = 16 // default routers
	MaxPrefixes  = 32 // on-link prefixes
	MaxRoutes    = 64 // more-specific routes (RFC 4191 type C hosts)
	MaxAddresses = 16 // addresses that autoconfiguration makes, as Linux's max_addresses
	MaxRedirects = 64 // destinations with a better first hop
	MaxServers   = 8  // DNS servers; RFC 8106 §5.3.1 asks for three at least
)

// The times of router discovery (RFC 4861 §10, RFC 7559 §2).
const (
	MaxSolicitationDelay = time.Second // bound of the random delay before the first
	SolicitationInterval = 4 * time.Second
	MaxSolicitationTime  = time.Hour // between solicitations, after backing off
)

// redirectTime is how long a redirect holds, as Linux forgets a route nobody renews.
const redirectTime = 10 * time.Minute

// The times of temporary addresses (RFC 8981 §3.8).
const (
	TemporaryValid     = 2 * 24 * time.Hour
	TemporaryPreferred = 24 * time.Hour
	maxDesync          = TemporaryPreferred * 4 / 10
	regenAdvance       = 5 * time.Second // 2 s and, thrice, a probe of duplicate address detection
)

// idRetries is how many identifiers are tried for a prefix before giving up (RFC 7217 §6, RFC 8981 §3.8).
const idRetries = 3

// twoHours is the least to which an unauthenticated advertisement may shorten a lifetime (RFC 4862 §5.5.3).
const twoHours = 2 * time.Hour
