package packetdrill

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Conf is how scripts are run.
type Conf struct {
	IPVersion string // ipv4, ipv6, ipv4-mapped-ipv6
	Tolerance time.Duration
	MTU       int
	Strict    bool // segments as they were sent, not joined
	Setup     Setup
	// The ports of bind and connect where a script leaves the address open.
	BindPort, ConnectPort uint16
}

// DefaultConf is what scripts run with that ask for nothing.
func DefaultConf() Conf {
	return Conf{
		IPVersion: "ipv4", Tolerance: 4 * time.Millisecond, MTU: 1500, BindPort: 8080, ConnectPort: 8080,
		Setup: Setup{
			V4: Addresses{netip.MustParseAddr("192.168.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.168.0.2"), 16},
			V6: Addresses{netip.MustParseAddr("fd3d:a0b:17d6::1"), netip.MustParseAddr("fd3d:fa7b:d17d::1"), netip.MustParseAddr("fd3d:a0b:17d6:8888::1"), 48},
		},
	}
}

// Configure takes the options of a script or of the command line in.
//
// Errors: an option that has no meaning, or a value that cannot be.
func (c *Conf) Configure(options []Option) error {
	for _, o := range options {
		var err error
		switch o.Name {
		case "ip_version":
			if _, ok := modes[o.Value]; !ok {
				return fmt.Errorf("there is no ip_version %q", o.Value)
			}
			c.IPVersion = o.Value
		case "tolerance_usecs":
			var n int
			n, err = strconv.Atoi(o.Value)
			c.Tolerance = time.Duration(n) * time.Microsecond
		case "mtu":
			c.MTU, err = strconv.Atoi(o.Value)
		case "strict_segments":
			c.Strict = true
		case "local_ip", "local_v4":
			err = c.address(o.Value, func(a *Addresses, v netip.Addr) { a.Local = v })
		case "remote_ip":
			err = c.address(o.Value, func(a *Addresses, v netip.Addr) { a.Remote = v })
		case "gateway_ip":
			err = c.address(o.Value, func(a *Addresses, v netip.Addr) { a.Gateway = v })
		case "netmask_ip":
			var mask netip.Addr
			if mask, err = netip.ParseAddr(o.Value); err == nil {
				c.Setup.V4.Bits = leadingOnes(mask)
			}
		case "bind_port":
			c.BindPort, err = port(o.Value)
		case "connect_port":
			c.ConnectPort, err = port(o.Value)
		case "speed", "send_omit_free", "debug", "so_filename": // of the original's own devices and libraries
		default:
			return fmt.Errorf("there is no option --%s", o.Name)
		}
		if err != nil {
			return fmt.Errorf("--%s=%s: %w", o.Name, o.Value, err)
		}
	}
	return nil
}

func (c *Conf) address(s string, set func(*Addresses, netip.Addr)) error {
	host, bits, _ := strings.Cut(s, "/")
	a, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	to := &c.Setup.V4
	if a.Is6() {
		to = &c.Setup.V6
	}
	set(to, a)
	if bits != "" {
		to.Bits, err = strconv.Atoi(bits)
	}
	return err
}

func port(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err
}

// leadingOnes is the length of the prefix that a mask stands for.
func leadingOnes(mask netip.Addr) (n int) {
	for _, b := range mask.AsSlice() {
		n += bits.LeadingZeros8(^b)
		if b != 0xff {
			break
		}
	}
	return n
}
