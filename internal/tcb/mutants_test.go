package tcb

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	mutantsRun  = flag.Bool("mutants", false, "TestMutants plays the suite against every mutant (a quarter of an hour)")
	mutantsOnly = flag.String("mutants.only", "", "only those that have this in their line")
)

// mutant is the machine with one line of it spoilt. The suite must notice.
type mutant struct {
	file, old, spoilt, why string
	line                   int // in testdata/mutants.tsv
}

func mutants(t *testing.T) (all []mutant) {
	text, err := os.ReadFile(filepath.Join("testdata", "mutants.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; line[0] == '#' {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("line %d has %d fields", n, len(f))
		}
		all = append(all, mutant{f[0], f[1], f[2], f[3], n})
	}
	return all
}

// Every mutant can still be made: its line is there, once. With -mutants the suite, which is the tests of this package
// and the packet scripts, is played against each, and must fail.
func TestMutants(t *testing.T) {
	all := mutants(t)
	if len(all) < 40 {
		t.Errorf("only %d mutants", len(all))
	}
	for _, m := range all {
		text, err := os.ReadFile(m.file)
		if err != nil {
			t.Error(err)
			continue
		}
		if n := bytes.Count(text, []byte(m.old)); n != 1 {
			t.Errorf("line %d: %q occurs %d times in %s", m.line, m.old, n, m.file)
			continue
		}
		if *mutantsRun && strings.Contains(m.file+" "+m.old+" "+m.why, *mutantsOnly) {
			t.Run(strconv.Itoa(m.line), func(t *testing.T) { m.mustDie(t, text) })
		}
	}
}

// mutantTime bounds what a suite may take: a mutant may make it run for ever.
const mutantTime = 5 * time.Minute

// The tests of this package that take long come last, and those that would notice that anything has changed do not count.
const (
	slow   = "^(TestAdversary|TestPair|TestScripts|TestGoodput|TestGoodputLikeTheKernel)$"
	unjust = "^(TestMutants|TestGoodputTables)$"
)

// mustDie plays the suites until one fails.
func (m *mutant) mustDie(t *testing.T, text []byte) {
	dir := t.TempDir()
	spoilt := filepath.Join(dir, m.file)
	if err := os.WriteFile(spoilt, bytes.Replace(text, []byte(m.old), []byte(m.spoilt), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	b, err := json.Marshal(map[string]map[string]string{"Replace": {path: spoilt}})
	if err == nil {
		err = os.WriteFile(overlay, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	packetdrill := filepath.Join("..", "packetdrill")
	for _, suite := range []struct{ dir, run, skip string }{
		{".", ".", slow + "|" + unjust}, {packetdrill, "^TestScripts$", "^$"}, {".", slow, unjust},
	} {
		binary := filepath.Join(dir, strconv.Itoa(len(suite.dir))+".test")
		if _, err := os.Stat(binary); err != nil {
			build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, ".")
			build.Dir = suite.dir
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("line %d does not compile: %s", m.line, out)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), mutantTime)
		play := exec.CommandContext(ctx, binary, "-test.failfast", "-test.run", suite.run, "-test.skip", suite.skip)
		play.Dir = suite.dir
		out, err := play.CombinedOutput()
		cancel()
		if err != nil {
			t.Logf("%s: %s: %s", m.file, m.why, firstFailure(out))
			return
		}
	}
	t.Errorf("line %d survives: %s: %s", m.line, m.file, m.why)
}

// firstFailure is the name of the test that has noticed.
func firstFailure(out []byte) string {
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "--- FAIL") || strings.HasPrefix(line, "panic") {
			return strings.TrimSpace(line)
		}
	}
	return "it does not end"
}
