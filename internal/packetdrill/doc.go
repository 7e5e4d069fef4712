// Package packetdrill interprets packetdrill's script language: a test of a transport protocol is written as the
// system calls of a program and the packets on its wire, each with its time. A script runs against this stack in
// virtual time, or against the Linux kernel over a TUN device in real time; it is only right if both pass.
//
// Parse turns text into a Script; Run plays it on a System.
package packetdrill
