package oracle

// Sockets are the socket calls, with Linux's numbers and bytes. Files are small numbers of the
// implementation's choice, every one non-blocking. An errno of 0 is success.
type Sockets interface {
	Socket(family, typ, proto int) (fd, errno int)
	Bind(fd int, name []byte) (errno int)
	Connect(fd int, name []byte) (errno int)
	Listen(fd, backlog int) (errno int)
	Accept4(fd, flags int) (newFD int, name []byte, errno int)
	SendMsg(fd int, data, name, control []byte, flags int) (n, errno int)
	RecvMsg(fd int, data, control []byte, flags int) (m Message, errno int)
	SetSockOpt(fd, level, number int, value []byte) (errno int)
	// GetSockOpt fills value and returns what it left in optlen.
	GetSockOpt(fd, level, number int, value []byte) (size, errno int)
	// AttachFilter is SetSockOpt with a struct sock_fprog that points to code, an array of struct sock_filter;
	// GetFilter is GetSockOpt with SO_GET_FILTER, whose optlen counts instructions.
	AttachFilter(fd, option int, code []byte) (errno int) // a negative option is one of SOL_PACKET
	GetFilter(fd, optlen int) (code []byte, n, errno int)
	// MapRing is mmap(2) of a packet socket's ring of so many bytes.
	MapRing(fd, size int) (memory []byte, errno int)
	Shutdown(fd, how int) (errno int)
	GetSockName(fd int) (name []byte, errno int)
	GetPeerName(fd int) (name []byte, errno int)
	Poll(fd int, mask uint32) uint32
	Ioctl(fd int, request uint32) (v, errno int)
	Close(fd int)

	MoreSockets

	// Settle lets what is on its way arrive. Await is Settle until Poll says any of mask, or some seconds
	// have passed.
	Settle()
	Await(fd int, mask uint32)

	// Inject makes a packet arrive on the device t0; Sent returns those that have left through it.
	Inject(packet []byte)
	Sent() [][]byte

	// AddDevice makes another device like t0, t1 with interface 3; InjectOther and SentOther are its Inject and
	// Sent. AddRoute leads a prefix to a gateway on one of them.
	AddDevice()
	// AddEthernet makes a device with Ethernet addresses, e0 with interface 3, instead of t1; what InjectOther and
	// SentOther take and give are frames then.
	AddEthernet()
	// Autoconfigure is AddEthernet with IPv6, which heeds routers and makes addresses from that of the device, and
	// temporary ones if asked to. It looks for duplicates if asked to, and is done with the link-local address.
	Autoconfigure(temporary, detect bool)
	InjectOther(packet []byte)
	SentOther() [][]byte
	AddRoute(prefix, gateway string)

	// Sysctl sets a variable of /proc/sys/net. Pass lets time go by.
	Sysctl(name string, value int)
	Pass(milliseconds int)
	// Wait is Pass for exactly so long, where timers of connections are looked at.
	Wait(milliseconds int)
	// Up turns an interface on or off.
	Up(name string, up bool)

	// End closes every file and whatever they live in.
	End()
}

// Message is what RecvMsg returns.
type Message struct {
	N       int
	Name    []byte
	Control []byte
	Flags   int
}

// The two hosts: lo is interface 1, t0 interface 2 with these addresses, behind which is nobody but Inject
// and Sent. The peers are on its network.
const (
	Host4, Peer4 = "10.77.0.1", "10.77.0.2"
	Host6, Peer6 = "fd77::1", "fd77::2"
	tunMTU       = 1500

	// Those of t1, after AddDevice.
	Host4b, Peer4b = "10.78.0.1", "10.78.0.2"
	Host6b, Peer6b = "fd78::1", "fd78::2"
)
