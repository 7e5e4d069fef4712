package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/seed963a8790/netstack/link/tun"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
)

// serveTUN serves the kernel's programs until it is interrupted.
func serveTUN(ctx context.Context, o *options) (err error) {
	device, err := tun.Open(tun.Options{Name: o.tun})
	if err != nil {
		return fmt.Errorf("-tun %s: %w", o.tun, err)
	}
	capture, err := openCapture(o.pcap)
	if err != nil {
		device.Close()
		return err
	}
	defer func() { err = errors.Join(err, capture.close()) }()
	s, err := newStack(capture.around(device, device.Name()), device.Name(), o.addrs...)
	if err != nil {
		device.Close()
		return err
	}
	defer func() { err = errors.Join(err, shut(s)) }()
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		if err := s.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix(all), NIC: 2}); err != nil {
			return err
		}
	}
	for _, p := range o.hosts {
		if err := device.AddHostAddress(p); err != nil {
			return fmt.Errorf("-host %v: %w", p, err)
		}
	}
	if len(o.hosts) > 0 {
		if err := device.SetUp(true); err != nil {
			return err
		}
	}
	if err := listen(ctx, &gonet.ListenConfig{Stack: s}, page(o.size)); err != nil {
		return err
	}
	fmt.Printf("serving on %s; interrupt to stop and see the counters\n", device.Name())
	for _, p := range o.addrs {
		hint(p, device.Name(), len(o.hosts) == 0)
	}
	<-ctx.Done()
	fmt.Println("\ncounters")
	counters(os.Stdout, s)
	return nil
}

// hint says how the kernel's programs reach an address of ours.
func hint(ours netip.Prefix, device string, setUp bool) {
	a, host, v := ours.Addr(), ours.Addr().String(), "-4"
	if a.Is6() {
		host, v = "["+host+"]", "-6"
	}
	fmt.Println()
	if setUp {
		other := a.Next()
		if !ours.Contains(other) {
			other = a.Prev()
		}
		fmt.Printf("  ip address add %v/%d dev %s && ip link set %s up\n", other, ours.Bits(), device, device)
	}
	for _, row := range [][2]string{
		{fmt.Sprintf("curl http://%s/", host), "the page"},
		{fmt.Sprintf("curl -o FILE http://%s/data?size=1GiB", host), "a gigabyte down"},
		{fmt.Sprintf("curl -T FILE http://%s/data", host), "the same up again, verified here"},
		{fmt.Sprintf("ping %s %v", v, a), ""},
		{fmt.Sprintf("nc %s %v 7", v, a), "echo; 9 discards, 19 sends without end; -u for UDP"},
	} {
		fmt.Printf("  %-48s %s\n", row[0], row[1])
	}
}
