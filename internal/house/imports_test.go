package house

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The rooms of internal. A new package has to be put into one of them.
var (
	// leaves know nothing of networks, at most header formats.
	leaves = []string{"internal/checksum", "internal/seq", "internal/slab", "internal/siphash", "internal/gate", "internal/pcapng", "internal/ratelimit", "internal/growstack"}
	// machines are protocols without locks, clocks or packets.
	machines = []string{"internal/tcb", "internal/nud", "internal/slaac", "internal/mcast", "internal/frag", "internal/dad", "internal/ratelimit", "internal/bpf"}
	// support serves tests; the library never imports it.
	support = []string{"internal/house", "internal/simnet", "internal/packetdrill", "internal/oracle", "internal/behaviour", "internal/interop", "internal/linktest", "internal/testnet", "internal/netns", "internal/leak", "internal/conntest"}
	// programs are the commands.
	programs = []string{"internal/cmd"}
)

// What a machine may use of the standard library: nothing that locks, waits, tells the time or sends.
var pure = []string{
	"bytes", "cmp", "container/heap", "crypto/sha256", "encoding/binary", "errors", "fmt", "iter", "maps", "math", "math/bits", "net/netip",
	"slices", "sort", "strconv", "strings",
	"time", // for Duration; TestClocks keeps its clock out
	"unsafe",
}

// room is what the packages in some folders may import, apart from the standard library.
type room struct {
	dirs     []string
	may      []string // folders of this module
	std      []string // the only packages of the standard library; nil allows all
	external []string // modules
}

// rooms is the import map: the first room that has a package decides. Imports only go down.
var rooms = []room{
	{dirs: []string{"tcpip/adapters"}, may: []string{"tcpip", "stack", "waiter", "header", "network", "transport", "link", "internal/slab", "internal/growstack"}, external: []string{"golang.org/x/sys"}},
	{dirs: []string{"tcpip"}},
	{dirs: []string{"header", "waiter"}, may: append([]string{"tcpip"}, leaves...)},
	{dirs: leaves, may: []string{"header", "tcpip"}, external: []string{"golang.org/x/sys", "github.com/google/btree"}},
	{dirs: machines, may: append([]string{"header", "tcpip"}, leaves...), std: pure, external: []string{"github.com/google/btree"}},
	{dirs: []string{"stack"}, may: slices.Concat([]string{"header", "waiter", "tcpip"}, leaves, machines), external: []string{"github.com/google/btree"}},
	{dirs: []string{"network"}, may: slices.Concat([]string{"stack", "header", "waiter", "tcpip", "network/internal"}, leaves, machines)},
	{dirs: []string{"link", "transport"}, may: slices.Concat([]string{"stack", "header", "waiter", "tcpip"}, leaves, machines),
		external: []string{"golang.org/x/sys", "github.com/google/btree"}},
	{dirs: support, may: []string{"tcpip", "stack", "waiter", "header", "network", "transport", "link", "internal"},
		external: []string{"golang.org/x/sys", "github.com/google/btree", "github.com/stretchr/testify"}},
	{dirs: programs, may: []string{"tcpip", "stack", "waiter", "header", "network", "transport", "link", "internal"}, external: []string{"golang.org/x/sys"}},
}

func roomOf(dir string) *room {
	for i := range rooms {
		if under(dir, rooms[i].dirs...) {
			return &rooms[i]
		}
	}
	return nil
}

// allows reports whether a package in dir, which is in r, may import p.
func (r *room) allows(dir, p string) bool {
	if local, ok := strings.CutPrefix(p, module+"/"); ok {
		// A package may use what lies in its own folder's tree, and what its room shares, at its top
		// or in its internal folder; its siblings in link, network and transport are neither.
		room, _, _ := strings.Cut(dir, "/")
		if under(local, dir, room+"/internal") || local == room {
			return true
		}
		return under(local, r.may...) && (!under(local, "tcpip/adapters") || under(dir, "internal"))
	}
	if !strings.Contains(strings.Split(p, "/")[0], ".") {
		return r.std == nil || slices.Contains(r.std, p)
	}
	return under(p, r.external...)
}

// Imports only go down: DESIGN's map, package by package. Tests may look further.
func TestImportMap(t *testing.T) {
	for _, f := range everySource(t) {
		if f.test || f.dir == "." {
			continue
		}
		r := roomOf(f.dir)
		if r == nil {
			t.Errorf("%s: the import map in internal/house/imports_test.go has no room for %s", f.name, f.dir)
			continue
		}
		for _, im := range f.ast.Imports {
			p, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !r.allows(f.dir, p) {
				t.Errorf("%s: %s may not import %q", at(im), f.dir, p)
			}
		}
	}
}

// The map itself must be able to say no.
func TestImportMapRefuses(t *testing.T) {
	for _, c := range []struct {
		dir, imports string
		want         bool
	}{
		{"tcpip", module + "/stack", false},
		{"tcpip", "sync", true},
		{"tcpip/adapters/gonet", module + "/stack", true},
		{"tcpip/adapters/gonet", module + "/tcpip/adapters/linux", false},
		{"stack", module + "/network/ipv4", false},
		{"stack", module + "/internal/nud", true},
		{"network/ipv4", module + "/network/arp", false},
		{"network/ipv4", module + "/network/internal/shared", true},
		{"link/tun", module + "/network/internal/shared", false},
		{"transport/udp", module + "/transport", true},
		{"link/tun", module + "/transport", false},
		{"transport/tcp", module + "/transport/udp", false},
		{"transport/tcp", module + "/internal/tcb", true},
		{"link/sniffer", module + "/link/pipe", false},
		{"internal/tcb", "sync", false},
		{"internal/tcb", "sync/atomic", false},
		{"internal/tcb", "context", false},
		{"internal/tcb", "os", false},
		{"internal/tcb", "net", false},
		{"internal/tcb", "net/netip", true},
		{"internal/tcb", "github.com/google/btree", true},
		{"internal/tcb", "github.com/stretchr/testify/require", false},
		{"internal/tcb", module + "/stack", false},
		{"internal/tcb", module + "/waiter", false},
		{"header", module + "/stack", false},
		{"header", module + "/internal/tcb", false},
		{"header", module + "/internal/checksum", true},
		{"internal/cmd/demo", module + "/tcpip/adapters/gonet", true},
	} {
		if got := roomOf(c.dir).allows(c.dir, c.imports); got != c.want {
			t.Errorf("%s imports %q: allowed %v, want %v", c.dir, c.imports, got, c.want)
		}
	}
	if roomOf("internal/novelty") != nil {
		t.Error("a package that nobody has thought about is in a room")
	}
}

// The library imports nothing that serves tests.
func TestSupportStaysOut(t *testing.T) {
	for _, f := range everySource(t) {
		if f.test || under(f.dir, support...) || under(f.dir, programs...) {
			continue
		}
		for _, im := range f.ast.Imports {
			p, _ := strconv.Unquote(im.Path.Value)
			local := strings.TrimPrefix(p, module+"/")
			if under(local, support...) || p == "testing" || path.Base(p) == "testify" || strings.Contains(p, "/testify/") {
				t.Errorf("%s: %q is for tests", at(im), p)
			}
		}
	}
}
