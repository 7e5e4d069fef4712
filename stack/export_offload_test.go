package stack

// Merge is what a NIC does with a received batch.
func Merge(batch []*Packet) []*Packet { return merge(batch) }

// Fit is what a NIC does with a batch before the link has it.
func Fit(n *NIC, w *Work, batch []*Packet) (ready, behind []*Packet) { return n.fit(w, batch) }

// The bounds of merging.
const (
	MergeFlows    = mergeFlows
	MergeSegments = mergeSegments
)
