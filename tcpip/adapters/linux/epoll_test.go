package linux_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
	"github.com/seed963a8790/netstack/waiter"
)

// host is a stack with loopback and a clock that stands still.
func host(t testing.TB) (*linux.Sockets, *tcpip.ManualClock) {
	clock := tcpip.NewManualClock()
	s := stack.New(stack.Options{
		Clock:      clock,
		Networks:   []stack.NewNetwork{ipv4.New},
		Transports: []stack.NewTransport{tcp.New, udp.New},
	})
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Name: "lo", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}})
	require.NoError(t, err)
	t.Cleanup(func() {
		s.Close()
		clock.Settle()
		require.Zero(t, s.LivePackets())
		require.Zero(t, s.Slabs.Live())
	})
	return linux.New(s), clock
}

// couple is a bound datagram socket, and one that is connected to it.
func couple(t testing.TB, n *linux.Sockets) (from, to *linux.Socket) {
	to, err := n.Socket(linux.AF_INET, linux.SOCK_DGRAM, 0)
	require.Zero(t, err)
	require.Zero(t, to.Bind(sockaddr("127.0.0.1", 53)))
	from, err = n.Socket(linux.AF_INET, linux.SOCK_DGRAM, 0)
	require.Zero(t, err)
	require.Zero(t, from.Connect(sockaddr("127.0.0.1", 53)))
	t.Cleanup(func() {
		from.Close()
		to.Close()
	})
	return from, to
}

func send(t testing.TB, s *linux.Socket, text string) {
	n, err := s.SendMsg([]byte(text), nil, nil, 0)
	require.Zero(t, err)
	require.Equal(t, len(text), n)
}

// Edges, levels and one shots of one and the same socket.
func TestEpollTriggers(t *testing.T) {
	n, clock := host(t)
	from, to := couple(t, n)
	const in = uint32(waiter.Readable)
	level, edge, once := linux.NewEpoll(), linux.NewEpoll(), linux.NewEpoll()
	require.Zero(t, level.Ctl(linux.EPOLL_CTL_ADD, to, linux.Event{Events: in, Data: 1}))
	require.Zero(t, edge.Ctl(linux.EPOLL_CTL_ADD, to, linux.Event{Events: in | linux.EPOLLET, Data: 2}))
	require.Zero(t, once.Ctl(linux.EPOLL_CTL_ADD, to, linux.Event{Events: in | linux.EPOLLONESHOT, Data: 3}))
	wait := func(e *linux.Epoll) int {
		clock.Settle()
		return e.Wait(make([]linux.Event, 4))
	}
	for _, e := range []*linux.Epoll{level, edge, once} {
		require.Zero(t, wait(e))
	}
	send(t, from, "one")
	require.Equal(t, []int{1, 1, 1}, []int{wait(level), wait(edge), wait(once)})
	require.Equal(t, []int{1, 0, 0}, []int{wait(level), wait(edge), wait(once)}, "only the level stays")
	send(t, from, "two")
	require.Equal(t, []int{1, 1, 0}, []int{wait(level), wait(edge), wait(once)}, "each datum is an edge")
	require.Zero(t, once.Ctl(linux.EPOLL_CTL_MOD, to, linux.Event{Events: in | linux.EPOLLONESHOT, Data: 3}))
	require.Equal(t, 1, wait(once))
	require.Equal(t, linux.ENOENT, edge.Ctl(linux.EPOLL_CTL_MOD, from, linux.Event{}))
	require.Equal(t, linux.EEXIST, edge.Ctl(linux.EPOLL_CTL_ADD, to, linux.Event{}))
	require.Equal(t, linux.EINVAL, edge.Ctl(9, to, linux.Event{}))
	edge.Forget(to)
	send(t, from, "three")
	require.Zero(t, wait(edge))
	for _, e := range []*linux.Epoll{level, edge, once} {
		e.Close()
		require.Zero(t, wait(e))
	}
}

// Those who wait for the set are told when something has happened to a socket in it.
func TestEpollWaiters(t *testing.T) {
	n, clock := host(t)
	from, to := couple(t, n)
	e := linux.NewEpoll()
	defer e.Close()
	require.Zero(t, e.Ctl(linux.EPOLL_CTL_ADD, to, linux.Event{Events: uint32(waiter.Readable)}))
	w := waiter.NewChannel(waiter.Readable)
	e.Waiters().Register(w)
	defer e.Waiters().Unregister(w)
	require.Empty(t, w.C())
	send(t, from, "one")
	clock.Settle()
	require.Len(t, w.C(), 1)
}

// A runtime below its guest's epoll_wait: it registers, asks, waits, and asks again. With EPOLLET a socket that
// still has data is not reported until more comes.
func ExampleEpoll() {
	s := stack.New(stack.Options{Networks: []stack.NewNetwork{ipv4.New}, Transports: []stack.NewTransport{udp.New}})
	defer s.Close()
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	sockets := linux.New(s)
	server, _ := sockets.Socket(linux.AF_INET, linux.SOCK_DGRAM, 0)
	client, _ := sockets.Socket(linux.AF_INET, linux.SOCK_DGRAM, 0)
	server.Bind(sockaddr("127.0.0.1", 53))

	epoll := linux.NewEpoll()
	epoll.Ctl(linux.EPOLL_CTL_ADD, server, linux.Event{Events: uint32(waiter.Readable) | linux.EPOLLET, Data: 7})
	more := waiter.NewChannel(waiter.Readable)
	epoll.Waiters().Register(more)
	events := make([]linux.Event, 8)
	wait := func() {
		for {
			if n := epoll.Wait(events); n > 0 {
				fmt.Printf("file %d: %#x\n", events[0].Data, events[0].Events)
				return
			}
			<-more.C()
		}
	}
	for range 2 {
		client.SendMsg([]byte("hello"), sockaddr("127.0.0.1", 53), nil, 0)
		wait()
		fmt.Println("and now:", epoll.Wait(events))
	}
	epoll.Close()
	server.Close()
	client.Close()
	// Output:
	// file 7: 0x1
	// and now: 0
	// file 7: 0x1
	// and now: 0
}

// sendmmsg and recvmmsg: what a partial success leaves.
func TestManyMessages(t *testing.T) {
	n, clock := host(t)
	from, to := couple(t, n)
	out := []linux.Outgoing{{Data: []byte("one")}, {Data: make([]byte, 70000)}, {Data: []byte("three")}}
	sent, err := from.SendMMsg(out, 0)
	require.Zero(t, err)
	require.Equal(t, 1, sent)
	require.Equal(t, []int{3, 0, 0}, []int{out[0].N, out[1].N, out[2].N})
	_, err = from.SendMMsg(out[1:], 0)
	require.Equal(t, linux.EMSGSIZE, err)
	sent, err = from.SendMMsg(out[2:], 0)
	require.Zero(t, err)
	require.Equal(t, 1, sent)
	clock.Settle()
	in := make([]linux.Incoming, 4)
	for i := range in {
		in[i].Data = make([]byte, 10)
	}
	got, err := to.RecvMMsg(in, linux.MSG_WAITFORONE)
	require.Zero(t, err)
	require.Equal(t, 2, got)
	require.Equal(t, "one", string(in[0].Data[:in[0].Received.N]))
	require.Equal(t, "three", string(in[1].Data[:in[1].Received.N]))
	_, err = to.RecvMMsg(in, 0)
	require.Equal(t, linux.EAGAIN, err)
	many := make([]linux.Outgoing, 2000)
	sent, err = from.SendMMsg(many, 0)
	require.Zero(t, err)
	require.LessOrEqual(t, sent, 1024)
}

// Requests about interfaces: a guest may ask, and not change.
func TestInterfaceRequests(t *testing.T) {
	n, _ := host(t)
	s, _ := couple(t, n)
	ifreq := make([]byte, 40)
	copy(ifreq, "lo")
	require.Zero(t, s.IoctlBytes(linux.SIOCGIFINDEX, ifreq))
	require.EqualValues(t, 1, binary.NativeEndian.Uint32(ifreq[16:]))
	require.Zero(t, s.IoctlBytes(linux.SIOCGIFADDR, ifreq))
	require.Equal(t, sockaddr("127.0.0.1", 0), ifreq[16:32])
	require.Equal(t, linux.EPERM, s.IoctlBytes(linux.SIOCSIFADDR, ifreq))
	require.Equal(t, linux.EPERM, s.IoctlBytes(linux.SIOCSIFFLAGS, nil))
	require.Equal(t, linux.EFAULT, s.IoctlBytes(linux.SIOCGIFMTU, ifreq[:39]))
	require.Equal(t, linux.ENOTTY, s.IoctlBytes(0x1234, ifreq))
	require.Equal(t, 40, s.InterfaceList(nil))
	require.Equal(t, 40, s.InterfaceList(make([]byte, 100)))
	require.Equal(t, 0, s.InterfaceList(make([]byte, 39)))
}
