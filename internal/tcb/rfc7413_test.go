package tcb

import (
	"testing"
	"time"

	"github.com/seed963a8790/netstack/tcpip"
)

// connectFast opens with the cookie and n bytes.
func connectFast(t *testing.T, cookie string, n int) *trace {
	t.Helper()
	x := newTrace(t)
	x.tcb.ConnectFast(x.now, NewFastCookie([]byte(cookie)), true, 0, n)
	if n > 0 {
		x.queue(n)
	}
	x.drain()
	return x
}

// RFC 7413 §4.1: the first time the SYN asks for a cookie.
func TestFastOpenRequest(t *testing.T) {
	x := connectFast(t, "", 0)
	x.want(StateSynSent, "SYN seq=99 fo=")
	x.recv("SYN|ACK seq=299 ack=100 mss=1000 sackok fo=abcd1234")
	x.want(StateEstablished, "ACK seq=100 ack=300")
	x.events(EventFastOpen | EventConnected)
	r := x.tcb.FastResult()
	if string(r.Cookie.Bytes()) != "abcd1234" || r.MSS != 1000 || r.Accepted || r.Failed {
		t.Errorf("%+v", r)
	}
	if i := x.tcb.Info(x.now); i.FastFailure != FastNoCookie {
		t.Error(i.FastFailure)
	}
}

// RFC 7413 §4.2: with a cookie data goes with the SYN.
func TestFastOpenData(t *testing.T) {
	x := connectFast(t, "abcd1234", 500)
	x.want(StateSynSent, "SYN seq=99 len=500 fo=abcd1234")
	x.recv("SYN|ACK seq=299 ack=600 mss=1000 sackok")
	x.want(StateEstablished, "ACK seq=600 ack=300")
	if r := x.tcb.FastResult(); !r.Accepted || r.Failed {
		t.Errorf("%+v", r)
	}
	if i := x.tcb.Info(x.now); i.Options&InfoSynData == 0 || i.Unacked != 0 {
		t.Errorf("%+v", i)
	}
}

// The SYN leaves room for 40 bytes of options; the rest is written later.
func TestFastOpenRoom(t *testing.T) {
	x := newTrace(t)
	x.tcb.ConnectFast(x.now, NewFastCookie([]byte("abcd1234")), true, 1000, 1<<16-1)
	if n := x.tcb.FastRoom(); n != 960 {
		t.Fatal(n)
	}
	x.queue(960)
	if n := x.tcb.FastRoom(); n != 0 {
		t.Fatal(n)
	}
	x.drain()
	x.want("SYN seq=99 len=960")
}

// RFC 7413 §4.2.2: what the SYN-ACK leaves out goes again at once, and is no sign of congestion.
func TestFastOpenNotAcked(t *testing.T) {
	x := connectFast(t, "abcd1234", 1400)
	x.want("SYN seq=99 len=1400")
	x.recv("SYN|ACK seq=299 ack=100 mss=1000 sackok")
	x.want(StateEstablished, "ACK seq=100 ack=300 len=1000 again", "PSH|ACK seq=1100 ack=300 len=400 again")
	if i := x.tcb.Info(x.now); i.FastFailure != FastNotAcked || i.Cwnd != 10 {
		t.Errorf("%v, %d", i.FastFailure, i.Cwnd)
	}
	x.recv("ACK seq=300 ack=1500")
	x.want()
}

func TestFastOpenPartlyAcked(t *testing.T) {
	x := connectFast(t, "abcd1234", 500)
	x.want("SYN seq=99 len=500")
	x.recv("SYN|ACK seq=299 ack=300 mss=1000 sackok")
	x.want(StateEstablished, "PSH|ACK seq=300 ack=300 len=300 again")
}

// RFC 7413 §4.2.2: the SYN that is sent again is a plain one, and the data follows the handshake.
func TestFastOpenTimeout(t *testing.T) {
	x := connectFast(t, "abcd1234", 500)
	x.want("SYN seq=99 len=500 fo=abcd1234")
	x.sleep(time.Second)
	x.want("SYN seq=99 again")
	if x.tcb.Info(x.now).TotalRetransmits != 1 {
		t.Error("not counted")
	}
	x.recv("SYN|ACK seq=299 ack=100 mss=1000 sackok")
	x.want(StateEstablished, "PSH|ACK seq=100 ack=300 len=500 again")
	if r := x.tcb.FastResult(); !r.Dropped || !r.Failed {
		t.Errorf("%+v", r)
	}
	if i := x.tcb.Info(x.now); i.FastFailure != FastSynRetransmit {
		t.Error(i.FastFailure)
	}
}

// A SYN with data that is refused below goes out as it was.
func TestFastOpenRefused(t *testing.T) {
	x := newTrace(t)
	x.tcb.ConnectFast(x.now, NewFastCookie([]byte("abcd1234")), true, 0, 500)
	x.queue(500)
	x.refuse = true
	x.drain()
	x.refuse = false
	x.want()
	x.drain()
	x.want("SYN seq=99 len=500 fo=abcd1234")
}

// fastChild is a connection that a SYN with n bytes has begun.
func fastChild(t *testing.T, n string) *trace {
	t.Helper()
	x := newTrace(t)
	var r Request
	s := x.parse("SYN seq=299 mss=1000 sackok fo=abcd1234 len=" + n)
	r.Init(x.now, s, &x.conf, x.path, x.identity())
	r.EstablishFast(x.now, s, &x.tcb, &x.conf, nil)
	x.drain()
	return x
}

// RFC 7413 §4.2.2: the data of the SYN is read, and answered, before the handshake is over.
func TestFastOpenServer(t *testing.T) {
	x := fastChild(t, "500")
	x.want(StateSynRcvd, "SYN|ACK seq=99 ack=800")
	x.read(500)
	x.write(1500)
	x.want(StateSynRcvd, "ACK seq=100 ack=800 len=1000", "PSH|ACK seq=1100 ack=800 len=500")
	x.recv("ACK seq=800 ack=100")
	x.want(StateEstablished)
	x.recv("ACK seq=800 ack=1600")
	x.want()
	if i := x.tcb.Info(x.now); i.Options&(InfoSynData|InfoFastChild) != InfoSynData|InfoFastChild {
		t.Errorf("%b", i.Options)
	}
}

// Until the handshake is over only the SYN-ACK is sent again, and it says what it said.
func TestFastOpenServerTimeout(t *testing.T) {
	x := fastChild(t, "500")
	x.want("SYN|ACK seq=99 ack=800")
	x.write(300)
	x.want("PSH|ACK seq=100 ack=800 len=300")
	x.recv("ACK|PSH seq=800 ack=99 len=100") // acknowledges nothing: RFC 9293 §3.10.7.4
	x.want(StateSynRcvd, "RST seq=99")
	x.sleep(time.Second)
	x.want("SYN|ACK seq=99 ack=800 again")
	x.recv("SYN seq=299 mss=1000 sackok") // the client's SYN again
	x.want(StateSynRcvd, "SYN|ACK seq=99 ack=800 again")
	x.recv("ACK seq=800 ack=400")
	x.want(StateEstablished)
}

// The SYN-ACK is sent once more often than others.
func TestFastOpenServerGivesUp(t *testing.T) {
	x := fastChild(t, "5")
	for range x.conf.SynAckRetries + 1 {
		x.sleep(x.tcb.Deadline().Sub(x.now))
	}
	x.want("SYN|ACK", "SYN|ACK", "SYN|ACK", "SYN|ACK", "SYN|ACK", "SYN|ACK", "SYN|ACK")
	x.sleep(x.tcb.Deadline().Sub(x.now))
	x.failed(tcpip.ErrTimedOut)
}

// shutdown(2) waits for the handshake; close(2) does not.
func TestFastOpenServerEnds(t *testing.T) {
	x := fastChild(t, "5")
	x.want("SYN|ACK")
	x.shutdown()
	x.want(StateSynRcvd)
	x.recv("ACK seq=305 ack=100")
	x.want(StateFinWait1, "FIN|ACK seq=100 ack=305")

	x = fastChild(t, "0")
	x.want("SYN|ACK seq=99 ack=300")
	x.close()
	x.want(StateFinWait1, "FIN|ACK seq=100 ack=300")
	x.recv("ACK seq=300 ack=101")
	x.want(StateFinWait2)
}
