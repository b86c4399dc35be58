//go:build !linux

package agent

// residentBytes is not known here.
func residentBytes() (rss, hwm int64) { return 0, 0 }
