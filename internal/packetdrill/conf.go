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
	// Percent is by how much of the gap since the event before an event may be off, and Least a tolerance below which no
	// script's own goes.
	Percent float64
	Least   time.Duration
	Tick    time.Duration // of timestamps, which are then compared; 0: they are not
	// PacketsMayDiffer and CallsMayDiffer make differences warnings.
	PacketsMayDiffer, CallsMayDiffer bool
	DryRun                           bool     // scripts are only read
	InitScripts                      []string // programs that run before each
	Capture                          bool     // Result.Capture is wanted
	Setup                            Setup
	// The ports of bind and connect where a script leaves the address open.
	BindPort, ConnectPort uint16
}

// DefaultConf is what scripts run with that ask for nothing.
func DefaultConf() Conf {
	return Conf{
		IPVersion: "ipv4", Tolerance: 4 * time.Millisecond, Percent: 12.5, MTU: 1500, BindPort: 8080, ConnectPort: 8080,
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
		case "tolerance_percent":
			c.Percent, err = strconv.ParseFloat(o.Value, 64)
		case "tolerance_least_usecs":
			var n int
			n, err = strconv.Atoi(o.Value)
			c.Least = time.Duration(n) * time.Microsecond
		case "tcp_ts_tick_usecs":
			var n int
			n, err = strconv.Atoi(o.Value)
			c.Tick = time.Duration(n) * time.Microsecond
		case "non_fatal":
			for what := range strings.SplitSeq(o.Value, ",") {
				switch what {
				case "packet":
					c.PacketsMayDiffer = true
				case "syscall":
					c.CallsMayDiffer = true
				default:
					return fmt.Errorf("--non_fatal is of packet and syscall, not %q", what)
				}
			}
		case "dry_run":
			c.DryRun = true
		case "init_scripts":
			c.InitScripts = strings.Split(o.Value, ",")
		case "verbose", "v", "define", "D": // of the command line
		case "speed", "send_omit_free", "debug", "so_filename", "so_flags", "code_command", "code_format", "code_sockopt",
			"tcp_ts_ecr_scaled", "persistent_tun_dev", "tun_dev", "fail_delay": // of devices and libraries that are not here
		case "wire_client", "wire_server", "wire_client_dev", "wire_server_dev", "wire_server_ip", "wire_server_port", "wire_server_bind_ip",
			"wire_server_at", "wire_client_at", "is_anyip", "udp_encaps":
			return skipped("there is no --" + o.Name + " here: both ends of the wire are in one process")
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
