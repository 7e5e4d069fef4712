package packetdrill

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// forwarded are the themes whose scripts hold for connections that a program has taken over, too; timestamps has those that
// are named after requirements, A1 to A12. Other themes have scripts about what a listening socket hands on.
var forwarded = []string{
	"timestamps", "close", "cork", "dsack", "eor", "epoll", "frto", "icmp", "keepalive", "malformed", "mtu", "nagle", "notsent_lowat",
	"pacing", "rack", "reordering", "reset", "rfc", "rfc5961", "rto", "sack", "sack_receive", "time_wait", "tlp", "undo", "urgent",
	"user_timeout", "zero_window",
}

// What the scripts show on a listener holds behind tcp.Handle, over either IP.
func TestBehaviourOnTheForwarder(t *testing.T) {
	files, list := scriptFiles(t), readRecords(t)
	handled := uint64(0)
	var last *Ours
	forwarder := func(c Conf) (System, error) {
		s, err := NewForwarder(c)
		last = s.(*Ours)
		return s, err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		theme, _, _ := strings.Cut(name, "/")
		if !slices.Contains(forwarded, theme) || list[name].ours != "pass" || strings.Contains(name, "fast_open") { // nor is that handed on
			continue
		}
		for _, version := range []string{"ipv4", "ipv6"} {
			s := Suite{Conf: DefaultConf(), Make: forwarder, Options: []Option{{Name: "ip_version", Value: version}}}
			last = nil
			if r := s.Play(files[name]); r.Err != nil && version == "ipv4" || theme == "timestamps" && r.Skip == "" && r.Err != nil {
				t.Errorf("%s over %s: %v", name, version, r.Err)
			}
			if last != nil && last.guest.forward.handler != nil {
				handled += last.guest.forward.handler.Stats().Accepted
			}
			if theme != "timestamps" {
				break
			}
		}
	}
	require.Greater(t, handled, uint64(300), "connections that were taken over")
}

// cookied are the scripts of A1 to A12 that hold where a listener answers with SYN cookies. Those whose last ACK has no
// timestamp end without any (A3), and have their like in syncookies.
var cookied = []string{
	"a11-syn-ece-cwr", "a12-wrong-final-ack", "a4-keepalive-probe-without-ts", "a4-rst-without-ts", "a4-states-without-ts", "a6-paws-pure-ack",
	"a6-paws-rst-exempt", "a6-paws", "a7-ecr-never-sent", "a9-without-random-offset",
}

func TestBehaviourOnTheCookiePath(t *testing.T) {
	files := scriptFiles(t)
	cookies := func(c Conf) (System, error) {
		s, err := NewOurs(c)
		s.(*Ours).settings.values["net.ipv4.tcp_syncookies"] = "2"
		return s, err
	}
	for _, name := range cookied {
		s := Suite{Conf: DefaultConf(), Make: cookies}
		if r := s.Play(files["timestamps/"+name+".pkt"]); !r.Passed() {
			t.Errorf("%s: %v %s", name, r.Err, r.Skip)
		}
	}
}
