// Package linux is Linux's socket interface over the endpoints of a stack: families, types, socket
// addresses, options, control messages, flags, poll masks and error numbers as a program knows them. It is
// for sandbox runtimes, which decode a guest's system calls and hand them here; the numbers are data, so it
// works on every platform.
//
// Bytes are laid out as on 64-bit Linux, in the byte order of the machine (network order where Linux has
// that). Nothing blocks: what would is EAGAIN or EINPROGRESS, and a runtime whose guest wants to wait
// registers with Socket.Waiters, asks Socket.Poll and calls again. File descriptors, SIGPIPE, the timeouts of
// SO_RCVTIMEO and the waiting of MSG_WAITALL and SO_LINGER are likewise the runtime's.
package linux
