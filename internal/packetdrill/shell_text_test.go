package packetdrill

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// textPrograms are commands as scripts have them between a counter and a comparison, and what they print.
var textPrograms = []string{
	"printf 'TcpExtA 5 0.0\\nTcpExtB 17 0.0\\n' | awk '{print $2}'",
	"printf 'TcpExtA 5 0.0\\nTcpExtB 17 0.0\\n' | awk '/B/ {print $2}'",
	"printf 'a:1:x\\nb:2:y\\n' | awk -F: '$2 == 2 {print $1, $3}'",
	"printf 'a 1\\nb 2\\n' | awk '{s += $2} END {print s, NR}'",
	"printf 'a 1\\nb 2\\n' | awk 'BEGIN {x = 3} {x = x + $2; if ($1 ~ /a/) print \"A\", x; else print $1 \"-\" NF}'",
	"printf 'a 1\\nb 2\\n' | awk 'NR==2{printf \"%s=%d\\n\", $1, $2; exit}'",
	"printf 'a 1\\nb 2\\nc 3\\n' | awk '$2 >= 2 && $1 != \"c\"'",
	"printf 'a 1\\nb 2\\n' | awk -v want=2 '$2 == want {print $0; next} {print \"other\", $NF}'",
	"echo '7 2' | awk '{print $1 / $2, $1 % $2, $1 * $2, $1 - $2}'",
	"echo 'rtt:10.5/5.2' | awk -F'[:/]' '{print $2, int($3), length($1), substr($1, 2)}'",
	"echo rto:204 | sed 's/rto://'", "echo 'a b c' | sed -e 's/ /-/g' -e 's/a/(&)/'", "printf '1\\n2\\n3\\n' | sed -n '2p'",
	"printf '1\\n2\\n3\\n' | sed '1d;$d'", "printf 'x1\\ny2\\n' | sed -n 's/y\\(.\\)/<\\1>/p'", "echo aaa | sed 's/a/b/2'", "echo /a/b | sed 's|/|.|g'",
	"printf 'a\\nb\\nc\\nd\\n' | sed -n '/b/,/c/p'", "printf 'a\\nb\\n' | sed '/a/!d'", "echo 'x 12' | sed -E 's/[a-z]+ ([0-9]+)/\\1/'",
	"echo a,b,c | cut -d, -f2", "echo a,b,c | cut -d , -f 1,3", "echo abcdef | cut -c2-4", "printf 'a\\tb\\n' | cut -f2-",
	"echo hello | tr a-z A-Z", "echo 'a  b   c' | tr -s ' '", "echo a1b2 | tr -d '[:digit:]'", "echo 'a b' | tr ' ' '\\n'", "echo a1b2 | tr -cd 0-9",
	"seq 3", "seq 2 4", "seq 10 -5 0", "seq -s, 3", "for i in $(seq 2); do echo $i; done",
	"expr 2 + 3 \\* 4", "expr 7 / 2", "expr abc : 'a\\(.*\\)'", "expr 3 \\< 10", "expr length four", "expr \\( 1 + 2 \\) \\* 3", "expr 1 = 2 || echo no",
	"printf 'b\\na\\nb\\n' | sort | uniq -c | awk '{print $1 $2}'", "printf '10\\n9\\n' | sort -n", "printf '1 b\\n2 a\\n' | sort -k2", "printf 'b\\na\\na\\n' | sort -ru",
	"printf 'a b\\nc\\n' | wc -w", "printf 'a\\nb\\n' | wc -l", "printf abc | wc -c",
	"echo 1 2 3 | xargs -n1 echo n", "printf 'a\\nb\\n' | xargs -I X echo '<X>'", "echo a b | xargs",
	"printf 'a 1\\nb 2\\n' | while read k v; do echo $v$k; done", "basename /a/b.sh .sh; dirname /a/b.sh", "echo x | tee /dev/null",
	"cat <<EOF\na $((1+1)) `echo b` \\$c\nEOF\necho after", "cat <<'EOF' | tr a b\na $x\nEOF", "cat <<-X\n\ta\n\tX\n",
	"x=a.b.c; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${#x}", "f() { local v=$1; echo ${v:-none}; }; f; f 2", "echo 'a\\tb'",
	"printf 'a\\nb\\n' | tail -n 1", "printf 'a\\nb\\nc\\n' | head -2", "printf 'a\\nb\\nc\\n' | tail -n +2", "printf '%s %05d %x\\n' a 7 255", "printf '%s\\n' a b",
	"test 3 -gt 2 -a -n x && echo yes", "[ ! -e /nowhere ] && echo none", "i=0; until [ $i -ge 2 ]; do i=$(expr $i + 1); done; echo $i",
	"case 12 in [0-9]*) echo number;; esac", "n=$(printf 'a\\nb\\n' | grep -c .); echo $n", "echo one two | { read a b; echo $b $a; }",
	"set -- a b c; echo $# $2; shift; echo $1", "echo $((0x10 + 010))", "unset zz; echo \"${zz-unset}\"", "true && ! false && echo ok",
	"(exit 3); echo $?", "echo abc | grep -o b", "printf 'ab\\ncd\\n' | grep -v a", "x=5; x=$((x * 2)); echo $x",
	"echo a >/dev/null 2>&1; echo $?", "for f in a b; do case $f in a) continue;; esac; echo $f; done", "for i in 1 2 3; do [ $i = 2 ] && break; echo $i; done",
}

// The shell and its tools print what the system's print.
func TestShellLikeTheSystems(t *testing.T) {
	for _, tool := range []string{"/bin/sh", "awk", "sed", "expr", "xargs"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs " + tool)
		}
	}
	dir := t.TempDir()
	for _, program := range textPrograms {
		c := exec.Command("/bin/sh", "-c", program)
		c.Dir = dir
		want, _ := c.Output()
		var out strings.Builder
		_, _, err := fakeHost(map[string]string{}).runTo(dir, program, &out)
		var skip skipped
		if errors.As(err, &skip) {
			t.Errorf("%s: %v", program, err)
			continue
		}
		require.NoError(t, err, program)
		if got := out.String(); got != string(want) {
			t.Errorf("%s prints %q, the system's %q", program, got, want)
		}
	}
}

// Commands that lack what they need, or have it wrong, fail or skip the script; none ends it in another way.
func TestCommandsCutShort(t *testing.T) {
	for _, program := range []string{
		"echo x | awk '{print $'", "echo x | sed 's'", "sed", "awk", "cut", "seq", "expr", "tr", "expr 1 /", "echo a | cut -f", "seq 1 0 5", "awk -F",
		"echo a | awk '{printf}'", "cat <<''\n", "ss -x", "xargs -n", "[[ a", "[ ]", "ip", "ip addr add", "ip addr del", "ip route add", "ip link set mtu",
		"ip route replace rto_min", "echo a | awk '$1 ~'", "echo ${#} ${x%}", "sort -k", "timeout", "env", "python3 -c", "tc", "ethtool", "nstat -", "sysctl -p",
		"break", "set --", "expr length", "awk '{}{'", "expr '(' 1", "basename", "printf %s", "echo a | sed -n '/a'", "echo a | sed '2,$!p'",
	} {
		s, err := NewOurs(DefaultConf())
		require.NoError(t, err)
		require.NotPanics(t, func() { _ = s.Shell(t.TempDir(), program) }, program)
		s.End()
	}
}
