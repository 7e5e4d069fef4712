// Package transport is what the datagram protocols have in common: the endpoint over which UDP, ping and
// raw sockets differ only in their headers. The protocols themselves live in the folders below.
//
// A Datagram has two locks. mu guards the configuration and serialises senders; it is held while a packet
// is built and enqueued, which waits for nothing. The receive queue has a leaf lock of its own, so that a
// link delivers and a user reads without regard to senders. Neither is held while calling out: waiters are
// told, and owners of packets, by the frame's stack.Work.
package transport
