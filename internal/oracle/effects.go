package oracle

import (
	"path"
	"slices"
	"strings"
)

// effects names, for options whose name is in no scenario's outside option/, one that shows what they do.
var effects = map[string]string{
	"SO_TYPE":       "state/new/look/tcp4",
	"SO_DOMAIN":     "state/new/look/tcp4",
	"SO_PROTOCOL":   "state/new/look/tcp4",
	"SO_ERROR":      "datagram/refused/udp4",
	"SO_ACCEPTCONN": "state/listening/look/tcp4",
	"SO_PEERNAME":   "state/connected/look/tcp4",
}

// Proof returns the scenarios that prove an option: those that ask for its default, values and lengths, and those
// that show its effect.
func Proof(option string) (asked, shown []string) {
	for _, s := range Scenarios() {
		parts := strings.Split(s.Name, "/")
		switch {
		case !slices.ContainsFunc(parts, func(p string) bool { return p == option || p == strings.TrimPrefix(option, "TCP_") }):
		case parts[0] == "option":
			asked = append(asked, s.Name)
		default:
			shown = append(shown, s.Name)
		}
	}
	if e, ok := effects[option]; ok {
		shown = append([]string{e}, shown...)
	}
	return asked, shown
}

// Named reports whether there is a scenario of the name.
func Named(name string) bool {
	return slices.ContainsFunc(Scenarios(), func(s Scenario) bool { return s.Name == name })
}

// Deliberate returns the rows of the table of differences that are meant: the pattern of the scenarios' names, what is
// different, and why; and those that are not, which are gaps.
func Deliberate() (meant, gaps [][3]string) {
	for _, d := range differences {
		if why, ok := strings.CutPrefix(d.Why, "deliberate: "); ok {
			meant = append(meant, [3]string{d.Name, d.What, why})
		} else {
			gaps = append(gaps, [3]string{d.Name, d.What, strings.TrimPrefix(d.Why, "gap: ")})
		}
	}
	return meant, gaps
}

// Matching returns how many scenarios a pattern of that table matches.
func Matching(pattern string) (n int) {
	for _, s := range Scenarios() {
		if ok, _ := path.Match(pattern, s.Name); ok {
			n++
		}
	}
	return n
}
