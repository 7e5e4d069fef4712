package linux

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// OptionInfo describes one option on some kinds of sockets.
type OptionInfo struct {
	ID      tcpip.OptionID
	Name    string
	Form    string // of the value: "int (ms)", "bool", "struct linger", ...
	Default string // what a new socket shows; empty for what cannot be read or has no fixed default
	On      tcpip.EndpointKinds
	Hint    bool // stored, and nothing more can be observed, on Linux as here
	Doc     string
}

// OptionTable returns all options, by level, number and kinds of sockets. It is made of the tables by which sockets
// work.
func OptionTable() (all []OptionInfo) {
	covered := map[tcpip.OptionID]tcpip.EndpointKinds{} // what comes first is asked first
	add := func(o OptionInfo) {
		on := o.On &^ covered[o.ID]
		if on == 0 {
			return
		}
		covered[o.ID] |= on
		o.On = on
		all = append(all, o)
	}
	for id, o := range others {
		add(OptionInfo{id, o.name, o.form, o.byDefault, o.on, o.hint, o.doc})
	}
	for _, h := range hints {
		form := "int"
		if h.flag {
			form = "bool"
		}
		add(OptionInfo{h.id, h.name, form, strconv.Itoa(h.byDefault), h.on, true, "Kept for the program; it changes nothing here."})
	}
	all = addRows(all, covered, tcpip.SocketOptions, tcpip.KindAny)
	all = addRows(all, covered, tcp.EndpointOptions, tcpip.KindTCP)
	slices.SortFunc(all, func(a, b OptionInfo) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.On, b.On)) })
	return all
}

func addRows[C any](all []OptionInfo, covered map[tcpip.OptionID]tcpip.EndpointKinds, rows []tcpip.OptionRow[C], of tcpip.EndpointKinds) []OptionInfo {
	for i := range rows {
		r := &rows[i]
		on := r.On & of &^ covered[r.ID]
		if on == 0 || r.ID == tcp.TCP_TIMESTAMP_MODE { // which Linux has for the whole host alone
			continue
		}
		covered[r.ID] |= on
		form := "int"
		switch r.Unit {
		case "":
		case "bool":
			form = "bool"
		default:
			form = "int (" + r.Unit + ")"
		}
		all = append(all, OptionInfo{r.ID, r.Name, form, strconv.Itoa(r.Default), on, r.Hint, r.Doc})
	}
	return all
}
