//go:build !linux

package device

// Emulated is known only on Linux.
func Emulated() string { return "" }
