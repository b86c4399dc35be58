// Package build makes the table of a device in campaigns: plan what would teach most, have
// the agent program measure it, fit, decide again, until the time is spent or the error
// expected is small enough. All that is decided follows from the record files in the run's
// folder, so a build that was killed goes on where it was and ends with the table that it would
// have made undisturbed. The package starts the agent and does nothing else to a device.
package build
