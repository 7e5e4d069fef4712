// Packetdrill runs scripts in packetdrill's language against this stack, in virtual time, or with -kernel against the
// running Linux kernel, which needs root.
//
//	go run ./internal/cmd/packetdrill [-kernel] [-v] [-j N] [--ip_version=...] [-D NAME=VALUE] FILE|DIR...
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

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	options, defines, flags, rest, err := packetdrill.ParseArgs(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "packetdrill:", err)
		return 2
	}
	files, err := packetdrill.Files(rest)
	if err != nil || len(files) == 0 {
		fmt.Fprintln(os.Stderr, "usage: packetdrill [-kernel] [-v] [-j N] [--ip_version=ipv4|ipv6|ipv4-mapped-ipv6] [-D NAME=VALUE] FILE|DIR...")
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
