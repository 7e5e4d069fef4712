package packetdrill

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	}
	return false
}

func integer(v any) int64 {
	switch v := v.(type) {
	case bool:
		if v {
			return 1
		}
		return 0
	case int64:
		return v
	case float64:
		return int64(v)
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 0, 64); err == nil {
			return n
		}
	}
	evalFail("%s is no number", text(v))
	return 0
}

func float(v any) float64 {
	if f, ok := v.(float64); ok {
		return f
	}
	return float64(integer(v))
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case nil:
		return "None"
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any:
		var parts []string
		for _, w := range v {
			parts = append(parts, text(w))
		}
		return "(" + strings.Join(parts, ", ") + ")"
	}
	return fmt.Sprint(v)
}

// compareValues returns -1, 0 or 1, or unordered.
func compareValues(a, b any) int {
	s, ok := a.(string)
	t, ok2 := b.(string)
	switch {
	case ok && ok2:
		return strings.Compare(s, t)
	case ok != ok2 || a == nil || b == nil:
		if a == nil && b == nil {
			return 0
		}
		return unordered
	}
	x, list := a.([]any)
	y, list2 := b.([]any)
	if list || list2 {
		if list != list2 {
			return unordered
		}
		for i := range min(len(x), len(y)) {
			if c := compareValues(x[i], y[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(x), len(y))
	}
	_, af := a.(float64)
	_, bf := b.(float64)
	if af || bf {
		x, y := float(a), float(b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		case x == y:
			return 0
		}
		return unordered
	}
	return cmp.Compare(integer(a), integer(b))
}

// arith computes a op b; % with a string on the left formats.
func arith(op string, a, b any) any {
	if s, ok := a.(string); ok {
		switch op {
		case "%":
			return format(s, b)
		case "+":
			return s + text(b)
		}
		evalFail("a string cannot %s", op)
	}
	_, af := a.(float64)
	_, bf := b.(float64)
	if af || bf || op == "/" || op == "**" {
		x, y := float(a), float(b)
		exact := !af && !bf
		switch op {
		case "+":
			return x + y
		case "-":
			return x - y
		case "*":
			return x * y
		case "/":
			if y == 0 {
				evalFail("division by zero")
			}
			if exact && integer(a)%integer(b) == 0 {
				return integer(a) / integer(b)
			}
			return x / y
		case "//":
			return math.Floor(x / y)
		case "%":
			return math.Mod(x, y)
		case "**":
			if v := math.Pow(x, y); exact && v == math.Trunc(v) && math.Abs(v) < 1<<62 {
				return int64(v)
			}
			return math.Pow(x, y)
		}
		evalFail("fractions cannot %s", op)
	}
	x, y := integer(a), integer(b)
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "|":
		return x | y
	case "&":
		return x & y
	case "^":
		return x ^ y
	case "<<", ">>":
		if y < 0 || y > 63 {
			evalFail("a shift by %d", y)
		}
		if op == "<<" {
			return x << y
		}
		return x >> y
	case "//", "%":
		if y == 0 {
			evalFail("division by zero")
		}
		q := int64(math.Floor(float64(x) / float64(y)))
		if op == "//" {
			return q
		}
		return x - q*y
	}
	evalFail("there is no operator %s", op)
	return nil
}

// format is Python's string formatting, as far as numbers and strings go.
func format(f string, arg any) string {
	args, ok := arg.([]any)
	if !ok {
		args = []any{arg}
	}
	var b strings.Builder
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b.WriteByte(f[i])
			continue
		}
		n := i + 1
		for n < len(f) && strings.IndexByte("0123456789.-+ #l", f[n]) >= 0 {
			n++
		}
		if n >= len(f) {
			evalFail("a format does not end: %q", f)
		}
		verb, flags := f[n], strings.ReplaceAll(f[i:n], "l", "")
		if len(flags) > 5 { // no value is a hundred digits wide
			evalFail("a format is too wide: %q", f)
		}
		i = n
		if verb == '%' {
			b.WriteByte('%')
			continue
		}
		if len(args) == 0 {
			evalFail("too few values for %q", f)
		}
		a := args[0]
		args = args[1:]
		switch verb {
		case 'd', 'u', 'i':
			fmt.Fprintf(&b, flags+"d", integer(a))
		case 'x', 'X', 'o', 'c':
			fmt.Fprintf(&b, flags+string(verb), integer(a))
		case 'f', 'g', 'e':
			fmt.Fprintf(&b, flags+string(verb), float(a))
		case 's', 'r':
			fmt.Fprintf(&b, flags+"s", text(a))
		default:
			evalFail("there is no format %%%c", verb)
		}
	}
	return b.String()
}
