package interop

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The demo serves the kernel's programs over a TUN device: its page and data to curl, echo, discard and the source to nc,
// echo over UDP, and ping.
func TestDemoServesTheKernel(t *testing.T) {
	ns := newNamespace(t)
	demo := filepath.Join(t.TempDir(), "demo")
	out, err := exec.Command("go", "build", "-o", demo, "../cmd/demo").CombinedOutput()
	require.NoError(t, err, "%s", out)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := ns.command(ctx, demo, "-tun", "t0", "-size", "1MiB", "-addr", ours4+"/24", "-addr", ours6+"/64", "-host", kernel4+"/24", "-host", kernel6+"/64")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	require.Contains(t, lines.Text(), "serving on t0")
	printed := make(chan string, 1)
	go func() {
		var b strings.Builder
		for lines.Scan() {
			b.WriteString(lines.Text() + "\n")
		}
		printed <- b.String()
	}()

	for _, host := range []string{ours4, ours6} {
		url := "http://" + host
		if host == ours6 {
			url = "http://[" + host + "]"
		}
		ns.run("ping", "-c", "1", "-W", "10", host)
		require.NotEmpty(t, ns.run("curl", "-sSf", "--max-time", "20", url+"/"))
		require.Equal(t, "1048576", ns.run("curl", "-sSf", "--max-time", "20", "-o", "/dev/null", "-w", "%{size_download}", url+"/data"))
		require.Equal(t, "hello", ns.sh("printf hello | nc -N -w 5 "+host+" 7"))
		require.Equal(t, "hello", ns.sh("printf hello | nc -u -W 1 -w 5 "+host+" 7"))
		require.Empty(t, ns.sh("printf hello | nc -N -w 5 "+host+" 9"))
		require.Equal(t, "100000", strings.TrimSpace(ns.sh("nc -d -w 5 "+host+" 19 | head -c 100000 | wc -c")))
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Contains(t, <-printed, "TcpPassiveOpens")
	require.NoError(t, cmd.Wait())
}

func (ns *namespace) sh(script string) string {
	ns.t.Helper()
	return ns.run("sh", "-c", script)
}
