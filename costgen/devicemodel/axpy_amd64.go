package devicemodel

import "golang.org/x/sys/cpu"

// wide says whether axpyWide runs on this processor.
var wide = cpu.X86.HasAVX

// axpyWide is axpy of a multiple of eight numbers by AVX: products and sums are rounded one by
// one, as Go's are.
//
//go:noescape
func axpyWide(f float64, x, y []float64)

// squareWide is square of a multiple of eight numbers by AVX, rounded as Go rounds.
//
//go:noescape
func squareWide(f float64, x, y []float64)
