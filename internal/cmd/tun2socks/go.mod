module github.com/seed963a8790/netstack/internal/cmd/tun2socks

go 1.26.3

replace github.com/seed963a8790/netstack => ../../..

require (
	github.com/seed963a8790/netstack v0.0.0-00010101000000-000000000000
	golang.org/x/net v0.62.0
)

require golang.org/x/sys v0.49.0
