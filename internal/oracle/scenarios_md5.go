package oracle

import (
	"encoding/binary"
	"fmt"

	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

const md5Option, md5OptionExt = 14, 32

// md5Sig is a struct tcp_md5sig.
type md5Sig struct {
	name          []byte
	flags, prefix byte
	keyLen        int // -1: that of key
	nic           int
	key           string
}

func (m md5Sig) bytes() []byte {
	b := make([]byte, 216)
	copy(b, m.name)
	b[128], b[129] = m.flags, m.prefix
	n := m.keyLen
	if n < 0 {
		n = len(m.key)
	}
	binary.NativeEndian.PutUint16(b[130:], uint16(n))
	binary.NativeEndian.PutUint32(b[132:], uint32(m.nic))
	copy(b[136:], m.key)
	return b
}

func md5For(name []byte, key string) []byte { return md5Sig{name: name, keyLen: -1, key: key}.bytes() }

// SetMD5 sets a key; the log says for whom.
func (r *Run) SetMD5(fd, number int, what string, value []byte) {
	e := r.sockets.SetSockOpt(fd, 6, number, value)
	r.logf("MD5 key %d on %s: %s = %s", number, r.file(fd), what, errnoName(e))
}

// md5Scenarios are about TCP_MD5SIG (RFC 2385).
func md5Scenarios() (list []Scenario) {
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		for _, number := range []int{md5Option, md5OptionExt} {
			list = append(list, Scenario{fmt.Sprintf("md5/set/%d/%s", number, k.name), func(r *Run) {
				s := k.open(r)
				long := make([]byte, 80)
				other := In6("::1", 0)
				if k.v6() {
					other = In4("127.0.0.1", 0)
				}
				for _, c := range []struct {
					what string
					v    []byte
				}{
					{"take back what is not there", md5For(k.peer(0), "")},
					{"a key", md5For(k.peer(0), "secret")},
					{"another", md5For(k.peer(7), "secret2")},
					{"take it back", md5For(k.peer(0), "")},
					{"take it back again", md5For(k.peer(0), "")},
					{"long", md5Sig{name: k.peer(0), keyLen: 80, key: string(long)}.bytes()},
					{"too long", md5Sig{name: k.peer(0), keyLen: 81, key: string(long)}.bytes()},
					{"far too long", md5Sig{name: k.peer(0), keyLen: 65535}.bytes()},
					{"of the other family", md5For(other, "secret")},
					{"of no family", md5For(make([]byte, 16), "secret")},
					{"for everybody", md5For(k.any(0), "secret")},
					{"short by one", md5For(k.peer(0), "secret")[:215]},
					{"long by some", append(md5For(k.peer(0), "secret"), 1, 2, 3)},
					{"a prefix", md5Sig{name: k.peer(0), flags: 1, prefix: 24, keyLen: -1, key: "secret"}.bytes()},
					{"a prefix of 0", md5Sig{name: k.peer(0), flags: 1, keyLen: -1, key: "secret"}.bytes()},
					{"a prefix of 33", md5Sig{name: k.peer(0), flags: 1, prefix: 33, keyLen: -1, key: "secret"}.bytes()},
					{"a prefix of 129", md5Sig{name: k.peer(0), flags: 1, prefix: 129, keyLen: -1, key: "secret"}.bytes()},
					{"a prefix that is not there", md5Sig{name: k.peer(0), flags: 1, prefix: 9}.bytes()},
					{"the prefix", md5Sig{name: k.peer(0), flags: 1, prefix: 24}.bytes()},
					{"an interface", md5Sig{name: k.peer(0), flags: 2, nic: 1, keyLen: -1, key: "secret"}.bytes()},
					{"no interface", md5Sig{name: k.peer(0), flags: 2, keyLen: -1, key: "secret"}.bytes()},
					{"an interface that is not there", md5Sig{name: k.peer(0), flags: 2, nic: 99, keyLen: -1, key: "secret"}.bytes()},
					{"an interface without the flag", md5Sig{name: k.peer(0), nic: 1, keyLen: -1, key: "secret"}.bytes()},
					{"an unknown flag", md5Sig{name: k.peer(0), flags: 0x80, keyLen: -1, key: "secret"}.bytes()},
				} {
					r.SetMD5(s, number, c.what, c.v)
				}
				r.GetOpt(s, 6, number, 216)
			}})
		}
		list = append(list, md5PairScenarios(k)...)
		list = append(list,
			Scenario{"md5/syn/" + k.name, func(r *Run) { // the SYN is signed, and has room for the rest
				s := k.open(r)
				r.SetMD5(s, md5Option, "peer", md5For(k.peer(0), "secret"))
				r.Connect(s, k.peer(4000))
				md5Shape(r)
			}},
			Scenario{"md5/syn-unsigned/" + k.name, func(r *Run) {
				k.ring(r, func(l int, p *tcpPeer) { r.SetMD5(l, md5Option, "peer", md5For(k.peer(0), "secret")) })
			}},
			Scenario{"md5/unexpected/" + k.name, func(r *Run) { // signed, and nobody has a key
				l, p := k.ring(r, nil)
				p.Send(segment{options: append([]byte{1, 1, 19, 18}, make([]byte, 16)...)})
				p.Sent()
				r.Poll(l)
				p.Send(segment{})
				p.Sent()
				r.Poll(l)
			}},
			Scenario{"md5/nobody/" + k.name, func(r *Run) { // signed, to a port where nobody is
				p := k.tcpPeerOf(r, 5000)
				p.host = 4001
				p.Send(segment{flags: tcpSYN, bare: true, options: append([]byte{1, 1, 19, 18}, make([]byte, 16)...)[:20], noTS: true})
				p.Sent()
			}},
		)
	}
	return list
}

// md5Shape logs the options of what has left, with the digests taken out.
func md5Shape(r *Run) {
	for _, b := range r.sockets.Sent() {
		proto, t := transportOf(b)
		if proto != 6 {
			continue
		}
		o := append([]byte(nil), t[20:int(t[12]>>4)*4]...)
		for i := 0; i+18 <= len(o); i++ {
			if o[i] == 19 && o[i+1] == 18 {
				clear(o[i+2 : i+18])
			}
		}
		r.logf("sent %s%s data %d", tcpFlags(t[13]), tcpOptions(o), len(t)-int(t[12]>>4)*4)
	}
}

// md5PairScenarios connect two sockets of which each has a key, or none.
func md5PairScenarios(k sort) (list []Scenario) {
	for _, c := range []struct {
		name         string
		listener     []byte
		client       []byte
		listenerText string
	}{
		{"both", md5For(k.loopback(0), "secret"), md5For(k.loopback(0), "secret"), "the same"},
		{"prefix", md5Sig{name: k.loopback(0), flags: 1, prefix: 8, keyLen: -1, key: "secret"}.bytes(), md5For(k.loopback(0), "secret"), "a prefix"},
		{"other-key", md5For(k.loopback(0), "secret"), md5For(k.loopback(0), "Secret"), "another"},
		{"listener-only", md5For(k.loopback(0), "secret"), nil, "alone"},
		{"client-only", nil, md5For(k.loopback(0), "secret"), "none"},
		{"of-others", md5For(k.peer(0), "secret"), nil, "for another peer"},
	} {
		list = append(list, Scenario{"md5/pair/" + c.name + "/" + k.name, func(r *Run) {
			l := k.open(r)
			if c.listener != nil {
				r.SetMD5(l, md5OptionExt, c.listenerText, c.listener)
			}
			r.Bind(l, k.loopback(4000))
			r.Listen(l, 5)
			s := k.open(r)
			if c.client != nil {
				r.SetMD5(s, md5Option, "client", c.client)
			}
			r.Connect(s, k.loopback(4000))
			r.Poll(s)
			a := r.Accept(l, 0)
			r.Info(s, "state", "options", "advmss")
			if a < 0 {
				return
			}
			r.Send(s, make([]byte, 3000), nil, nil, 0)
			r.Await(a, 1)
			r.Recv(a, 4000, 0, 0)
			r.Send(a, []byte("answer"), nil, nil, 0)
			r.Await(s, 1)
			r.Recv(s, 10, 0, 0)
			r.Info(a, "state", "options", "advmss")
			if c.client != nil { // one end forgets the key
				r.SetMD5(s, md5Option, "forgotten", md5For(k.loopback(0), ""))
				r.Send(s, []byte("unsigned"), nil, nil, 0)
				r.Recv(a, 10, 0, 0)
				r.SetMD5(a, md5Option, "forgotten, too", md5For(k.loopback(0), ""))
				r.sockets.Pass(300)
				r.Recv(a, 10, 0, 0)
			}
			r.Shutdown(s, linux.SHUT_WR)
			r.Await(a, 0x2000)
			r.Close(a)
			r.Await(s, 0x10)
			r.Recv(s, 10, 0, 0)
		}})
	}
	return list
}
