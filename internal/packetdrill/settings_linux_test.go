package packetdrill

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// machineSettings are what a kernel chooses by the memory of its machine, or by how it was built.
var machineSettings = []string{
	"net.ipv4.tcp_mem", "net.ipv4.udp_mem", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_max_tw_buckets",
	"net.ipv4.tcp_max_orphans", "net.ipv4.tcp_ehash_entries", "net.ipv4.tcp_congestion_control", "net.ipv4.tcp_available_congestion_control",
	"net.ipv4.tcp_allowed_congestion_control", "net.core.rmem_max", "net.core.wmem_max", "net.core.default_qdisc", "net.ipv4.icmp_msgs_per_sec",
	"net.ipv4.icmp_msgs_burst", "net.ipv6.icmp.ratelimit", "net.core.optmem_max", "kernel.printk",
}

// widerHere are settings that take more than this kernel does: of newer Linux.
var widerHere = map[string]bool{"net.ipv4.tcp_ecn": true, "net.ipv4.tcp_ecn_option": true}

// What is written to a setting, and what is read then, is what the kernel makes of it: errors, bounds, numbers in other
// bases, what follows them; and it begins with the same value.
func TestSettingsOfTheKernel(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("needs root, for a network namespace")
	}
	values := []string{
		"", "x", "-2", "-1", "0", "1", "2", "3", "4", "5", "7", "16", "31", "32", "47", "48", "88", "127", "128", "255", "256", "300", "301", "1000", "1001", "1024",
		"60000", "60001", "65535", "65536", "86400", "86401", "120000", "120001", "8589934", "8589935", "2147483647", "2147483648", "4294967295",
		"1 2", "60 50", "4096 8192 16384", "0x10", "010", "0b1", "1_0", "1x", "1 x", " 9 ",
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("a network namespace: %v", err)
			return
		}
		var s settingValues
		s.init()
		machine := map[string]bool{}
		for _, name := range machineSettings {
			machine[name] = true
		}
		n := 0
		for _, row := range settings() {
			name := strings.Replace(row.name, "*", "default", 1)
			path := filepath.Join("/proc/thread-self/root/proc/sys", strings.ReplaceAll(name, ".", "/"))
			first, err := os.ReadFile(path)
			info, statErr := os.Stat(path)
			if err != nil || statErr != nil || row.of == (span{}) {
				continue
			}
			n++
			if have, _ := s.get(name); !machine[name] && have != strings.TrimRight(string(first), "\n") {
				t.Errorf("%s begins with %q, the kernel's with %q", name, have, strings.TrimRight(string(first), "\n"))
			}
			if info.Mode()&0o200 == 0 || strings.HasSuffix(name, ".flush") {
				continue
			}
			for _, v := range values {
				compareSetting(t, &s, row, name, path, v)
			}
			if err := os.WriteFile(path, first, 0); err != nil && strings.TrimSpace(string(first)) != "" {
				t.Errorf("%s: %v", name, err)
			}
			delete(s.values, name)
		}
		if n < 100 {
			t.Errorf("only %d settings are the kernel's", n)
		}
	}()
	<-done
}

// compareSetting writes v to the setting, here and there, and reads it.
func compareSetting(t *testing.T, s *settingValues, row setting, name, path, v string) {
	before, _ := os.ReadFile(path)
	kernelErr := os.WriteFile(path, []byte(v+"\n"), 0)
	after, _ := os.ReadFile(path)
	same := strings.TrimSpace(string(after))
	now, _ := s.get(name)
	if len(strings.Fields(now)) == len(strings.Fields(same)) && len(strings.Fields(same)) > 1 {
		s.values[name] = strings.Join(strings.Fields(string(before)), "\t")
	}
	_, err := s.set(name, v)
	if _, ok := err.(skipped); ok || widerHere[name] && kernelErr != nil {
		return
	}
	if (err == nil) != (kernelErr == nil) {
		t.Errorf("%s takes %q with %v, the kernel with %v", name, v, err, kernelErr)
		return
	}
	if err != nil {
		require.ErrorIs(t, err, errSettingInvalid)
		require.ErrorIs(t, kernelErr, unix.EINVAL, name)
		return
	}
	have, _ := s.get(name)
	if ticks(have) != ticks(same) {
		t.Errorf("%s shows %q after %q, the kernel %q", name, have, v, same)
	}
}

// ticks rounds a number of milliseconds up as a kernel does that counts 250 ticks a second: it shows what it keeps.
func ticks(v string) string {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > 1<<31 {
		return v
	}
	return strconv.FormatInt((n+3)/4*4, 10)
}
