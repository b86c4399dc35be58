// Package probe tries runtimes and their providers, each in a process of its own: a driver
// that crashes takes that process along, not the one that asks. What it calls running has
// run a small convolution and computed what the CPU does.
package probe
