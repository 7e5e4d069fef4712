//go:build !linux

package main

// tunScenarios need Linux's TUN devices.
var tunScenarios []scenario
