package tcb

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// tally checks what has been counted since the last look.
func (x *trace) tally(want map[Tally]int) {
	x.t.Helper()
	got := map[Tally]int{}
	for k, n := range x.tallied {
		if n != 0 {
			got[Tally(k)] = n
		}
	}
	if !maps.Equal(got, want) {
		x.t.Fatalf("counted %v, not %v", got, want)
	}
	x.tallied = [NumTallies]int{}
}

// Every tally, by what it counts.
func TestTallies(t *testing.T) {
	for name, f := range map[string]func(*testing.T){
		"timeouts": func(t *testing.T) {
			x := established(t)
			x.write(5000)
			x.sleep(201 * time.Millisecond)
			x.tally(map[Tally]int{TallyTimeouts: 1}) // the first retransmission is the timeout's
			x.recv("ACK seq=300 ack=1100")
			x.tally(map[Tally]int{TallySlowStartRetrans: 2})
		},
		"SACK": func(t *testing.T) {
			x := established(t)
			x.write(5000)
			x.recv("ACK seq=300 ack=100 sack=1100-4100")
			x.tally(map[Tally]int{TallySackRecovery: 1, TallyFastRetrans: 1})
			x.recv("ACK seq=300 ack=5100 sack=100-1100")
			x.tally(map[Tally]int{TallyDSACKRecv: 1, TallyFullUndo: 1})
		},
		"Reno": func(t *testing.T) {
			x := connected(t, "mss=1000")
			x.write(5000)
			x.recv("ACK seq=300 ack=100", "ACK seq=300 ack=100", "ACK seq=300 ack=100", "ACK seq=300 ack=100") // the first is news of the window
			x.tally(map[Tally]int{TallyRenoRecovery: 1, TallyFastRetrans: 1})
		},
		"reneging": func(t *testing.T) {
			x := established(t)
			x.write(2000)
			x.recv("ACK seq=300 ack=100 sack=1100-2100", "ACK seq=300 ack=1100")
			x.sleep(210 * time.Millisecond)
			if x.tallied[TallySACKReneging] != 1 {
				t.Error(x.tallied)
			}
		},
		"order": func(t *testing.T) {
			x := established(t)
			x.recv("ACK seq=310 ack=100 len=10")
			x.tally(map[Tally]int{TallyOFOQueue: 1})
			x.recv("ACK seq=310 ack=100 len=10")
			x.tally(map[Tally]int{TallyOFOQueue: 1, TallyDSACKOfoSent: 1})
			x.recv("ACK seq=300 ack=100 len=10")
			x.tally(map[Tally]int{})
			x.recv("ACK seq=300 ack=100 len=10")
			x.tally(map[Tally]int{TallyDSACKOldSent: 1})
			x.read(20)
		},
		"refused": func(t *testing.T) {
			x := established(t)
			x.recv("ACK seq=300 ack=100 len=10")
			x.read(10)
			x.sleep(time.Second)
			x.tallied = [NumTallies]int{}
			x.refuse = true
			x.recv("ACK seq=300 ack=100 len=10")
			x.tally(map[Tally]int{})
			x.refuse = false
			x.sleep(time.Second)
			x.drain()
			if x.tallied[TallyDSACKOldSent] != 1 {
				t.Error(x.tallied)
			}
		},
		"delayed ACK": func(t *testing.T) {
			x := established(t)
			x.tcb.due.quick = 0
			x.recv("ACK seq=300 ack=100 len=10")
			x.want()
			x.sleep(time.Second)
			x.want("ACK ack=310")
			x.tally(map[Tally]int{TallyDelayedACKs: 1})
			x.read(10)
		},
		"keep-alive": func(t *testing.T) {
			x := established(t, func(c *Conf) {
				c.KeepAlive, c.KeepIdle, c.KeepInterval, c.KeepCount = true, time.Minute, time.Second, 2
			})
			x.sleep(time.Minute + time.Second/2)
			x.tally(map[Tally]int{TallyKeepAlive: 1})
			x.sleep(time.Minute)
			x.want(StateClosed, "ACK seq=99", "ACK seq=99", "RST|ACK")
			x.tally(map[Tally]int{TallyKeepAlive: 1, TallyAbortOnTimeout: 1})
		},
		"window": func(t *testing.T) {
			x := established(t, func(c *Conf) { c.ReceiveBuffer = tcpip.Set(8192) })
			x.recv("ACK seq=300 ack=100 win=0")
			x.write(10)
			x.sleep(time.Second)
			if x.tallied[TallyWinProbe] == 0 {
				t.Error(x.tallied)
			}
			x.tallied = [NumTallies]int{}
			n := 0
			for x.tallied[TallyToZeroWindow] == 0 && n < 20000 {
				k := min(500, x.tcb.rcv.adv.Sub(x.tcb.rcv.nxt)) // no more than there is room for
				x.recv(fmt.Sprintf("PSH|ACK seq=%d ack=100 len=%d win=0", 300+n, k))
				x.sleep(50 * time.Millisecond)
				n += k
			}
			if x.tallied[TallyToZeroWindow] != 1 || x.tallied[TallyFromZeroWindow] != 0 {
				t.Fatal(x.tallied)
			}
			x.read(min(n, x.tcb.recvQ.n))
			x.sleep(time.Second)
			if x.tallied[TallyToZeroWindow] != 1 || x.tallied[TallyFromZeroWindow] != 1 {
				t.Fatal(x.tallied)
			}
		},
		"close unread": func(t *testing.T) {
			x := established(t)
			x.recv("ACK seq=300 ack=100 len=10")
			x.tallied = [NumTallies]int{}
			x.close()
			x.tally(map[Tally]int{TallyAbortOnClose: 1})
		},
		"linger 0": func(t *testing.T) {
			x := established(t, func(c *Conf) { c.Linger = tcpip.Set(time.Duration(0)) })
			x.close()
			x.tally(map[Tally]int{TallyAbortOnData: 1})
		},
		"linger2": func(t *testing.T) {
			x := established(t, func(c *Conf) { c.Linger2 = -1 })
			x.close()
			x.tally(map[Tally]int{})
			x.recv("ACK seq=300 ack=101")
			x.tally(map[Tally]int{TallyAbortOnLinger: 1})
		},
	} {
		t.Run(name, f)
	}
}
