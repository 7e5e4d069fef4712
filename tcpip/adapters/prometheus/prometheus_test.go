package prometheus

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// sampled is a stack with one NIC, named oddly, and a few counts.
func sampled(t *testing.T, nic string) *stack.Stack {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}, Clock: tcpip.NewManualClock()})
	n, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Name: nic, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}})
	require.NoError(t, err)
	n.Counters().RxBytes.Add(1234)
	s.Counters().Tcp.RetransSegs.Add(7)
	s.Counters().Drops[tcpip.DropNoPort].Add(3)
	t.Cleanup(s.Close)
	return s
}

// exposition is what a scraper makes of the text.
type exposition struct {
	help, kind map[string]string
	samples    map[string]float64 // by name and labels
}

var (
	comment    = regexp.MustCompile(`^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$`)
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (\S+)$`)
	snakeCase  = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
)

// parse reads the text as strictly as promtool's check of metrics does: HELP, then TYPE, then all samples of a metric,
// once; counters end in _total and nothing else does; names are in snake case; each series occurs once.
func parse(t *testing.T, text string) *exposition {
	x := &exposition{map[string]string{}, map[string]string{}, map[string]float64{}}
	require.True(t, strings.HasSuffix(text, "\n"), "the last line ends")
	current := ""
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if m := comment.FindStringSubmatch(line); m != nil {
			name := m[2]
			switch m[1] {
			case "HELP":
				require.NotContains(t, x.help, name, "a metric is in one place")
				require.NotEmpty(t, m[3], name)
				require.Regexp(t, snakeCase, name)
				x.help[name], current = m[3], name
			case "TYPE":
				require.Equal(t, current, name, "TYPE follows HELP")
				require.NotContains(t, x.kind, name)
				require.Contains(t, []string{"counter", "gauge"}, m[3])
				require.Equal(t, m[3] == "counter", strings.HasSuffix(name, "_total"), name)
				x.kind[name] = m[3]
			}
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		require.NotNil(t, m, "%q", line)
		require.Equal(t, current, m[1], "samples stand below their metric")
		require.Contains(t, x.kind, m[1])
		v, err := strconv.ParseFloat(m[3], 64)
		require.NoError(t, err)
		require.NotContains(t, x.samples, m[1]+m[2], "one sample for each series")
		x.samples[m[1]+m[2]] = v
	}
	return x
}

func TestWrite(t *testing.T) {
	s := sampled(t, "lo")
	var b bytes.Buffer
	require.NoError(t, Write(&b, Stack{Snapshot: s.Snapshot()}))
	x := parse(t, b.String())
	require.EqualValues(t, 7, x.samples["netstack_tcp_retrans_segs_total"])
	require.Equal(t, "TcpRetransSegs (RFC 4022, TCP).", x.help["netstack_tcp_retrans_segs_total"])
	require.EqualValues(t, 3, x.samples[`netstack_drops_total{reason="no-port"}`])
	require.EqualValues(t, 1234, x.samples[`netstack_nic_receive_bytes_total{nic="lo"}`])
	require.EqualValues(t, 1, x.samples[`netstack_nic_up{nic="lo"}`])
	require.EqualValues(t, 1, x.samples["netstack_routes"], "127.0.0.0/8")
	require.Equal(t, "gauge", x.kind["netstack_memory_bytes"])

	mibs := 0
	for name := range s.Counters().All() {
		if !strings.HasPrefix(name, dropPrefix) {
			mibs++
			metric, help := metricOf(name)
			require.Contains(t, x.kind, metric)
			require.Contains(t, help, "(", "%s belongs to a group", name)
		}
	}
	require.Len(t, x.kind, mibs+1+len(stackMetrics)+len(nicMetrics), "no two counters share a metric")
}

// Two stacks in one text: each metric once, the samples told apart by a label, whatever is in it.
func TestSeveralStacks(t *testing.T) {
	a, b := sampled(t, "lo"), sampled(t, "a\"b\\c\nd")
	var text bytes.Buffer
	require.NoError(t, Write(&text, Stack{"a", a.Snapshot()}, Stack{"b", b.Snapshot()}))
	x := parse(t, text.String())
	require.EqualValues(t, 7, x.samples[`netstack_tcp_retrans_segs_total{stack="a"}`])
	require.EqualValues(t, 7, x.samples[`netstack_tcp_retrans_segs_total{stack="b"}`])
	require.EqualValues(t, 3, x.samples[`netstack_drops_total{stack="b",reason="no-port"}`])
	require.EqualValues(t, 1, x.samples[`netstack_nic_up{stack="b",nic="a\"b\\c\nd"}`])
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"IpInReceives": "netstack_ip_in_receives_total", "Ip6ReasmOKs": "netstack_ip6_reasm_oks_total",
		"Icmp6InMLDv2Reports": "netstack_icmp6_in_mldv2_reports_total", "TcpExtTCPSpuriousRTOs": "netstack_tcpext_spurious_rtos_total",
		"TcpExtDelayedACKs": "netstack_tcpext_delayed_acks_total", "TcpExtPAWSEstab": "netstack_tcpext_paws_estab_total",
		"TcpExtTW": "netstack_tcpext_tw_total", "TcpExtTCPMD5NotFound": "netstack_tcpext_md5_not_found_total",
		"TcpExtTCPSYNChallenge": "netstack_tcpext_syn_challenge_total", "TcpExtTCPReqQFullDrop": "netstack_tcpext_req_q_full_drop_total",
	} {
		got, _ := metricOf(name)
		require.Equal(t, want, got)
	}
}

func TestHandler(t *testing.T) {
	s := sampled(t, "lo")
	h := Handler(func() []Stack { return []Stack{{Name: "one", Snapshot: s.Snapshot()}} })
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, ContentType, r.Header().Get("Content-Type"))
	require.EqualValues(t, 7, parse(t, r.Body.String()).samples[`netstack_tcp_retrans_segs_total{stack="one"}`])
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteError(t *testing.T) {
	require.ErrorIs(t, Write(brokenWriter{}, Stack{Snapshot: sampled(t, "lo").Snapshot()}), errBroken)
}
