// Package behaviour has tests that are named after the numbers of the requirements: B9 to B12, C0, C1, C3, C4, C8, C10, E3 to E5 and F1 to F12.
// They see the library as its users and its peers do: stacks with all protocols under a manual clock, real
// packets on their links.
package behaviour
