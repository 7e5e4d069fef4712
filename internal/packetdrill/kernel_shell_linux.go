package packetdrill

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// commandPatience is how long a command of a script may take.
const commandPatience = 60 * time.Second

// congestionFile is the setting that a namespace refuses to change. Commands find a file of the run in its place, and
// what it says is set on every socket.
const congestionFile = "/proc/sys/net/ipv4/tcp_congestion_control"

// limitFiles are the bounds of socket buffers, which a namespace shows and cannot change.
var limitFiles = []string{"/proc/sys/net/core/rmem_max", "/proc/sys/net/core/wmem_max"}

// moduleFiles are parameters of modules, which belong to the machine: commands see copies.
const moduleFiles = "/sys/module/tcp_*/parameters"

// protect gives the thread a view of the file system in which only settings of its network namespace can be changed.
// dir is an empty directory, not used any more afterwards.
func (k *Kernel) protect(dir string) (err error) {
	mount := func(source, target, kind string, flags uintptr) {
		if err == nil {
			if err = unix.Mount(source, target, kind, flags, ""); err != nil {
				err = fmt.Errorf("mount %s: %w", target, err)
			}
		}
	}
	mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE)
	mount("packetdrill", dir, "tmpfs", 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	parameters, _ := filepath.Glob(moduleFiles)
	mount("sysfs", "/sys", "sysfs", unix.MS_RDONLY)
	mount("/proc/sys", "/proc/sys", "", unix.MS_BIND)
	mount("/proc/sys/net", "/proc/sys/net", "", unix.MS_BIND)
	mount("", "/proc/sys", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY)
	cover := func(path, value string) {
		file := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err == nil {
			err = os.WriteFile(file, []byte(value+"\n"), 0o644)
		}
		mount(file, path, "", unix.MS_BIND)
	}
	cover(congestionFile, "cubic")
	k.limits = map[string]int{}
	for _, path := range limitFiles {
		value, _ := os.ReadFile(path)
		k.limits[path], _ = strconv.Atoi(strings.TrimSpace(string(value)))
		cover(path, strings.TrimSpace(string(value)))
	}
	for _, p := range parameters {
		files, _ := os.ReadDir(p)
		for _, f := range files {
			path := filepath.Join(p, f.Name())
			value, readErr := os.ReadFile(path)
			if readErr != nil {
				continue
			}
			k.parameters = append(k.parameters, parameter{path, strings.TrimSpace(string(value))})
			cover(path, strings.TrimSpace(string(value)))
		}
	}
	for _, d := range []string{"upper", "work"} {
		_ = os.Mkdir(filepath.Join(dir, d), 0o755)
	}
	// What commands leave in /tmp ends with the run; where the machine has no overlays, it stays.
	_ = unix.Mount("overlay", "/tmp", "overlay", 0, "lowerdir=/tmp,upperdir="+dir+"/upper,workdir="+dir+"/work")
	return err
}

// bufferSize is how SO_RCVBUF or SO_SNDBUF is asked for where a command has raised their limit, which the namespace has
// not taken: as the privileged option, which has none.
func (k *Kernel) bufferSize(number int, value []byte) (int, []byte) {
	force, path := unix.SO_RCVBUFFORCE, limitFiles[0]
	switch number {
	case unix.SO_RCVBUF:
	case unix.SO_SNDBUF:
		force, path = unix.SO_SNDBUFFORCE, limitFiles[1]
	default:
		return number, value
	}
	limit := 0
	k.do(func() {
		b, _ := os.ReadFile(path)
		limit, _ = strconv.Atoi(strings.TrimSpace(string(b)))
	})
	if limit == k.limits[path] || limit <= 0 {
		return number, value
	}
	size := min(uint32(limit), binary.NativeEndian.Uint32(value))
	return force, binary.NativeEndian.AppendUint32(nil, size)
}

// parameter is a setting of the machine as it is.
type parameter struct{ path, value string }

// congestion is the algorithm that sockets of the script begin with.
func congestion() string {
	b, _ := os.ReadFile(congestionFile)
	return strings.TrimSpace(string(b))
}

// Shell runs a command with /bin/sh in the namespace.
//
// Errors: skipped for a command that is not there, or is about the machine as a whole; else how it failed.
func (k *Kernel) Shell(dir, text string) error {
	out, err := k.execute(dir, text)
	if skip := k.changedMachine(); skip != "" {
		return skip
	}
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	switch {
	case strings.Contains(out, "/sys/module"), strings.Contains(out, "Read-only file system"):
		return skipped("a command is about settings of the whole machine: " + lastLine(out))
	case exit.ExitCode() == 127:
		return skipped("a command is not there: " + lastLine(out))
	case strings.Contains(out, "qdisc kind is unknown"), strings.Contains(out, "qdisc not found"):
		return skipped("the kernel has no such qdisc: " + lastLine(out))
	case refusedSetting.MatchString(out):
		// A program that stopped there goes on, or has its work done for it.
		k.again(dir, text)
		k.do(func() { k.assignments(text) })
		return nil
	case exit.ExitCode() == 126:
		if again, ok := throughShell(dir, text); ok {
			return k.Shell(dir, again)
		}
	}
	return fmt.Errorf("%w: %s", err, lastLine(out))
}

// again runs a command once more, with a sysctl that never fails.
func (k *Kernel) again(dir, text string) {
	real, err := exec.LookPath("sysctl")
	if err != nil {
		return
	}
	var bin string
	k.do(func() {
		if bin, err = os.MkdirTemp("", "packetdrill-bin-"); err == nil {
			err = os.WriteFile(filepath.Join(bin, "sysctl"), []byte("#!/bin/sh\n"+real+" \"$@\" 2>/dev/null\nexit 0\n"), 0o755)
		}
	})
	if err != nil {
		return
	}
	_, _ = k.execute(dir, text, "PATH="+bin+":"+os.Getenv("PATH"))
	k.do(func() { _ = os.RemoveAll(bin) })
}

// refusedSetting is what programs say of settings that a namespace does not have or does not let go.
var refusedSetting = regexp.MustCompile(`(?i)sysctl: (cannot stat|permission denied|setting key|unknown key)|` +
	`(permission denied|permitted|no such file|invalid argument|nonexistent)[^\n]*/proc/sys/net|/proc/sys/net[^\n]*(permission denied|permitted|no such file|nonexistent)`)

// assignment is PATH=VALUE among the arguments of a program.
var assignment = regexp.MustCompile(`(/proc/sys/net/[a-z0-9_/.-]+)=("[^"]*"|'[^']*'|\S+)`)

// assignments sets what a command line names, as far as the namespace lets it.
func (k *Kernel) assignments(text string) {
	for _, m := range assignment.FindAllStringSubmatch(text, -1) {
		_ = os.WriteFile(m[1], []byte(strings.Trim(m[2], `"'`)), 0)
	}
}

// throughShell is a command whose program is a file that cannot be executed, with its interpreter in front.
func throughShell(dir, text string) (string, bool) {
	text = strings.TrimSpace(text)
	first, _, _ := strings.Cut(text, " ")
	b, err := os.ReadFile(filepath.Join(dir, first))
	if err != nil || !strings.Contains(first, "/") {
		return "", false
	}
	interpreter := "sh"
	if line, _, _ := strings.Cut(string(b), "\n"); strings.HasPrefix(line, "#!") {
		switch {
		case strings.Contains(line, "python"):
			interpreter = "python3"
		case strings.Contains(line, "bash"):
			interpreter = "bash"
		}
	}
	return interpreter + " " + text, true
}

// changedMachine is why the script cannot be played, if its commands wanted a setting of the whole machine to be
// another.
func (k *Kernel) changedMachine() (skip skipped) {
	k.do(func() {
		for _, p := range k.parameters {
			if b, err := os.ReadFile(p.path); err == nil && strings.TrimSpace(string(b)) != p.value {
				skip = skipped(p.path + " belongs to the whole machine")
			}
		}
	})
	return skip
}

// execute runs a command and returns what it writes.
func (k *Kernel) execute(dir, text string, more ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandPatience)
	defer cancel()
	var b bytes.Buffer
	c := exec.CommandContext(ctx, "/bin/sh", "-c", text)
	c.Dir, c.Stdout, c.Stderr = dir, &b, &b
	c.WaitDelay = time.Second
	c.Env = append(os.Environ(), more...)
	k.do(func() { err = c.Start() })
	if err == nil {
		err = c.Wait()
	}
	return b.String(), err
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
