package oracle

import "slices"

// Scenarios returns all of them, in the order of their subjects.
func Scenarios() []Scenario {
	return slices.Concat(
		optionScenarios(),
		congestionScenarios(),
		levelScenarios(),
		stateScenarios(),
		streamScenarios(),
		datagramScenarios(),
		pmtuScenarios(),
		wireScenarios(),
	)
}
