package packetdrill

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
)

const sample = `// a server
--tolerance_usecs=15000
--ip_version ipv4   # here
` + "`sysctl -q net.ipv4.tcp_sack=1`" + `

   0   socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
  +0   setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
  +0   bind(3, {sa_family = AF_INET, sin_port = htons(8080), sin_addr = inet_addr("1.2.3.4")}, ...) = 0
  +0   listen(3, 1) = 0
  +.1 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
  +0  > [ect0] SE. 0:0(0) ack 1 <...>
  +.1~+.2 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 300 ecr 0,sack 1:2 3001:4001>
  +0   accept(3, ..., ...) = 4
  +0...0.05 connect(5, ..., ...) = -1 EINPROGRESS (Operation now in (perhaps) progress)
   *  > P. 1:1001(1000) ack 1 <FO 0123456789abcdef,nop>
   1.5 < [ce] . 1:1(0) ack 1001 win 257 urg 5
  +0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]
  +0 < udp (1000)
  +0 < 53 > 8080: udp (8)
  +0 %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%
  +0 sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 4000}], msg_flags=0, msg_control=[{cmsg_level=SOL_SOCKET, cmsg_type=17, cmsg_data={sec=1, 2}}]}, MSG_MORE|0x40) = 4000
` + "  +1 `nstat`\n`sysctl -q restore`\n"

func TestParse(t *testing.T) {
	s, err := Parse("sample.pkt", sample, nil)
	require.NoError(t, err)
	require.Equal(t, []Option{{"tolerance_usecs", "15000", 2}, {"ip_version", "ipv4", 3}}, s.Options)
	require.Equal(t, []string{"sysctl -q net.ipv4.tcp_sack=1"}, s.Init)
	require.Equal(t, []string{"sysctl -q restore"}, s.Cleanup)
	require.Len(t, s.Events, 17)

	e := s.Events[0]
	require.Equal(t, Time{Kind: Absolute}, e.Time)
	require.Equal(t, 6, e.Line)
	require.Equal(t, "socket", e.Call.Name)
	require.Equal(t, Ellipsis, e.Call.Args[0].Kind)
	require.Equal(t, Expr, e.Call.Args[1].Kind)
	require.Equal(t, "|", e.Call.Args[1].Str)
	require.EqualValues(t, 3, e.Call.Result.Int)
	require.Equal(t, "sin_port", s.Events[2].Call.Args[1].Fields[1].Name)
	require.Equal(t, "htons", s.Events[2].Call.Args[1].Fields[1].Value.Str)

	e = s.Events[4]
	require.Equal(t, Time{Kind: Relative, At: 100 * time.Millisecond}, e.Time)
	require.True(t, e.Packet.Inbound)
	require.Equal(t, header.SYN, e.Packet.TCP.Flags)
	require.EqualValues(t, 32792, *e.Packet.TCP.Window)
	require.Len(t, e.Packet.TCP.Options, 6)
	require.EqualValues(t, 1000, e.Packet.TCP.Options[0].Value)

	k := s.Events[5].Packet
	require.False(t, k.Inbound)
	require.Equal(t, ECT0, *k.IP.ECN)
	require.Equal(t, header.SYN|header.ECE|header.ACK, k.TCP.Flags)
	require.True(t, k.TCP.AnyOptions)

	e = s.Events[6]
	require.Equal(t, Time{Kind: RelativeRange, At: 100 * time.Millisecond, Until: 200 * time.Millisecond}, e.Time)
	require.Equal(t, TimestampValue{Value: 300}, e.Packet.TCP.Options[2].Val)
	require.Equal(t, []SACKBlock{{1, 2}, {3001, 4001}}, e.Packet.TCP.Options[3].Blocks)

	e = s.Events[8]
	require.Equal(t, Time{Kind: Relative, Blocking: true, End: 50 * time.Millisecond}, e.Time)
	require.EqualValues(t, -1, e.Call.Result.Int)
	require.Equal(t, "EINPROGRESS", e.Call.Errno)

	require.Equal(t, AnyTime, s.Events[9].Time.Kind)
	require.Equal(t, []byte{1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}, s.Events[9].Packet.TCP.Options[0].Data)
	require.EqualValues(t, 5, s.Events[10].Packet.TCP.Urgent)
	m := s.Events[11].Packet.ICMP
	require.Equal(t, []any{"unreachable", "frag_needed", uint32(1200), uint32(1461)}, []any{m.Type, m.Code, m.MTU, m.About.TCP.End})
	require.Equal(t, 1000, s.Events[12].Packet.UDP.Length)
	require.EqualValues(t, 8080, s.Events[13].Packet.DstPort)
	require.Contains(t, s.Events[14].Code, "assert")
	msg := s.Events[15].Call.Args[1]
	require.Equal(t, []string{"msg_name", "msg_iov", "msg_flags", "msg_control"},
		[]string{msg.Fields[0].Name, msg.Fields[1].Name, msg.Fields[2].Name, msg.Fields[3].Name})
	require.EqualValues(t, 1, msg.Fields[1].Size.Int)
	require.Equal(t, "nstat", s.Events[16].Command)
}

func TestDefines(t *testing.T) {
	s, err := Parse("d", "0 < S 0:0(0) win 100 <FO COOKIE,mss MSS>\n0 close(FD) = 0", map[string]string{"COOKIE": "3021b9d889017eeb", "MSS": "1000", "FD": "-1"})
	require.NoError(t, err)
	o := s.Events[0].Packet.TCP.Options
	require.Equal(t, []byte{0x30, 0x21, 0xb9, 0xd8, 0x89, 0x01, 0x7e, 0xeb}, o[0].Data)
	require.EqualValues(t, 1000, o[1].Value)
	require.EqualValues(t, -1, s.Events[1].Call.Args[0].Int)
}

func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct {
		what, text string
		line       int
	}{
		{"nothing", "", 1},
		{"no event", "\n0 ;", 2},
		{"half a call", "0 socket(", 1},
		{"no result", "0 close(3)", 1},
		{"lengths", "0 < P. 1:10(10) ack 1", 1},
		{"flags", "0 < Q 1:1(0)", 1},
		{"window", "0 < . 1:1(0) ack 1 win 1073741824", 1},
		{"option", "0 < S 0:0(0) win 1 <msss 5>", 1},
		{"comment", "/* ", 1},
		{"code", "0 %{ assert", 1},
		{"command", "`sysctl", 1},
		{"string", "0 open(\"a) = 1", 1},
		{"range", "0.2~0.1 close(3) = 0", 1},
		{"blocking packet", "0...1 < . 1:1(0) ack 1", 1},
		{"note", "0 close(3) = -1 EBADF (bad", 1},
		{"depth", "0 f(" + string(make([]byte, 0)) + repeat("[", 100), 1},
	} {
		_, err := Parse("e.pkt", c.text, nil)
		var e *SyntaxError
		require.True(t, errors.As(err, &e), "%s: %v", c.what, err)
		require.Equal(t, c.line, e.Line, c.what)
	}
}

func repeat(s string, n int) (r string) {
	for range n {
		r += s
	}
	return r
}

// FuzzParse: whatever is read, reading ends, in a script or an error with a line.
func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("f", text, nil)
		var e *SyntaxError
		if err != nil && (!errors.As(err, &e) || e.Line < 1) {
			t.Fatal(err)
		}
		if err == nil && len(s.Events)+len(s.Init)+len(s.Cleanup) == 0 {
			t.Fatal("nothing was read")
		}
	})
}
