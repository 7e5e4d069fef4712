package gonet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/seed963a8790/netstack/tcpip"
)

// timeoutError is a deadline or a Dialer's Timeout that has passed: os.ErrDeadlineExceeded and
// context.DeadlineExceeded in one, as the two appear in package net.
type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func (timeoutError) Is(target error) bool {
	return target == os.ErrDeadlineExceeded || target == context.DeadlineExceeded
}

// fail wraps err for the caller of op.
func (c *conn) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	e := &net.OpError{Op: op, Net: c.network, Err: plain(err)}
	if c.local.Port != 0 {
		e.Source = c.LocalAddr()
	}
	if c.remote.Port != 0 {
		e.Addr = c.RemoteAddr()
	} else {
		e.Source, e.Addr = nil, e.Source // as package net has it for listeners and open sockets
	}
	return e
}

// plain returns the standard library's own error where err has a twin there.
func plain(err error) error {
	switch err {
	case tcpip.ErrClosed:
		return net.ErrClosed
	case tcpip.ErrDeadline:
		return timeoutError{}
	}
	return err
}

// isBlocked reports whether err says that the operation has to wait.
func isBlocked(err error) bool { return err == tcpip.ErrWouldBlock }

var (
	errNoStack    = errors.New("no stack given")
	errNotLiteral = errors.New("not an IP address: names are the program's to resolve")
	errNoSuitable = errors.New("no address of the network's family")
)
