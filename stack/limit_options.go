package stack

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/seed963a8790/netstack/tcpip"
)

// Limits bound the tables and queues of a stack. Each is unset by default, which means what stands beside it. The
// protocols have those of their own tables in their own options.
type Limits struct {
	NICs                 tcpip.Opt[int] // 4096
	Addresses            tcpip.Opt[int] // of one NIC: 1024
	Groups               tcpip.Opt[int] // multicast groups of one NIC: 4096
	Routes               tcpip.Opt[int] // that were added; those of addresses come on top: 16384
	PathMTUs             tcpip.Opt[int] // destinations with a learnt path MTU: 8192
	Neighbours           tcpip.Opt[int] // of one NIC and family (Linux's gc_thresh3): 1024
	UnresolvedNeighbours tcpip.Opt[int] // among those, which have not answered: 512
	NeighbourQueue       tcpip.Opt[int] // bytes of packets that wait for one neighbour (unres_qlen_bytes): 212992
	QueuePackets         tcpip.Opt[int] // of one transmit queue (txqueuelen): 1000
	QueueBytes           tcpip.Opt[int] // of one transmit queue: 8 MB
	RawReceivers         tcpip.Opt[int] // raw sockets of one IP protocol: 1024
	Watchers             tcpip.Opt[int] // packet sockets: 1024
	Subscriptions        tcpip.Opt[int] // of events: 64
	Endpoints            tcpip.Opt[int] // of all protocols together (fs.nr_open): 1048576
}

// limits are Limits with the defaults put in.
type limits struct {
	NICs, Addresses, Groups, Routes, PathMTUs        int
	Neighbours, UnresolvedNeighbours, NeighbourQueue int
	QueuePackets, QueueBytes                         int
	RawReceivers, Watchers, Subscriptions, Endpoints int
}

// defaultLimits and the least and largest values of each.
var (
	defaultLimits = limits{
		NICs: maxNICs, Addresses: maxAddresses, Groups: maxGroups, Routes: maxRoutes, PathMTUs: maxPathMTUs,
		Neighbours: maxNeighbours, UnresolvedNeighbours: maxUnresolved, NeighbourQueue: neighbourQueueBytes,
		QueuePackets: txQueuePackets, QueueBytes: txQueueBytes,
		RawReceivers: maxRawReceivers, Watchers: maxWatches, Subscriptions: maxSubscriptions, Endpoints: maxEndpoints,
	}
	leastLimits = limits{
		NICs: 1, PathMTUs: 1, Neighbours: 2, UnresolvedNeighbours: 1, QueuePackets: 1, QueueBytes: 1,
	}
	largestLimit = 1 << 30
)

// resolve puts the defaults in.
func (l *Limits) resolve() (r limits, err error) {
	from, to := reflect.ValueOf(l).Elem(), reflect.ValueOf(&r).Elem()
	defaults, least := reflect.ValueOf(defaultLimits), reflect.ValueOf(leastLimits)
	for i := range from.NumField() {
		name := from.Type().Field(i).Name
		o := from.Field(i).Interface().(tcpip.Opt[int])
		err = errors.Join(err, tcpip.CheckRange("stack: Limits."+name, o, int(least.FieldByName(name).Int()), largestLimit))
		to.FieldByName(name).SetInt(int64(o.Or(int(defaults.FieldByName(name).Int()))))
	}
	if o, set := l.UnresolvedNeighbours.Get(); set && o > r.Neighbours {
		err = errors.Join(err, fmt.Errorf("stack: Limits.UnresolvedNeighbours is %d, more than Neighbours, %d: %w", o, r.Neighbours, tcpip.ErrInvalid))
	}
	r.UnresolvedNeighbours = min(r.UnresolvedNeighbours, r.Neighbours)
	return r, err
}

// check refuses what no NIC can have.
func (o *NICOptions) check() error {
	return errors.Join(
		tcpip.CheckRange("stack: NICOptions.MTU", o.MTU, 0, largestLimit),
		tcpip.CheckRange("stack: NICOptions.DAD", o.DAD, 0, 255),
		tcpip.CheckRange("stack: NICOptions.ReversePath", tcpip.Set(o.ReversePath), ReversePathOff, ReversePathLoose),
	)
}

// Buffers are the sizes of the buffers of endpoints in slab bytes, as SO_SNDBUF and SO_RCVBUF show them.
type Buffers struct {
	Send, Receive BufferSizes
}

// BufferSizes are those of one direction.
type BufferSizes struct {
	Default tcpip.Opt[int] // of endpoints other than TCP's, whose own options say it (net.core.wmem_default, rmem_default): 212992
	Min     tcpip.Opt[int] // the least that any endpoint can set: 4608 for sending, 2304 for receiving
	Max     tcpip.Opt[int] // the most (twice net.core.wmem_max, rmem_max): 8 MB
}

// largestBuffer is the largest buffer that can be configured, bytes.
const largestBuffer = 1 << 30

// resolve puts the defaults in and returns the options of new endpoints.
func (b *Buffers) resolve() (c tcpip.SocketConf, err error) {
	c = tcpip.DefaultSocketConf()
	r := tcpip.BufferRange{
		SendMin: b.Send.Min.Or(tcpip.MinSendBuffer), SendMax: b.Send.Max.Or(tcpip.MaxBuffer),
		ReceiveMin: b.Receive.Min.Or(tcpip.MinReceiveBuffer), ReceiveMax: b.Receive.Max.Or(tcpip.MaxBuffer),
	}
	err = errors.Join(
		b.Send.check("stack: Buffers.Send", r.SendMin, r.SendMax),
		b.Receive.check("stack: Buffers.Receive", r.ReceiveMin, r.ReceiveMax),
	)
	c.SendBuffer = min(max(b.Send.Default.Or(tcpip.DefaultDatagramBuffer), r.SendMin), r.SendMax)
	c.ReceiveBuffer = min(max(b.Receive.Default.Or(tcpip.DefaultDatagramBuffer), r.ReceiveMin), r.ReceiveMax)
	if *b != (Buffers{}) {
		c.Buffers = &r
	}
	return c, err
}

// check refuses what is out of range or order. low and high are Min and Max with the defaults put in.
func (z *BufferSizes) check(name string, low, high int) error {
	if err := errors.Join(
		tcpip.CheckRange(name+".Min", z.Min, 1, largestBuffer),
		tcpip.CheckRange(name+".Max", z.Max, 1, largestBuffer),
	); err != nil {
		return err
	}
	if low > high {
		return fmt.Errorf("%s.Min is %d, more than Max, %d: %w", name, low, high, tcpip.ErrInvalid)
	}
	return tcpip.CheckRange(name+".Default", z.Default, low, high)
}
