package packetdrill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/header"
)

// Result is what became of a script.
type Result struct {
	Script string
	Err    error  // why it failed; nil if it passed
	Skip   string // why it was not run, or not to its end; "" if it was
	Trace  []string

	Capture []byte // the packets in pcapng's format, if the Conf asks for them
}

// Passed reports whether the script ran to its end and everything was as it says.
func (r *Result) Passed() bool { return r.Err == nil && r.Skip == "" }

// mode is how the language's addresses are meant.
type mode struct {
	v6, mapped bool // sockets of AF_INET6; with IPv4 packets if mapped
	family     int
}

var modes = map[string]mode{
	"ipv4":             {false, false, 2},
	"ipv6":             {true, false, 10},
	"ipv4-mapped-ipv6": {true, true, 10},
}

// Run is one script on one system.
type Run struct {
	script *Script
	conf   Conf
	mode   mode
	system System
	env    Env

	fds       map[int64]int // labels of the script
	sockets   map[int]*socket
	flows     []*flow
	current   *flow          // that packets without ports belong to
	redial    netip.AddrPort // where a socket connects to that has connected before
	listener  int            // the socket that was bound or listened last
	listening bool           // and no connection has come to it since
	pending   *running
	secret    sharedSecret
	checks    []func() // of calls that are running
	ports     uint16   // the next port of the script's side

	last     time.Duration // when the previous event ended
	lastIn   bool          // it was an inbound packet, scripted for lastAt
	lastAt   time.Duration
	wantICMP bool        // the packet that is expected is one; else errors that the system sends are passed over
	held     *heldPacket // sent and not matched yet
	trace    []string
	capture  capture
	infoFD   int
	infoFrom []byte
	returned struct {
		value int64
		errno int
	} // by the last call
}

type heldPacket struct {
	b  []byte
	at time.Duration
}

// socket is what the run knows of a descriptor.
type socket struct {
	family, typ, proto int
	local              netip.AddrPort
	connected          bool // connect(2) was called
}

// Play runs a script on a system that make makes.
func Play(s *Script, c Conf, make func(Conf) (System, error)) (res Result) {
	res.Script = s.Name
	if err := c.Configure(s.Options); err != nil {
		var skip skipped
		if errors.As(err, &skip) {
			res.Skip = string(skip)
		} else {
			res.Err = err
		}
		return res
	}
	if c.DryRun {
		return res
	}
	r, err := newRun(s, c, make)
	if err != nil {
		res.Err = err
		return res
	}
	defer func() { r.end(&res) }()
	for _, command := range append(slices.Clone(c.InitScripts), s.Init...) {
		if res.Skip, res.Err = r.guard(0, func() { r.command(command) }); res.Err != nil || res.Skip != "" {
			return res
		}
	}
	r.last = r.system.Now()
	begin := r.last
	for i := range s.Events {
		e := &s.Events[i]
		res.Skip, res.Err = r.guard(e.Line, func() { r.event(e, begin) })
		if res.Err != nil && (e.Packet != nil && c.PacketsMayDiffer || e.Call != nil && c.CallsMayDiffer) {
			r.note("warning: %v", res.Err)
			res.Err = nil
		}
		if res.Err != nil || res.Skip != "" {
			return res
		}
	}
	res.Skip, res.Err = r.guard(0, r.settle)
	return res
}

// newRun makes the system that a script runs on.
func newRun(s *Script, c Conf, make func(Conf) (System, error)) (*Run, error) {
	if c.IPVersion == "ipv6" && c.MTU == 1500 {
		c.MTU = 1520 // which keeps the MSS
	}
	c.Setup.MTU = c.MTU
	system, err := make(c)
	if err != nil {
		return nil, err
	}
	r := &Run{
		script: s, conf: c, mode: modes[c.IPVersion], system: system, fds: map[int64]int{}, sockets: map[int]*socket{}, ports: 40000, infoFD: -1,
	}
	r.env = Env{Lookup: r.lookup, Print: func(line string) { r.note("%s", line) }}
	return r, nil
}

// end resets what is alive and closes the system.
func (r *Run) end(res *Result) {
	r.finish()
	r.cleanup()
	if r.conf.Capture {
		r.drain()
		res.Capture = r.capture.bytes()
	}
	r.system.End()
	res.Trace = r.trace
}

// skipped is a script that this system cannot run.
type skipped string

func (s skipped) Error() string { return string(s) }

// guard turns what goes wrong in f into a result.
func (r *Run) guard(line int, f func()) (skip string, err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case skipped:
			skip = string(e)
		case scriptError:
			err = e
			if line > 0 {
				err = fmt.Errorf("%s:%d: %w", r.script.Name, line, e)
			}
		default:
			panic(e)
		}
	}()
	f()
	return "", nil
}

func (r *Run) note(format string, args ...any) {
	r.trace = append(r.trace, fmt.Sprintf("%9.6f ", r.system.Now().Seconds())+fmt.Sprintf(format, args...))
}

// tolerance is how far off an event may be whose time is gap after the one before.
func (r *Run) tolerance(gap time.Duration) time.Duration {
	return max(r.conf.Tolerance, r.conf.Least, time.Duration(float64(gap)*r.conf.Percent/100))
}

// event plays one event.
func (r *Run) event(e *Event, begin time.Duration) {
	base := begin
	if e.Time.Kind == Relative || e.Time.Kind == RelativeRange {
		base = r.last
		if r.lastIn && e.Packet != nil && e.Packet.Inbound {
			base = r.lastAt
		}
	}
	at, until := base+e.Time.At, base+e.Time.At
	if e.Time.Kind == AbsoluteRange || e.Time.Kind == RelativeRange {
		until = base + e.Time.Until
	}
	gap := max(at-r.last, 0)
	outbound := e.Packet != nil && !e.Packet.Inbound
	if !outbound {
		if e.Time.Kind != AnyTime {
			r.system.Wait(at, func() bool { return r.system.Now() >= at })
		}
		r.onTime(e, r.system.Now(), at, until, gap)
	}
	r.infoFrom = nil
	if e.Packet != nil && len(e.Packet.Outer) > 0 {
		panic(skipped("outer headers are read and not yet sent or compared"))
	}
	switch {
	case outbound:
		r.expect(e, at, until, gap)
	case e.Packet != nil:
		r.inject(e.Packet)
	case e.Call != nil:
		r.call(e, base)
	case e.Command != "":
		r.command(e.Command)
	default:
		if err := r.env.Exec(e.Code); err != nil {
			scriptFail("%v", err)
		}
	}
	r.lastIn = e.Packet != nil && e.Packet.Inbound
	r.lastAt = at
	if !outbound {
		r.last = r.system.Now()
	}
}

// onTime checks when something happened.
func (r *Run) onTime(e *Event, now, at, until, gap time.Duration) {
	tolerance := r.tolerance(gap)
	if e.Time.Kind != AnyTime && (now < at-tolerance || now > until+tolerance) {
		scriptFail("it happened at %.6f, not at %.6f", now.Seconds(), at.Seconds())
	}
}

// call makes a system call and compares its outcome.
func (r *Run) call(e *Event, base time.Duration) {
	c := e.Call
	f, ok := calls[c.Name]
	if !ok {
		panic(skipped("the system call " + c.Name + " is not known"))
	}
	if r.pending != nil {
		r.settle()
	}
	k := f(r, c)
	run := &running{body: k.body, blocks: e.Time.Blocking}
	check := func() {
		value := run.value
		if k.opens && run.errno == 0 && !c.Result.any() {
			value = c.Result.number() // descriptors differ between systems
		}
		r.note("%s = %d %s", c.Name, value, errnoName(run.errno))
		r.compare(c, &k, run)
		if e.Time.Blocking {
			end := base + e.Time.End
			if d, t := run.at-end, r.tolerance(e.Time.End-e.Time.At); d > t || -d > t {
				scriptFail("%s returned at %.6f, not at %.6f", c.Name, run.at.Seconds(), end.Seconds())
			}
		}
	}
	r.system.Begin(run)
	if !run.finished && !e.Time.Blocking {
		until := r.system.Now() + patience
		r.system.Wait(until, run.done)
		if !run.finished {
			scriptFail("%s does not return", c.Name)
		}
		if d := run.at - r.system.Now(); d > 0 {
			scriptFail("%s waited", c.Name)
		}
	}
	if run.finished && !e.Time.Blocking {
		check()
		return
	}
	r.pending, r.checks = run, []func(){check}
	if run.finished {
		r.settle()
	}
}

// settle waits for the call that is running.
func (r *Run) settle() {
	run := r.pending
	if run == nil {
		return
	}
	r.pending = nil
	until := r.system.Now() + 60*time.Second
	r.system.Wait(until, run.done)
	if !run.finished {
		scriptFail("a call does not return")
	}
	for _, check := range r.checks {
		check()
	}
}

// compare compares value and error, and then what else the call gives.
func (r *Run) compare(c *Call, k *caller, run *running) {
	value, errno := run.value, run.errno
	if errno != 0 {
		value = -1
	}
	r.returned.value, r.returned.errno = value, errno
	if c.Errno != "" {
		want, ok := errnos[c.Errno]
		if !ok {
			scriptFail("nothing is named %s", c.Errno)
		}
		if errno != want {
			scriptFail("%s gives %d %s, not %s", c.Name, value, errnoName(errno), c.Errno)
		}
	} else if errno != 0 && !c.Result.any() && c.Result.number() >= 0 {
		scriptFail("%s fails with %s", c.Name, errnoName(errno))
	}
	if !c.Result.any() && !(k.opens && errno == 0) && c.Result.number() != value {
		scriptFail("%s gives %d, not %d", c.Name, value, c.Result.number())
	}
	if k.opens && errno == 0 && !c.Result.any() {
		if want := c.Result.number(); want >= 0 {
			r.label(want, int(value))
		} else {
			scriptFail("%s gives a descriptor, not %d", c.Name, want)
		}
	}
	if errno == 0 && k.forks != nil {
		k.forks(value)
	}
	if k.compare != nil && (errno == 0 || c.Name == "getsockopt") {
		k.compare()
	}
}

// label names a descriptor.
func (r *Run) label(label int64, fd int) { r.fds[label] = fd }

// fd returns the descriptor of a label; a label that nothing has stays itself, for calls with bad descriptors.
func (r *Run) fd(v *Value) int {
	if v == nil || v.any() {
		return -1
	}
	n := v.number()
	if fd, ok := r.fds[n]; ok {
		return fd
	}
	if n >= 0 {
		return int(n) + 100000 // no descriptor of ours
	}
	return int(n)
}

// lookup finds a name for code: TCP_INFO of the current socket, or a symbol.
func (r *Run) lookup(name string) (any, bool) {
	if strings.HasPrefix(name, "tcpi_") {
		if r.infoFrom == nil {
			b := make([]byte, 512)
			n, errno := r.system.GetSockOpt(r.infoFD, 6, int(symbols["TCP_INFO"]), b)
			if errno != 0 {
				return nil, false
			}
			r.infoFrom = b[:n]
		}
		v, ok := tcpInfoField(r.infoFrom, name)
		return v, ok
	}
	v, ok := symbols[name]
	if strings.HasPrefix(name, "SK_MEMINFO_") && ok { // in code the counter itself
		b := make([]byte, 4*(v+1))
		if n, errno := r.system.GetSockOpt(r.infoFD, 1, int(symbols["SO_MEMINFO"]), b); errno != 0 || n < len(b) {
			return nil, false
		}
		return int64(binary.NativeEndian.Uint32(b[4*v:])), true
	}
	if ok {
		return v, true
	}
	return nil, false
}

// epoch is the wall clock's time of the script's beginning, in nanoseconds.
func (r *Run) epoch() int64 {
	if w, ok := r.system.(interface{ Epoch() int64 }); ok {
		return w.Epoch()
	}
	return 0
}

// finish resets what is alive, so that the system ends without waiting.
func (r *Run) finish() {
	for _, f := range r.flows {
		if f.proto != header.ProtocolTCP || f.over || !f.localKnown {
			continue
		}
		_, _ = r.guard(0, func() {
			for n := len(f.sent) - 1; n >= 0; n-- {
				w, ok := parseWire(f.sent[n])
				if !ok || w.tcp == nil || w.tcp.Flags()&header.ACK == 0 {
					continue
				}
				f.undecided = false
				rst := &Packet{Inbound: true, TCP: &TCP{Flags: header.RST, Seq: f.scriptRemote(uint32(w.tcp.Ack()))}}
				if b, err := f.build(rst); err == nil {
					_ = r.system.Inject(b)
				}
				return
			}
		})
	}
}
