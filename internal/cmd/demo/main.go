// Demo runs the stack on its main job.
//
//	demo [-size 1GiB] [-pcap FILE]
//
// joins two stacks in memory, runs an ordinary net/http server on one and an ordinary http.Client on the
// other, transfers that much each way, verifies every byte and sums up. It needs no privileges.
//
//	demo -tun NAME -addr PREFIX [-addr PREFIX ...] [-host PREFIX ...] [-pcap FILE]
//
// serves the same page, and echo, discard and chargen, to the kernel's programs over a TUN device. With
// -host it also gives the kernel's end addresses and turns it up; otherwise it says how.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

type options struct {
	size  byteSize
	pcap  string
	tun   string
	addrs prefixes
	hosts prefixes
}

func main() {
	o := options{size: 1 << 30}
	flag.Var(&o.size, "size", "bytes to transfer each way, with KiB, MiB or GiB if you like")
	flag.StringVar(&o.pcap, "pcap", "", "write a capture to `FILE`, in pcapng")
	flag.StringVar(&o.tun, "tun", "", "serve over the TUN device `NAME` instead of in memory")
	flag.Var(&o.addrs, "addr", "with -tun: an address of ours with its prefix, as in 192.0.2.2/24; may be repeated")
	flag.Var(&o.hosts, "host", "with -tun: an address with its prefix for the kernel's end; may be repeated")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if o.tun != "" {
		if len(o.addrs) == 0 {
			return errors.New("-tun needs at least one -addr")
		}
		return serveTUN(ctx, o)
	}
	if len(o.addrs)+len(o.hosts) > 0 {
		return errors.New("-addr and -host go with -tun")
	}
	return inMemory(ctx, o)
}

// byteSize is a flag for a number of bytes.
type byteSize int64

var units = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// Set reads a number with a unit.
func (s *byteSize) Set(text string) error {
	for _, u := range units {
		if digits, ok := strings.CutSuffix(text, u.suffix); ok {
			n, err := strconv.ParseInt(digits, 10, 64)
			if err != nil || n < 0 || n > 1<<50/u.bytes {
				return errors.New("not a size")
			}
			*s = byteSize(n * u.bytes)
			return nil
		}
	}
	return errors.New("not a size")
}

// String returns the size in the largest unit that divides it.
func (s byteSize) String() string {
	for _, u := range units {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + " " + u.suffix
		}
	}
	return "0 B"
}

// prefixes is a flag that may be repeated.
type prefixes []netip.Prefix

// Set adds a prefix.
func (p *prefixes) Set(text string) error {
	a, err := netip.ParsePrefix(text)
	if err == nil {
		*p = append(*p, a)
	}
	return err
}

// String lists the prefixes.
func (p *prefixes) String() string { return fmt.Sprint(*p) }
