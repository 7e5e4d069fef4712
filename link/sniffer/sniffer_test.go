package sniffer_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/internal/linktest"
	"github.com/seed963a8790/netstack/internal/pcapng"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/ethernet"
	"github.com/seed963a8790/netstack/link/fault"
	"github.com/seed963a8790/netstack/link/loopback"
	"github.com/seed963a8790/netstack/link/pipe"
	"github.com/seed963a8790/netstack/link/sniffer"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

// pair is two hosts, the first of which records to out, under a manual clock.
func pair(t testing.TB, o pipe.Options, out io.Writer, so sniffer.Options) (a, b *linktest.Host, s *sniffer.Sniffer, c *tcpip.ManualClock) {
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{a, b} })
	la, lb := pipe.New(o)
	c = tcpip.NewManualClock()
	s = sniffer.New(la, out, so)
	return linktest.NewHost(t, c, s), linktest.NewHost(t, c, lb), s, c
}

func read(t testing.TB, b []byte) (packets []pcapng.Packet, nic pcapng.Interface) {
	r := pcapng.NewReader(b)
	for {
		var p pcapng.Packet
		err := r.Next(&p)
		if errors.Is(err, io.EOF) {
			return packets, *r.Interface(0)
		}
		require.NoError(t, err)
		packets = append(packets, p)
	}
}

// Super-segments are written whole, with the checksums that they do not have yet.
func TestRecords(t *testing.T) {
	var out bytes.Buffer
	a, b, s, clock := pair(t, pipe.Options{}, &out, sniffer.Options{Name: "nic1"})
	c := linktest.Spec{Flags: header.ACK, Payload: linktest.Pattern(50001, 1), Pieces: 3, SegSize: 1400}
	a.Send(c.Packet(a.Stack))
	require.Equal(t, c.Bytes(), b.Take()[0].Bytes, "the packet itself was changed")
	clock.Advance(1234567 * time.Nanosecond)
	six := linktest.Spec{V6: true, UDP: true, Payload: []byte("back"), Partial: true}
	b.Send(six.Packet(b.Stack))
	require.NoError(t, s.Err())

	got, nic := read(t, out.Bytes())
	require.Equal(t, pcapng.Interface{LinkType: pcapng.LinkTypeRaw, Name: "nic1"}, nic)
	require.Len(t, got, 2)
	c.SegSize, six.Partial = 0, false
	require.Equal(t, c.Bytes(), got[0].Data)
	require.Equal(t, pcapng.Outbound, got[0].Direction)
	require.Equal(t, six.Bytes(), got[1].Data)
	require.Equal(t, pcapng.Inbound, got[1].Direction)
	require.Equal(t, 1234567*time.Nanosecond, got[1].Time.Sub(got[0].Time))
	require.Equal(t, 2000, got[0].Time.Year())
}

// A drop shows at its packet, in either direction, and at no other.
func TestDropComments(t *testing.T) {
	var out bytes.Buffer
	a, b, _, _ := pair(t, pipe.Options{}, &out, sniffer.Options{})
	a.Drop = func(p *stack.Packet) tcpip.Drop {
		switch header.TCP(p.Front()[20:]).Seq() {
		case 1:
			return tcpip.DropNoPort
		case 3:
			return tcpip.DropWindow
		}
		return tcpip.DropNone
	}
	var batch []*stack.Packet
	for i := range 5 {
		c := linktest.Spec{Seq: uint32(i), Payload: linktest.Pattern(i, i)}
		batch = append(batch, c.Packet(b.Stack))
	}
	b.Send(batch...)
	big := linktest.Spec{Payload: linktest.Pattern(2000, 1)}
	a.Send(big.Packet(a.Stack))

	got, _ := read(t, out.Bytes())
	var comments []string
	for _, p := range got {
		comments = append(comments, p.Comment)
	}
	require.Equal(t, []string{"", "dropped: no-port", "", "dropped: window", "", "dropped: too-big"}, comments)
	require.Equal(t, 2040, got[5].Len)
}

// What a link beneath loses shows too, with the reason: what was sent at its packet, what was received as
// a packet that never came up.
func TestFaultsBeneath(t *testing.T) {
	var out bytes.Buffer
	la, lb := pipe.New(pipe.Options{})
	clock := tcpip.NewManualClock()
	lossy := fault.New(la, fault.Options{Tx: fault.Faults{Loss: 1}, Rx: fault.Faults{Loss: 1}})
	a := linktest.NewHost(t, clock, sniffer.New(lossy, &out, sniffer.Options{}))
	b := linktest.NewHost(t, clock, lb)
	c := linktest.Spec{Payload: []byte("lost")}
	a.Send(c.Packet(a.Stack))
	b.Send(c.Packet(b.Stack))
	require.Equal(t, 2, a.Drops(tcpip.DropFault))
	got, _ := read(t, out.Bytes())
	require.Len(t, got, 2)
	for i, p := range got {
		require.Equal(t, []pcapng.Direction{pcapng.Outbound, pcapng.Inbound}[i], p.Direction)
		require.Equal(t, "dropped: fault", p.Comment)
		require.Equal(t, c.Bytes(), p.Data)
	}
}

// Only what the lower link takes is on the wire.
func TestRefused(t *testing.T) {
	var out bytes.Buffer
	l := channel.New(channel.Options{Capacity: 2})
	h := linktest.NewHost(t, tcpip.NewManualClock(), sniffer.New(l, &out, sniffer.Options{SnapLen: 30}))
	for i := range 5 {
		c := linktest.Spec{Seq: uint32(i)}
		h.Send(c.Packet(h.Stack))
	}
	for range 5 {
		l.TryNext().Release()
	}
	got, nic := read(t, out.Bytes())
	require.Equal(t, 30, nic.SnapLen)
	require.Len(t, got, 5)
	for i, p := range got {
		require.Len(t, p.Data, 30)
		require.Equal(t, 40, p.Len)
		require.EqualValues(t, i, p.Data[27])
	}
}

func TestLoopbackRecordsOnce(t *testing.T) {
	var out bytes.Buffer
	h := linktest.NewHost(t, nil, sniffer.New(loopback.New(loopback.Options{}), &out, sniffer.Options{}))
	c := linktest.Spec{Payload: []byte("once")}
	h.Send(c.Packet(h.Stack))
	got, _ := read(t, out.Bytes())
	require.Len(t, got, 1)
}

// Above link/ethernet and beneath it, frames look the same.
func TestEthernetFrames(t *testing.T) {
	// The stations' first octets look like an IPv4 and an IPv6 version.
	addr := [2]tcpip.LinkAddr{{0x46, 0, 0, 0, 0, 1}, {0x62, 0, 0, 0, 0, 2}}
	var captures [2][]byte
	for i, beneath := range []bool{false, true} {
		var out bytes.Buffer
		la, lb := pipe.New(pipe.Options{MTU: 1514})
		var link stack.Link
		if beneath {
			link = ethernet.New(sniffer.New(la, &out, sniffer.Options{LinkType: 1}), ethernet.Options{Address: addr[0]})
		} else {
			link = sniffer.New(ethernet.New(la, ethernet.Options{Address: addr[0]}), &out, sniffer.Options{})
		}
		clock := tcpip.NewManualClock()
		a := linktest.NewHost(t, clock, link)
		b := linktest.NewHost(t, clock, ethernet.New(lb, ethernet.Options{Address: addr[1]}))
		for _, v6 := range []bool{false, true} {
			c := linktest.Spec{V6: v6, Flags: header.ACK, Payload: linktest.Pattern(3000, 1), SegSize: 1000}
			p := c.Packet(a.Stack)
			p.Link.Dst = addr[1]
			a.Send(p)
			p = c.Packet(b.Stack)
			p.Link.Dst = addr[0]
			a.Drop = func(*stack.Packet) tcpip.Drop { return tcpip.DropNoPort }
			b.Send(p)
		}
		got, nic := read(t, out.Bytes())
		require.Equal(t, pcapng.LinkTypeEthernet, nic.LinkType)
		require.Len(t, got, 4)
		for j, p := range got {
			e, d := header.ParseEthernet(p.Data)
			require.Equal(t, tcpip.DropNone, d)
			require.Equal(t, addr[j%2], e.Src())
			require.Equal(t, addr[1-j%2], e.Dst())
			require.True(t, linktest.Valid(e.Payload()))
			require.Equal(t, j%2 == 1, p.Comment == "dropped: no-port")
		}
		captures[i] = out.Bytes()
	}
	require.Equal(t, captures[0], captures[1])
}

type failing struct{ left int }

var errFull = errors.New("disk full")

func (f *failing) Write(b []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// A writer that fails is left alone, and traffic goes on.
func TestWriterFails(t *testing.T) {
	f := &failing{left: 2}
	a, b, s, _ := pair(t, pipe.Options{}, f, sniffer.Options{})
	c := linktest.Spec{Payload: []byte("x")}
	for i := range 4 {
		require.Equal(t, i > 1, s.Err() != nil)
		a.Send(c.Packet(a.Stack))
	}
	require.ErrorIs(t, s.Err(), errFull)
	require.Len(t, b.Take(), 4)
	require.Equal(t, -1, f.left)
}

// The same traffic gives the same bytes.
func TestRepeatable(t *testing.T) {
	var outs [2]bytes.Buffer
	for i := range outs {
		a, b, _, clock := pair(t, pipe.Options{}, &outs[i], sniffer.Options{})
		for j := range 20 {
			c := linktest.Spec{Seq: uint32(j), Payload: linktest.Pattern(j*100, j), SegSize: 700}
			a.Send(c.Packet(a.Stack))
			clock.Advance(time.Millisecond)
			b.Send(c.Packet(b.Stack))
		}
	}
	require.Equal(t, outs[0].Bytes(), outs[1].Bytes())
}

func TestCloseDuringTraffic(t *testing.T) {
	var a, b *linktest.Host
	linktest.NoLeaks(t, func() []*linktest.Host { return []*linktest.Host{a, b} })
	var out bytes.Buffer
	la, lb := pipe.New(pipe.Options{})
	a = linktest.NewHost(t, nil, sniffer.New(la, &out, sniffer.Options{}))
	b = linktest.NewHost(t, nil, lb)
	a.CountOnly()
	b.CountOnly()
	var wg sync.WaitGroup
	for _, h := range []*linktest.Host{a, b, a, b} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := linktest.Spec{Payload: linktest.Pattern(500, 1)}
			for h.NIC.Up() {
				w := h.Stack.Begin()
				if p := c.Packet(h.Stack); !h.NIC.Enqueue(w, p) {
					w.Drop(p, tcpip.DropQueueFull)
				}
				w.End()
			}
		}()
	}
	a.Await(100)
	a.NIC.Remove()
	wg.Wait()
	a.Stack.Close()
	require.NoError(t, a.Stack.Wait(t.Context()))
	b.Stack.Close()
	require.NoError(t, b.Stack.Wait(t.Context()))
	read(t, out.Bytes())
}

// Wireshark's dissectors find nothing to complain about.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	var out bytes.Buffer
	a, b, _, _ := pair(t, pipe.Options{Kind: stack.LinkEthernet}, &out, sniffer.Options{})
	a.Drop = func(*stack.Packet) tcpip.Drop { return tcpip.DropNoPort }
	for _, v6 := range []bool{false, true} {
		for _, udp := range []bool{false, true} {
			c := linktest.Spec{V6: v6, UDP: udp, Flags: header.ACK | header.PSH, Payload: linktest.Pattern(60000, 1), SegSize: 1400, Window: 9}
			p := c.Packet(a.Stack)
			p.Link.Dst = b.NIC.Info().Address
			a.Send(p)
			c.Payload, c.SegSize, c.Partial = c.Payload[:100], 0, true
			p = c.Packet(b.Stack)
			p.Link.Dst = a.NIC.Info().Address
			b.Send(p)
		}
	}
	file := filepath.Join(t.TempDir(), "x.pcapng")
	require.NoError(t, os.WriteFile(file, out.Bytes(), 0o600))
	text, err := exec.Command(tshark, "-n", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-o", "ip.check_checksum:TRUE", "-T", "fields", "-e", "frame.len", "-e", "frame.comment", "-e", "frame.packet_flags_direction",
		"-e", "_ws.malformed", "-e", "tcp.checksum.status", "-e", "udp.checksum.status").CombinedOutput()
	require.NoError(t, err, string(text))
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "Running as user") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	require.Equal(t, []string{
		"60054\t\t0x00000002\t\t1\t",
		"154\tdropped: no-port\t0x00000001\t\t1\t",
		"60042\t\t0x00000002\t\t\t1",
		"142\tdropped: no-port\t0x00000001\t\t\t1",
		"60074\t\t0x00000002\t\t1\t",
		"174\tdropped: no-port\t0x00000001\t\t1\t",
		"60062\t\t0x00000002\t\t\t1",
		"162\tdropped: no-port\t0x00000001\t\t\t1",
	}, lines)
}
