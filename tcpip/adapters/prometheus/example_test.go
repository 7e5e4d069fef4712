package prometheus_test

import (
	"net/http"

	"github.com/seed963a8790/netstack/stack"
	"github.com/seed963a8790/netstack/tcpip/adapters/prometheus"
)

// A program with two stacks lets Prometheus scrape both.
func Example() {
	lan, wan := stack.New(stack.Options{}), stack.New(stack.Options{})
	http.Handle("/metrics", prometheus.Handler(func() []prometheus.Stack {
		return []prometheus.Stack{{Name: "lan", Snapshot: lan.Snapshot()}, {Name: "wan", Snapshot: wan.Snapshot()}}
	}))
}
