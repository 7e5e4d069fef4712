package packetdrill

import "strings"

// command runs what is written in back quotes: sysctl has a meaning here, nothing else.
func (r *Run) command(text string) {
	for _, line := range strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == ';' }) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if fields[0] != "sysctl" && fields[0] != "/sbin/sysctl" {
			panic(skipped("the command " + fields[0] + " has no meaning here"))
		}
		r.sysctl(strings.TrimSpace(strings.TrimPrefix(line, fields[0])))
	}
}

// sysctl sets name=value pairs and checks that names exist.
func (r *Run) sysctl(args string) {
	for args != "" {
		if strings.HasPrefix(args, "-") {
			_, args, _ = strings.Cut(args, " ")
			args = strings.TrimSpace(args)
			continue
		}
		if i := strings.IndexByte(args, '>'); i >= 0 { // > /dev/null
			args = strings.TrimSpace(args[:i])
		}
		name, rest, found := strings.Cut(args, "=")
		name = strings.ReplaceAll(strings.TrimSpace(name), "/", ".")
		value := ""
		if found {
			rest = strings.TrimSpace(rest)
			if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
				value, rest, _ = strings.Cut(rest[1:], rest[:1])
			} else {
				value, rest, _ = strings.Cut(rest, " ")
				for rest != "" && !strings.Contains(rest, "=") { // several numbers
					var more string
					more, rest, _ = strings.Cut(strings.TrimSpace(rest), " ")
					value += " " + more
				}
			}
		}
		if !r.system.Sysctl(name, value) {
			panic(skipped("the setting " + name + " has no meaning here"))
		}
		args = strings.TrimSpace(rest)
	}
}
