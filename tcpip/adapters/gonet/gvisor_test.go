package gonet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/sniffer"
	"github.com/seed963a8790/netstack/link/tun"
	"github.com/seed963a8790/netstack/link/tunnel"
	"github.com/seed963a8790/netstack/network/ipv4"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/gonet"
	"github.com/seed963a8790/netstack/transport"
	"github.com/seed963a8790/netstack/transport/icmp"
	"github.com/seed963a8790/netstack/transport/raw"
	"github.com/seed963a8790/netstack/transport/tcp"
	"github.com/seed963a8790/netstack/transport/udp"
)

// guided does everything that GVISOR.md names, for the compiler.
func guided(ctx context.Context, link stack.Link, mtu int, w io.Writer, p *stack.Packet) {
	s := stack.New(stack.Options{
		Networks: []stack.NewNetwork{ipv4.New}, Transports: []stack.NewTransport{tcp.New, udp.New}, Raw: raw.New, MaxMemory: tcpip.Set[int64](64 << 20),
	})
	nic, _ := s.AddNIC(link, stack.NICOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}, Promiscuous: true, Spoofing: true})
	nic.SetPromiscuous(true)
	e := stack.RouteEntry{Destination: netip.MustParsePrefix("0.0.0.0/0"), NIC: nic.ID()}
	_ = s.AddRoute(e)
	_ = s.RemoveRoute(e)
	_ = tcpip.FullAddress{Addr: netip.AddrPort{}.Addr()}

	o := transport.HandleOptions{Max: tcpip.Set(1024), MaxPerSource: tcpip.Set(16), Handlers: tcpip.Set(4)}
	_, _ = gonet.HandleTCP(s, o, func(r *gonet.TCPRequest) {
		var a, b net.Conn
		a, _ = r.Accept(ctx, tcp.AcceptOptions{AtOnce: true, Set: []tcp.SetOption{{ID: tcpip.SO_RCVBUF, Value: 1 << 20}}})
		r.Reject(transport.RejectReset)
		for _, with := range []transport.Rejection{transport.RejectHost, transport.RejectNet, transport.RejectProhibited} {
			r.Reject(with)
		}
		r.Drop()
		_, _, _ = gonet.Join(a, b)
	})
	_, _ = gonet.HandleUDP(s, udp.HandleOptions{HandleOptions: o, Mapping: udp.FullCone}, func(flow *gonet.UDPFlow) {
		c, _ := flow.Accept(udp.AcceptOptions{})
		_, _ = c.WriteFrom(nil, flow.Dst, flow.Src)
		gonet.JoinPackets(c, c)
	})
	_, _ = icmp.HandleEcho(s, o, func(r *icmp.EchoRequest) {
		r.Reply()
		r.Reject(transport.RejectHost)
		r.Drop()
	})
	_, _ = raw.Handle(s, o, func(f *raw.Flow) { f.Drop() })

	_, _ = (&gonet.Dialer{Stack: s}).DialContext(ctx, "tcp", "192.0.2.1:80")
	_, _ = (&gonet.Dialer{Stack: s}).DialTCP(ctx, "tcp", netip.AddrPort{}, netip.AddrPort{})
	_, _ = (&gonet.ListenConfig{Stack: s}).Listen(ctx, "tcp", ":80")
	_, _ = (&gonet.ListenConfig{Stack: s}).ListenPacket(ctx, "udp", ":53")

	t := tunnel.New(tunnel.Options{MTU: mtu})
	_, _ = t.ReadPackets(nil, nil, 0)
	_, _ = t.WritePackets(nil, nil, 0)
	_ = channel.New(channel.Options{})
	_, _ = tun.Open(tun.Options{})
	_, _ = tun.FromFD([]int{0}, tun.Options{})
	_ = sniffer.New(link, w, sniffer.Options{})

	_ = s.Counters().Drops[tcpip.DropNoPort].Value()
	_ = s.Snapshot()
	ep, _ := s.NewEndpoint(6, 0x800)
	_ = ep.Waiters()
	v := 1 << 20
	var err error = ep.SetOption(tcpip.SO_RCVBUF, v)
	_, _ = err.(tcpip.Error)
	_ = errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
	p.Release()
	s.Close()
	_ = s.Wait(ctx)
	_ = s.Shutdown(ctx)
}

// The guide for those who come from gVisor names nothing that guided does not use, and so nothing that is not there.
func TestGuideIsTrue(t *testing.T) {
	_ = guided
	guide, err := os.ReadFile("GVISOR.md")
	require.NoError(t, err)
	source, err := os.ReadFile("gvisor_test.go")
	if err != nil {
		t.Skip("needs the source tree around it: ", err)
	}
	used := map[string]bool{}
	word := regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
	for _, w := range word.FindAllString(string(source), -1) {
		used[w] = true
	}
	rows := 0
	for line := range strings.Lines(string(guide)) {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || strings.Contains(line, "wireguard") || !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| there") {
			continue
		}
		rows++
		for _, cell := range cells[1:] {
			for i, code := range strings.Split(cell, "`") {
				if i%2 == 0 {
					continue
				}
				for _, w := range word.FindAllString(code, -1) {
					require.True(t, used[w], "%q of %q is not known", w, code)
				}
			}
		}
	}
	require.Greater(t, rows, 20)
}
