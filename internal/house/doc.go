// Package house holds the rules of the house as tests: who may import whom, where a clock may be read,
// what may stand at package level, how long a file may be. ARCHITECTURE.md gives the reasons.
package house
