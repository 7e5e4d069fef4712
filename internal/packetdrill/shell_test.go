package packetdrill

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeHost has settings that are only kept, and a program that tells its arguments.
func fakeHost(values map[string]string) *shellHost {
	h := &shellHost{files: map[string]string{}, tools: builtins()}
	h.get = func(name string) (string, error) {
		v, ok := values[name]
		if !ok {
			return "", skipped("no " + name)
		}
		return v, nil
	}
	h.set = func(name, value string) error {
		if _, ok := values[name]; !ok {
			return skipped("no " + name)
		}
		if value == "bad" {
			return errors.New("invalid argument")
		}
		values[name] = value
		return nil
	}
	h.background = h.set
	h.proc = func(path string) (string, bool) { return "proc\n", path == "/proc/net/tcp" }
	h.tools["args"] = func(_ *shell, args []string, in string, out *strings.Builder) int {
		out.WriteString("[" + strings.Join(args[1:], "|") + "]" + in)
		return 0
	}
	return h
}

func TestShell(t *testing.T) {
	for program, want := range map[string]string{
		"echo a b":                                                           "a b\n",
		"x=1; y='a b'; args $x \"$y\" $y":                                    "[1|a b|a|b]",
		"args $((15*1024*1024)) $((7/2))":                                    "[15728640|3]",
		"echo $(echo in) `echo back`":                                        "in back\n",
		"false || echo or; true && echo and":                                 "or\nand\n",
		"if [ 1 -lt 2 ]; then echo y; else echo n; fi":                       "y\n",
		"if false; then echo a\nelif true; then echo b; fi":                  "b\n",
		"for i in 1 2 3; do echo $i; done | grep -v 2":                       "1\n3\n",
		"i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i":              "3\n",
		"case abc in x|a*) echo hit;; *) echo miss;; esac":                   "hit\n",
		"f() { echo got $1; return 3; }; f x; echo $?":                       "got x\n3\n",
		"echo hidden > /dev/null; echo x >&2; echo seen":                     "seen\n",
		"echo one > f; echo two >> f; cat f; rm f; cat f || echo":            "one\ntwo\n\n",
		"cat /proc/sys/net/a; echo 5 > /proc/sys/net/a; cat /proc/sys/net/a": "1\n5\n",
		"(x=5; echo $x); echo ${x:-none} ${x:+some}":                         "5\nnone\n",
		"set -e; echo a; false; echo b":                                      "a\n",
		"set -e; if false; then :; fi; false || true; echo b":                "b\n",
		"! false && echo not":                                                "not\n",
		"exit 0; echo never":                                                 "",
		"printf '%s-%d\\n' a 5":                                              "a-5\n",
		"# comment\necho a # more\n":                                         "a\n",
		"cat < /proc/net/tcp":                                                "proc\n",
		"printf 'a\\nb\\nc\\n' | head -n 2 | wc -l":                          "2\n",
		"echo 'TcpExtX 5' | grep -q 'TcpExtX *5' && echo found":              "found\n",
		"eval 'echo e'; command echo c; . /nowhere || echo none":             "e\nc\nnone\n",
		"args \\\n more":                                                     "[more]",
		"{ echo a; echo b; } | args":                                         "[]a\nb\n",
		"echo a\"b c\"'d'\\e":                                                "ab cde\n",
	} {
		values := map[string]string{"net.a": "1"}
		h := fakeHost(values)
		var out strings.Builder
		_, _, err := h.runTo(t.TempDir(), program, &out)
		require.NoError(t, err, program)
		require.Equal(t, want, out.String(), program)
	}
}

func TestShellSkips(t *testing.T) {
	for _, program := range []string{
		"nosuch", "cat <<EOF", "echo a &", "while true; do :; done", "cat /proc/cpuinfo", "echo 1 > /proc/sys/net/b", "if true", "(echo",
		"echo ${x^y}", "f() { f; }; f", "sed y/a/b/", "echo $((1 +))",
	} {
		_, _, err := fakeHost(map[string]string{}).Run(t.TempDir(), program)
		var skip skipped
		require.ErrorAs(t, err, &skip, program)
	}
}

// Programs of a suite: the defaults that all scripts share, a helper that sets settings and leaves what restores them.
func TestSharedPrograms(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	write("common/defaults.sh", "#!/bin/bash\nset -e\nsysctl -q net.ipv4.tcp_sack=0\nsysctl -q net.ipv4.tcp_recovery=77\nexit 0\n")
	write("common/set_sysctls.py", "#!/usr/bin/env python3\nimport os\n")
	write("common/other.py", "#!/usr/bin/env python3\n")
	write("a/t.pkt", "")
	system, err := NewOurs(DefaultConf())
	require.NoError(t, err)
	o := system.(*Ours)
	a := filepath.Join(dir, "a")
	require.NoError(t, o.Shell(a, "../common/defaults.sh"))
	v, _ := o.setting("net.ipv4.tcp_sack")
	require.Equal(t, "0", v)
	v, _ = o.setting("net.ipv4.tcp_recovery") // one of many in common: kept, though this stack stays as it is
	require.Equal(t, "77", v)
	require.ErrorAs(t, o.Shell(a, "sysctl -q net.ipv4.tcp_plb_enabled=1"), new(skipped))
	require.ErrorAs(t, o.Shell(a, "../common/other.py"), new(skipped))
	require.NoError(t, o.Shell(a, "../common/set_sysctls.py /proc/sys/net/ipv4/tcp_sack=1 /proc/sys/net/ipv4/tcp_retries2=5"))
	v, _ = o.setting("net.ipv4.tcp_retries2")
	require.Equal(t, "5", v)
	require.NoError(t, o.Shell(a, "/tmp/sysctl_restore_${PPID}.sh"))
	v, _ = o.setting("net.ipv4.tcp_retries2")
	require.Equal(t, "15", v)
	v, _ = o.setting("net.ipv4.tcp_sack")
	require.Equal(t, "0", v)
	require.Equal(t, a, commandDirectory(filepath.Join(a, "t.pkt"), "../common/defaults.sh"))
	require.Equal(t, dir, commandDirectory(filepath.Join(a, "t.pkt"), "common/defaults.sh"))
}

// Every setting of the table takes its own default, and what it takes it shows.
func TestSettings(t *testing.T) {
	var s settingValues
	s.init()
	for name, row := range s.rows {
		if row.value == "" {
			continue
		}
		_, err := s.set(name, row.value)
		require.NoError(t, err, name)
		got, err := s.get(name)
		require.NoError(t, err, name)
		require.Equal(t, strings.Fields(row.value), strings.Fields(got), name)
	}
	_, err := s.set("net.ipv4.tcp_sack", "x")
	require.EqualError(t, err, "net.ipv4.tcp_sack: invalid argument")
	_, err = s.set("net.ipv4.tcp_rmem", "1")
	require.NoError(t, err)
	v, _ := s.get("net.ipv4.tcp_rmem")
	require.Equal(t, "1\t131072\t6291456", v)
}

// FuzzShell: whatever is in a command, running it ends, with a status or a reason to skip the script.
func FuzzShell(f *testing.F) {
	f.Add("if [ $(sysctl -n net.ipv4.tcp_sack) -eq 1 ]; then echo ${x:-1} > /proc/sys/net/a; fi")
	f.Add("for i in $((1+2)) \"a b\" `echo c`; do case $i in a*) exit 1;; esac; done 2>&1 | grep -c x")
	f.Add("f() { echo $@; }; f 1 2 && { true; } || (false)")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, program string) {
		_, _, err := fakeHost(map[string]string{"net.a": "1"}).Run(dir, program)
		var skip skipped
		if err != nil && !errors.As(err, &skip) {
			t.Fatal(err)
		}
	})
}
