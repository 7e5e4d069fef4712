package oracle

import (
	"fmt"
	"net/netip"

	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
)

func (o *ours) AddDevice() {
	o.other = channel.New(channel.Options{MTU: tunMTU})
	_, err := o.stack.AddNIC(o.other, stack.NICOptions{Name: "t1", DAD: tcpip.Set(0), Groups: reporting, Addresses: []netip.Prefix{
		netip.MustParsePrefix(Host4b + "/24"), netip.MustParsePrefix(Host6b + "/64"),
	}})
	if err != nil {
		o.fail(fmt.Errorf("t1: %w", err))
	}
	o.clock.Settle()
	o.SentOther()
}

func (o *ours) AddRoute(prefix, gateway string) {
	err := o.stack.AddRoute(stack.RouteEntry{Destination: netip.MustParsePrefix(prefix), Gateway: netip.MustParseAddr(gateway)})
	if err != nil {
		o.fail(fmt.Errorf("route to %s: %w", prefix, err))
	}
}

func (o *ours) InjectOther(packet []byte) {
	if err := o.other.Inject(packet); err != nil {
		o.fail(fmt.Errorf("inject: %w", err))
	}
}

func (o *ours) SentOther() [][]byte { return sentOn(o.other) }

// sentOn takes what has left through a link; nil has sent nothing.
func sentOn(link *channel.Channel) (packets [][]byte) {
	if link == nil {
		return nil
	}
	for p := link.TryNext(); p != nil; p = link.TryNext() {
		b := make([]byte, p.Len())
		p.CopyTo(b)
		p.Release()
		packets = append(packets, b)
	}
	return packets
}
