// Packetdrill runs scripts in packetdrill's language against this stack, in virtual time, or with -kernel against the
// running Linux kernel, which needs root.
//
//	go run ./internal/cmd/packetdrill [flags] FILE|DIR...
//
// Its flags are
//
//	-kernel          the running kernel, over TUN in a namespace, in place of this stack
//	-v, --verbose    the trace of a script that fails; as root side by side with the kernel's
//	-pcap FILE|DIR   the packets, in pcapng's format; a directory gets a file for each script
//	-j N             scripts at once; one with -kernel, otherwise one for each processor
//	-D NAME=VALUE    a name of scripts; also --define
//
// With -record N it writes scripts itself, of connections with a peer of chance, and plays each again and on this stack:
//
//	go run ./internal/cmd/packetdrill -record N [-kernel] [-seed S] [-profile NAME,...] [-out DIR] [-j N]
//
// N of each profile, from seed S on, recorded of the kernel or without -kernel of this stack. It prints a line for each
// that differs, with the first difference; that is near, since it passes if its packets come a few milliseconds earlier
// or later; or that is unstable, since it does not even pass again where it was recorded.
//
// and the options of the language, which scripts may have at their top as well:
//
//	--ip_version=ipv4|ipv6|ipv4-mapped-ipv6   --local_ip, --remote_ip, --gateway_ip, --netmask_ip   --mtu
//	--bind_port, --connect_port   --tolerance_usecs, --tolerance_percent, --tolerance_least_usecs   --strict_segments
//	--tcp_ts_tick_usecs   --non_fatal=packet,syscall   --init_scripts=FILE,...   --dry_run
//
// It prints a line for each script, PASS, FAIL with the first difference, or SKIP with the reason, and at last how many
// there were of each. Its exit status is 0 if none failed, 1 if one did, and 2 if it cannot run.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"github.com/seed963a8790/netstack/internal/packetdrill"
)

// usage is what there is to say to who asks, or gives no file.
const usage = `usage: packetdrill [flags] FILE|DIR...
  -kernel          play on the running kernel, over TUN in a namespace of its own; needs root
  -v               show the trace of a script that fails
  -pcap FILE|DIR   keep the packets, in pcapng's format
  -j N             scripts at once
  -D NAME=VALUE    a name of scripts
  -record N [-seed S] [-profile NAME,...] [-out DIR]   record scripts of chance and compare; with -kernel the kernel's
  --ip_version=ipv4|ipv6|ipv4-mapped-ipv6 --local_ip=A --remote_ip=A --gateway_ip=A --netmask_ip=A --mtu=N
  --bind_port=N --connect_port=N --tolerance_usecs=N --tolerance_percent=N --tolerance_least_usecs=N
  --strict_segments --tcp_ts_tick_usecs=N --non_fatal=packet,syscall --init_scripts=FILE,... --dry_run`

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 1 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help") {
		fmt.Println(usage)
		return 0
	}
	options, defines, flags, rest, err := packetdrill.ParseArgs(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "packetdrill:", err)
		return 2
	}
	if _, ok := flags["record"]; ok {
		return record(flags)
	}
	files, err := packetdrill.Files(rest)
	if err != nil || len(files) == 0 {
		fmt.Fprintln(os.Stderr, usage)
		if err != nil {
			fmt.Fprintln(os.Stderr, "packetdrill:", err)
		}
		return 2
	}
	s := packetdrill.Suite{
		Pcap: flags["pcap"], Conf: packetdrill.DefaultConf(), Options: options, Defines: defines, Make: packetdrill.NewOurs, Jobs: runtime.GOMAXPROCS(0),
	}
	_, verbose := flags["v"]
	if _, kernel := flags["kernel"]; kernel {
		// In real time scripts disturb one another, and a busy machine any of them.
		s.Make, s.Jobs = packetdrill.NewKernel, 1
		s.Retries, s.Patient = 2, packetdrill.Option{Name: "tolerance_least_usecs", Value: "15000"}
	} else if verbose && os.Geteuid() == 0 && runtime.GOOS == "linux" {
		s.Other = packetdrill.NewKernel
	}
	if v, ok := flags["j"]; ok {
		if s.Jobs, err = strconv.Atoi(v); err != nil {
			fmt.Fprintln(os.Stderr, "packetdrill: -j", err)
			return 2
		}
	}
	if !s.Run(os.Stdout, files, verbose) {
		return 1
	}
	return 0
}
