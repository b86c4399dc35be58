package reference

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
)

// The size of rounding errors, as far as it rests on a precision's arithmetic and on
// no processor's kernels.
const (
	// margin says how much larger than expected the roundings of a trial are. An error of
	// independent roundings exceeds four times its expectation with a probability of
	// some 1e-4 (Higham & Mary 2019, theorem 2.4, with λ = 4).
	margin = 4
	// trials are the noisy runs of which Tolerance takes the worst.
	trials = 4
	// Composed is the number of operations, each rounded, of an operator that adds up
	// nothing: no runtime writes one as more.
	Composed = 8
	// rare are the elements of a result that a trial rounds the other way beyond those at a
	// tie: few trials would find an error that one run in ten has.
	rare = 2
)

// Tolerance returns for every output of the graph, by name, the root mean square error
// that rounding explains, relative to the root mean square of the output as Run has it;
// 0 where that is 0.
//
// It runs the graph several times with random roundings (Parker 1997, Monte Carlo
// Arithmetic) and takes the largest error. In a trial every operator sees its operands off
// by a relative margin·u·√n and its result off by margin·u, with u the unit roundoff of
// its precision and n the roundings on the way to one element: the backward error of a
// sum or product of n terms is at most n·u/(1−n·u) (Higham 2002, Accuracy and Stability of
// Numerical Algorithms, 2nd ed., lemma 3.1 and §3.1) and of the order √n·u where roundings
// are independent (§2.8; Higham & Mary 2019, SIAM J. Sci. Comput. 41(5)). How errors grow
// after that – a product adds the relative errors of its factors, a difference magnifies
// them, a grid turns a small one into a step – is the graph's own doing and found by running
// it. An input that is quantised at run time is off by up to half a step besides: runtimes
// choose the range over a tensor, a row or a pixel.
//
// What it cannot see: an algorithm whose error is not rounding, such as an integer
// interpolation that truncates. Those need a limit of their own, with its reason.
func Tolerance(g *graph.Graph, inputs map[string][]float32) (map[string]float64, error) {
	clean := newEnv()
	if err := clean.run(g, inputs); err != nil {
		return nil, err
	}
	limit := map[string]float64{}
	for trial := range trials {
		e := newEnv()
		e.noise = &noise{rng: rand.New(rand.NewPCG(uint64(trial), 0)), clean: clean}
		if err := e.run(g, inputs); err != nil {
			return nil, err
		}
		for _, v := range g.Outputs {
			limit[v.Name] = max(limit[v.Name], relative(e.vals[v], clean.vals[v]))
		}
	}
	return limit, nil
}

// relative is the root mean square of a−b over that of b, 0 where b is 0. Elements that
// are not finite in b say nothing about the others.
func relative(a, b []float32) float64 {
	var errors, size float64
	for i := range b {
		if x := float64(b[i]); !math.IsInf(x, 0) && !math.IsNaN(x) {
			d := float64(a[i]) - x
			errors, size = errors+d*d, size+x*x
		}
	}
	if size == 0 {
		return 0
	}
	return math.Sqrt(errors / size)
}

// noise is the random rounding of a trial.
type noise struct {
	rng   *rand.Rand
	clean *Env // the run without noise
}

// unitRoundoff is 2^−p of a format of p significant bits. Integers are exact; what
// surrounds them is in float32.
func unitRoundoff(n *graph.Node) float64 {
	u := 0x1p-24
	for _, v := range slices.Concat(n.In, n.Out) {
		switch v.DType {
		case graph.Float16:
			u = max(u, 0x1p-11)
		case graph.BFloat16:
			u = max(u, 0x1p-8)
		}
	}
	return u
}

// roundings is the number of operations on the way to one element of a node's result,
// each of which rounds; 0 for one that computes nothing.
func (f Form) roundings(n *graph.Node) int {
	switch {
	case f.moves:
		return 0
	case f.rounds == nil:
		return Composed
	}
	return f.rounds(n)
}

// operands replaces a node's operands by noisy ones; restore puts them back.
func (z *noise) operands(e *Env, n *graph.Node, f Form) (restore func()) {
	old := map[*graph.Value][]float32{}
	size := margin * unitRoundoff(n) * math.Sqrt(float64(f.roundings(n)))
	for i, v := range n.In {
		a, known := e.vals[v]
		if _, done := old[v]; done || !known || size == 0 {
			continue
		}
		step := 0.0
		if i == 0 && n.Attrs.Strings["quant"] == graph.QuantDynamic {
			step = float64(slices.Max(a)-slices.Min(a)) / 255
		}
		old[v], e.vals[v] = a, z.shake(a, size, step)
	}
	return func() {
		for v, a := range old {
			e.vals[v] = a
		}
	}
}

// shake returns a with errors of up to size relative to each element, and of up to half a
// step besides.
func (z *noise) shake(a []float32, size, step float64) []float32 {
	out := make([]float32, len(a))
	for i, x := range a {
		out[i] = float32(float64(x)*(1+size*z.uniform()) + step/2*z.uniform())
	}
	return out
}

// uniform is from −1 to 1.
func (z *noise) uniform() float64 { return 2*z.rng.Float64() - 1 }

// nearTies returns the elements whose rounding to an integer is in doubt: those whose
// place x without noise is nearer to a tie than an expected error, all of them, since a
// kernel's rule for ties (up, to even, away from zero) is the same for all; and up to rare
// more within margin times that.
func nearTies(noisy, x []float64) []int {
	var square float64
	for i := range x {
		square += (noisy[i] - x[i]) * (noisy[i] - x[i])
	}
	expected := math.Sqrt(square/float64(len(x))) / margin
	tie := func(i int) float64 { return math.Abs(x[i] - math.Floor(x[i]) - 0.5) }
	var near, list []int
	for i := range x {
		if d := tie(i); d <= expected {
			list = append(list, i)
		} else if d <= margin*expected {
			near = append(near, i)
		}
	}
	slices.SortStableFunc(near, func(i, j int) int { return cmp.Compare(tie(i), tie(j)) })
	return append(list, near[:min(rare, len(near))]...)
}

// otherWay returns the integer next to x that it is not rounded to.
func otherWay(x float64) float64 {
	down := math.Floor(x)
	if x-down < 0.5 || x-down == 0.5 && math.Mod(down, 2) == 0 { // ties went to even
		return down + 1
	}
	return down
}

// ties moves the elements of a result across the ties of the grid that it is about to be
// rounded to: y's grid of integers, or the integers themselves where the node rounds to
// them.
func (z *noise) ties(n *graph.Node, f Form, y *graph.Value, before, out []float32) {
	switch {
	case f.integers:
		noisy, x := wide(before, 1), wide(z.clean.vals[n.In[0]], 1)
		for _, i := range nearTies(noisy, x) {
			out[i] = float32(otherWay(x[i]))
		}
	case y.DType == graph.Int8 && z.clean.raw[y] != nil:
		step := float64(y.Quant.Scale[0])
		noisy, x := wide(out, step), wide(z.clean.raw[y], step)
		for _, i := range nearTies(noisy, x) {
			out[i] = float32(otherWay(x[i]) * step)
		}
	}
}

func wide(a []float32, step float64) []float64 {
	out := make([]float64, len(a))
	for i, x := range a {
		out[i] = float64(x) / step
	}
	return out
}
