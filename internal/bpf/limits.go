package bpf

// The bounds of this package. Unit, reason and source stand beside each.
const (
	// MaxInstructions is the longest program (Linux's BPF_MAXINSNS). Without loops it also bounds what one run
	// takes.
	MaxInstructions = 4096
	// scratch is the number of words of scratch memory (BPF_MEMWORDS).
	scratch = 16
	// maxPosition is beyond every packet's end, and far from where an int ends, bytes.
	maxPosition = 1 << 30
)
