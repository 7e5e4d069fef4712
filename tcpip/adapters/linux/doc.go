// Package linux is Linux's socket interface over the endpoints of a stack: families, types, socket
// addresses, options, control messages, flags, poll masks and error numbers as a program knows them. It is
// for sandbox runtimes, which decode a guest's system calls and hand them here; the numbers are data, so it
// works on every platform.
//
// Bytes are laid out as on 64-bit Linux, in the byte order of the machine (network order where Linux has
// that). Nothing blocks: what would is EAGAIN or EINPROGRESS, and a runtime whose guest wants to wait
// registers with Socket.Waiters, asks Socket.Poll and calls again. File descriptors, SIGPIPE, the timeouts of
// SO_RCVTIMEO and the waiting of MSG_WAITALL and SO_LINGER are likewise the runtime's.
//
// A pointer inside an option's value cannot be followed here: for BPF programs (SO_ATTACH_FILTER and its kin, whose
// struct sock_fprog has one) a runtime calls Socket.AttachFilter, Filter, AttachReuseportFilter and
// AttachFanoutProgram. The rings of packet sockets are memory that it maps: Socket.Ring, and Options.RingMemory.
package linux
