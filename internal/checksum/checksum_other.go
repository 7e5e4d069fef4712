//go:build !amd64 && !arm64

package checksum

const vectorMin = 1<<31 - 1

func sumVector(b []byte) uint64 { return sumGeneric(b) }
