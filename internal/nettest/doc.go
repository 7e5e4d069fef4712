// Package nettest holds gonet against the conformance suite of golang.org/x/net/nettest. It is a module
// of its own, so that users of the stack do not inherit its dependency.
package nettest
