package packetdrill

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip"
	"github.com/seed963a8790/netstack/transport/tcp"
)

// oursConf is what the settings of a script say of the stack.
type oursConf struct {
	tcp        tcp.Options
	stack      stack.Options
	ports      [2]int64        // the ephemeral ones; 0: the stack's
	forwarding bool            // of NICs
	down6      bool            // IPv6 has no addresses
	sockets    []socketDefault // what sockets begin with
}

// socketDefault is an option that a setting gives to every new socket of a family.
type socketDefault struct{ family, level, number, value int }

// setting is one of Linux's settings. One with an apply changes the stack; one that is inert may have any value and no
// script can tell; any other has a meaning, and may only be what this stack does anyway.
type setting struct {
	name   string
	value  string // as a new namespace of Linux has it
	of     span   // what each of its numbers may be; none: words
	under  string // the setting that is another bound
	inert  bool
	always bool // the stack's own default differs
	also   string
	apply  func(c *oursConf, v []int64)
	words  func(c *oursConf, v string) // apply for what is no list of numbers
	check  func(v string) bool         // whether a value can be; nil: any can
}

// span is what a number may be, by the type that Linux keeps it in.
type span struct{ low, high int64 }

var (
	bit      = span{0, 1}
	octet    = span{0, math.MaxUint8}
	signed   = span{math.MinInt32, math.MaxInt32}
	unsigned = span{0, math.MaxUint32}
	natural  = span{0, math.MaxInt32}
	positive = span{1, math.MaxInt32}
	wide     = span{0, math.MaxInt64}
	seconds  = span{-8589934, 8589934} // kept as an int of ticks, 250 a second
)

// settings returns the table.
func settings() []setting { return append(tcpSettings(), otherSettings()...) }

// settingValues are the settings of a stack in the making.
type settingValues struct {
	rows   map[string]setting
	values map[string]string // what is not as the table says
}

func (s *settingValues) init() {
	s.rows, s.values = map[string]setting{}, map[string]string{}
	for _, row := range settings() {
		s.rows[row.name] = row
	}
}

// row finds the row of a setting; those of an interface have one for all.
func (s *settingValues) row(name string) (setting, bool) {
	row, ok := s.rows[name]
	if parts := strings.Split(name, "."); !ok && len(parts) == 5 && (parts[2] == "conf" || parts[2] == "neigh") && interfaces[parts[3]] {
		parts[3] = "*"
		row, ok = s.rows[strings.Join(parts, ".")]
	}
	return row, ok
}

// interfaces are those that settings are of.
var interfaces = map[string]bool{"all": true, "default": true, "lo": true, "tun0": true}

// errSettingInvalid is what write(2) says of a value that cannot be.
var errSettingInvalid = errors.New("invalid argument")

// get returns a setting as Linux shows it.
func (s *settingValues) get(name string) (string, error) {
	if v, ok := s.values[name]; ok {
		return v, nil
	}
	row, ok := s.row(name)
	if !ok {
		return "", skipped("the setting " + name + " has no meaning here")
	}
	if row.of == (span{}) {
		return row.value, nil
	}
	return strings.ReplaceAll(row.value, " ", "\t"), nil
}

// set takes a setting. changed says that the stack has to follow.
//
// Errors: skipped; what Linux says of a value that cannot be.
func (s *settingValues) set(name, value string) (changed bool, err error) {
	row, ok := s.row(name)
	if !ok && strings.HasPrefix(name, "net.ipv4.tcp_") { // of another Linux: scripts pass without it
		s.values[name] = strings.TrimSpace(value)
		return false, nil
	}
	if !ok {
		return false, skipped("the setting " + name + " has no meaning here")
	}
	if row.of == (span{}) {
		value = strings.TrimSpace(value)
		if row.check != nil && !row.check(value) {
			return false, settingError{name, errSettingInvalid}
		}
		return s.keep(&row, name, value)
	}
	numbers, err := row.numbers(value)
	if err != nil {
		return false, settingError{name, err}
	}
	if most, _ := s.get(row.under); row.under != "" {
		if n, err := strconv.ParseInt(most, 0, 64); err == nil && numbers[0] > n {
			return false, settingError{name, errSettingInvalid}
		}
	}
	have, _ := s.get(name)
	text := strings.Fields(have) // those that are not given stay
	for i, n := range numbers {
		text[i] = strconv.FormatInt(n, 10)
	}
	if value = strings.Join(text, "\t"); row.check != nil && !row.check(value) {
		return false, settingError{name, errSettingInvalid}
	}
	return s.keep(&row, name, value)
}

// settingError is how writing to a setting fails.
type settingError struct {
	name string
	why  error
}

func (e settingError) Error() string { return e.name + ": " + e.why.Error() }
func (e settingError) Unwrap() error { return e.why }

// numbers reads as many as the setting has, or fewer from the first on, as Linux does: in decimal, or with 0x or 0 in
// front. What follows the last is not looked at.
func (r *setting) numbers(value string) (list []int64, err error) {
	for i, f := range strings.Fields(value) {
		if i == len(strings.Fields(r.value)) {
			break
		}
		n, err := strconv.ParseInt(f, 0, 64)
		if err != nil || strings.ContainsAny(f, "_bBoO") || n < r.of.low || n > r.of.high {
			return nil, errSettingInvalid
		}
		list = append(list, n)
	}
	if len(list) == 0 {
		return nil, errSettingInvalid
	}
	return list, nil
}

// keep takes a value that can be.
func (s *settingValues) keep(row *setting, name, value string) (changed bool, err error) {
	changed = row.apply != nil || row.words != nil
	if !changed && !row.inert && !row.like(value) {
		return false, skipped("the setting " + name + " has no meaning here but as " + row.value)
	}
	s.values[name] = value
	return changed, nil
}

// like reports whether the stack behaves by a value: by the default, or one of also, which have bars between them.
func (r *setting) like(value string) bool {
	for v := range strings.SplitSeq(r.value+"|"+r.also, "|") {
		if strings.Join(strings.Fields(v), "\t") == strings.Join(strings.Fields(value), "\t") {
			return true
		}
	}
	return false
}

// conf computes what all settings say together.
func (s *settingValues) conf() (c oursConf) {
	for _, row := range settings() { // in their order
		for _, name := range row.names() {
			value, ok := s.values[name]
			if !ok && row.always {
				value, ok = row.value, true
			}
			switch {
			case !ok:
			case row.words != nil:
				row.words(&c, value)
			case row.apply != nil:
				var numbers []int64
				for _, f := range strings.Fields(value) {
					n, _ := strconv.ParseInt(f, 0, 64)
					numbers = append(numbers, n)
				}
				row.apply(&c, numbers)
			}
		}
	}
	c.reconcile()
	return c
}

// names are the row's setting, or those of the interfaces that say something of the script's.
func (r *setting) names() []string {
	if !strings.Contains(r.name, "*") {
		return []string{r.name}
	}
	var list []string
	for _, i := range []string{"default", "all", "tun0"} {
		list = append(list, strings.Replace(r.name, "*", i, 1))
	}
	return list
}

// reconcile brings into order what Linux takes in any, and the stack does not.
func (c *oursConf) reconcile() {
	t := &c.tcp
	if most := t.RTOMax.Or(2 * time.Minute); t.RTOMin.Or(200*time.Millisecond) > most {
		t.RTOMin = tcpip.Set(most)
	}
	if least := t.Reordering.Or(3); t.MaxReordering.Or(300) < least {
		t.MaxReordering = tcpip.Set(least)
	}
}

// names are all settings that have one interface or none, in order.
func (s *settingValues) names() (list []string) {
	for name := range s.rows {
		if strings.HasPrefix(name, "net.") && !strings.Contains(name, "*") {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
