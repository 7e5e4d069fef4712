package wgnet

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
)

// The addresses of the two ends of a tunnel.
var (
	client4, server4 = netip.MustParseAddr("192.168.4.28"), netip.MustParseAddr("192.168.4.29")
	client6, server6 = netip.MustParseAddr("fd04::28"), netip.MustParseAddr("fd04::29")
)

// newPair makes two Nets joined by two WireGuard devices that speak UDP over the kernel's loopback. Both ask the DNS at server.
func newPair(t testing.TB) (client, server *Net) {
	var keys [2]*ecdh.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	var nets [2]*Net
	var devices [2]*device.Device
	for i, addrs := range [][]netip.Addr{{client4, client6}, {server4, server6}} {
		tun, n, err := CreateNetTUN(addrs, []netip.Addr{server4}, 1420)
		if err != nil {
			t.Fatal(err)
		}
		d := device.NewDevice(tun, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, fmt.Sprintf("device %d: ", i)))
		t.Cleanup(d.Close)
		set(t, d, "private_key="+hex.EncodeToString(keys[i].Bytes()), "listen_port=0")
		if err := d.Up(); err != nil {
			t.Fatal(err)
		}
		nets[i], devices[i] = n, d
	}
	for i, allowed := range [][]netip.Addr{{server4, server6}, {client4, client6}} {
		lines := []string{"public_key=" + hex.EncodeToString(keys[1-i].PublicKey().Bytes()), "endpoint=127.0.0.1:" + port(t, devices[1-i])}
		for _, a := range allowed {
			lines = append(lines, "allowed_ip="+netip.PrefixFrom(a, a.BitLen()).String())
		}
		set(t, devices[i], lines...)
	}
	return nets[0], nets[1]
}

// set configures a device.
func set(t testing.TB, d *device.Device, lines ...string) {
	t.Helper()
	if err := d.IpcSet(strings.Join(lines, "\n") + "\n"); err != nil {
		t.Fatal(err)
	}
}

// port returns the port that a device listens at.
func port(t testing.TB, d *device.Device) string {
	t.Helper()
	conf, err := d.IpcGet()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(conf) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "listen_port="); ok {
			return p
		}
	}
	t.Fatal("the device has no port")
	return ""
}
