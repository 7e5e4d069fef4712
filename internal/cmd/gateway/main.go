// Gateway is the network of a virtual machine: it speaks Ethernet with the guest over a Unix socket, answers ARP and neighbour
// discovery for its own addresses, and carries the guest's connections out through the host's sockets, without privileges.
//
//	gateway -stream /tmp/net.sock -in tcp:127.0.0.1:2222=192.168.127.2:22
//	qemu-system-x86_64 -netdev stream,id=n,addr.type=unix,addr.path=/tmp/net.sock -device virtio-net,netdev=n ...
//
// With -datagram every frame is a datagram, as vfkit has it. The guest's address, of the gateway's networks, and its route are set by
// hand: DHCP and DNS are not served, but -out can bring the gateway's port 53 to a resolver.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed963a8790/netstack/link/ethernet"
	"github.com/seed963a8790/netstack/link/sniffer"
	"github.com/seed963a8790/netstack/link/tunnel"
	"github.com/seed963a8790/netstack/network/arp"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// options are what the command line says.
type options struct {
	stream, datagram, pcap string
	addresses              []netip.Prefix
	station                tcpip.LinkAddr
	mtu                    int
	in, out                []rule
	dial                   func(ctx context.Context, network, address string) (net.Conn, error) // the host's
}

func main() {
	log.SetPrefix("gateway: ")
	o := options{station: tcpip.LinkAddr{0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd}, dial: (&net.Dialer{Timeout: 20 * time.Second}).DialContext}
	flag.StringVar(&o.stream, "stream", "", "listen at the Unix socket `PATH` for a guest that sends frames in a stream")
	flag.StringVar(&o.datagram, "datagram", "", "listen at the Unix socket `PATH` for a guest that sends frames as datagrams")
	flag.StringVar(&o.pcap, "pcap", "", "write what passes, and what is dropped and why, to `FILE`")
	flag.IntVar(&o.mtu, "mtu", 1500, "MTU, bytes")
	flag.Func("addr", "address `PREFIX` of the gateway, 192.168.127.1/24 and fd00:127::1/64 if there is none", func(s string) error {
		p, err := netip.ParsePrefix(s)
		o.addresses = append(o.addresses, p)
		return err
	})
	flag.Func("in", "let the host's `NETWORK:ADDRESS:PORT=GUEST:PORT` reach the guest, tcp or udp", func(s string) error { return parseRule(s, &o.in) })
	flag.Func("out", "let the guest's `NETWORK:GATEWAY:PORT=ADDRESS:PORT` reach the host, tcp or udp", func(s string) error { return parseRule(s, &o.out) })
	flag.Parse()
	if len(o.addresses) == 0 {
		o.addresses = []netip.Prefix{netip.MustParsePrefix("192.168.127.1/24"), netip.MustParsePrefix("fd00:127::1/64")}
	}
	if (o.stream == "") == (o.datagram == "") || flag.NArg() > 0 {
		log.Fatal("one of -stream and -datagram is needed; -help tells more")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, o *options) (err error) {
	wire := tunnel.New(tunnel.Options{MTU: o.mtu + frameHeader})
	var link stack.Link = ethernet.New(wire, ethernet.Options{Address: o.station})
	if o.pcap != "" {
		f, err := os.Create(o.pcap)
		if err != nil {
			return err
		}
		defer f.Close()
		b := bufio.NewWriter(f)
		defer b.Flush()
		link = sniffer.New(link, b, sniffer.Options{Name: "gateway"})
	}
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{arp.New, ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New, icmp.New4, icmp.New6},
	})
	defer func() {
		s.Close()
		wait, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = errors.Join(err, s.Wait(wait))
	}()
	if _, err := s.AddNIC(link, stack.NICOptions{Addresses: o.addresses, Promiscuous: true, Spoofing: true, DAD: tcpip.Set(0)}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := forward(ctx, s, o); err != nil {
		return err
	}
	serve, path := listenStream, o.stream
	if o.datagram != "" {
		serve, path = listenDatagram, o.datagram
	}
	if err := serve(ctx, wire, path); ctx.Err() == nil {
		return err
	}
	return nil
}
