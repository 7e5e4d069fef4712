package main

import (
	"net/netip"

	"github.com/seed963a8790/netstack/link/tun"
)

// newOursTun makes our stack behind a TUN device in the namespace of the calling thread.
func newOursTun(name string, addr netip.Prefix, peer netip.Addr) (env, error) {
	dev, err := tun.Open(tun.Options{Name: name, MTU: tunMTU})
	if err != nil {
		return nil, err
	}
	s, err := oursStack(dev, addr)
	if err != nil {
		return nil, err
	}
	return &oursEnv{client: s, server: s, local: addr.Addr(), to: peer}, nil
}
