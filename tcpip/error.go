package tcpip

import (
	"net"
	"os"
	"syscall"
)

// Error says why an operation failed. It is one byte with a row in a table, so that returning it
// costs nothing; as an error it works with errors.Is for its own constants, for the standard
// library's twin (net.ErrClosed, os.ErrDeadlineExceeded) and for the errno that Linux gives.
//
// Inside the stack functions return Error and OK means success; at the boundary Err turns it into an
// error.
type Error uint8

// The errors.
const (
	OK Error = iota
	ErrWouldBlock
	ErrClosed
	ErrTimedOut
	ErrDeadline
	ErrConnRefused
	ErrConnReset
	ErrConnAborted
	ErrNotConnected
	ErrAlreadyConnected
	ErrInProgress
	ErrAlreadyInProgress
	ErrAddrInUse
	ErrAddrNotAvailable
	ErrNetUnreachable
	ErrHostUnreachable
	ErrHostDown
	ErrNetDown
	ErrMessageSize
	ErrInvalid
	ErrNoProtocolOption
	ErrProtocolNotSupported
	ErrSocketTypeNotSupported
	ErrNotSupported
	ErrAddressFamily
	ErrDestinationRequired
	ErrPermission
	ErrAccess
	ErrPipe
	ErrNoBuffers
	ErrNoMemory
	ErrNoDevice
	ErrNoAddress
	ErrExists
	ErrNotFound
	ErrProtocol
	ErrNoPort
	ErrTooMany
	ErrFault
	ErrNoMessage
	ErrBusy
	ErrNoSpace
	ErrNoNetwork
	ErrRemoteIO

	numErrors
)

type errorRow struct {
	message string
	errno   int   // Linux's number on every architecture that Go runs on but mips, alpha, sparc
	twin    error // the standard library's, if there is one
	sys     syscall.Errno
}

var errorRows = [numErrors]errorRow{
	OK:                        {"success", 0, nil, 0},
	ErrWouldBlock:             {"operation would block", 11, nil, syscall.EAGAIN},
	ErrClosed:                 {"endpoint is closed", 9, net.ErrClosed, syscall.EBADF},
	ErrTimedOut:               {"connection timed out", 110, nil, syscall.ETIMEDOUT},
	ErrDeadline:               {"i/o timeout", 11, os.ErrDeadlineExceeded, syscall.EAGAIN},
	ErrConnRefused:            {"connection refused", 111, nil, syscall.ECONNREFUSED},
	ErrConnReset:              {"connection reset by peer", 104, nil, syscall.ECONNRESET},
	ErrConnAborted:            {"connection aborted", 103, nil, syscall.ECONNABORTED},
	ErrNotConnected:           {"endpoint is not connected", 107, nil, syscall.ENOTCONN},
	ErrAlreadyConnected:       {"endpoint is already connected", 106, nil, syscall.EISCONN},
	ErrInProgress:             {"operation now in progress", 115, nil, syscall.EINPROGRESS},
	ErrAlreadyInProgress:      {"operation already in progress", 114, nil, syscall.EALREADY},
	ErrAddrInUse:              {"address already in use", 98, nil, syscall.EADDRINUSE},
	ErrAddrNotAvailable:       {"cannot assign requested address", 99, nil, syscall.EADDRNOTAVAIL},
	ErrNetUnreachable:         {"network is unreachable", 101, nil, syscall.ENETUNREACH},
	ErrHostUnreachable:        {"no route to host", 113, nil, syscall.EHOSTUNREACH},
	ErrHostDown:               {"host is down", 112, nil, syscall.EHOSTDOWN},
	ErrNetDown:                {"network is down", 100, nil, syscall.ENETDOWN},
	ErrMessageSize:            {"message too long", 90, nil, syscall.EMSGSIZE},
	ErrInvalid:                {"invalid argument", 22, nil, syscall.EINVAL},
	ErrNoProtocolOption:       {"protocol option not available", 92, nil, syscall.ENOPROTOOPT},
	ErrProtocolNotSupported:   {"protocol not supported", 93, nil, syscall.EPROTONOSUPPORT},
	ErrSocketTypeNotSupported: {"socket type not supported", 94, nil, syscall.ESOCKTNOSUPPORT},
	ErrNotSupported:           {"operation not supported", 95, nil, syscall.EOPNOTSUPP},
	ErrAddressFamily:          {"address family not supported", 97, nil, syscall.EAFNOSUPPORT},
	ErrDestinationRequired:    {"destination address required", 89, nil, syscall.EDESTADDRREQ},
	ErrPermission:             {"operation not permitted", 1, nil, syscall.EPERM},
	ErrAccess:                 {"permission denied", 13, nil, syscall.EACCES},
	ErrPipe:                   {"broken pipe", 32, nil, syscall.EPIPE},
	ErrNoBuffers:              {"no buffer space available", 105, nil, syscall.ENOBUFS},
	ErrNoMemory:               {"cannot allocate memory", 12, nil, syscall.ENOMEM},
	ErrNoDevice:               {"no such device", 19, nil, syscall.ENODEV},
	ErrNoAddress:              {"no such device or address", 6, nil, syscall.ENXIO},
	ErrExists:                 {"already exists", 17, nil, syscall.EEXIST},
	ErrNotFound:               {"not found", 3, nil, syscall.ESRCH},
	ErrProtocol:               {"protocol error", 71, nil, syscall.EPROTO},
	ErrNoPort:                 {"no port is free", 99, nil, syscall.EADDRNOTAVAIL},
	ErrTooMany:                {"too many", 23, nil, syscall.ENFILE},
	ErrFault:                  {"bad address", 14, nil, syscall.EFAULT},
	ErrNoNetwork:              {"machine is not on the network", 64, nil, syscall.EHOSTUNREACH},
	ErrRemoteIO:               {"remote i/o error", 121, nil, syscall.EIO},
	ErrNoMessage:              {"no message of the desired type", 42, nil, syscall.ENOMSG},
	ErrBusy:                   {"resource busy", 16, nil, syscall.EBUSY},
	ErrNoSpace:                {"no space left", 28, nil, syscall.ENOSPC},
}

func (e Error) row() *errorRow {
	if e >= numErrors {
		e = ErrProtocol
	}
	return &errorRows[e]
}

// Err returns e as an error, nil for OK. It does not allocate.
func (e Error) Err() error {
	if e == OK {
		return nil
	}
	return e
}

// Error returns the message.
func (e Error) Error() string { return e.row().message }

// Errno returns the number that a Linux system call gives for e.
func (e Error) Errno() int { return e.row().errno }

// Is makes errors.Is(e, target) true for the standard library's twin of e and for its errno.
func (e Error) Is(target error) bool {
	if target == nil || e == OK {
		return false
	}
	if errno, ok := target.(syscall.Errno); ok {
		return errno == e.row().sys
	}
	return target == e.row().twin
}

// As makes errors.As give e's errno to a *syscall.Errno.
func (e Error) As(target any) bool {
	errno, ok := target.(*syscall.Errno)
	if ok {
		*errno = e.row().sys
	}
	return ok
}

// Timeout reports whether e came of a time that ran out, as net.Error has it.
func (e Error) Timeout() bool { return e == ErrTimedOut || e == ErrDeadline || e == ErrWouldBlock }

// Temporary reports whether trying again may help, as net.Error has it.
func (e Error) Temporary() bool { return e == ErrDeadline || e == ErrWouldBlock || e == ErrNoBuffers }
