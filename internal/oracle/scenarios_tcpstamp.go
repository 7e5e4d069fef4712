package oracle

import (
	"fmt"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

// The flags of SO_TIMESTAMPING that streams have a use for.
const (
	tcpStampTx    = 1 << 1
	tcpStampRx    = 1 << 3
	tcpStampTell  = 1 << 4
	tcpStampID    = 1 << 7
	tcpStampSched = 1 << 8
	tcpStampAck   = 1 << 9
	tcpStampOnly  = 1 << 11
	tcpStampStats = 1 << 12
	tcpStampIDTCP = 1 << 16
	tcpZeroCopy   = 0x4000000
)

// errors takes what is on the error queue, at most n entries.
func (r *Run) errors(fd, n int) {
	for range n {
		if m := r.Recv(fd, 2000, 300, linux.MSG_ERRQUEUE); m.Flags == 0 {
			return
		}
	}
}

// tcpStampScenarios are about time stamps, and MSG_ZEROCOPY, of streams.
func tcpStampScenarios() (list []Scenario) {
	for _, k := range sorts {
		if !streams(k) {
			continue
		}
		for _, flags := range []int{
			tcpStampTx | tcpStampTell | tcpStampID | tcpStampOnly,
			tcpStampSched | tcpStampTell | tcpStampID | tcpStampOnly,
			tcpStampAck | tcpStampTell | tcpStampID | tcpStampOnly,
			tcpStampTx | tcpStampSched | tcpStampAck | tcpStampTell | tcpStampID | tcpStampOnly,
			tcpStampTx | tcpStampSched | tcpStampAck | tcpStampTell | tcpStampOnly,
			tcpStampTx | tcpStampTell | tcpStampID | tcpStampIDTCP | tcpStampOnly,
			tcpStampTx | tcpStampID | tcpStampOnly,
			tcpStampTell | tcpStampID,
		} {
			list = append(list, Scenario{fmt.Sprintf("tcpstamp/sent/%#x/%s", flags, k.name), func(r *Run) {
				_, c, s := k.pair(r)
				r.Send(c, []byte("before"), nil, nil, 0)
				r.Await(s, 1)
				r.Recv(s, 100, 0, 0)
				r.sockets.Pass(60)
				r.Set(c, tcpip.SO_TIMESTAMPING, flags)
				for _, n := range []int{5, 7, 1} {
					r.Send(c, make([]byte, n), nil, nil, 0)
					r.Await(s, 1)
					r.Recv(s, 100, 0, 0)
					r.sockets.Pass(60)
					r.Poll(c)
					r.errors(c, 5)
				}
				r.Send(s, []byte("x"), nil, nil, 0)
				r.Await(c, 1)
				r.Recv(c, 10, 100, 0)
			}})
		}
		for _, o := range []struct {
			name string
			id   tcpip.OptionID
			v    int
		}{
			{"timestamp", tcpip.SO_TIMESTAMP, 1}, {"timestampns", linux.SO_TIMESTAMPNS, 1}, {"timestamping", tcpip.SO_TIMESTAMPING, tcpStampRx | tcpStampTell},
			{"timestamping-untold", tcpip.SO_TIMESTAMPING, tcpStampRx},
		} {
			list = append(list, Scenario{"tcpstamp/received/" + o.name + "/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Set(s, o.id, o.v)
				r.Get(s, o.id)
				r.Send(c, []byte("abcdef"), nil, nil, 0)
				r.Await(s, 1)
				r.Recv(s, 2, 200, linux.MSG_PEEK)
				r.Recv(s, 2, 200, 0)
				r.Recv(s, 0, 200, 0)
				r.Recv(s, 10, 200, 0)
				r.Recv(s, 10, 200, 0)
				r.Shutdown(c, linux.SHUT_WR)
				r.Await(s, 0x2000)
				r.Recv(s, 10, 200, 0)
			}})
		}
		list = append(list,
			Scenario{"tcpstamp/options/" + k.name, func(r *Run) {
				s := k.open(r)
				for _, v := range []int{0, tcpStampTx | tcpStampTell | tcpStampID, tcpStampIDTCP, tcpStampIDTCP | tcpStampID, tcpStampStats, tcpStampStats | tcpStampOnly, 1 << 19, -1, tcpStampAck} {
					r.Set(s, tcpip.SO_TIMESTAMPING, v)
					r.GetOpt(s, 1, 37, 8)
				}
				l, c, _ := k.pair(r)
				for _, fd := range []int{l, c} {
					for _, v := range []int{tcpStampTx | tcpStampID, tcpStampTx | tcpStampID | tcpStampIDTCP, 0} {
						r.Set(fd, tcpip.SO_TIMESTAMPING, v)
						r.GetOpt(fd, 1, 37, 8)
					}
				}
			}},
			Scenario{"zerocopy/options/" + k.name, func(r *Run) {
				l, c, s := k.pair(r)
				for _, fd := range []int{k.open(r), l, c, s} {
					for _, v := range []int{1, 0, 2, -1} {
						r.Set(fd, tcpip.SO_ZEROCOPY, v)
						r.Get(fd, tcpip.SO_ZEROCOPY)
					}
				}
			}},
			Scenario{"zerocopy/inherit/" + k.name, func(r *Run) {
				l := k.open(r)
				r.Set(l, tcpip.SO_ZEROCOPY, 1)
				r.Set(l, tcpip.SO_TIMESTAMPING, tcpStampRx|tcpStampTell)
				r.Set(l, tcpip.SO_TIMESTAMP, 1)
				r.Bind(l, k.loopback(4000))
				r.Listen(l, 5)
				c := k.open(r)
				r.Connect(c, k.loopback(4000))
				r.Await(l, 1)
				s := r.Accept(l, 0)
				r.Get(s, tcpip.SO_ZEROCOPY)
				r.Get(s, tcpip.SO_TIMESTAMPING)
				r.Get(s, tcpip.SO_TIMESTAMP)
			}},
			Scenario{"zerocopy/send/" + k.name, func(r *Run) {
				_, c, s := k.pair(r)
				r.Send(c, []byte("unasked"), nil, nil, tcpZeroCopy)
				r.Await(s, 1)
				r.Recv(s, 100, 0, 0)
				r.sockets.Pass(60)
				r.errors(c, 2)
				r.Set(c, tcpip.SO_ZEROCOPY, 1)
				r.Send(c, []byte("first"), nil, nil, tcpZeroCopy)
				r.Await(s, 1)
				r.Recv(s, 100, 0, 0)
				r.sockets.Pass(60)
				r.Poll(c)
				r.errors(c, 2)
				r.Poll(c)
				for range 3 {
					r.Send(c, make([]byte, 100), nil, nil, tcpZeroCopy)
				}
				r.Send(c, nil, nil, nil, tcpZeroCopy)
				r.Send(c, []byte("plain"), nil, nil, 0)
				r.Send(c, []byte("last"), nil, nil, tcpZeroCopy)
				r.Await(s, 1)
				r.Recv(s, 1000, 0, 0)
				r.sockets.Pass(60)
				r.errors(c, 5)
				r.Get(c, linux.SO_ERROR)
			}},
			Scenario{"zerocopy/unacknowledged/" + k.name, func(r *Run) { // nothing is told before the peer has the bytes
				c, p := k.dial(r, nil)
				r.Set(c, tcpip.SO_ZEROCOPY, 1)
				r.Send(c, []byte("hello"), nil, nil, tcpZeroCopy)
				p.Sent()
				r.Poll(c)
				r.errors(c, 1)
				p.Send(segment{})
				r.Poll(c)
				r.errors(c, 2)
			}},
			Scenario{"tcpstamp/unacknowledged/" + k.name, func(r *Run) {
				c, p := k.dial(r, nil)
				r.Set(c, tcpip.SO_TIMESTAMPING, tcpStampTx|tcpStampSched|tcpStampAck|tcpStampTell|tcpStampID|tcpStampOnly)
				r.Send(c, []byte("hello"), nil, nil, 0)
				p.Sent()
				r.Poll(c)
				r.errors(c, 4)
				p.Send(segment{})
				r.Poll(c)
				r.errors(c, 2)
				r.Send(c, make([]byte, 3000), nil, nil, 0) // three segments, of which the last byte counts
				p.Sent()
				r.errors(c, 4)
				p.Send(segment{})
				r.errors(c, 2)
			}},
		)
	}
	return list
}
