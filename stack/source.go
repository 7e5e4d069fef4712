package stack

import (
	"math/bits"
	"net/netip"

	"github.com/seed963a8790/netstack/tcpip"
)

// source chooses the source address of packets to dst that leave n towards nextHop (RFC 6724 §5; zero: dst
// itself). It is zero if there is none.
//
// IPv6 considers the addresses of all NICs, those that belong to n before others of equal scope, but for a
// destination of the link's scope n's own alone (RFC 6724 §4). IPv4 takes n's addresses, whatever their
// scope, and among them one in the network of the next hop, and others if n has none, as Linux does.
func (c *config) source(n *NIC, dst, nextHop netip.Addr, taste tcpip.SourceTaste) netip.Addr {
	if !nextHop.IsValid() {
		nextHop = dst
	}
	to := sourceFor{nic: n, dst: dst, nextHop: nextHop, scope: scopeOf(dst), label: labelOf(dst), public: taste&tcpip.TastePublic != 0}
	rules := sourceRules6
	if dst.Is4() {
		rules = sourceRules4
	}
	best := to.choose(rules, c.addresses.byNIC[n], nil)
	if best == nil && dst.Is4() || to.scope > scopeLink && dst.Is6() {
		best = to.choose(rules, c.addresses.all, best)
	}
	if best == nil {
		return netip.Addr{}
	}
	return best.addr
}

// sourceFor is what the rules compare a candidate with.
type sourceFor struct {
	nic          *NIC
	dst, nextHop netip.Addr
	scope        uint8
	label        uint8
	public       bool // prefer what is not temporary (RFC 5014)
}

// choose returns the best of best (nil: none yet) and the candidates; the earlier of equals.
func (to sourceFor) choose(rules []sourceRule, candidates []*localAddress, best *localAddress) *localAddress {
	for _, l := range candidates {
		if to.eligible(l) && (best == nil || to.better(rules, l, best)) {
			best = l
		}
	}
	return best
}

func (to sourceFor) eligible(l *localAddress) bool {
	if l.addr.Is4() != to.dst.Is4() || !l.state.usable() || l.addr.Is4() && l.addr.IsLoopback() && !to.dst.IsLoopback() {
		return false
	}
	return l.nic == to.nic || !l.addr.IsLinkLocalUnicast() && !l.addr.IsLoopback()
}

func (to sourceFor) better(rules []sourceRule, a, b *localAddress) bool {
	for _, rule := range rules {
		if x, y := rule(to, a), rule(to, b); x != y {
			return x > y
		}
	}
	return false
}

// sourceRule rates a candidate; more is better.
type sourceRule func(to sourceFor, l *localAddress) int

// The rules of RFC 6724 §5 in their order. Rule 4 (home addresses) compares what this stack does not have, and
// rule 5.5 needs to know which router advertised a prefix.
var (
	sourceRules6 = []sourceRule{ruleSame, ruleScope, ruleNotDeprecated, ruleOutgoing, ruleLabel, ruleTemporary, rulePrefix}
	sourceRules4 = []sourceRule{ruleSame, ruleOutgoing, ruleScope, ruleNotDeprecated, ruleNextHop, ruleLabel}
)

// Rule 1: prefer the destination itself.
func ruleSame(to sourceFor, l *localAddress) int { return one(l.addr == to.dst) }

// Rule 2: prefer the smallest scope that reaches the destination, else the largest.
func ruleScope(to sourceFor, l *localAddress) int {
	s := scopeOf(l.addr)
	if s >= to.scope {
		return int(scopeGlobal) + 1 - int(s)
	}
	return int(s) - int(scopeGlobal) - 1
}

// Rule 3: avoid deprecated addresses.
func ruleNotDeprecated(_ sourceFor, l *localAddress) int { return one(l.state != AddressDeprecated) }

// Rule 5: prefer the outgoing NIC.
func ruleOutgoing(to sourceFor, l *localAddress) int { return one(l.nic == to.nic) }

// Rule 6: prefer the destination's label.
func ruleLabel(to sourceFor, l *localAddress) int { return one(labelOf(l.addr) == to.label) }

// Rule 7: prefer temporary addresses, or the others to whoever says so.
func ruleTemporary(to sourceFor, l *localAddress) int { return one(l.temporary != to.public) }

// Rule 8: prefer the longest prefix in common with the destination, as far as the source's own goes.
func rulePrefix(to sourceFor, l *localAddress) int {
	return min(commonBits(l.addr, to.dst), l.prefix.Bits())
}

// IPv4 in place of rule 8: prefer the network of the next hop.
func ruleNextHop(to sourceFor, l *localAddress) int { return one(l.prefix.Contains(to.nextHop)) }

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Scopes with the numbers of multicast (RFC 4291 §2.7, RFC 6724 §3.1).
const (
	scopeLink   uint8 = 2
	scopeSite   uint8 = 5
	scopeGlobal uint8 = 14
)

// scopeOf returns the scope of an address (RFC 6724 §3.1 and §3.2: private IPv4 addresses are global).
func scopeOf(a netip.Addr) uint8 {
	switch {
	case a.IsMulticast():
		if a.Is4() {
			if a.IsLinkLocalMulticast() {
				return scopeLink
			}
			return scopeGlobal
		}
		return a.As16()[1] & 0x0f
	case a == limitedBroadcast, a.IsLinkLocalUnicast(), a.IsLoopback():
		return scopeLink
	case siteLocal.Contains(a):
		return scopeSite
	}
	return scopeGlobal
}

var siteLocal = netip.MustParsePrefix("fec0::/10")

// policyRow is a row of the policy table. Its precedence is for choosing among destinations, which is a
// resolver's business and not a stack's, so only the label is kept.
type policyRow struct {
	prefix netip.Prefix
	label  uint8
}

// policyTable is RFC 6724 §2.1, the longest prefixes first.
var policyTable = [...]policyRow{
	{netip.MustParsePrefix("::1/128"), 0},
	{netip.MustParsePrefix("::ffff:0:0/96"), 4},
	{netip.MustParsePrefix("::/96"), 3},
	{netip.MustParsePrefix("2001::/32"), 5},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("3ffe::/16"), 12},
	{netip.MustParsePrefix("fec0::/10"), 11},
	{netip.MustParsePrefix("fc00::/7"), 13},
	{netip.MustParsePrefix("::/0"), 1},
}

// labelOf returns the label of an address; all of IPv4 has one.
func labelOf(a netip.Addr) uint8 {
	if a.Is4() {
		return 4
	}
	for i := range policyTable {
		if policyTable[i].prefix.Contains(a) {
			return policyTable[i].label
		}
	}
	return 1
}

// commonBits returns how many leading bits two addresses of one family share.
func commonBits(a, b netip.Addr) int {
	x, y := addr128From(a), addr128From(b)
	n := bits.LeadingZeros64(x.hi ^ y.hi)
	if n == 64 {
		n += bits.LeadingZeros64(x.lo ^ y.lo)
	}
	if a.Is4() {
		n -= 96
	}
	return n
}
