package header

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

func addrs(l AddrList) (all []netip.Addr) {
	for a := range l.All() {
		all = append(all, a)
	}
	return all
}

func TestParseIGMP(t *testing.T) {
	const sources = "0a000001 0a000002"
	for _, c := range []struct {
		name, bytes string
		drop        tcpip.Drop
		version     uint8 // of a query
		max         time.Duration
	}{
		{"v1 query", "11000000 00000000", tcpip.DropNone, 1, 10 * time.Second},
		{"v2 query", "11640000 00000000", tcpip.DropNone, 2, 10 * time.Second},
		{"v2 query of 20 s", "11c80000 ef010203", tcpip.DropNone, 2, 20 * time.Second},
		{"v3 query", "11c80000 ef010203 0b8f0002" + sources, tcpip.DropNone, 3, 307_200 * time.Millisecond},
		{"v3 query with trailing data", "11640000 00000000 00000000 ffff", tcpip.DropNone, 3, 10 * time.Second},
		{"v3 query with a source too few", "11640000 ef010203 00000003" + sources, tcpip.DropBadLength, 0, 0},
		{"9 bytes", "11640000 00000000 00", tcpip.DropBadLength, 0, 0},
		{"11 bytes", "11640000 00000000 000000", tcpip.DropBadLength, 0, 0},
		{"7 bytes", "11640000 000000", tcpip.DropShort, 0, 0},
		{"v2 report", "16000000 ef010203", tcpip.DropNone, 0, 0},
		{"v3 report", "22000000 00000002 01000002 ef010203" + sources + "04010000 ef010204 ffffffff", tcpip.DropNone, 0, 0},
		{"v3 report with a record too few", "22000000 00000002 04000000 ef010204", tcpip.DropBadLength, 0, 0},
		{"v3 report with a source too few", "22000000 00000001 04000001 ef010204 0a0000", tcpip.DropBadLength, 0, 0},
		{"v3 report with auxiliary data beyond the end", "22000000 00000001 04010000 ef010204", tcpip.DropBadLength, 0, 0},
		{"unknown type", "99000000 00000000", tcpip.DropNone, 0, 0},
	} {
		h, drop := ParseIGMP(unhex(t, c.bytes))
		require.Equal(t, c.drop, drop, c.name)
		if drop != tcpip.DropNone {
			continue
		}
		q, ok := h.Query()
		require.Equal(t, c.version != 0, ok, c.name)
		require.Equal(t, c.version, q.Version, c.name)
		if c.name == "v3 query" {
			require.True(t, q.Suppress)
			require.Equal(t, uint8(3), q.Robustness)
			require.Equal(t, 248*time.Second, q.Interval)
			require.Equal(t, []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}, addrs(q.Sources))
		}
		require.Equal(t, c.max, q.MaxResponse, c.name)
		if c.name == "v3 report" {
			var got []string
			for r := range h.Records().All() {
				got = append(got, r.Type.String()+" "+r.Group.String()+strings.Repeat(" +", r.Sources.Len()))
			}
			require.Equal(t, []string{"IS_IN 239.1.2.3 + +", "TO_EX 239.1.2.4"}, got)
		}
	}
}

func TestIGMPRoundTrip(t *testing.T) {
	group := netip.MustParseAddr("239.1.2.3")
	sources := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
	for version := uint8(1); version <= 3; version++ {
		want := MulticastQuery{Version: version, Group: group, MaxResponse: 10 * time.Second}
		if version == 3 {
			want.Suppress, want.Robustness, want.Interval = true, 2, 125*time.Second
		}
		h, drop := ParseIGMP(AppendIGMPQuery(nil, &want, sources))
		require.Equal(t, tcpip.DropNone, drop)
		require.True(t, h.ChecksumValid())
		got, ok := h.Query()
		require.True(t, ok)
		if version == 3 {
			require.Equal(t, sources, addrs(got.Sources))
			got.Sources = AddrList{}
		}
		require.Equal(t, want, got)
		require.False(t, got.General())
	}
	h, drop := ParseIGMP(AppendIGMP(nil, IGMPv2Leave, group))
	require.Equal(t, tcpip.DropNone, drop)
	require.True(t, h.ChecksumValid())
	require.Equal(t, group, h.Group())
	require.Zero(t, h.Records())

	records := []GroupRecordFields{{AllowNewSources, group, sources}, {ModeIsExclude, group, nil}}
	b := AppendIGMPv3Report([]byte{1, 2, 3}, records)
	require.Len(t, b, 3+IGMPSize+records[0].Size()+records[1].Size())
	h, drop = ParseIGMP(b[3:])
	require.Equal(t, tcpip.DropNone, drop)
	require.True(t, h.ChecksumValid())
	requireRecords(t, records, h.Records())
}

func requireRecords(t *testing.T, want []GroupRecordFields, got GroupRecords) {
	t.Helper()
	var all []GroupRecordFields
	for r := range got.All() {
		all = append(all, GroupRecordFields{r.Type, r.Group, addrs(r.Sources)})
	}
	require.Equal(t, want, all)
}

func TestMLD(t *testing.T) {
	group := netip.MustParseAddr("ff05::1:2:3")
	sources := []netip.Addr{netip.MustParseAddr("2001:db8::1")}
	records := []GroupRecordFields{{ChangeToIncludeMode, group, nil}, {BlockOldSources, group, sources}}
	query1 := AppendMLDQuery(nil, &MulticastQuery{Version: 1, Group: group, MaxResponse: 40 * time.Second}, nil)
	query2 := AppendMLDQuery(nil, &MulticastQuery{Version: 2, Group: group, MaxResponse: 40_960 * time.Millisecond, Robustness: 9, Interval: 20 * time.Second}, sources)
	report := AppendMLDv2Report(nil, records)
	for _, c := range []struct {
		name string
		b    []byte
		drop tcpip.Drop
	}{
		{"v1 query", query1, tcpip.DropNone},
		{"v2 query", query2, tcpip.DropNone},
		{"query of 25 bytes", append(query1[:24:24], 0), tcpip.DropBadLength},
		{"query of 27 bytes", append(query1[:24:24], 0, 0, 0), tcpip.DropBadLength},
		{"query of 23 bytes", query1[:23], tcpip.DropBadLength},
		{"v2 query without its source", query2[:43], tcpip.DropBadLength},
		{"v1 report", AppendMLDv1(nil, ICMPv6MLDv1Report, group), tcpip.DropNone},
		{"v1 done", AppendMLDv1(nil, ICMPv6MLDv1Done, group), tcpip.DropNone},
		{"short v1 done", AppendMLDv1(nil, ICMPv6MLDv1Done, group)[:23], tcpip.DropBadLength},
		{"v2 report", report, tcpip.DropNone},
		{"short v2 report", report[:len(report)-1], tcpip.DropBadLength},
		{"echo", make([]byte, 24), tcpip.DropUnknownType},
	} {
		m, _ := ParseICMPv6(c.b)
		_, drop := ParseMLD(m)
		require.Equal(t, c.drop, drop, c.name)
	}
	m, _ := ParseMLD(query1)
	q, ok := m.Query()
	require.True(t, ok)
	require.Equal(t, MulticastQuery{Version: 1, Group: group, MaxResponse: 40 * time.Second}, q)
	m, _ = ParseMLD(query2)
	q, ok = m.Query()
	require.True(t, ok)
	require.Equal(t, sources, addrs(q.Sources))
	q.Sources = AddrList{}
	require.Equal(t, MulticastQuery{Version: 2, Group: group, MaxResponse: 40_960 * time.Millisecond, Interval: 20 * time.Second}, q)
	m, _ = ParseMLD(report)
	requireRecords(t, records, m.Records())
	require.False(t, m.Group().IsValid())
}

// RFC 3376 §4.1.1 and RFC 3810 §5.1.3: codes above the limit are floats.
func TestFloatCodes(t *testing.T) {
	for _, c := range []struct {
		code     uint16
		mantissa int
		value    uint32
	}{
		{0, 4, 0}, {127, 4, 127}, {128, 4, 128}, {0x8f, 4, 248}, {0x90, 4, 256}, {0xff, 4, 31744},
		{32767, 12, 32767}, {32768, 12, 32768}, {0x8001, 12, 32776}, {0xffff, 12, 8387584},
	} {
		require.Equal(t, c.value, floatDecode(c.code, c.mantissa))
		require.Equal(t, c.code, floatEncode(c.value, c.mantissa))
	}
	for _, mantissa := range []int{4, 12} {
		for v := uint32(0); v < 9_000_000; v += 1 + v/97 {
			code := floatEncode(v, mantissa)
			got := floatDecode(code, mantissa)
			require.LessOrEqual(t, got, v)
			if code < 1<<(mantissa+4)-1 {
				require.Greater(t, floatDecode(code+1, mantissa), v)
			}
		}
	}
}
