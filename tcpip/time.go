package tcpip

import "time"

// Time is a point on a stack's monotonic clock, in nanoseconds since an arbitrary start that lies
// before every time in use. The zero Time means "never" or "not set"; no clock returns it.
type Time int64

// Add returns t moved by d. Adding to the zero Time gives a time like any other; callers test
// IsZero first where "never" is possible.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns the time from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Before reports whether t lies before u.
func (t Time) Before(u Time) bool { return t < u }

// IsZero reports whether t is the zero Time.
func (t Time) IsZero() bool { return t == 0 }

// Earliest returns the earlier of two deadlines, where zero means never.
func Earliest(a, b Time) Time {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
