package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// What a proxy may answer to UDP ASSOCIATE, and what becomes of it.
func TestRequest(t *testing.T) {
	v4 := netip.MustParseAddrPort("192.0.2.1:4000")
	v6 := netip.MustParseAddrPort("[2001:db8::1]:4000")
	good := []byte{5, 0, 5, 0, 0}
	for _, c := range []struct {
		name   string
		answer []byte
		want   netip.AddrPort
	}{
		{"IPv4", appendAddress(good, v4), v4},
		{"IPv6", appendAddress(good, v6), v6},
		{"method", []byte{5, 2}, netip.AddrPort{}},
		{"version", []byte{4, 0}, netip.AddrPort{}},
		{"refused", appendAddress([]byte{5, 0, 5, 7, 0}, v4), netip.AddrPort{}},
		{"version then", appendAddress([]byte{5, 0, 4, 0, 0}, v4), netip.AddrPort{}},
		{"name", []byte{5, 0, 5, 0, 0, 3, 1, 'x', 0, 1}, netip.AddrPort{}},
		{"short", appendAddress(good, v4)[:10], netip.AddrPort{}},
		{"nothing", nil, netip.AddrPort{}},
	} {
		var said bytes.Buffer
		at, err := request(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(c.answer), &said})
		if at != c.want || (err == nil) != c.want.IsValid() {
			t.Errorf("%s: %v, %v", c.name, at, err)
		}
		if want := []byte{5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0}; c.want.IsValid() && !bytes.Equal(said.Bytes(), want) {
			t.Errorf("%s: said % x", c.name, said.Bytes())
		}
	}
}

// A proxy that says nothing does not keep anybody for longer than agreed.
func TestSilentProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := socks(l.Addr().String()).associate(ctx); err == nil {
		t.Error("an association with somebody who said nothing")
	}
	if _, err := socks(l.Addr().String()).connect(ctx, netip.MustParseAddrPort("192.0.2.1:1")); err == nil {
		t.Error("a connection")
	}
}

func FuzzParseDatagram(f *testing.F) {
	for _, a := range []string{"192.0.2.1:53", "[2001:db8::1]:53"} {
		f.Add(append(appendAddress([]byte{0, 0, 0}, netip.MustParseAddrPort(a)), "data"...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		data, from, err := parseDatagram(b)
		if err != nil {
			return
		}
		if again := append(appendAddress([]byte{b[0], b[1], 0}, from), data...); !from.Addr().Is4In6() && len(again) <= len(b) && from.Addr().Is4() == (b[3] == addressIPv4) && !bytes.Equal(again, b) {
			t.Fatalf("% x became % x", b, again)
		}
	})
}
