package wgnet

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// timeouts are how long DNS servers are waited for.
type timeouts struct {
	server time.Duration // each question to each server
	rounds int           // how often each server is asked
}

// defaultTimeouts are those of resolv.conf(5).
var defaultTimeouts = timeouts{5 * time.Second, 2}

// The bounds of an answer, bytes: what we say that a datagram may have (RFC 9715), and what TCP can carry.
const (
	maxDatagram = 1232
	maxStream   = 65535
)

// The reasons why a lookup fails, as package net words them.
var (
	errNoSuchHost = errors.New("no such host")
	errServer     = errors.New("server misbehaving")
	errNoServers  = errors.New("no DNS servers configured")
)

// LookupHost is LookupContextHost without a context.
func (n *Net) LookupHost(host string) (addrs []string, err error) {
	return n.LookupContextHost(context.Background(), host)
}

// LookupContextHost asks the DNS servers for host's addresses, of the families that the Net has. An IP address stands for itself.
//
// Errors: *net.DNSError, whose IsNotFound and IsTimeout say more.
func (n *Net) LookupContextHost(ctx context.Context, host string) ([]string, error) {
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil {
		return []string{ip.String()}, nil
	}
	name, err := dnsmessage.NewName(strings.TrimSuffix(host, ".") + ".")
	if err != nil || strings.Trim(host, ".") == "" || strings.Contains(host, "..") {
		return nil, &net.DNSError{Err: errNoSuchHost.Error(), Name: host, IsNotFound: true}
	}
	if len(n.dns) == 0 {
		return nil, &net.DNSError{Err: errNoServers.Error(), Name: host}
	}
	var types []dnsmessage.Type
	if n.v4 {
		types = append(types, dnsmessage.TypeA)
	}
	if n.v6 {
		types = append(types, dnsmessage.TypeAAAA)
	}
	type result struct {
		addrs []string
		err   error
	}
	results := make([]chan result, len(types))
	for i, t := range types {
		results[i] = make(chan result, 1)
		go func() {
			addrs, err := n.ask(ctx, name, t)
			results[i] <- result{addrs, err}
		}()
	}
	var addrs []string
	var first error
	for _, c := range results {
		r := <-c
		addrs = append(addrs, r.addrs...)
		if first == nil || r.err != nil && errors.Is(first, errNoSuchHost) {
			first = r.err
		}
	}
	switch {
	case len(addrs) > 0:
		return addrs, nil
	case first == nil:
		first = errNoSuchHost
	}
	e := &net.DNSError{Err: first.Error(), Name: host, UnwrapErr: first, IsNotFound: first == errNoSuchHost}
	var timeout interface{ Timeout() bool }
	e.IsTimeout = errors.As(first, &timeout) && timeout.Timeout()
	return nil, e
}

// ask asks every server in turn until one knows.
func (n *Net) ask(ctx context.Context, name dnsmessage.Name, t dnsmessage.Type) ([]string, error) {
	err := errServer
	for range n.timeout.rounds {
		for _, server := range n.dns {
			var addrs []string
			if addrs, err = n.askServer(ctx, netip.AddrPortFrom(server, 53), name, t); err == nil || err == errNoSuchHost {
				return addrs, err
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	return nil, err
}

// askServer asks one server, once more over TCP if a datagram cannot hold its answer.
func (n *Net) askServer(ctx context.Context, server netip.AddrPort, name dnsmessage.Name, t dnsmessage.Type) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout.server)
	defer cancel()
	question := dnsmessage.Question{Name: name, Type: t, Class: dnsmessage.ClassINET}
	id, query, err := build(question)
	if err != nil {
		return nil, err
	}
	c, err := n.DialUDPAddrPort(netip.AddrPort{}, server)
	if err != nil {
		return nil, err
	}
	addrs, truncated, err := exchange(ctx, c, id, question, query, make([]byte, maxDatagram), false)
	if err != nil || !truncated {
		return addrs, err
	}
	s, err := n.DialContextTCPAddrPort(ctx, server)
	if err != nil {
		return nil, err
	}
	addrs, _, err = exchange(ctx, s, id, question, query, make([]byte, maxStream), true)
	return addrs, err
}

// build makes a query with an identifier of its own.
func build(q dnsmessage.Question) (id uint16, query []byte, err error) {
	var b [2]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, nil, err
	}
	id = binary.BigEndian.Uint16(b[:])
	m := dnsmessage.NewBuilder(make([]byte, 2, 514), dnsmessage.Header{ID: id, RecursionDesired: true})
	if err := errors.Join(m.StartQuestions(), m.Question(q), m.StartAdditionals()); err != nil {
		return 0, nil, err
	}
	var edns dnsmessage.ResourceHeader
	if err := errors.Join(edns.SetEDNS0(maxDatagram, dnsmessage.RCodeSuccess, false), m.OPTResource(edns, dnsmessage.OPTResource{})); err != nil {
		return 0, nil, err
	}
	query, err = m.Finish()
	if err != nil {
		return 0, nil, err
	}
	binary.BigEndian.PutUint16(query, uint16(len(query)-2)) // the length is for TCP alone
	return id, query, nil
}

// exchange sends a query over c, which it closes, and waits for the answer to it. What answers something else is left out.
func exchange(ctx context.Context, c net.Conn, id uint16, q dnsmessage.Question, query, b []byte, stream bool) (addrs []string, truncated bool, err error) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if !stream {
		query = query[2:]
	}
	if _, err := c.Write(query); err != nil {
		return nil, false, err
	}
	for {
		n := 0
		if !stream {
			n, err = c.Read(b)
		} else if _, err = io.ReadFull(c, b[:2]); err == nil {
			n, err = io.ReadFull(c, b[:binary.BigEndian.Uint16(b)])
		}
		if err != nil {
			return nil, false, err
		}
		if addrs, truncated, ok, err := parse(b[:n], id, q); ok {
			return addrs, truncated, err
		}
	}
}

// parse reads an answer; ok is false if it is none to the question.
func parse(b []byte, id uint16, q dnsmessage.Question) (addrs []string, truncated, ok bool, err error) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.ID != id || !h.Response {
		return nil, false, false, nil
	}
	asked, err := p.Question()
	if err != nil || asked.Type != q.Type || asked.Class != q.Class || !strings.EqualFold(asked.Name.String(), q.Name.String()) {
		return nil, false, false, nil
	}
	if h.Truncated {
		return nil, true, true, nil
	}
	switch h.RCode {
	case dnsmessage.RCodeSuccess:
	case dnsmessage.RCodeNameError:
		return nil, false, true, errNoSuchHost
	default:
		return nil, false, true, errServer
	}
	if err := p.SkipAllQuestions(); err != nil {
		return nil, false, true, errServer
	}
	for {
		r, err := p.AnswerHeader()
		switch {
		case err == dnsmessage.ErrSectionDone:
			return addrs, false, true, nil
		case err != nil:
			return nil, false, true, errServer
		case r.Class == dnsmessage.ClassINET && r.Type == q.Type && r.Type == dnsmessage.TypeA:
			var a dnsmessage.AResource
			if a, err = p.AResource(); err == nil {
				addrs = append(addrs, netip.AddrFrom4(a.A).String())
			}
		case r.Class == dnsmessage.ClassINET && r.Type == q.Type && r.Type == dnsmessage.TypeAAAA:
			var a dnsmessage.AAAAResource
			if a, err = p.AAAAResource(); err == nil {
				addrs = append(addrs, netip.AddrFrom16(a.AAAA).String())
			}
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			return nil, false, true, errServer
		}
	}
}
