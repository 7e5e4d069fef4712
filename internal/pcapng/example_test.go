package pcapng_test

import (
	"fmt"
	"time"

	"github.com/seed963a8790/netstack/internal/pcapng"
)

func Example() {
	b := pcapng.AppendSection(nil, "example")
	b = pcapng.AppendInterface(b, &pcapng.Interface{LinkType: pcapng.LinkTypeRaw, Name: "nic1"})
	b = pcapng.AppendPacket(b, &pcapng.Packet{
		Time: time.Unix(1, 2), Direction: pcapng.Inbound, Comment: "dropped: short", Len: 1, Data: []byte{0x45},
	})
	r := pcapng.NewReader(b)
	var p pcapng.Packet
	for r.Next(&p) == nil {
		fmt.Println(r.Interface(p.Interface).Name, p.Time.UnixNano(), p.Len, p.Comment)
	}
	// Output: nic1 1000000002 1 dropped: short
}
