// Package packetdrill interprets packetdrill's script language: a test of a transport protocol is written as the
// system calls of a program and the packets on its wire, each with its time. A script runs against this stack in
// virtual time, or against the Linux kernel over a TUN device in real time; it is only right if both pass.
//
// Parse turns text into a Script; Play plays it on a System; a Suite plays files.
//
// # Connections
//
// Lines of packets name no connection. They are about the one that began last: by connect(2), or by the first SYN after
// listen(2); later SYNs belong to that connection. A script that wants several at once writes the ports in front, the
// sender's first: "40001 > 8080: S 0:0(0) win 1000". Behind a SYN that does not begin at 0 sequence numbers count from 0
// all the same, or go on from it: the first one tells.
//
// # Commands
//
// What is in back quotes runs in the script's directory. With the kernel it is /bin/sh in the script's namespace, whose
// file system lets settings of the network be changed and nothing of the machine: a script that wants to is skipped.
// Settings that the namespace refuses are passed over; the congestion control is set on every socket.
//
// On this stack a small shell runs the commands: sysctl and /proc/sys are the stack's settings (settings_tcp.go and
// settings_other.go list them), with the bounds and errors of the kernel's; nstat, ss and /proc/net its counters and
// sockets; ip, tc and ethtool what has a meaning here; awk, sed, cut, grep, sort, expr and their like what scripts do with
// the output. A program by a name with "sysctl" that takes PATH=VALUE sets those and leaves what restores them. Whatever it
// does not know skips the script with the reason. A setting that this stack cannot follow skips a script that asks for it itself; in a file that
// scripts have in common it is kept as a value and passed over.
//
// # Recording
//
// A Recorder makes scripts: it plays a peer (internal/packetdrill/peer) that loses, reorders and withholds by chance
// against a system, through the same events that a script has, and so all that it writes has been played. Profiles are
// what it is about; a seed decides the rest. A Comparison plays what was recorded of one system again there, and on
// another.
//
// # The list
//
// testdata/packetdrill/KERNEL says for every script of the project with which Linux it passes and what becomes of it on
// this stack. go test ./internal/packetdrill -run Scripts -update writes it, and as root plays what is new on the kernel;
// -all plays every script there.
package packetdrill
