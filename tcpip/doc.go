// Package tcpip is the vocabulary of the stack: addresses, errors, reasons for drops, options, clocks
// and the Endpoint. Everything else imports it; it imports the standard library alone.
package tcpip
