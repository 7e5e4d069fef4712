package packet

import (
	"math"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/waiter"
)

// SOL_PACKET is the level of the options of packet sockets.
const SOL_PACKET = 263

// The options of packet sockets.
const (
	PACKET_ADD_MEMBERSHIP  tcpip.OptionID = SOL_PACKET<<16 | 1
	PACKET_DROP_MEMBERSHIP tcpip.OptionID = SOL_PACKET<<16 | 2
	PACKET_RX_RING         tcpip.OptionID = SOL_PACKET<<16 | 5
	PACKET_STATISTICS      tcpip.OptionID = SOL_PACKET<<16 | 6
	PACKET_COPY_THRESH     tcpip.OptionID = SOL_PACKET<<16 | 7
	PACKET_AUXDATA         tcpip.OptionID = SOL_PACKET<<16 | 8
	PACKET_ORIGDEV         tcpip.OptionID = SOL_PACKET<<16 | 9
	PACKET_VERSION         tcpip.OptionID = SOL_PACKET<<16 | 10
	PACKET_HDRLEN          tcpip.OptionID = SOL_PACKET<<16 | 11
	PACKET_RESERVE         tcpip.OptionID = SOL_PACKET<<16 | 12
	PACKET_TX_RING         tcpip.OptionID = SOL_PACKET<<16 | 13
	PACKET_LOSS            tcpip.OptionID = SOL_PACKET<<16 | 14
	PACKET_VNET_HDR        tcpip.OptionID = SOL_PACKET<<16 | 15
	PACKET_TIMESTAMP       tcpip.OptionID = SOL_PACKET<<16 | 17
	PACKET_FANOUT          tcpip.OptionID = SOL_PACKET<<16 | 18
	PACKET_TX_HAS_OFF      tcpip.OptionID = SOL_PACKET<<16 | 19
	PACKET_QDISC_BYPASS    tcpip.OptionID = SOL_PACKET<<16 | 20
	PACKET_ROLLOVER_STATS  tcpip.OptionID = SOL_PACKET<<16 | 21
	PACKET_FANOUT_DATA     tcpip.OptionID = SOL_PACKET<<16 | 22
	PACKET_IGNORE_OUTGOING tcpip.OptionID = SOL_PACKET<<16 | 23
	PACKET_VNET_HDR_SZ     tcpip.OptionID = SOL_PACKET<<16 | 24
)

// Conf holds the options that packet endpoints have beside those of tcpip.SocketConf.
type Conf struct {
	CopyThreshold  int
	AuxData        bool
	OriginalDevice bool
	Version        int // of the rings: TPACKET_V1 is 0
	Reserve        int // bytes
	Loss           bool
	VNetSize       int // bytes of the virtio-net header, 0: none
	Timestamp      int
	TxHasOffset    bool
	BypassQueue    bool
	IgnoreOutgoing bool
}

// Options declares the options of Conf.
var Options = []tcpip.OptionRow[Conf]{
	{ID: PACKET_COPY_THRESH, Name: "PACKET_COPY_THRESH", Unit: "bytes", Min: math.MinInt32, Max: math.MaxInt32, On: tcpip.KindPacket,
		Get: func(c *Conf) int { return c.CopyThreshold }, Set: func(c *Conf, v int) { c.CopyThreshold = v },
		Doc: "If not 0, what does not fit a frame of the ring can be read whole too."},
	flag(PACKET_AUXDATA, "PACKET_AUXDATA", func(c *Conf) *bool { return &c.AuxData },
		"Pass a struct tpacket_auxdata with each packet: its length, the state of its checksum, where its network header is."),
	flag(PACKET_ORIGDEV, "PACKET_ORIGDEV", func(c *Conf) *bool { return &c.OriginalDevice },
		"Show the device that a packet came by first. Here none lies on top of another."),
	{ID: PACKET_VERSION, Name: "PACKET_VERSION", Max: 2, On: tcpip.KindPacket,
		Get: func(c *Conf) int { return c.Version }, Set: func(c *Conf, v int) { c.Version = v },
		Doc: "Layout of the rings: TPACKET_V1 0, V2 1, V3 2. It cannot be changed while there is a ring."},
	{ID: PACKET_RESERVE, Name: "PACKET_RESERVE", Unit: "bytes", Max: maxReserve, On: tcpip.KindPacket,
		Get: func(c *Conf) int { return c.Reserve }, Set: func(c *Conf, v int) { c.Reserve = v },
		Doc: "Room in front of each packet in the receive ring. It cannot be changed while there is a ring."},
	flag(PACKET_LOSS, "PACKET_LOSS", func(c *Conf) *bool { return &c.Loss },
		"Go on behind a malformed frame of the transmit ring. It cannot be changed while there is a ring."),
	{ID: PACKET_VNET_HDR, Name: "PACKET_VNET_HDR", Unit: "bool", Max: 1, On: tcpip.KindPacket,
		Get: func(c *Conf) int { return min(c.VNetSize, 1) },
		Set: func(c *Conf, v int) { c.VNetSize = v * vnetSize },
		Doc: "Begin every packet with a struct virtio_net_hdr, which describes checksum and segments. Raw endpoints only; not while there is a ring."},
	{ID: PACKET_VNET_HDR_SZ, Name: "PACKET_VNET_HDR_SZ", Unit: "bytes", Max: vnetLongSize, On: tcpip.KindPacket,
		Get: func(c *Conf) int { return c.VNetSize }, Set: func(c *Conf, v int) { c.VNetSize = v },
		Doc: "As PACKET_VNET_HDR, with the size of the header: 10, or 12 for struct virtio_net_hdr_mrg_rxbuf; 0 for none."},
	{ID: PACKET_TIMESTAMP, Name: "PACKET_TIMESTAMP", Min: math.MinInt32, Max: math.MaxInt32, On: tcpip.KindPacket, Hint: true,
		Get: func(c *Conf) int { return c.Timestamp }, Set: func(c *Conf, v int) { c.Timestamp = v },
		Doc: "Which clock stamps frames of a ring (SOF_TIMESTAMPING_*). There is only the software's."},
	flag(PACKET_TX_HAS_OFF, "PACKET_TX_HAS_OFF", func(c *Conf) *bool { return &c.TxHasOffset },
		"Frames of the transmit ring say themselves where their packet begins. It cannot be changed while there is a ring."),
	flag(PACKET_QDISC_BYPASS, "PACKET_QDISC_BYPASS", func(c *Conf) *bool { return &c.BypassQueue },
		"Send past the queueing discipline. There is none here."),
	{ID: PACKET_IGNORE_OUTGOING, Name: "PACKET_IGNORE_OUTGOING", Max: 1, On: tcpip.KindPacket,
		Get: func(c *Conf) int {
			if c.IgnoreOutgoing {
				return 1
			}
			return 0
		},
		Set: func(c *Conf, v int) { c.IgnoreOutgoing = v != 0 },
		Doc: "Hear only of what is received."},
}

func flag(id tcpip.OptionID, name string, at func(*Conf) *bool, doc string) tcpip.OptionRow[Conf] {
	return tcpip.OptionRow[Conf]{ID: id, Name: name, Unit: "bool", Max: 1, On: tcpip.KindPacket, Doc: doc,
		Hint: id == PACKET_ORIGDEV || id == PACKET_QDISC_BYPASS,
		Get: func(c *Conf) int {
			if *at(c) {
				return 1
			}
			return 0
		},
		Set: func(c *Conf, v int) { *at(c) = v != 0 }}
}

// beforeRing are the options that cannot be changed while there is a ring.
var beforeRing = map[tcpip.OptionID]bool{
	PACKET_VERSION: true, PACKET_RESERVE: true, PACKET_LOSS: true, PACKET_VNET_HDR: true, PACKET_VNET_HDR_SZ: true,
}

// SetOption sets an option of tcpip.SocketOptions that packet endpoints have, or one of Options.
//
// Errors: ErrNoProtocolOption if the endpoint lacks the option, ErrInvalid for a value out of range, ErrBusy for one that
// comes too late, ErrClosed.
func (e *Endpoint) SetOption(id tcpip.OptionID, v int) error {
	w := e.stack.Begin()
	e.mu.Lock()
	err := e.setOption(id, v)
	e.mu.Unlock()
	if err == tcpip.OK {
		w.Wake(e.stack, &e.waiters, e.Readiness(waiter.Writable))
	}
	w.End()
	return err.Err()
}

func (e *Endpoint) setOption(id tcpip.OptionID, v int) tcpip.Error {
	if e.closed {
		return tcpip.ErrClosed
	}
	if row := tcpip.FindOption(tcpip.SocketOptions, id, tcpip.KindPacket); row != nil {
		if err := row.Put(&e.conf, v); err != tcpip.OK {
			return err
		}
		e.apply()
		return tcpip.OK
	}
	row := tcpip.FindOption(Options, id, tcpip.KindPacket)
	if row == nil {
		return tcpip.ErrNoProtocolOption
	}
	vnet := id == PACKET_VNET_HDR || id == PACKET_VNET_HDR_SZ
	switch {
	case vnet && e.mode != Raw, id == PACKET_VNET_HDR_SZ && v != 0 && v != vnetSize && v != vnetLongSize:
		return tcpip.ErrInvalid
	case (v < row.Min || v > row.Max) && row.Unit != "bool":
		return tcpip.ErrInvalid
	case id == PACKET_TX_HAS_OFF && e.queue.hasRing():
		return tcpip.OK // and stays as it is
	case beforeRing[id] && e.queue.hasRing():
		return tcpip.ErrBusy
	}
	if err := row.Put(&e.options, v); err != tcpip.OK {
		return err
	}
	e.apply()
	return tcpip.OK
}

// Option returns the value of an option that SetOption sets.
//
// Errors: ErrNoProtocolOption.
func (e *Endpoint) Option(id tcpip.OptionID) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if row := tcpip.FindOption(tcpip.SocketOptions, id, tcpip.KindPacket); row != nil {
		return row.Get(&e.conf), nil
	}
	if row := tcpip.FindOption(Options, id, tcpip.KindPacket); row != nil {
		return row.Get(&e.options), nil
	}
	return 0, tcpip.ErrNoProtocolOption
}

// Flags are the options that receiving goes by, packed so that they are read without the lock.
const (
	flagIgnoreOutgoing uint32 = 1 << iota
	flagAuxData
	flagTimestamp
	flagDrops
	flagMark
	flagPriority

	vnetShift = 16 // where the size of the virtio-net header is
)

// apply tells the parts of the endpoint that do not look at the options what they say. mu is held.
func (e *Endpoint) apply() {
	f := uint32(e.options.VNetSize) << vnetShift
	for _, o := range [...]struct {
		on   bool
		flag uint32
	}{
		{e.options.IgnoreOutgoing, flagIgnoreOutgoing}, {e.options.AuxData, flagAuxData}, {e.conf.ReceiveTimestamp, flagTimestamp},
		{e.conf.ReceiveDrops, flagDrops}, {e.conf.ReceiveMark, flagMark}, {e.conf.ReceivePriority, flagPriority},
	} {
		if o.on {
			f |= o.flag
		}
	}
	e.flags.Store(f)
	e.sendLimit.Store(int64(e.conf.SendBuffer))
	e.queue.configure(e.conf.ReceiveBuffer, e.options.CopyThreshold)
}
