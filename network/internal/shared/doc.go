// Package shared holds what IPv4 and IPv6 have in common: the parts of a network protocol that do not
// depend on the form of its header.
package shared
