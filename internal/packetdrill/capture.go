package packetdrill

import (
	"time"

	"github.com/seed963a8790/netstack/internal/pcapng"
)

// capture is what went over the wire.
type capture struct{ blocks []byte }

// maxCapture bounds a capture, bytes.
const maxCapture = 64 << 20

func (c *capture) add(r *Run, b []byte, at time.Duration, d pcapng.Direction) {
	if !r.conf.Capture || len(c.blocks) > maxCapture {
		return
	}
	c.blocks = pcapng.AppendPacket(c.blocks, &pcapng.Packet{Time: time.Unix(0, r.epoch()).Add(at), Direction: d, Len: len(b), Data: b})
}

func (c *capture) bytes() []byte {
	b := pcapng.AppendSection(nil, "packetdrill")
	b = pcapng.AppendInterface(b, &pcapng.Interface{LinkType: pcapng.LinkTypeRaw, Name: "tun0"})
	return append(b, c.blocks...)
}

// sent takes the oldest packet from the system.
func (r *Run) sent() (b []byte, at time.Duration, ok bool) {
	if b, at, ok = r.system.Sent(); ok {
		r.capture.add(r, b, at, pcapng.Outbound)
	}
	return b, at, ok
}

// drain takes what no line of the script has asked for.
func (r *Run) drain() {
	for ok := true; ok; {
		_, _, ok = r.sent()
	}
}
