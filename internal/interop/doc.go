// Package interop tests the stack against the programs of the running Linux kernel: curl, ping and
// tracepath in a network namespace, over TUN. It has no code of its own.
package interop
