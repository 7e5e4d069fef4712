package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/internal/packetdrill"
)

// record records scripts and compares. It returns the exit status.
func record(flags map[string]string) int {
	c := packetdrill.Comparison{
		Recorder: packetdrill.Recorder{Conf: packetdrill.DefaultConf(), Make: packetdrill.NewOurs},
		Other:    packetdrill.NewOurs, Again: 4 * time.Millisecond, Elsewhere: 4 * time.Millisecond, Dir: flags["out"], Jobs: 1,
	}
	if _, kernel := flags["kernel"]; kernel { // in real time; its timers are some milliseconds off, and it mostly waits
		c.Make, c.Grid, c.Linger, c.Slack = packetdrill.NewKernel, time.Millisecond, 200*time.Microsecond, 1200*time.Microsecond
		c.Again, c.Elsewhere, c.Jobs = 20*time.Millisecond, 50*time.Millisecond, 3
		c.Retries = 2
	}
	profiles := packetdrill.Profiles()
	if v := flags["profile"]; v != "" {
		profiles = strings.Split(v, ",")
	}
	n, err := strconv.Atoi(flags["record"])
	seed := uint64(1)
	if v := flags["seed"]; v != "" && err == nil {
		seed, err = strconv.ParseUint(v, 10, 64)
	}
	if v := flags["j"]; v != "" && err == nil {
		c.Jobs, err = strconv.Atoi(v)
	}
	if err == nil && c.Dir != "" {
		err = os.MkdirAll(c.Dir, 0o755)
	}
	ok := false
	if err == nil {
		ok, err = c.Run(os.Stdout, profiles, seed, n)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "packetdrill:", err)
		return 2
	case !ok:
		return 1
	}
	return 0
}
