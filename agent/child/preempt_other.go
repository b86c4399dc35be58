//go:build !linux

package child

// involuntarySwitches is not known here: no sample is labelled preempted.
func involuntarySwitches(threads int) int64 { return 0 }
