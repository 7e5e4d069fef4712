package linux

import (
	"errors"
	"strconv"

	"github.com/seed963a8790/netstack/tcpip"
)

// Errno is an error number of Linux, the same on every architecture that runs Go but mips; 0 means success.
type Errno uint16

// The numbers that calls of this package return.
const (
	EPERM           Errno = 1
	ESRCH           Errno = 3
	EAGAIN          Errno = 11
	EACCES          Errno = 13
	EEXIST          Errno = 17
	EFAULT          Errno = 14
	ENODEV          Errno = 19
	EINVAL          Errno = 22
	ENOTTY          Errno = 25
	EPIPE           Errno = 32
	EDOM            Errno = 33
	ERANGE          Errno = 34
	ENOENT          Errno = 2
	EBADF           Errno = 9
	EALREADY        Errno = 114
	EPROTO          Errno = 71
	ENODATA         Errno = 61
	EDESTADDRREQ    Errno = 89
	EMSGSIZE        Errno = 90
	ENOPROTOOPT     Errno = 92
	EPROTONOSUPPORT Errno = 93
	ESOCKTNOSUPPORT Errno = 94
	EOPNOTSUPP      Errno = 95
	EAFNOSUPPORT    Errno = 97
	EADDRINUSE      Errno = 98
	EADDRNOTAVAIL   Errno = 99
	ENETUNREACH     Errno = 101
	ENOBUFS         Errno = 105
	EISCONN         Errno = 106
	ENOTCONN        Errno = 107
	EINPROGRESS     Errno = 115
)

// errnoOf returns the number of an endpoint's error.
func errnoOf(err error) Errno {
	if err == nil {
		return 0
	}
	var e tcpip.Error
	if errors.As(err, &e) {
		return Errno(e.Errno())
	}
	return EPROTO
}

// Error returns the message of the matching tcpip.Error, or the number.
func (e Errno) Error() string { return "errno " + strconv.Itoa(int(e)) }
