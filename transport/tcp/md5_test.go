package tcp

import (
	"bytes"
	"crypto/md5"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// RFC 2385: a session whose every segment is signed, from the SYN to the last ACK, by keys for the exact address on one
// side and for a prefix on the other; large writes included, whose segments are cut before they are signed.
func TestMD5Session(t *testing.T) {
	bothFamilies(t, func(t *testing.T, v6 int) {
		h := newHosts(t, Options{}, Options{})
		l := listenOn(t, h.b, v6, 179, 4)
		net := netip.PrefixFrom(addrA[v6], 8)
		require.NoError(t, l.SetMD5(net, []byte("a secret")))
		require.NoError(t, l.SetMD5(netip.PrefixFrom(addrA[v6], 4), []byte("for others")), "the longer prefix counts")
		c := endpointOf(t, h.a, v6)
		require.NoError(t, c.SetMD5(host(addrB[v6]), []byte("a secret")))
		require.ErrorIs(t, c.Connect(tcpip.FullAddress{Addr: addrB[v6], Port: 179}), tcpip.ErrInProgress)
		h.clock.Settle()
		s := accept(t, l)
		data := bytes.Repeat([]byte("0123456789abcdef"), 4096)
		require.NoError(t, c.SetOption(tcpip.SO_SNDBUF, 1<<20))
		n, err := c.Write(data, tcpip.WriteOptions{})
		require.NoError(t, err)
		var got []byte
		for len(got) < n {
			got = append(got, readAll(t, s, 1<<20)...)
			h.clock.Advance(time.Millisecond)
		}
		require.Equal(t, data[:n], got)
		s.Close()
		c.Close()
		h.clock.Advance(time.Second)
		require.NotEmpty(t, h.trace)
		for _, v := range h.trace {
			require.Len(t, v.o.MD5, 16, "%v of side %v is not signed", v.h.Flags, v.fromA)
		}
		for _, k := range []*stack.Stack{h.a, h.b} {
			x := &k.Counters().TcpExt
			require.Zero(t, x.TCPMD5Failure.Value()+x.TCPMD5NotFound.Value()+x.TCPMD5Unexpected.Value())
		}
	})
}

// The digest is that of RFC 2385 §2.0, put together here by hand; what lacks it, or has another, is dropped for a reason
// that is counted.
func TestMD5Digest(t *testing.T) {
	x := newWire(t, Options{})
	l := listenOn(t, x.s, 0, 80, 4)
	defer l.Close()
	secret := []byte("secret")
	require.NoError(t, l.SetMD5(host(addrB[0]), secret))
	sign := func(f header.TCPFields, o header.TCPOptions, data string) []byte {
		o.MD5 = make([]byte, 16)
		n := header.TCPSize + o.Size()
		b := bytes.Join([][]byte{addrB[0].AsSlice(), addrA[0].AsSlice(), {0, 6, byte((n + len(data)) >> 8), byte(n + len(data))}}, nil)
		head := make([]byte, n)
		f.Encode(head, &o)
		sum := md5.Sum(bytes.Join([][]byte{b, head[:header.TCPSize], []byte(data), secret}, nil))
		return sum[:]
	}
	syn := header.TCPFields{SrcPort: 5000, DstPort: 80, Seq: 1000, Flags: header.SYN, Window: 65535}
	o := header.TCPOptions{HasMSS: true, MSS: 1460}
	c := x.s.Counters()
	for _, p := range []struct {
		digest []byte
		drop   tcpip.Drop
	}{{nil, tcpip.DropMD5Missing}, {make([]byte, 16), tcpip.DropMD5Wrong}, {sign(syn, o, "x"), tcpip.DropMD5Wrong}} {
		before := c.Drops[p.drop].Value()
		o.MD5 = p.digest
		x.send(5000, header.SYN, 1000, 0, o, "")
		x.none()
		require.Equal(t, before+1, c.Drops[p.drop].Value())
	}
	o.MD5 = sign(syn, o, "")
	x.send(5000, header.SYN, 1000, 0, o, "")
	answer := x.only()
	require.Equal(t, header.SYN|header.ACK, answer.h.Flags)
	require.Len(t, answer.o.MD5, 16)

	// A peer that nobody has a secret with must not sign.
	require.NoError(t, l.SetMD5(host(addrB[0]), nil))
	require.ErrorIs(t, l.SetMD5(host(addrB[0]), nil), tcpip.ErrNotFound)
	before := c.Drops[tcpip.DropMD5Unexpected].Value()
	x.send(5001, header.SYN, 1000, 0, o, "")
	x.none()
	require.Equal(t, before+1, c.Drops[tcpip.DropMD5Unexpected].Value())
}

// Keys are bounded in number and length.
func TestMD5Bounds(t *testing.T) {
	x := newWire(t, Options{})
	e := endpointOf(t, x.s, 0)
	defer e.Close()
	require.ErrorIs(t, e.SetMD5(host(addrB[0]), make([]byte, 81)), tcpip.ErrInvalid)
	require.ErrorIs(t, e.SetMD5(netip.Prefix{}, []byte("x")), tcpip.ErrInvalid)
	for i := range md5KeysMax {
		a := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		require.NoError(t, e.SetMD5(host(a), []byte("x")))
	}
	require.ErrorIs(t, e.SetMD5(host(addrB[0]), []byte("x")), tcpip.ErrNoMemory)
	require.NoError(t, e.SetMD5(host(netip.AddrFrom4([4]byte{10, 1, 0, 7})), []byte("changed")), "one that is there can be changed")
}

// The time stamps and completions of writes go where they belong, and nothing is left of them (the stack's own check).
func TestStampsOfWrites(t *testing.T) {
	h := newHosts(t, Options{}, Options{})
	c, s, _ := h.connected(0)
	require.ErrorIs(t, c.SetOption(tcpip.SO_TIMESTAMPING, int(tcpip.TimestampPHC)), tcpip.ErrNotSupported)
	flags := tcpip.TimestampSent | tcpip.TimestampScheduled | tcpip.TimestampAcked | tcpip.TimestampReport | tcpip.TimestampNumber | tcpip.TimestampOnly
	require.NoError(t, c.SetOption(tcpip.SO_TIMESTAMPING, int(flags)))
	require.NoError(t, c.SetOption(tcpip.SO_ZEROCOPY, 1))
	for range 2 {
		_, err := c.Write([]byte("hello"), tcpip.WriteOptions{Flags: tcpip.WriteZeroCopy})
		require.NoError(t, err)
		h.clock.Advance(100 * time.Millisecond)
	}
	require.Equal(t, "hellohello", string(readAll(t, s, 100)))
	var told []tcpip.ErrorReport
	for {
		r, err := c.Read(nil, tcpip.ReadOptions{Flags: tcpip.ReadError})
		if err != nil {
			require.ErrorIs(t, err, tcpip.ErrWouldBlock)
			break
		}
		told = append(told, r.Control.Err)
	}
	stamp := func(kind, number uint32) tcpip.ErrorReport {
		return tcpip.ErrorReport{Err: tcpip.ErrNoMessage, Origin: tcpip.OriginTimestamping, Info: kind, Data: number}
	}
	zero := func(n uint32) tcpip.ErrorReport {
		return tcpip.ErrorReport{Origin: tcpip.OriginZeroCopy, Code: codeCopied, Info: n, Data: n}
	}
	require.ElementsMatch(t, []tcpip.ErrorReport{
		stamp(stampScheduled, 4), stamp(stampSent, 4), stamp(stampAcked, 4), zero(0),
		stamp(stampScheduled, 9), stamp(stampSent, 9), stamp(stampAcked, 9), zero(1),
	}, told)
	require.NoError(t, c.SetOption(tcpip.SO_SNDBUF, 1<<20))
	_, err := c.Write(make([]byte, 1<<20), tcpip.WriteOptions{Flags: tcpip.WriteZeroCopy})
	require.NoError(t, err)
	s.Abort() // with much of it on its way
	r, err := c.Read(nil, tcpip.ReadOptions{Flags: tcpip.ReadError})
	require.NoError(t, err)
	require.Equal(t, zero(2), r.Control.Err) // its memory is free all the same
	_, err = c.Write([]byte("x"), tcpip.WriteOptions{})
	require.ErrorIs(t, err, tcpip.ErrConnReset)
}
