package packetdrill

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// command runs what is written in back quotes, in the directory of the script. One that fails fails the script.
func (r *Run) command(text string) {
	err := r.system.Shell(commandDirectory(r.script.Name, text), text)
	var skip skipped
	switch {
	case err == nil:
		r.note("`%s`", strings.TrimSpace(text))
	case errors.As(err, &skip):
		panic(skip)
	default:
		scriptFail("`%s`: %v", strings.TrimSpace(text), err)
	}
}

// cleanup runs the commands at the end of a script. What becomes of them does not matter to the script.
func (r *Run) cleanup() {
	for _, text := range r.script.Cleanup {
		_, _ = r.guard(0, func() {
			if err := r.system.Shell(commandDirectory(r.script.Name, text), text); err != nil {
				r.note("`%s`: %v", strings.TrimSpace(text), err)
			}
		})
	}
}

// commandDirectory is where a command runs: in the script's directory, unless the program that it names by a relative
// path is only found above that, or from the current one.
func commandDirectory(script, text string) string {
	dir, err := filepath.Abs(filepath.Dir(script))
	if err != nil {
		return "."
	}
	fields := strings.Fields(text)
	if len(fields) == 0 || !strings.Contains(fields[0], "/") || filepath.IsAbs(fields[0]) {
		return dir
	}
	places := []string{dir}
	if here, err := os.Getwd(); err == nil {
		places = append(places, here)
	}
	for up := filepath.Dir(dir); len(places) < 8; up = filepath.Dir(up) {
		places = append(places, up)
	}
	for _, place := range places {
		if info, err := os.Stat(filepath.Join(place, fields[0])); err == nil && !info.IsDir() {
			return place
		}
	}
	return dir
}
