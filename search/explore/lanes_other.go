//go:build !amd64

package explore

const wide = false

func subtractWide(*lanes, []float64, []lanes) { panic("not on this processor") }
