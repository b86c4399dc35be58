package deviceplan

import (
	"cmp"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
)

// stratum bounds what one long chain may take of the time for all: of fewer than four no range is covered.
const stratum = 0.25

// again is the handicap, in octaves, of a network that was measured before.
const again = 3.0

// acrossRange orders long chains so that the first n, for any n, lie across the range of weights and of
// times that whole networks of the census have: what calibrates a table must be like what it
// prices. Quantiles of the networks are aimed at in van der Corput's order – a half, a quarter, three
// quarters, … –, by weights and by time in turn, and the nearest chain is taken, one of a family that was
// taken less where they are alike, and one of a network that was, before as well, still less: what is known twice
// calibrates once. Chains that would take too much of the seconds are left out.
func acrossRange(of []Candidate, at []int, before []string, all *census.Census, seconds float64) []int {
	left := slices.DeleteFunc(slices.Clone(at), func(i int) bool { return of[i].Seconds > stratum*seconds })
	var quantiles [2][]float64 // weights and times of its networks, as logarithms
	known := sizes{}
	for i := range all.Networks {
		if weights, run, ok := known.of(&all.Networks[i]); ok {
			quantiles[0], quantiles[1] = append(quantiles[0], math.Log2(weights)), append(quantiles[1], math.Log2(run))
		}
	}
	if len(quantiles[0]) == 0 {
		return left
	}
	slices.Sort(quantiles[0])
	slices.Sort(quantiles[1])
	taken := map[string]float64{} // by family, and by network
	take := func(name string) {
		taken[FamilyOf(name)]++
		taken[networkOf(name)] += again
	}
	for _, name := range before {
		if !IsShort(name) {
			take(name)
		}
	}
	out := make([]int, 0, len(left))
	for n := 0; len(left) > 0; n++ {
		by := n % 2
		aim := quantiles[by][int(corput(n/2+1)*float64(len(quantiles[by])))]
		far := func(i int) float64 { // in octaves; a family's next chain counts as one farther
			size := of[i].weights
			if by == 1 {
				size = of[i].Run
			}
			return math.Abs(math.Log2(max(size, math.SmallestNonzeroFloat64))-aim) + taken[FamilyOf(of[i].name)] + taken[networkOf(of[i].name)]
		}
		i := slices.MinFunc(left, func(a, b int) int { return cmp.Compare(far(a), far(b)) })
		take(of[i].name)
		left = slices.DeleteFunc(left, func(j int) bool { return j == i })
		out = append(out, i)
	}
	return out
}

// sizes holds each kernel's bytes of weights and seconds; networks repeat their kernels.
type sizes map[string][2]float64

// of are a network's bytes of weights and about how long it runs, in seconds; not ok where the
// catalogue knows too little of it.
func (s sizes) of(n *census.Network) (weights, run float64, ok bool) {
	for _, op := range n.Kernels {
		key := op.String()
		one, known := s[key]
		if !known {
			one = [2]float64{math.NaN(), math.NaN()}
			bytes, err := weightsOf(benchmarks.Chain{op})
			if seconds, failed := benchmarks.Seconds(benchmarks.Chain{op}); err == nil && failed == nil {
				one = [2]float64{float64(bytes), seconds}
			}
			s[key] = one
		}
		weights, run = weights+one[0], run+one[1]
	}
	return weights, run, weights > 0 && run > 0
}

// corput is the n-th of van der Corput's points in (0, 1), n from 1: its binary digits behind the point, mirrored.
func corput(n int) float64 {
	x, digit := 0.0, 0.5
	for ; n > 0; n >>= 1 {
		x += digit * float64(n&1)
		digit /= 2
	}
	return x
}
