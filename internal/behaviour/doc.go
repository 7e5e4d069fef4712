// Package behaviour has tests that are named after the numbers of the requirements: C0, E3 to E5 and F1 to F12.
// They see the library as its users and its peers do: stacks with all protocols under a manual clock, real
// packets on their links.
package behaviour
