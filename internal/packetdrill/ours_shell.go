package packetdrill

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Shell runs a command with the shell of this package.
func (o *Ours) Shell(dir, text string) error {
	status, complaints, err := o.shell.Run(dir, text)
	switch {
	case err != nil:
		return err
	case status != 0 && strings.Contains(complaints, noQueue):
		return skipped(strings.TrimSpace(text) + " has no meaning here: " + strings.TrimSpace(complaints))
	case status == 127:
		return skipped("a command is not there: " + strings.TrimSpace(complaints))
	case status != 0:
		return fmt.Errorf("exit status %d: %s", status, strings.TrimSpace(complaints))
	}
	return nil
}

func (o *Ours) setting(name string) (string, error) { return o.settings.get(name) }

// setSetting takes a setting, at once if the stack runs.
func (o *Ours) setSetting(name, value string) error {
	changed, err := o.settings.set(name, value)
	if err != nil || !changed || o.stack == nil {
		return err
	}
	if laterTooLate[name] {
		return skipped("the setting " + name + " has no meaning here while the stack runs")
	}
	c := o.settings.conf()
	o.routes.apply(&c)
	return errors.Join(o.tcp.Configure(c.tcp), o.follow(&c))
}

// laterTooLate are settings that the stack is made with.
var laterTooLate = map[string]bool{
	"net.core.rmem_max": true, "net.core.wmem_max": true, "net.core.rmem_default": true, "net.core.wmem_default": true,
}

// follow takes what settings say of the running stack, but for TCP.
func (o *Ours) follow(c *oursConf) error {
	o.guest.defaults = c.sockets
	for _, n := range o.stack.NICs() {
		n.SetForwarding(c.forwarding)
	}
	if c.down6 {
		_ = o.nic.RemoveAddress(o.conf.Setup.V6.Local) // there is none if it was down before
	}
	if c.ports == [2]int64{} {
		return nil
	}
	return o.stack.SetPortRange(uint16(c.ports[0]), uint16(c.ports[1]))
}

// background takes a setting that scripts have in common.
func (o *Ours) background(name, value string) error {
	err := o.setSetting(name, value)
	var skip skipped
	if errors.As(err, &skip) {
		o.settings.values[name] = value
		return nil
	}
	return err
}

// procFile is a file of /proc/net.
func (o *Ours) procFile(path string) (string, bool) {
	switch path {
	case "/sys/class/net/tun0/mtu":
		return strconv.Itoa(o.conf.MTU) + "\n", true
	case "/proc/version", "/proc/sys/kernel/osrelease":
		return "Linux version 6.18.0\n", true
	}
	name, ok := strings.CutPrefix(path, "/proc/net/")
	if !ok {
		if name, ok = strings.CutPrefix(path, "/proc/self/net/"); !ok {
			return "", false
		}
	}
	o.build()
	b, ok := o.sockets.ProcNet(name)
	return string(b), ok
}

// tools are the programs that have something to do with the network.
func (o *Ours) tools() map[string]builtin {
	t := builtins()
	t["sysctl"] = o.sysctl
	t["ip"] = o.ip
	t["tc"] = o.tc
	t["nstat"] = o.nstat
	t["ethtool"] = o.ethtool
	t["ifconfig"] = o.ifconfig
	t["ss"] = o.ss
	t["sleep"] = o.sleep
	t["usleep"] = o.sleep
	return t
}

// sysctl is sysctl(8): names, NAME=VALUE and NAME VALUE with -w.
func (o *Ours) sysctl(s *shell, args []string, _ string, out *strings.Builder) int {
	quiet, values, ignore, file, status := false, false, false, false, 0
	var words []string
	for _, a := range args[1:] {
		if len(a) < 2 || a[0] != '-' {
			words = append(words, a)
			continue
		}
		switch strings.TrimLeft(a, "-") {
		case "a", "all":
			words = append(words, o.settings.names()...)
		case "p", "load":
			file = true
		case "q", "qw", "wq", "quiet":
			quiet = true
		case "n", "values":
			values = true
		case "w", "write":
		case "e", "ignore":
			ignore = true
		case "qe", "eq", "qew":
			quiet, ignore = true, true
		default:
			panic(skipped("sysctl " + a + " has no meaning here"))
		}
	}
	if file {
		text, ok := s.inputs(words, "")
		if !ok {
			return 1
		}
		words = words[:0]
		for _, line := range linesOf(text) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != ';' {
				words = append(words, strings.TrimPrefix(line, "-"))
			}
		}
	}
	for _, w := range words {
		name, value, write := strings.Cut(w, "=")
		name = settingName(strings.TrimSpace(name))
		var err error
		if write {
			err = s.assign(name, strings.TrimSpace(value))
		} else {
			value, err = s.host.get(name)
		}
		if skip, ok := err.(skipped); ok {
			panic(skip)
		}
		switch {
		case err != nil && !ignore:
			s.complain("sysctl: %v", err)
			status = 1
		case err != nil, write && quiet:
		case values:
			out.WriteString(value + "\n")
		default:
			out.WriteString(name + " = " + value + "\n")
		}
	}
	return status
}

// sleep lets virtual time pass.
func (o *Ours) sleep(_ *shell, args []string, _ string, _ *strings.Builder) int {
	total := 0.0
	for _, a := range args[1:] {
		unit := 1.0
		switch {
		case args[0] == "usleep":
			unit = 1e-6
		case strings.HasSuffix(a, "m"):
			unit = 60
		}
		v, err := strconv.ParseFloat(strings.TrimRight(a, "ms"), 64)
		if err != nil || v*unit > 1e5 {
			return 1
		}
		total += v * unit
	}
	end := o.Now() + time.Duration(total*1e6)*time.Microsecond
	o.Wait(end, func() bool { return false })
	return 0
}
