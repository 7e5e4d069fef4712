package packetdrill

import "github.com/seed963a8790/netstack/stack"

// sysctl sets or reads a setting of Linux that the stack has.
func sysctl(*stack.Stack, string, string) (old string, ok bool) { return "", false }
