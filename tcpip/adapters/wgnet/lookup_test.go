package wgnet

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// answer is what the test's DNS server says to a query. Names that begin with "big" are answered over TCP alone.
func answer(query []byte, stream bool) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	name := q.Name.String()
	h.Response = true
	m := dnsmessage.Message{Header: h, Questions: []dnsmessage.Question{q}}
	resource := func(name dnsmessage.Name, body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 1}, Body: body})
	}
	alias := dnsmessage.MustNewName("host.example.test.")
	switch first, _, _ := strings.Cut(name, "."); first {
	case "nobody":
		m.RCode = dnsmessage.RCodeNameError
	case "broken":
		m.RCode = dnsmessage.RCodeServerFailure
	case "silent":
		return nil
	case "empty":
	case "big":
		if !stream {
			m.Truncated = true
			break
		}
		fallthrough
	default:
		resource(q.Name, &dnsmessage.CNAMEResource{CNAME: alias})
		if q.Type == dnsmessage.TypeA {
			resource(alias, &dnsmessage.AResource{A: server4.As4()})
		} else {
			resource(alias, &dnsmessage.AAAAResource{AAAA: server6.As16()})
		}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

// serveDNS answers at port 53, with an answer to somebody else in front of each datagram.
func serveDNS(t testing.TB, n *Net) {
	u, err := n.ListenUDP(&net.UDPAddr{Port: 53})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 2000)
		for {
			k, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			if a := answer(b[:k], false); a != nil {
				other := slices.Clone(a)
				other[0]++ // the identifier
				u.WriteTo(other, from)
				u.WriteTo(a, from)
			}
		}
	}()
	l, err := n.ListenTCP(&net.TCPAddr{Port: 53})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 2000)
			if _, err := io.ReadFull(c, b[:2]); err == nil {
				k := binary.BigEndian.Uint16(b)
				if _, err := io.ReadFull(c, b[:k]); err == nil {
					a := answer(b[:k], true)
					c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
				}
			}
			c.Close()
		}
	}()
}

func TestLookup(t *testing.T) {
	client, server := newPair(t)
	serveDNS(t, server)
	both := []string{server4.String(), server6.String()}
	for host, want := range map[string][]string{
		"www.example.test": both, "www.example.test.": both, "big.example.test": both,
		"192.0.2.7": {"192.0.2.7"}, "2001:db8::7": {"2001:db8::7"}, "[::1]": {"::1"},
	} {
		got, err := client.LookupHost(host)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", host, got, err)
		}
	}
	client.timeout = timeouts{100 * time.Millisecond, 2}
	for _, c := range []struct {
		host              string
		notFound, timeout bool
	}{
		{"nobody.example.test", true, false}, {"empty.example.test", true, false}, {"broken.example.test", false, false},
		{"silent.example.test", false, true}, {"", true, false}, {".", true, false}, {"a..b", true, false},
		{strings.Repeat("long.", 60), true, false},
	} {
		got, err := client.LookupHost(c.host)
		var e *net.DNSError
		if !errors.As(err, &e) || e.IsNotFound != c.notFound || e.IsTimeout != c.timeout || len(got) > 0 {
			t.Errorf("%q: %v, %v", c.host, got, err)
		}
	}
	client.timeout = defaultTimeouts
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.LookupContextHost(ctx, "silent.example.test"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	// The first server does not answer; the second does.
	client.dns = []netip.Addr{netip.MustParseAddr("203.0.113.53"), server4}
	client.timeout.server = 200 * time.Millisecond
	if got, err := client.LookupHost("www.example.test"); err != nil || len(got) != 2 {
		t.Error(got, err)
	}
	client.dns = nil
	if _, err := client.LookupHost("www.example.test"); err == nil {
		t.Error("found without servers")
	}
}

// Whatever a server says: no panic, and addresses only from answers to the question.
func FuzzParse(f *testing.F) {
	q := dnsmessage.Question{Name: dnsmessage.MustNewName("www.example.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	id, query, err := build(q)
	if err != nil {
		f.Fatal(err)
	}
	a := answer(query[2:], false)
	f.Add(a)
	f.Add(a[:len(a)-2])
	f.Fuzz(func(t *testing.T, b []byte) {
		addrs, truncated, ok, err := parse(b, id, q)
		if len(addrs) > 0 && (!ok || truncated || err != nil) {
			t.Fatal("addresses of no answer")
		}
		for _, s := range addrs {
			if _, err := netip.ParseAddr(s); err != nil {
				t.Fatal(err)
			}
		}
	})
}
