package main

import (
	"fmt"
	"net"
)

// env is a network with a client and a server side, as one of the peers provides it.
type env interface {
	Listen(port int) (net.Listener, error)
	Dial(port int) (net.Conn, error)
	ListenUDP(port int) (net.PacketConn, error)
	DialUDP(port int) (net.Conn, error)
	Close()
}

// shape is the form of an env.
type shape int

const (
	shapeLoop shape = iota // one stack, over loopback
	shapePipe              // two stacks, an in-memory link, offloads allowed
	shape1500              // the same, without offload
)

func newEnv(p peer, s shape) (env, error) {
	switch p {
	case ours:
		return newOurs(s)
	case gvisor:
		return newGvisor(s)
	case kernel:
		if s == shape1500 {
			return nil, errNotHere
		}
		return kernelEnv{}, nil
	}
	return nil, fmt.Errorf("unknown peer %q", p)
}

// kernelEnv is the kernel's loopback through package net.
type kernelEnv struct{}

func at(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (kernelEnv) Listen(port int) (net.Listener, error) { return net.Listen("tcp4", at(port)) }
func (kernelEnv) Dial(port int) (net.Conn, error)       { return net.Dial("tcp4", at(port)) }
func (kernelEnv) ListenUDP(port int) (net.PacketConn, error) {
	return net.ListenPacket("udp4", at(port))
}
func (kernelEnv) DialUDP(port int) (net.Conn, error) { return net.Dial("udp4", at(port)) }
func (kernelEnv) Close()                             {}
