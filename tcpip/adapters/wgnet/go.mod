module github.com/seed963a8790/netstack/tcpip/adapters/wgnet

go 1.26.3

replace github.com/seed963a8790/netstack => ../../..

require (
	github.com/seed963a8790/netstack v0.0.0-00010101000000-000000000000
	golang.org/x/net v0.62.0
	golang.zx2c4.com/wireguard v0.0.0-20260522210424-ecfc5a8d5446
)

require (
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.zx2c4.com/wintun v0.0.0-20230126152724-0fa3db229ce2 // indirect
)
