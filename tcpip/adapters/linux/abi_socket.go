package linux

import "github.com/seed963a8790/netstack/tcpip"

// More options of SOL_SOCKET that only this package knows.
const (
	SO_DEBUG             tcpip.OptionID = SOL_SOCKET<<16 | 1
	SO_BSDCOMPAT         tcpip.OptionID = SOL_SOCKET<<16 | 14
	SO_PASSCRED          tcpip.OptionID = SOL_SOCKET<<16 | 16
	SO_PEERCRED          tcpip.OptionID = SOL_SOCKET<<16 | 17
	SO_SNDLOWAT          tcpip.OptionID = SOL_SOCKET<<16 | 19
	SO_PASSSEC           tcpip.OptionID = SOL_SOCKET<<16 | 34
	SO_TIMESTAMPNS       tcpip.OptionID = SOL_SOCKET<<16 | 35
	SO_WIFI_STATUS       tcpip.OptionID = SOL_SOCKET<<16 | 41
	SO_NOFCS             tcpip.OptionID = SOL_SOCKET<<16 | 43
	SO_SELECT_ERR_QUEUE  tcpip.OptionID = SOL_SOCKET<<16 | 45
	SO_BPF_EXTENSIONS    tcpip.OptionID = SOL_SOCKET<<16 | 48
	SO_CNX_ADVICE        tcpip.OptionID = SOL_SOCKET<<16 | 53
	SO_MEMINFO           tcpip.OptionID = SOL_SOCKET<<16 | 55
	SO_INCOMING_NAPI_ID  tcpip.OptionID = SOL_SOCKET<<16 | 56
	SO_COOKIE            tcpip.OptionID = SOL_SOCKET<<16 | 57
	SO_PEERGROUPS        tcpip.OptionID = SOL_SOCKET<<16 | 59
	SO_TXTIME            tcpip.OptionID = SOL_SOCKET<<16 | 61
	SO_TIMESTAMP_NEW     tcpip.OptionID = SOL_SOCKET<<16 | 63
	SO_TIMESTAMPNS_NEW   tcpip.OptionID = SOL_SOCKET<<16 | 64
	SO_TIMESTAMPING_NEW  tcpip.OptionID = SOL_SOCKET<<16 | 65
	SO_RCVTIMEO_NEW      tcpip.OptionID = SOL_SOCKET<<16 | 66
	SO_SNDTIMEO_NEW      tcpip.OptionID = SOL_SOCKET<<16 | 67
	SO_PREFER_BUSY_POLL  tcpip.OptionID = SOL_SOCKET<<16 | 69
	SO_BUSY_POLL_BUDGET  tcpip.OptionID = SOL_SOCKET<<16 | 70
	SO_NETNS_COOKIE      tcpip.OptionID = SOL_SOCKET<<16 | 71
	SO_BUF_LOCK          tcpip.OptionID = SOL_SOCKET<<16 | 72
	SO_RESERVE_MEM       tcpip.OptionID = SOL_SOCKET<<16 | 73
	SO_TXREHASH          tcpip.OptionID = SOL_SOCKET<<16 | 74
	SO_PASSPIDFD         tcpip.OptionID = SOL_SOCKET<<16 | 76
	SO_PEERPIDFD         tcpip.OptionID = SOL_SOCKET<<16 | 77
	SO_DEVMEM_LINEAR     tcpip.OptionID = SOL_SOCKET<<16 | 78
	SO_DEVMEM_DMABUF     tcpip.OptionID = SOL_SOCKET<<16 | 79
	SO_DEVMEM_DONTNEED   tcpip.OptionID = SOL_SOCKET<<16 | 80
	scmTimestampingOptID tcpip.OptionID = SOL_SOCKET<<16 | 81
	scmDeviceMemory      tcpip.OptionID = SOL_SOCKET<<16 | 79
	SO_PASSRIGHTS        tcpip.OptionID = SOL_SOCKET<<16 | 83
)

// MSG_ZEROCOPY asks for a completion on the error queue (SO_ZEROCOPY).
const MSG_ZEROCOPY = 0x4000000

// MSG_FASTOPEN connects with the data of a send (RFC 7413).
const MSG_FASTOPEN = 0x20000000
