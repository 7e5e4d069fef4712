package packetdrill

import (
	"strings"
)

func shRoot(_ *shell, _ []string, _ string, out *strings.Builder) int {
	out.WriteString("root\n")
	return 0
}

// shEnvironment is env with variables and a program.
func shEnvironment(s *shell, args []string, in string, out *strings.Builder) int {
	args = args[1:]
	for len(args) > 0 && strings.Contains(args[0], "=") {
		name, value, _ := strings.Cut(args[0], "=")
		s.vars[name] = value
		args = args[1:]
	}
	if len(args) == 0 {
		return 0
	}
	return s.run(args, in, out)
}

// shTimeout runs a program whose time is not measured: commands that do not end are stopped anyway.
func shTimeout(s *shell, args []string, in string, out *strings.Builder) int {
	args = args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		args = args[1:]
	}
	if len(args) < 2 {
		return 125
	}
	return s.run(args[1:], in, out)
}

// shCopy is cp of one file.
func shCopy(s *shell, args []string, _ string, _ *strings.Builder) int {
	_, files := operands(args, "fpa", "")
	if len(files) != 2 {
		return 1
	}
	text, ok := s.read(files[0])
	if !ok || !s.write(files[1], text, false) {
		return 1
	}
	return 0
}

// shList is ls of files, and stat, which are asked whether something is there.
func shList(s *shell, args []string, _ string, out *strings.Builder) int {
	_, files := operands(args, "la1d", "")
	status := 0
	for _, f := range files {
		if !s.exists(f) {
			s.complain("%s: no such file", f)
			status = 2
			continue
		}
		out.WriteString(f + "\n")
	}
	return status
}
