// Tun2socks takes over what a host sends into a TUN device: TCP connections go on through a SOCKS5 proxy by CONNECT, UDP by UDP
// ASSOCIATE, with endpoint-independent mapping and filtering. A connection is accepted only once the proxy has made its own, so that
// the host's programs see refusals and not connections that break off. Pings, which SOCKS does not carry, are refused.
//
//	ip tuntap add dev tun0 mode tun && ip addr add 10.88.0.1/24 dev tun0 && ip link set tun0 up
//	tun2socks -tun tun0 -proxy 192.0.2.1:1080 &
//	ip route add 203.0.113.0/24 dev tun0
//
// The proxy itself must not be routed into the device.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed963a8790/netstack/link/tun"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// options are what the command line says.
type options struct {
	device  string
	mtu     int
	hosts   []netip.Prefix
	proxy   socks
	idle    time.Duration
	connect time.Duration
	verbose bool
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("tun2socks: ")
	var o options
	flag.StringVar(&o.device, "tun", "tun%d", "name of the TUN device, which is made if there is none")
	flag.IntVar(&o.mtu, "mtu", 1500, "MTU of the device, bytes")
	flag.StringVar((*string)(&o.proxy), "proxy", "127.0.0.1:1080", "the proxy's `HOST:PORT`")
	flag.DurationVar(&o.idle, "idle", 2*time.Minute, "how long a UDP client may be silent before its association ends")
	flag.DurationVar(&o.connect, "timeout", 20*time.Second, "how long the proxy may take to connect")
	flag.BoolVar(&o.verbose, "v", false, "tell of every flow")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, o *options) (err error) {
	device, err := tun.Open(tun.Options{Name: o.device, MTU: o.mtu})
	if err != nil {
		return fmt.Errorf("-tun %s: %w", o.device, err)
	}
	s := stack.New(stack.Options{
		Networks:   []stack.NewNetwork{ipv4.New, ipv6.New},
		Transports: []stack.NewTransport{tcp.New, udp.New, icmp.New4, icmp.New6},
	})
	nic, err := s.AddNIC(device, stack.NICOptions{Name: device.Name(), Promiscuous: true, Spoofing: true})
	if err != nil {
		device.Close()
		return err
	}
	defer func() {
		s.Close()
		wait, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = errors.Join(err, s.Wait(wait))
	}()
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		if err := s.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix(all), NIC: nic.ID()}); err != nil {
			return err
		}
	}
	if err := forward(ctx, s, o); err != nil {
		return err
	}
	log.Printf("%s -> %s", device.Name(), o.proxy)
	<-ctx.Done()
	return nil
}
