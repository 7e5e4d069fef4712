// Package oracle asks the kernel. A scenario is a function over Linux's socket calls; it runs once on real
// sockets, in a network namespace of its own, and once on tcpip/adapters/linux, and the two logs of return
// values, error numbers, names, control messages, poll masks and packets must be equal. Only what cannot be
// equal is given a name instead: ephemeral ports in the order of their appearance, times, identification
// and sequence numbers of packets.
//
// As root on Linux the tests ask the kernel itself; elsewhere they compare with what it said when it was
// last recorded: go test ./internal/oracle -record writes testdata/oracle, with -only what it says to some scenarios.
//
// What nobody thought of is found by random sequences of calls (Generate): TestSequences compares some hundreds, and
// go test ./internal/oracle -run Sequences -sequences 20000 -seed N as many as one likes. A difference is shrunk and
// shown as the text of a scenario; it ends as one in scenarios_found.go.
package oracle
