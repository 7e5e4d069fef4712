package packetdrill

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	scripts  = "../../testdata/packetdrill"
	recorded = scripts + "/KERNEL"
)

var (
	update = flag.Bool("update", false, "record what passes; as root on the kernel too")
	all    = flag.Bool("all", false, "play all scripts on the kernel, not a sample")
)

// record is a line of the list: a script, the kernel that it has passed on, - for none, and what becomes of it here.
type record struct{ kernel, ours string }

func readRecords(t *testing.T) map[string]record {
	list := map[string]record{}
	b, err := os.ReadFile(recorded)
	if os.IsNotExist(err) {
		return list
	}
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] != "#" {
			list[f[0]] = record{f[1], f[2]}
		}
	}
	return list
}

func writeRecords(t *testing.T, list map[string]record) {
	var b bytes.Buffer
	b.WriteString("# script, the Linux it passes on, and what becomes of it on this stack; go test ./internal/packetdrill -run Scripts -update writes it\n")
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range list {
			if !yield(name) {
				return
			}
		}
	}) {
		fmt.Fprintf(&b, "%s %s %s\n", name, list[name].kernel, list[name].ours)
	}
	require.NoError(t, os.WriteFile(recorded, b.Bytes(), 0o644))
}

// scriptFiles returns the scripts by their names in the list.
func scriptFiles(t *testing.T) map[string]string {
	paths, err := Files([]string{scripts})
	require.NoError(t, err)
	files := map[string]string{}
	for _, p := range paths {
		name, err := filepath.Rel(scripts, p)
		require.NoError(t, err)
		files[filepath.ToSlash(name)] = p
	}
	return files
}

// Every script of the project is played. One that the list says passes has to; one that is not in the list yet is only
// told of, so that scripts can come before what they ask for.
func TestScripts(t *testing.T) {
	files, list := scriptFiles(t), readRecords(t)
	results := map[string]Result{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for name, path := range files {
		slots <- struct{}{}
		wait.Go(func() {
			s := Suite{Conf: DefaultConf(), Make: NewOurs}
			r := s.Play(path)
			<-slots
			mu.Lock()
			results[name] = r
			mu.Unlock()
		})
	}
	wait.Wait()
	for name, r := range results {
		state := "pass"
		switch {
		case r.Skip != "":
			state = "skip"
		case r.Err != nil:
			state = "fail"
		}
		old, known := list[name]
		if known && old.ours == "pass" && state != "pass" && !*update {
			t.Errorf("%s: %v %s", name, r.Err, r.Skip)
		} else if !known && state != "pass" {
			t.Logf("%s: %v %s", name, r.Err, r.Skip)
		}
		if !known {
			old.kernel = "-"
		}
		list[name] = record{old.kernel, state}
	}
	if !*update {
		return
	}
	for name := range list {
		if _, ok := files[name]; !ok {
			delete(list, name)
		}
	}
	writeRecords(t, list)
}

// A sample of the scripts is played on the kernel, where there is root; all with -all. With -update those that the list
// does not have yet are played and entered.
func TestScriptsOnTheKernel(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("needs root, for a network namespace")
	}
	if testing.Short() {
		t.Skip("real time")
	}
	const sample = 100 // one in so many
	files, list := scriptFiles(t), readRecords(t)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	s := Suite{Conf: DefaultConf(), Make: NewKernel, Retries: 3, Patient: Option{Name: "tolerance_least_usecs", Value: "15000"}}
	if !*update { // what is recorded is looked at again on machines that may be busy
		s.Patient.Value = "200000"
	}
	for i, name := range names {
		fresh := *update && (list[name].kernel == "" || list[name].kernel == "-") && !strings.HasPrefix(name, "rfc/")
		chosen := *all || !*update && i%sample == sample/2 && strings.HasPrefix(list[name].kernel, "6.")
		if !fresh && !chosen {
			continue
		}
		r := s.Play(files[name])
		if !r.Passed() {
			t.Errorf("%s: %v %s", name, r.Err, r.Skip)
			continue
		}
		list[name] = record{kernelVersion(t), cmp.Or(list[name].ours, "-")}
	}
	if *update {
		writeRecords(t, list)
	}
}

// kernelVersion is the number of the kernel that runs, without what its builder has added.
func kernelVersion(t *testing.T) string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	require.NoError(t, err)
	version, _, _ := strings.Cut(strings.TrimSpace(string(b)), "-")
	return version
}
