package linux_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/udp"
)

// sockaddr is what a guest has in its memory: a struct sockaddr_in.
func sockaddr(addr string, port uint16) []byte {
	b := binary.NativeEndian.AppendUint16(nil, linux.AF_INET)
	b = binary.BigEndian.AppendUint16(b, port)
	ip := netip.MustParseAddr(addr).As4()
	return append(append(b, ip[:]...), make([]byte, 8)...)
}

// A guest's system calls, as a runtime hands them over: a datagram from one socket to another, with its TTL
// in a control message.
func Example() {
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New},
		Transports: []stack.NewTransport{udp.New},
	})
	defer s.Close()
	_, err := s.AddNIC(loopback.New(loopback.Options{}), stack.NICOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sockets := linux.New(s)
	server, _ := sockets.Socket(linux.AF_INET, linux.SOCK_DGRAM, 0)
	client, _ := sockets.Socket(linux.AF_INET, linux.SOCK_DGRAM, linux.IPPROTO_UDP)
	on := binary.NativeEndian.AppendUint32(nil, 1)
	fmt.Println("setsockopt:", server.SetSockOpt(linux.IPPROTO_IP, tcpip.IP_RECVTTL.Number(), on))
	fmt.Println("bind:", server.Bind(sockaddr("127.0.0.1", 53)))
	fmt.Println("again:", server.Bind(sockaddr("127.0.0.1", 54)) == linux.EINVAL)

	n, errno := client.SendMsg([]byte("hello"), sockaddr("127.0.0.1", 53), nil, 0)
	fmt.Println("sendmsg:", n, errno)
	data, control := make([]byte, 100), make([]byte, 64)
	m, errno := server.RecvMsg(data, control, linux.MSG_DONTWAIT)
	fmt.Printf("recvmsg: %q %d, TTL %d\n", data[:m.N], errno, binary.NativeEndian.Uint32(control[16:m.Control]))
	_, errno = server.RecvMsg(data, control, linux.MSG_DONTWAIT)
	fmt.Println("nothing more:", errno == linux.EAGAIN)
	server.Close()
	client.Close()
	// Output:
	// setsockopt: errno 0
	// bind: errno 0
	// again: true
	// sendmsg: 5 errno 0
	// recvmsg: "hello" 0, TTL 64
	// nothing more: true
}
