//go:build !linux

package packetdrill

import "errors"

// NewKernel says that there is no Linux kernel here.
func NewKernel(Conf) (System, error) { return nil, errors.New("needs Linux") }
