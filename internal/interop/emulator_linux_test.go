package interop

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/seed963a8790/netstack/link/channel"
)

// emulator is a path between two network namespaces of the kernel: a TUN device in each, and a thread that carries
// packets from one to the other as a link of a rate does, with a queue that drops at its tail, a delay, and losses that
// a seed decides. It is what internal/tcb's bottleneck is, for the kernel's TCP and in real time.
type emulator struct {
	rate  int // bits per second
	rtt   time.Duration
	loss  float64 // of segments with data
	queue int     // bytes
	r     *rand.Rand

	side [2]side
	now  time.Time        // the path's clock: it stands at what is being done, however late that is
	ours *channel.Channel // a host of this stack beside side 0, if not nil
	stop atomic.Bool
	done sync.WaitGroup

	late, carried int // packets that came more than a millisecond late, and all
}

// side is one end: what leaves it waits in packets.
type side struct {
	tun     int
	free    time.Time // when the link has sent all that it has
	packets []parcel
}

type parcel struct {
	due time.Time
	b   []byte
}

// emulatorAddress is that of each side, and oursAddress that of our host beside side 0.
var (
	emulatorAddress = [2][4]byte{{10, 79, 0, 1}, {10, 79, 0, 2}}
	oursAddress     = [4]byte{10, 79, 0, 3}
)

// inNewNamespace runs f on a thread with a network namespace of its own, which lasts as long as what f opens in it.
func inNewNamespace(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// openSide makes the device of a side, in the namespace of the calling thread.
func (e *emulator) openSide(i int) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	e.side[i].tun = fd
	ifr, err := unix.NewIfreq("tun0")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fmt.Errorf("TUNSETIFF: %w", err)
	}
	a := emulatorAddress[i]
	ip := exec.Command("ip", "-batch", "-")
	ip.Stdin = strings.NewReader(fmt.Sprintf("link set tun0 mtu 1500 txqueuelen 20000 up\naddr add %d.%d.%d.%d/24 dev tun0\n", a[0], a[1], a[2], a[3]))
	if out, err := ip.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, out)
	}
	return nil
}

// start begins to carry packets, on a thread that other work does not hold up. When it is held up all the same, it
// does what it should have done in the order of its time, and what an end says to a packet is taken as said when the
// packet was due: a stall is then no burst, that fills the queue as no path would.
func (e *emulator) start() {
	e.now = time.Now()
	e.side[0].free, e.side[1].free = e.now, e.now
	e.done.Go(func() {
		promptly(10)
		fds := []unix.PollFd{{Fd: int32(e.side[0].tun), Events: unix.POLLIN}, {Fd: int32(e.side[1].tun), Events: unix.POLLIN}}
		b := make([]byte, 2048)
		for !e.stop.Load() {
			from, due := e.next()
			if left := time.Until(due); left <= 0 {
				e.now = due
				e.deliver(from, -left)
				e.take(1-from, b)
				continue
			}
			e.now = time.Now()
			e.take(0, b)
			e.take(1, b)
			_, due = e.next()
			wait := min(time.Until(due), 20*time.Millisecond)
			if e.ours != nil { // mostly it sends when something has arrived; for the rest it is looked at often
				wait = min(wait, time.Millisecond)
			}
			if wait > 0 {
				timeout := unix.NsecToTimespec(int64(wait))
				_, _ = unix.Ppoll(fds, &timeout, nil) // whatever it says, the devices are looked at
			}
		}
	})
}

// next returns the side whose packet arrives next, and when.
func (e *emulator) next() (from int, due time.Time) {
	due = e.now.Add(time.Hour)
	for i := range e.side {
		if p := e.side[i].packets; len(p) > 0 && p[0].due.Before(due) {
			from, due = i, p[0].due
		}
	}
	return from, due
}

// promptly gives the calling goroutine a thread of its own, which goes before the machine's other work, and before such
// threads of a lower priority. Where that is not allowed, more packets are late.
func promptly(priority uint32) {
	runtime.LockOSThread()
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: priority}, 0)
}

// take reads what the hosts of side i have sent, and puts it on the link: of each in turn, that none comes first.
func (e *emulator) take(i int, b []byte) {
	s := &e.side[i]
	for kernel, ours := true, i == 0 && e.ours != nil; kernel || ours; {
		if kernel {
			n, err := unix.Read(s.tun, b)
			kernel = err == nil
			if kernel && n >= 40 && b[0]>>4 == 4 {
				e.carry(s, b[:n])
			}
		}
		if ours {
			p := e.ours.TryNext()
			if ours = p != nil; ours {
				n := p.CopyTo(b)
				p.Release()
				e.carry(s, b[:n])
			}
		}
	}
}

// carry puts a packet on the link from s, which drops it where the queue is full, or by chance. It copies.
func (e *emulator) carry(s *side, b []byte) {
	n, now := len(b), e.now
	headers := int(b[0]&15)*4 + int(b[int(b[0]&15)*4+12]>>4)*4
	backlog := int(max(s.free.Sub(now), 0).Seconds() * float64(e.rate) / 8)
	if backlog+n > e.queue || n > headers && e.r.Float64() < e.loss {
		return
	}
	if s.free.Before(now) {
		s.free = now
	}
	s.free = s.free.Add(time.Duration(n) * 8 * time.Second / time.Duration(e.rate))
	s.packets = append(s.packets, parcel{s.free.Add(e.rtt / 2), append([]byte(nil), b...)})
}

// deliver hands over the first packet that side i has sent.
func (e *emulator) deliver(i int, late time.Duration) {
	s := &e.side[i]
	if e.carried++; late > time.Millisecond {
		e.late++
	}
	if b := s.packets[0].b; i == 1 && e.ours != nil && [4]byte(b[16:20]) == oursAddress {
		_ = e.ours.Inject(b) // a packet that is not taken is lost
	} else {
		_, _ = unix.Write(e.side[1-i].tun, b)
	}
	s.packets = s.packets[1:]
}

func (e *emulator) close() {
	e.stop.Store(true)
	e.done.Wait()
	for i := range e.side {
		unix.Close(e.side[i].tun)
	}
}

// transfer has the kernel send with CUBIC over several connections, begun a second apart, for as long as it is told, and
// returns how many bytes arrived on each after skip. With ours, which makes a connection of our host, its flow comes last.
func (e *emulator) transfer(flows int, ours func() (net.Conn, error), length, skip time.Duration) (received []int, err error) {
	listener, senders := -1, make([]int, flows)
	err = inNewNamespace(func() (err error) {
		if err := e.openSide(1); err != nil {
			return err
		}
		if listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return errors.Join(unix.Bind(listener, &unix.SockaddrInet4{Port: 80}), unix.Listen(listener, flows+1))
	})
	if err != nil {
		return nil, err
	}
	defer unix.Close(listener)
	err = inNewNamespace(func() (err error) {
		if err := e.openSide(0); err != nil {
			return err
		}
		for i := range senders {
			if senders[i], err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
				return err
			}
			if err := unix.SetsockoptString(senders[i], unix.IPPROTO_TCP, unix.TCP_CONGESTION, "cubic"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	e.start()
	defer e.close()
	received, failed := make([]int, flows+1), make([]error, flows+1)
	var all sync.WaitGroup
	begun := time.Now()
	for i, sender := range senders {
		time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Second)))
		if err := unix.Connect(sender, &unix.SockaddrInet4{Port: 80, Addr: emulatorAddress[1]}); err != nil {
			return nil, err
		}
		receiver, _, err := unix.Accept(listener)
		if err != nil {
			return nil, err
		}
		all.Go(func() {
			received[i], failed[i] = fill(kernelSender(sender), receiver, begun.Add(skip), begun.Add(length))
		})
	}
	if ours != nil {
		time.Sleep(time.Until(begun.Add(time.Duration(flows) * time.Second)))
		sender, err := ours()
		if err != nil {
			return nil, err
		}
		receiver, _, err := unix.Accept(listener)
		if err != nil {
			return nil, err
		}
		all.Go(func() { received[flows], failed[flows] = fill(sender, receiver, begun.Add(skip), begun.Add(length)) })
	} else {
		received = received[:flows]
	}
	all.Wait()
	return received, errors.Join(failed...)
}

// kernelSender is a socket that is written to until it is closed.
type kernelSender int

func (s kernelSender) Write(b []byte) (int, error) {
	return unix.SendmsgN(int(s), b, nil, nil, unix.MSG_NOSIGNAL)
}

// Close resets the connection, and ends a Write that waits.
func (s kernelSender) Close() error {
	_ = unix.SetsockoptLinger(int(s), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	return unix.Shutdown(int(s), unix.SHUT_RDWR)
}

// fill writes to sender, and empties receiver until end. It returns the bytes that came from from on. The thread that
// it is called on ends with its goroutine.
func fill(sender io.WriteCloser, receiver int, from, end time.Time) (received int, err error) {
	promptly(5)
	var writer sync.WaitGroup
	writer.Go(func() {
		promptly(5)
		b := make([]byte, 1<<18)
		for {
			if _, err := sender.Write(b); err != nil {
				return
			}
		}
	})
	b := make([]byte, 1<<20)
	timeout := unix.NsecToTimeval(int64(100 * time.Millisecond))
	err = unix.SetsockoptTimeval(receiver, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	for now := time.Now(); err == nil && now.Before(end); now = time.Now() {
		if n, _, e := unix.Recvfrom(receiver, b, 0); e == nil && !now.Before(from) {
			received += n
		}
	}
	_ = sender.Close()
	_ = unix.SetsockoptLinger(receiver, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	writer.Wait()
	if s, ok := sender.(kernelSender); ok {
		unix.Close(int(s))
	}
	unix.Close(receiver)
	return received, err
}

// newEmulator is a path with a queue of one bandwidth-delay product.
func newEmulator(rate int, rtt time.Duration, loss float64, seed uint64) *emulator {
	bdp := int(float64(rate/8) * rtt.Seconds())
	return &emulator{rate: rate, rtt: rtt, loss: loss, queue: max(bdp, 20000), r: rand.New(rand.NewPCG(seed, 5))}
}

// The emulator carries what its rate allows, and no more.
func TestEmulator(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for network namespaces")
	}
	n, err := newEmulator(10e6, 10*time.Millisecond, 0.001, 1).transfer(1, nil, time.Second, 0)
	require.NoError(t, err)
	require.NotZero(t, n[0])
	require.LessOrEqual(t, n[0], 10_000_000/8)
}
