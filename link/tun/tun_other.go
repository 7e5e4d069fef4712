//go:build !linux

package tun

import (
	"net/netip"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// Device is a stack.Link over a TUN or TAP device. There is none on this system.
type Device struct{ stack.Link }

// Open returns tcpip.ErrNotSupported.
func Open(Options) (*Device, error) { return nil, tcpip.ErrNotSupported }

// FromFD returns tcpip.ErrNotSupported.
func FromFD([]int, Options) (*Device, error) { return nil, tcpip.ErrNotSupported }

// Name returns the name of the interface.
func (*Device) Name() string { return "" }

// SetMTU returns tcpip.ErrNotSupported.
func (*Device) SetMTU(int) error { return tcpip.ErrNotSupported }

// SetUp returns tcpip.ErrNotSupported.
func (*Device) SetUp(bool) error { return tcpip.ErrNotSupported }

// AddHostAddress returns tcpip.ErrNotSupported.
func (*Device) AddHostAddress(netip.Prefix) error { return tcpip.ErrNotSupported }
