package oracle

import (
	"net/netip"
	"time"

	"github.com/seed963a8790/netstack/header"
	"github.com/seed963a8790/netstack/link/channel"
	"github.com/seed963a8790/netstack/link/ethernet"
	"github.com/seed963a8790/netstack/network/ipv6"
	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
	"github.com/seed963a8790/netstack/transport/packet"
)

func (o *ours) AttachFilter(fd, option int, code []byte) int {
	return o.on(fd, func(s *linux.Socket) linux.Errno {
		if option == -packet.PACKET_FANOUT_DATA.Number() {
			return s.AttachFanoutProgram(code)
		}
		if option == linux.SO_ATTACH_REUSEPORT_CBPF.Number() {
			return s.AttachReuseportFilter(code)
		}
		return s.AttachFilter(code)
	})
}

func (o *ours) GetFilter(fd, optlen int) (code []byte, n, errno int) {
	errno = o.on(fd, func(s *linux.Socket) (err linux.Errno) {
		code, n, err = s.Filter(optlen)
		return err
	})
	return code, n, errno
}

func (o *ours) MapRing(fd, size int) (memory []byte, errno int) {
	errno = o.on(fd, func(s *linux.Socket) linux.Errno {
		if memory = s.Ring(packet.Receive); memory == nil {
			memory = s.Ring(packet.Transmit)
		}
		if len(memory) != size {
			return linux.EINVAL
		}
		return 0
	})
	return memory, errno
}

func (o *ours) AddEthernet() { o.addEthernet(0) }

// addEthernet is AddEthernet with so many probes for duplicate addresses.
func (o *ours) addEthernet(probes int) {
	o.other = channel.New(channel.Options{MTU: tunMTU + header.EthernetSize})
	_, err := o.stack.AddNIC(ethernet.New(o.other, ethernet.Options{Address: ethernetHost}), stack.NICOptions{
		Name: "e0", DAD: tcpip.Set(probes), Addresses: []netip.Prefix{netip.MustParsePrefix(Host4b + "/24")},
	})
	if err != nil {
		o.fail(err)
	}
	o.clock.Settle()
	o.SentOther()
}

func (o *ours) Autoconfigure(temporary, detect bool) {
	probes := 0
	if detect {
		probes = 1
	}
	o.addEthernet(probes)
	_, err := ipv6.Discover(o.stack.NIC(nicE0), ipv6.DiscoveryOptions{
		Generation: ipv6.Hardware, Temporary: temporary, Solicitations: tcpip.Set(0),
	})
	if err != nil {
		o.fail(err)
	}
	o.clock.Settle()
	if detect {
		o.clock.Advance(3 * time.Second)
	}
	o.SentOther()
}
