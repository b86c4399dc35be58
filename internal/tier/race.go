//go:build race

package tier

// Race says that the race detector looks on.
const Race = true
