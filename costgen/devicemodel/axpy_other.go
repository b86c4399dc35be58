//go:build !amd64

package devicemodel

const wide = false

func axpyWide(float64, []float64, []float64) { panic("not on this processor") }

func squareWide(float64, []float64, []float64) { panic("not on this processor") }
