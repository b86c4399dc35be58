package lut

import (
	"math"
	"slices"
)

// Staircase says how costs depend on the residue of a coordinate. Kernels work in
// blocks of Period channels: a block that is not full is paid in full (Whole), or
// sends the operator down a slower path (Factors). Between knots the table
// interpolates what is left when both are taken out.
type Staircase struct {
	Axis   string `json:"axis"`
	Period int    `json:"period"`
	// Whole places a coordinate at the next multiple of Period.
	Whole bool `json:"whole,omitempty"`
	// Factors are sorted by At, then Residue. Residue 0 has none: it is 1.
	Factors []Factor `json:"factors"`
}

// Factor is the cost at a residue, relative to a multiple of the period.
type Factor struct {
	// At is a line of the family, coordinates in the order of its axes with 0 for
	// the staircase's own; empty for every line that has no factor of its own.
	At      []int   `json:"at"`
	Residue int     `json:"residue"`
	Log     float64 `json:"log"` // natural logarithm
	SE      float64 `json:"se"`  // standard error of Log
}

// Position says where the staircase puts a coordinate.
func (s *Staircase) Position(x int) int {
	if s.Whole {
		return (x + s.Period - 1) / s.Period * s.Period
	}
	return x
}

// On is the factor of a point: of its line if that has one, else of any line. The
// zero Factor is 1 without doubt.
func (s *Staircase) On(at []int, axis int) Factor {
	r := at[axis] % s.Period
	if r == 0 {
		return Factor{}
	}
	var buf [8]int
	line := append(buf[:0], at...)
	line[axis] = 0
	for _, key := range [][]int{line, nil} {
		i, ok := slices.BinarySearchFunc(s.Factors, Factor{At: key, Residue: r}, compareFactors)
		if ok {
			return s.Factors[i]
		}
	}
	return Factor{}
}

func compareFactors(a, b Factor) int {
	if c := slices.Compare(a.At, b.At); c != 0 {
		return c
	}
	return a.Residue - b.Residue
}

func (s *Staircase) validate(f *Family, bad func(string, ...any)) {
	if !slices.Contains(f.Axes, s.Axis) || s.Period < 2 || s.Period > 1<<30 {
		bad("family %s: a staircase of period %d along %q, which is not one of its axes or not a period", f.Name(), s.Period, s.Axis)
		return
	}
	for i, x := range s.Factors {
		if len(x.At) != 0 && len(x.At) != len(f.Axes) || x.Residue < 1 || x.Residue >= s.Period || !finite(x.Log) || math.Abs(x.Log) > 20 || !finite(x.SE) || x.SE < 0 {
			bad("family %s: impossible factor of residue %d at %v along %s: %v ± %v", f.Name(), x.Residue, x.At, s.Axis, x.Log, x.SE)
		}
		if i > 0 && compareFactors(s.Factors[i-1], x) >= 0 {
			bad("family %s: factor of residue %d at %v along %s is duplicate or out of order", f.Name(), x.Residue, x.At, s.Axis)
		}
	}
}
