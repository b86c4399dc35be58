package lanes

import "golang.org/x/sys/cpu"

// wide says whether subtractWide runs on this processor.
var wide = cpu.X86.HasAVX

// subtractWide is Subtract by AVX: products and differences are rounded one by one, as Go's
// are, so that proposals are the same on every processor.
//
//go:noescape
func subtractWide(s *Lanes, l []float64, v []Lanes)
