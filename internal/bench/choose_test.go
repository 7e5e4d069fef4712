package main

import "testing"

// Every name that the documentation uses chooses something, and one that chooses nothing is an error.
func TestChoose(t *testing.T) {
	for _, name := range []string{"all", "bulk-lo", "bulk-pipe", "bulk-1500", "tun-in", "tun-out", "rr", "crr", "udp-64", "udp-1400", "idle", "allocs"} {
		got, err := choose(name)
		if err != nil || len(got) == 0 {
			t.Errorf("%s: %d scenarios, %v", name, len(got), err)
		}
	}
	if got, err := choose("rr,allocs"); err != nil || len(got) != 3 {
		t.Errorf("rr,allocs: %v, %v", got, err)
	}
	for _, name := range []string{"", "r", "rr,nothing", "allo"} {
		if _, err := choose(name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}
