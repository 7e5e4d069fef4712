package packetdrill

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/internal/pcapng"
)

const accepted = `
   0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
  +0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
  +0 bind(3, ..., ...) = 0
  +0 listen(3, 1) = 0
 +.1 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
  +0 > S. 0:0(0) ack 1 <...>
 +.1 < . 1:1(0) ack 1 win 257
  +0 accept(3, ..., ...) = 4
`

// What a script may say, each with a script that passes.
func TestLanguage(t *testing.T) {
	for what, text := range map[string]string{
		"epoll": accepted + `
+0 epoll_create(1) = 5
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLOUT|EPOLLIN|EPOLLET, fd=4}) = 0
+0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 1
+.1 < P. 1:11(10) ack 1 win 257
+0 > . 1:1(0) ack 11
+0 epoll_wait(5, {events=EPOLLIN|EPOLLOUT, fd=4}, 1, 0) = 1
+0 epoll_wait(5, {events=EPOLLIN|EPOLLOUT, ptr=4}, 1, 0) = 0
+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN|POLLOUT}], 1, 0) = 1
+0 ioctl(4, SIOCINQ, [10]) = 0`,
		"structs": accepted + `
+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=7}, 8) = 0
+0 getsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=7}, [8]) = 0
+0 setsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=0, tv_usec=500000}, 16) = 0
+0...0.5 read(4, ..., 10) = -1 EAGAIN (Resource temporarily unavailable)
+0 setsockopt(4, SOL_TCP, TCP_CONGESTION, "reno", 4) = 0
+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, "reno", [16]) = 0
+0 setsockopt(4, SOL_TCP, 9999, [1], 4) = -1 ENOPROTOOPT (Protocol not available)`,
		"vectors": accepted + `
+0 setsockopt(4, SOL_TCP, TCP_INQ, [1], 4) = 0
+.1 < P. 1:1001(1000) ack 1 win 257
+0 > . 1:1(0) ack 1001
+0 recvmsg(4, {msg_name(...)=...,
    msg_iov(1)=[{..., 400}], msg_flags=0,
    msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=600}]}, 0) = 400
+0 readv(4, [{..., 100}, {..., 100}], 2) = 200
+0 writev(4, [{..., 100}, {..., 100}], 2) = 200
+0 > P. 1:201(200) ack 1001`,
		"code in blocks": accepted + `
+0 %{
assert tcpi_state == TCP_ESTABLISHED, tcpi_state
for i in range(1, 3):
    assert i > 0
    if i == 2:
        last = i
if last != 2:
    assert False, "the loop"
elif tcpi_unacked in (0, 5):
    pass
else:
    assert False, f"unacked is {tcpi_unacked}"
assert "{} and {}".format(1, 2) == "1 and 2"
}%`,
		"a SYN again": accepted + `
+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
+0 > . 1:1(0) ack 1`,
		"numbers behind a SYN": `
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) <...>
+.01 < S. 123:123(0) ack 1 win 5840 <mss 1040,nop,nop,sackOK,nop,wscale 6>
+0 > . 1:1(0) ack 1
+0 < P. 1:11(10) ack 1 win 100
+0 > . 1:1(0) ack 11
+0 connect(3, ..., ...) = 0`,
		"numbers that go on": `
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 1000:1000(0) win 5840 <mss 1040>
+0 > S. 0:0(0) ack 1001 <mss 1460>
+.1 < P. 1001:1011(10) ack 1 win 100
+0 > . 1:1(0) ack 1011`,
		"a blocking connect": `
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0...0.1 connect(3, {sa_family = AF_INET, sin_port = htons(8080), sin_addr = inet_addr("192.0.2.1")}, 16) = -1 ECONNREFUSED (Connection refused)
*  > S 0:0(0) <...>
+.1 < R. 0:0(0) ack 1 win 0`,
		"datagrams": `
0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 sendto(3, ..., 10, 0, {sa_family = AF_INET, sin_port = htons(53), sin_addr = inet_addr("192.0.2.1")}, ...) = 10
+0 > udp (10)
+0 < udp (20)
+0 read(3, ..., 100) = 20
+0 connect(3, {sa_family = AF_INET, sin_port = htons(53), sin_addr = inet_addr("192.0.2.1")}, 16) = 0
+0 write(3, ..., 5) = 5
+0 > udp (5)
+0 < icmp unreachable port_unreachable [udp (5)]
+0 write(3, ..., 5) = -1 ECONNREFUSED (Connection refused)`,
		"marks": accepted + `
+0 setsockopt(4, SOL_IP, IP_TOS, [4], 4) = 0
+0 write(4, ..., 10) = 10
+0 > (tos 0x4) [noecn] P. 1:11(10) ack 1
+.01 < [ce] (ttl 7) . 1:1(0) ack 11 win 257`,
		"settings": "`sysctl -q net.ipv4.tcp_sack=0; sysctl -w net.ipv4.tcp_window_scaling=0`" + accepted + `
+0 %{ assert tcpi_options & (TCPI_OPT_SACK | TCPI_OPT_WSCALE) == 0 }%
+0 ` + "`sysctl -n net.ipv4.tcp_sack | grep -q 0`" + `
+0 ` + "`nstat -az TcpPassiveOpens | grep -q 'TcpPassiveOpens *1'`" + `
+0 ` + "`cat /proc/net/tcp | grep -q 1F90`",
		"sends that are lost below": accepted + `
+0 ` + "`tc qdisc replace dev tun0 root pfifo limit 0`" + `
+0 write(4, ..., 100) = 100
+.05 ` + "`tc qdisc replace dev tun0 root pfifo`" + `
+.05~+.5 > P. 1:101(100) ack 1`,
		"differences that are no failure": "--non_fatal=packet,syscall\n" + accepted + `
+0 write(4, ..., 100) = 99
+0 > P. 1:102(101) ack 1`,
		"options on one line": "--ip_version=ipv4 --tolerance_usecs=9000 // and a comment\n--mtu=1400" + accepted + `
+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [1000], [4]) = 0`,
		"null pointers": accepted + `
+0 write(4, NULL, 1000) = -1 EFAULT (Bad address)
+0 send(4, NULL, 1000, 0) = -1 EFAULT (Bad address)
+0 sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{NULL, 1000}], msg_flags=0}, 0) = -1 EFAULT (Bad address)
+0 setsockopt(4, SOL_TCP, TCP_NODELAY, NULL, 4) = -1 EFAULT (Bad address)
+0 write(4, NULL, 0) = 0
+.1 < P. 1:101(100) ack 1 win 257
+0 > . 1:1(0) ack 101
+0 read(4, NULL, 1000) = -1 EFAULT (Bad address)
+0 read(4, ..., 1000) = 100`,
		"memory in code": accepted + `
+0 %{ assert SK_MEMINFO_BACKLOG == 0 and SK_MEMINFO_RMEM_ALLOC == 0, SK_MEMINFO_BACKLOG }%
+0 < P. 1:1001(1000) ack 1 win 257
+0 > . 1:1(0) ack 1001
+0 %{ assert SK_MEMINFO_RMEM_ALLOC > 1000 and SK_MEMINFO_RCVBUF == 131072 }%`,
		"names of its own": "--define=WIN=257\n--define=MSS=1000\n" + `
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+.1 < S 0:0(0) win WIN <mss MSS>
+0 > S. 0:0(0) ack 1 <mss 1460>`,
		"queues that are not there": "`tc qdisc replace dev tun0 root fq 2>/dev/null || tc qdisc replace dev tun0 root pfifo`" + accepted,
		"any length of an option": accepted + `
+0 < P. 1:11(10) ack 1 win 257 <gen 253 len 4 val 0x1234>
+0 > . 1:1(0) ack 11`,
	} {
		s := Suite{Conf: DefaultConf(), Make: NewOurs}
		res := s.PlayText(what, text)
		require.NoError(t, res.Err, "%s: %v", what, res.Trace)
		require.Empty(t, res.Skip, what)
	}
}

func TestSkips(t *testing.T) {
	for what, c := range map[string]struct{ text, skip string }{
		"wire":    {"--wire_server\n" + accepted, "there is no --wire_server here: both ends of the wire are in one process"},
		"command": {"`nft flush ruleset`" + accepted, "the command nft has no meaning here"},
		"value":   {"`sysctl -q net.ipv4.tcp_plb_enabled=1`" + accepted, "the setting net.ipv4.tcp_plb_enabled has no meaning here but as 0"},
		"queue":   {"`tc qdisc add dev tun0 root netem delay 10ms`" + accepted, "tc qdisc add dev tun0 root netem delay 10ms has no meaning here: Error: Specified qdisc kind is unknown."},
		"machine": {"`echo 0 > /sys/module/tcp_cubic/parameters/hystart`" + accepted, "the setting module.tcp_cubic.parameters.hystart has no meaning here but as 1"},
	} {
		res := play(t, c.text)
		require.Equal(t, c.skip, res.Skip, what)
		require.NoError(t, res.Err, what)
	}
}

func TestCapture(t *testing.T) {
	s, err := Parse("c", accepted, nil)
	require.NoError(t, err)
	c := DefaultConf()
	c.Capture = true
	res := Play(s, c, NewOurs)
	require.NoError(t, res.Err)
	r := pcapng.NewReader(res.Capture)
	var p pcapng.Packet
	var way []pcapng.Direction
	for r.Next(&p) == nil {
		way = append(way, p.Direction)
	}
	require.Equal(t, []pcapng.Direction{pcapng.Inbound, pcapng.Outbound, pcapng.Inbound}, way[:3])
}

func TestDryRun(t *testing.T) {
	res := play(t, "--dry_run\n0 close(77) = 5\n")
	require.True(t, res.Passed())
}
