package tcpip

import (
	"cmp"
	"fmt"
)

// Opt is a setting that may be unset. Its zero value is unset, which differs from every value; it
// stands wherever zero could be meant.
type Opt[T any] struct {
	value T
	set   bool
}

// Set returns an Opt that holds v.
func Set[T any](v T) Opt[T] { return Opt[T]{value: v, set: true} }

// Get returns the value and whether there is one.
func (o Opt[T]) Get() (T, bool) { return o.value, o.set }

// Or returns the value, or otherwise if there is none.
func (o Opt[T]) Or(otherwise T) T {
	if o.set {
		return o.value
	}
	return otherwise
}

// IsSet reports whether there is a value.
func (o Opt[T]) IsSet() bool { return o.set }

// CheckRange returns an error that names the setting and wraps ErrInvalid if o has a value outside low to high.
func CheckRange[T cmp.Ordered](name string, o Opt[T], low, high T) error {
	if v, set := o.Get(); set && (v < low || v > high) {
		return fmt.Errorf("%s is %v, which lies outside %v to %v: %w", name, v, low, high, ErrInvalid)
	}
	return nil
}
