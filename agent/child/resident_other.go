//go:build !linux

package child

// residentBytes is not known here.
func residentBytes() (rss, hwm int64) { return 0, 0 }
