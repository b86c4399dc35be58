// Package sim is a simulated device: it knows the true cost of every operator
// and misbehaves as told – noise, interference, drift, throttling, preemption,
// crashes, hangs – in virtual time. It teaches (a 40-minute campaign takes a
// second) and it tests: what a campaign recovers can be held against the truth.
//
// It is not a model of any real chip, and its numbers are nobody's latency.
package sim
