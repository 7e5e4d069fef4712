// Package tools pins the tools that CI runs, in a module of its own: go.mod names them in its tool
// directives. Run one with go tool, from this directory.
package tools
