package linux_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/internal/oracle"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/tcpip/adapters/linux"
)

var update = flag.Bool("update", false, "write OPTIONS.md")

// optionsPage is generated from the tables of options and differences.
const optionsPage = "OPTIONS.md"

// levels are the sections of the page.
var levels = []struct {
	level int
	name  string
}{
	{linux.SOL_SOCKET, "SOL_SOCKET"}, {linux.IPPROTO_IP, "IPPROTO_IP"}, {linux.IPPROTO_IPV6, "IPPROTO_IPV6"}, {linux.IPPROTO_TCP, "IPPROTO_TCP"},
	{linux.IPPROTO_UDP, "IPPROTO_UDP"}, {255, "SOL_RAW"}, {58, "SOL_ICMPV6"}, {263, "SOL_PACKET"},
}

// endpoints names a set of kinds.
func endpoints(on tcpip.EndpointKinds) string {
	for _, all := range []struct {
		on   tcpip.EndpointKinds
		name string
	}{{tcpip.KindAny, "all"}, {tcpip.KindIP, "all but packet"}, {tcpip.KindDatagram, "UDP, ping, raw"}} {
		if on == all.on {
			return all.name
		}
	}
	var names []string
	for _, k := range []struct {
		on   tcpip.EndpointKinds
		name string
	}{{tcpip.KindTCP, "TCP"}, {tcpip.KindUDP, "UDP"}, {tcpip.KindPing, "ping"}, {tcpip.KindRaw, "raw"}, {tcpip.KindPacket, "packet"}} {
		if on&k.on != 0 {
			names = append(names, k.name)
		}
	}
	return strings.Join(names, ", ")
}

// cell makes text fit for a cell of a table.
func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", "\\|"), "\n", " ") }

// kindOf says whether an option does something, is kept, or is refused.
func kindOf(o linux.OptionInfo) string {
	switch {
	case strings.HasPrefix(o.Doc, "Refused"):
		return "refused"
	case o.Hint:
		return "hint"
	}
	return "effect"
}

// proofOf returns the scenario that shows an option's effect or, of a hint, its value.
func proofOf(x *oracle.Index, o linux.OptionInfo) (string, error) {
	if asks := x.Asks(o.Name); kindOf(o) != "effect" && asks != "" {
		return asks, nil
	}
	return x.Shows(o.ID, o.Name)
}

func renderOptions() string {
	x := oracle.NewIndex()
	var b strings.Builder
	b.WriteString(`# Options

Every option of setsockopt(2) and getsockopt(2) that sockets of this package have. What is not here is refused as Linux
refuses what it does not know. **effect** means that a scenario of internal/oracle shows what the option does, and that
the kernel does the same; **hint** that it is kept for the program, and that no program can observe more; **refused** that
it is there to be refused as Linux refuses it to whoever lacks a privilege or a feature.

This page is generated from the tables by which sockets work: go test ./tcpip/adapters/linux -run Options -update.
`)
	all := linux.OptionTable()
	for _, l := range levels {
		b.WriteString("\n## " + l.name + "\n\n| option | number | value | default | sockets | | | proven by |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
		for _, o := range all {
			if o.ID.Level() != l.level {
				continue
			}
			scenario, _ := proofOf(x, o)
			fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s | %s | %s |\n", o.Name, o.ID.Number(), cell(o.Form), cell(o.Default), endpoints(o.On), kindOf(o), cell(o.Doc), scenario)
		}
	}
	meant, gaps := oracle.Deliberate()
	for _, t := range []struct {
		title, text string
		rows        [][3]string
	}{
		{"Where we differ on purpose", "Scenarios in which the kernel does something else, and why we do not.", meant},
		{"Where we fall short", "Scenarios in which we should be as the kernel and are not yet.", gaps},
	} {
		if len(t.rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| scenarios | what we do | why |\n| --- | --- | --- |\n", t.title, t.text)
		for _, d := range t.rows {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(d[0]), cell(d[1]), cell(d[2]))
		}
	}
	return b.String()
}

// The page says what the tables say.
func TestOptionsPage(t *testing.T) {
	page := renderOptions()
	if *update {
		require.NoError(t, os.WriteFile(optionsPage, []byte(page), 0o644))
	}
	b, err := os.ReadFile(optionsPage)
	require.NoError(t, err)
	if string(b) != page {
		t.Error("OPTIONS.md is stale: go test ./tcpip/adapters/linux -run Options -update")
	}
}

// Every option is described, has a level that the page shows, and a scenario that proves it.
func TestOptionsAreProven(t *testing.T) {
	x, wrongs := oracle.NewIndex(), 0
	for _, o := range linux.OptionTable() {
		require.NotEmpty(t, o.Name, "level %d number %d", o.ID.Level(), o.ID.Number())
		require.NotEmpty(t, o.Form, o.Name)
		require.NotEmpty(t, o.Doc, o.Name)
		known := false
		for _, l := range levels {
			known = known || o.ID.Level() == l.level
		}
		require.True(t, known, "the page has no section for level %d", o.ID.Level())
		if _, err := proofOf(x, o); err != nil {
			wrongs++
			t.Errorf("%s on %s: %v", o.Name, endpoints(o.On), err)
		}
	}
	t.Logf("%d options, %d without a proof", len(linux.OptionTable()), wrongs)
}
