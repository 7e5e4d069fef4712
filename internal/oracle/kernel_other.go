//go:build !linux

package oracle

import (
	"errors"
	"time"
)

func newKernel(time.Duration, func(error)) (Sockets, error) {
	return nil, errors.New(kernelHere())
}

// KernelVersion returns the numbers of the running kernel's release.
func KernelVersion() string { return "" }

// kernelHere says why the kernel cannot be asked, "" if it can.
func kernelHere() string { return "needs Linux" }
