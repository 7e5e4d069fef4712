package packetdrill

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func env(printed *[]string) *Env {
	names := map[string]any{"tcpi_snd_cwnd": int64(10), "tcpi_rtt": int64(100123), "TCP_CA_Open": int64(0), "tcpi_options": int64(7), "TCPI_OPT_SACK": int64(2)}
	return &Env{
		Lookup: func(n string) (any, bool) { v, ok := names[n]; return v, ok },
		Print:  func(s string) { *printed = append(*printed, s) },
	}
}

func TestExec(t *testing.T) {
	var printed []string
	e := env(&printed)
	for _, code := range []string{
		"assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd",
		"assert 9 <= tcpi_snd_cwnd <= 10 and not tcpi_snd_cwnd > 10",
		"assert tcpi_options & TCPI_OPT_SACK != 0 or nothing",
		"assert (tcpi_options & TCPI_OPT_SACK) != 0, 'no sack: %d' % tcpi_options",
		"x = 3; x += 4\nassert x == 7 # seven",
		"if x == 7: assert True\nif x == 8: assert False",
		"assert abs(tcpi_rtt - 100000) < 1000, 'rtt %d is not %.1f ms' % (tcpi_rtt, 100)",
		"assert (1 +\n 2) * 3 == 9 \n",
		"assert 7 // 2 == 3 and 7 / 2 == 3.5 and 6 / 2 == 3 and -7 // 2 == -4 and -7 % 4 == 1 and 2 ** 10 == 1 << 10",
		"assert 0x10 | 1 == 17 and ~0 == -1 and 5 ^ 1 == 4",
		"assert min(3, 1, 2) == 1 and max(1, 2.5) == 2.5 and int('12') == 12",
		"assert 'a' + 'b' == 'ab' and 'a' != 1",
		"assert (1 if 2 > 1 else 3) == 1",
		"assert (1, 2) == (1, 2) and (1, 2) != (1, 3) and [1, 2][1] == 2 and [1, 2][-1] == 2",
		"n = 0\nfor v in [1, 2]: n += v\nassert n == sum([1, 2]) == 3",
		"assert x == 7, \\\r\n  'over lines'",
		"import sys\nprint('x', end='', file=sys.stderr)",
		"assert hex(255) == '0xff' and any([0, 1]) and not all([0, 1]) and math.sqrt(4) == 2",
		"",
	} {
		require.NoError(t, e.Exec(code), code)
	}
	require.NoError(t, e.Exec(`print 'cwnd', tcpi_snd_cwnd; print "%5.2f|%03d|%s|%x|%%" % (1.5, 7, "s", 255)`))
	require.NoError(t, e.Exec(`print("x=%d" % x)`))
	require.Equal(t, []string{"x", "cwnd 10", " 1.50|007|s|ff|%", "x=7"}, printed)
}

func TestExecFails(t *testing.T) {
	var printed []string
	for code, want := range map[string]string{
		"assert tcpi_snd_cwnd == 11, 'cwnd is %d' % tcpi_snd_cwnd": "assertion failed: tcpi_snd_cwnd == 11, 'cwnd is %d' % tcpi_snd_cwnd: cwnd is 10",
		"assert 1 < 3 < 2":           "assertion failed: 1 < 3 < 2",
		"assert nosuch":              "nothing is named nosuch",
		"assert 1 +":                 `unexpected ""`,
		"assert 1 1":                 `unexpected "1"`,
		"assert (1":                  `want ")"`,
		"assert 'a":                  "a string does not end: assert 'a",
		"assert 1 // 0":              "division by zero",
		"assert 1 << 64":             "a shift by 64",
		"assert '%d' % ()":           `too few values for "%d"`,
		"assert f(1)":                "there is no function f",
		"if 1 assert 1":              `want : in "if 1 assert 1"`,
		"5":                          `want a statement, not "5"`,
		"assert " + repeat("(", 500): "an expression nests too deep",
		"assert " + repeat("-", 500): "an expression nests too deep",
	} {
		err := env(&printed).Exec(code)
		require.EqualError(t, err, want, code)
		require.Equal(t, errors.Is(err, errAssert), want[:6] == "assert")
	}
}

// FuzzExec: whatever code a script has, running it ends without a panic.
func FuzzExec(f *testing.F) {
	f.Add("assert tcpi_snd_cwnd == 10, 'x %d' % tcpi_snd_cwnd")
	f.Add("x = [1, 2.5, 'a']; if x: print x % (1, 2)")
	f.Fuzz(func(t *testing.T, code string) {
		var printed []string
		_ = env(&printed).Exec(code)
	})
}
