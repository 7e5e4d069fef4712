package packetdrill

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Defines are the names that scripts customarily expect to be given, per IP version.
func Defines(version string) map[string]string {
	d := map[string]string{
		"TFO_COOKIE": "3021b9d889017eeb", "TFO_COOKIE_ZERO": "b7c12350a90dc8f5", "CMSG_LEVEL_IP": "SOL_IP", "CMSG_TYPE_RECVERR": "IP_RECVERR",
		"CODE": "SO_EE_CODE_ZEROCOPY_COPIED", // what a device that copies says of zero-copy sends
	}
	if version != "ipv4" { // also of an IPv6 socket with IPv4 packets
		d["CMSG_LEVEL_IP"], d["CMSG_TYPE_RECVERR"] = "SOL_IPV6", "IPV6_RECVERR"
	}
	if version == "ipv6" {
		d["TFO_COOKIE"], d["TFO_COOKIE_ZERO"] = "c1d1e9742a47a9bc", "82af1a8f9a205c34"
	}
	return d
}

// Suite is a number of scripts and how they are run.
type Suite struct {
	Conf    Conf
	Options []Option          // of the command line; a script's own come later
	Defines map[string]string // beside the customary ones
	Make    func(Conf) (System, error)
	Other   func(Conf) (System, error) // the system to compare with where a script fails; nil: none
	Jobs    int                        // scripts that run at once; at least one
	Retries int                        // how often a failed script is run again with a tolerance of at least Patient
	Patient Option
	Pcap    string // where captures go: a directory, or a file if there is but one script; "": nowhere
}

// Files returns the scripts that the arguments name: files, and what directories hold by the name *.pkt.
//
// Errors: an argument that is not there.
func Files(args []string) (list []string, err error) {
	for _, arg := range args {
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (path == arg || strings.HasSuffix(path, ".pkt")) {
				list = append(list, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Play runs one script.
func (s *Suite) Play(path string) Result {
	b, err := os.ReadFile(path)
	if err != nil {
		return Result{Script: path, Err: err}
	}
	return s.PlayText(path, string(b))
}

// PlayText runs the text of a script.
func (s *Suite) PlayText(name, text string) (res Result) {
	c := s.Conf
	c.Capture = s.Pcap != ""
	if err := c.Configure(s.Options); err != nil {
		return Result{Script: name, Err: err}
	}
	version := c.IPVersion
	for _, line := range strings.Split(text, "\n") { // what it says itself decides about the names
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "--ip_version="); ok {
			version, _, _ = strings.Cut(v, " ")
		}
	}
	defines := Defines(version)
	for k, v := range s.Defines {
		defines[k] = v
	}
	script, err := Parse(name, text, defines)
	if err != nil {
		return Result{Script: name, Err: err}
	}
	for i := 0; ; i++ {
		if res = Play(script, c, s.Make); res.Err == nil || i == s.Retries {
			break
		}
		_ = c.Configure([]Option{s.Patient})
	}
	if res.Err != nil && s.Other != nil {
		other := Play(script, c, s.Other)
		res.Trace = sideBySide(res.Trace, other.Trace)
	}
	return res
}

// save writes a capture.
func (s *Suite) save(r *Result, scripts int) error {
	if s.Pcap == "" || r.Capture == nil {
		return nil
	}
	path := s.Pcap
	if info, err := os.Stat(path); err == nil && info.IsDir() || scripts > 1 || strings.HasSuffix(path, "/") {
		name := strings.ReplaceAll(strings.Trim(filepath.ToSlash(r.Script), "./"), "/", "-")
		path = filepath.Join(path, strings.TrimSuffix(name, ".pkt")+".pcapng")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(path, r.Capture, 0o644)
}

// sideBySide shows two traces from where they part.
func sideBySide(a, b []string) (lines []string) {
	event := func(s string) string { // without the time
		_, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
		return rest
	}
	for i := range max(len(a), len(b)) {
		x, y := "", ""
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		mark := "  "
		if event(x) != event(y) {
			mark = "! "
		}
		lines = append(lines, fmt.Sprintf("%s%-70s | %s", mark, x, y))
	}
	return lines
}

// Run runs scripts and writes a line for each, and its trace if verbose is set and it did not pass; then, alone on a
// line, the numbers. It reports whether none failed.
func (s *Suite) Run(w io.Writer, files []string, verbose bool) bool {
	results := make([]Result, len(files))
	next := make(chan int)
	var wait sync.WaitGroup
	var mu sync.Mutex
	printed := 0
	ready := make([]bool, len(files))
	var passed, failed, skipped int
	report := func() { // in the order of the files; mu is held
		for printed < len(files) && ready[printed] {
			r := &results[printed]
			switch {
			case r.Passed():
				passed++
				fmt.Fprintf(w, "PASS %s\n", r.Script)
			case r.Skip != "":
				skipped++
				fmt.Fprintf(w, "SKIP %s: %s\n", r.Script, r.Skip)
			default:
				failed++
				fmt.Fprintf(w, "FAIL %s: %v\n", r.Script, r.Err)
				if verbose {
					for _, line := range r.Trace {
						fmt.Fprintln(w, "     "+line)
					}
				}
			}
			printed++
		}
	}
	for range max(s.Jobs, 1) {
		wait.Go(func() {
			for i := range next {
				r := s.Play(files[i])
				if err := s.save(&r, len(files)); err != nil && r.Err == nil {
					r.Err = err
				}
				mu.Lock()
				results[i], ready[i] = r, true
				report()
				mu.Unlock()
			}
		})
	}
	for i := range files {
		next <- i
	}
	close(next)
	wait.Wait()
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return failed == 0
}

// ParseArgs splits a command line into the language's options and the rest: --name=value, --name value for
// those that take one, -D NAME=VALUE.
//
// Errors: an option without its value.
func ParseArgs(args []string) (options []Option, defines map[string]string, flags map[string]string, rest []string, err error) {
	defines, flags = map[string]string{}, map[string]string{}
	single := []string{"kernel", "v", "verbose", "strict_segments", "dry_run", "is_anyip", "tcp_ts_ecr_scaled", "send_omit_free", "debug", "wire_client", "wire_server"}
	for i := 0; i < len(args); i++ {
		name, ok := strings.CutPrefix(args[i], "-")
		if !ok || name == "" {
			rest = append(rest, args[i])
			continue
		}
		name = strings.TrimPrefix(name, "-")
		name, value, given := strings.Cut(name, "=")
		if strings.HasPrefix(name, "D") && name != "D" && !strings.HasPrefix(args[i], "--") { // -DNAME=VALUE
			name, value, given = "D", name[1:]+"="+value, true
		}
		if !given && !slices.Contains(single, name) {
			if i++; i == len(args) {
				return nil, nil, nil, nil, fmt.Errorf("--%s needs a value", name)
			}
			value = args[i]
		}
		switch name {
		case "verbose":
			flags["v"] = ""
		case "D", "define":
			k, v, _ := strings.Cut(value, "=")
			defines[k] = v
		case "kernel", "v", "j", "pcap", "record", "seed", "profile", "out":
			flags[name] = value
		default:
			options = append(options, Option{Name: name, Value: value})
		}
	}
	return options, defines, flags, rest, nil
}
