//go:build !race && !slabdebug

package slab

const raceEnabled = false
