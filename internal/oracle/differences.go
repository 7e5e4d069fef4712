package oracle

import "path"

// difference is a place where we are not as the kernel: a pattern for the names of scenarios (path.Match),
// every one of which must differ.
type difference struct {
	Name, What, Why string
}

// differenceOf returns the first row for a scenario, or nil.
func differenceOf(name string) *difference {
	for i := range differences {
		if ok, _ := path.Match(differences[i].Name, name); ok {
			return &differences[i]
		}
	}
	return nil
}

// differences are to become fewer. Deliberate ones say so; the others are gaps.
var differences = []difference{
	{"option/SO_DONTROUTE/*/*", "the option is refused", "gap: no lookup for routes without gateways; refusing is honest"},
	{"option/IPV6_MTU/*/values", "the option can only be read", "gap: no fragment size per socket"},
	{"option/IPV6_MTU/*/lengths", "the option can only be read", "gap: no fragment size per socket"},
	{"option/SO_BINDTOIFINDEX/tcp?/values", "an interface that does not exist is refused", "deliberate: the route would fail later"},
	{"option/TCP_NOTSENT_LOWAT/tcp?/values", "a negative bound reads as 0", "deliberate: both mean none"},
	{"stream/priority-of-tos/*", "IP_TOS does not change SO_PRIORITY", "gap: the table from one to the other"},
	{"stream/urgent/*", "MSG_OOB with MSG_PEEK takes the urgent byte", "gap: the machine cannot show it and keep it"},
	{"stream/urgent-inline/*", "POLLPRI stays after the urgent byte was read in line", "gap: in readiness"},
	{"stream/c-shut-rdwr/s-send/*", "no POLLERR on the end whose data met a closed receiver", "gap: the error is not pending after the reset"},
	{"state/new/shutdown/tcp?", "shutdown on a socket without connection leaves no trace", "gap: Linux ends the directions although it says ENOTCONN"},
	{"state/bound/shutdown/tcp?", "shutdown on a socket without connection leaves no trace", "gap: as above"},
	{"state/wildcard/shutdown/tcp?", "shutdown on a socket without connection leaves no trace", "gap: as above"},
	{"state/listening/shutdown/tcp?", "shutdown on a former listener leaves no trace", "gap: as above"},
	{"state/listening-unbound/shutdown/tcp?", "shutdown on a former listener leaves no trace", "gap: as above"},
	{"state/unlistened/shutdown/tcp?", "shutdown on a former listener leaves no trace", "gap: as above"},
	{"state/connecting/shutdown/tcp?", "poll differs after a handshake was called off", "gap: in readiness"},
	{"state/new/connect-port0/tcp?", "connecting to port 0 is refused at once", "deliberate: no SYN to port 0 leaves"},
	{"state/bound/connect-port0/tcp?", "connecting to port 0 is refused at once", "deliberate: no SYN to port 0 leaves"},
	{"state/wildcard/connect-port0/tcp?", "connecting to port 0 is refused at once", "deliberate: no SYN to port 0 leaves"},
	{"state/unlistened/connect-port0/tcp?", "connecting to port 0 is refused at once", "deliberate: no SYN to port 0 leaves"},
	{"state/refused/connect/tcp?", "poll and names after a second failure differ", "gap: a failed attempt keeps its port and its end"},
	{"state/refused/connect-port0/tcp?", "poll and names after a second failure differ", "gap: a failed attempt keeps its port and its end"},
	{"state/refused/connect-any/tcp?", "poll and names after a second failure differ", "gap: a failed attempt keeps its port and its end"},
	{"state/refused/connect-group/tcp?", "poll and names after a second failure differ", "gap: a failed attempt keeps its port and its end"},
	{"state/refused/connect-broadcast/tcp?", "poll and names after a second failure differ", "gap: a failed attempt keeps its port and its end"},
	{"state/refused/connect-unreachable/tcp?", "poll and names after a second failure differ", "gap: a failed attempt keeps its port and its end"},
	{"state/refused/connect-family/tcp?", "poll and names after a second failure differ", "gap: a failed attempt keeps its port and its end"},
	{"state/refused/bind/tcp?", "a socket whose connect failed cannot be bound again", "gap: a failed attempt keeps its port"},
	{"state/refused/bind-family/tcp?", "a socket whose connect failed cannot be bound again", "gap: a failed attempt keeps its port"},
	{"state/refused/bind-foreign/tcp6", "a socket whose connect failed cannot be bound again", "gap: a failed attempt keeps its port"},
	{"state/refused/bind-short/tcp6", "a socket whose connect failed cannot be bound again", "gap: a failed attempt keeps its port"},
	{"state/refused/options/tcp6", "a socket whose connect failed cannot be bound again", "gap: a failed attempt keeps its port"},
	{"state/reset/bind/tcp?", "a socket that was reset cannot be bound again", "gap: a connection that is over keeps its port"},
	{"state/reset/bind-family/tcp?", "a socket that was reset cannot be bound again", "gap: a connection that is over keeps its port"},
	{"state/reset/bind-foreign/tcp6", "a socket that was reset cannot be bound again", "gap: a connection that is over keeps its port"},
	{"state/reset/bind-short/tcp6", "a socket that was reset cannot be bound again", "gap: a connection that is over keeps its port"},
	{"state/reset/options/tcp6", "a socket that was reset cannot be bound again", "gap: a connection that is over keeps its port"},
	{"state/reset/connect-short/tcp?", "the address is looked at before the state", "gap: the adapter takes the connection for unopened"},
	{"state/reset/connect-family/tcp?", "the address is looked at before the state", "gap: as above"},
	{"state/unlistened/send/tcp?", "SIOCOUTQ of a former listener is 0", "deliberate: Linux shows a number without a meaning"},
	{"state/unlistened/ioctl/tcp?", "SIOCOUTQ of a former listener is 0", "deliberate: as above"},
	{"mtu-after-tos/*", "IP_MTU stays known after IP_TOS was set", "deliberate: Linux forgets the route until the next packet"},
	{"state/connected/connect-family/udp6", "getsockname after moving from an IPv6 to an IPv4 peer", "gap: Linux goes on showing the IPv6 address"},
	{"state/shut-*/connect-family/udp6", "getsockname after moving from an IPv6 to an IPv4 peer", "gap: as above"},
	{"pmtu/told0/udp6", "\"packet too big\" under 1280 tells the socket nothing", "gap: Linux leaves the MTU alone and yet reports EMSGSIZE"},
	{"pmtu/told6?/udp6", "\"packet too big\" under 1280 tells the socket nothing", "gap: as above"},
	{"pmtu/told55?/udp6", "\"packet too big\" under 1280 tells the socket nothing", "gap: as above"},
	{"pmtu/told1279/udp6", "\"packet too big\" under 1280 tells the socket nothing", "gap: as above"},
	{"wire/1-62-1/udp6", "lo carries multicast to groups that are not its own", "gap: Linux has no multicast route over lo"},
	{"datagram/more/*", "MSG_MORE on datagrams is refused", "gap: no corking; refusing is honest"},
	{"datagram/device/udp4", "a socket bound to a device cannot send to a local address elsewhere", "gap: Linux's local table ignores the device"},
	{"datagram/send-control/info4-other-nic/*", "packet info with another NIC cannot send to a local address", "gap: as above"},
	{"datagram/send-control/hops-0/udp6", "a hop limit of 0 in a control message is taken for the default", "gap: the network layer cannot send 0"},
	{"datagram/reconnect/udp6", "a source chosen for ::1 is kept for another peer", "gap: in source choice when connecting again"},
}
