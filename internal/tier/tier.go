// Package tier says which tests leave themselves out of a quick run and of one under the
// race detector. Tests import it, nothing else does.
package tier

import "testing"

// Slow leaves a test out of make test-fast (go test -short).
func Slow(t testing.TB, because string) {
	t.Helper()
	if testing.Short() {
		t.Skip(because + ": make test")
	}
}

// Sequential leaves a test out of make test-fast and of make race: it takes long, and
// nothing in it shares memory between goroutines, which would make it ten times as long.
func Sequential(t testing.TB, because string) {
	t.Helper()
	Slow(t, because)
	if Race {
		t.Skip(because + ", none of which share memory: make test")
	}
}

// Repeats says how often a test tries something at random: n times in make test, a tenth of
// that where the time is short or the race detector looks on.
func Repeats(n int) int {
	if testing.Short() || Race {
		return n / 10
	}
	return n
}
