package wgnet_test

import (
	"fmt"
	"net/netip"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"

	"github.com/seed963a8790/netstack/tcpip/adapters/wgnet"
)

// A device with a peer that never answers: the Net behind it is there all the same, and speaks to itself.
func Example() {
	tun, tnet, err := wgnet.CreateNetTUN([]netip.Addr{netip.MustParseAddr("192.168.4.28")}, []netip.Addr{netip.MustParseAddr("8.8.8.8")}, 1420)
	if err != nil {
		fmt.Println(err)
		return
	}
	dev := device.NewDevice(tun, conn.NewDefaultBind(), device.NewLogger(device.LogLevelSilent, ""))
	defer dev.Close()
	l, err := tnet.ListenTCPAddrPort(netip.MustParseAddrPort("192.168.4.28:80"))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := tnet.Dial("tcp", "192.168.4.28:80")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(c.RemoteAddr(), l.Addr())
	// Output: 192.168.4.28:80 192.168.4.28:80
}
