package reference

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
)

// lines calls on with each line of x along an axis, in the order of the reduced tensor.
func lines(a []float32, shape []int, axis int, on func(i int, line []float32)) {
	d, inner := shape[axis], product(shape[axis+1:])
	line := make([]float32, d)
	for i := range len(a) / d {
		for j := range d {
			line[j] = a[(i/inner*d+j)*inner+i%inner]
		}
		on(i, line)
	}
}

func (e *env) mean(n *graph.Node, out []float32) {
	x := n.In[0]
	lines(e.vals[x], x.Shape, n.Int("axis", 1), func(i int, line []float32) { out[i] = float32(mean(line, nil)) })
}

func (e *env) reduce(n *graph.Node, out []float32) {
	x, f := n.In[0], reductions[n.Attrs.Strings["op"]]
	lines(e.vals[x], x.Shape, n.Int("axis", len(x.Shape)-1), func(i int, line []float32) { out[i] = float32(f(line)) })
}

// reductions are the functions that make one number of a line.
var reductions = map[string]func([]float32) float64{
	"mean": func(x []float32) float64 { return mean(x, nil) },
	"sum":  func(x []float32) float64 { return folded(x, 0, func(s, v float64) float64 { return s + v }) },
	"max": func(x []float32) float64 {
		return folded(x, math.Inf(-1), func(s, v float64) float64 { return max(s, v) })
	},
	"min": func(x []float32) float64 {
		return folded(x, math.Inf(1), func(s, v float64) float64 { return min(s, v) })
	},
	"prod":      func(x []float32) float64 { return folded(x, 1, func(s, v float64) float64 { return s * v }) },
	"l1":        func(x []float32) float64 { return folded(x, 0, func(s, v float64) float64 { return s + math.Abs(v) }) },
	"l2":        func(x []float32) float64 { return math.Sqrt(squares(x)) },
	"sumsquare": squares,
}

func squares(x []float32) float64 {
	return folded(x, 0, func(s, v float64) float64 { return s + v*v })
}

func folded(x []float32, s float64, f func(s, v float64) float64) float64 {
	for _, v := range x {
		s = f(s, float64(v))
	}
	return s
}

func mean(x []float32, f func(float64) float64) float64 {
	var sum float64
	for _, v := range x {
		if f != nil {
			sum += f(float64(v))
		} else {
			sum += float64(v)
		}
	}
	return sum / float64(len(x))
}
