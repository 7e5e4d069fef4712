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
		tcpWireScenarios(),
		tcpLifeScenarios(),
		tcpCloseScenarios(),
		tcpFlagScenarios(),
		tcpICMPScenarios(),
		tcpoptScenarios(),
		fastOpenScenarios(),
		md5Scenarios(),
		tcpStampScenarios(),
		tcpEffectWireScenarios(),
		tcpHeaderScenarios(),
		datagramScenarios(),
		udpLevelScenarios(),
		socketScenarios(),
		udpPathScenarios(),
		countScenarios(),
		pingErrorQueueScenarios(),
		pmtuScenarios(),
		wireScenarios(),
		foundScenarios(),
		timerScenarios(),
		manyScenarios(),
		epollScenarios(),
		procnetScenarios(),
		filterScenarios(),
		reuseportScenarios(),
		packetScenarios(),
		packetOptionScenarios(),
		packetRingScenarios(),
		packetFanoutScenarios(),
		packetEthernetScenarios(),
		multicastScenarios(),
		ipScenarios(),
		rawScenarios(),
		pingScenarios(),
	)
}
