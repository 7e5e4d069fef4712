package packetdrill

import (
	"fmt"
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
	NonFatal  bool
}

// DefaultConf is what scripts run with that ask for nothing.
func DefaultConf() Conf {
	return Conf{
		IPVersion: "ipv4", Tolerance: 4 * time.Millisecond, MTU: 1500,
		Setup: Setup{
			V4: Addresses{netip.MustParseAddr("192.168.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.168.0.2"), 16},
			V6: Addresses{netip.MustParseAddr("fd3d:fa7b:d17d::1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fd3d:fa7b:d17d::2"), 48},
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
		case "non_fatal":
			c.NonFatal = true
		case "local_ip", "local_v4":
			err = c.address(o.Value, func(a *Addresses, v netip.Addr) { a.Local = v })
		case "remote_ip":
			err = c.address(o.Value, func(a *Addresses, v netip.Addr) { a.Remote = v })
		case "gateway_ip":
			err = c.address(o.Value, func(a *Addresses, v netip.Addr) { a.Gateway = v })
		case "netmask_ip", "define", "D", "send_omit_free", "speed", "init_scripts", "tcp_ts_tick_usecs", "bind_port", "code_command",
			"code_format", "code_sockopt", "connect_port", "dry_run", "verbose", "wire_client", "so_filename", "debug", "tcp_ts_ecr_scaled":
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
