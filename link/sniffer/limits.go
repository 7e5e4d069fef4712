package sniffer

// maxKept is the largest buffer in bytes that is kept for the next batch: 64 super-segments.
const maxKept = 64 * (64<<10 + 128)
