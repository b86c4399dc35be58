//go:build !amd64

package lanes

const wide = false

func subtractWide(*Lanes, []float64, []Lanes) { panic("not on this processor") }
