package reference

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
)

func (e *env) softmax(n *graph.Node, out []float32) {
	x := n.In[0]
	axis := n.Int("axis", len(x.Shape)-1)
	d, inner := x.Shape[axis], product(x.Shape[axis+1:])
	for i := range len(out) / d {
		softmaxLine(e.vals[x], out, i/inner*d*inner+i%inner, d, inner)
	}
}

// softmaxLine is over d elements of x from the first one on, stride apart.
func softmaxLine(x, out []float32, first, d, stride int) {
	top, total := math.Inf(-1), 0.0
	for i := range d {
		top = max(top, float64(x[first+i*stride]))
	}
	for i := range d {
		total += math.Exp(float64(x[first+i*stride]) - top)
	}
	for i := range d {
		out[first+i*stride] = float32(math.Exp(float64(x[first+i*stride])-top) / total)
	}
}

// rows normalises over the last axis.
func (e *env) rows(n *graph.Node, out []float32) {
	x := n.In[0]
	d := x.Shape[len(x.Shape)-1]
	for i := 0; i < len(out); i += d {
		e.row(n, e.vals[x][i:i+d], out[i:i+d])
	}
}

// row normalises one row over its last axis.
func (e *env) row(n *graph.Node, x, out []float32) {
	gamma, eps, mu := e.vals[n.In[1]], float64(n.Attrs.Floats["eps"]), 0.0
	if n.Op == graph.LayerNorm {
		mu = mean(x, nil)
	}
	sd := math.Sqrt(mean(x, func(v float64) float64 { return (v - mu) * (v - mu) }) + eps)
	for i, v := range x {
		out[i] = float32((float64(v) - mu) / sd * float64(gamma[i]))
		if n.Op == graph.LayerNorm {
			out[i] += e.vals[n.In[2]][i]
		}
	}
}

// mapEps is what batch and instance normalisations add to a variance, as the writers do.
const mapEps = 1e-5

func (e *env) instanceNorm(n *graph.Node, out []float32) {
	x, scale, shift := n.In[0], e.vals[n.In[1]], e.vals[n.In[2]]
	a, area := e.vals[x], product(x.Shape[2:])
	for i := 0; i < len(a); i += area {
		c := i / area % x.Shape[1]
		m := mean(a[i:i+area], nil)
		v := mean(a[i:i+area], func(u float64) float64 { return (u - m) * (u - m) })
		for j := i; j < i+area; j++ {
			out[j] = float32((float64(a[j])-m)/math.Sqrt(v+mapEps)*float64(scale[c]) + float64(shift[c]))
		}
	}
}

// batchNorm has scale, shift, mean and variance of each channel.
func (e *env) batchNorm(n *graph.Node, out []float32) {
	x := n.In[0]
	area := product(x.Shape[2:])
	for i, v := range e.vals[x] {
		c := i / area % x.Shape[1]
		p := func(k int) float64 { return float64(e.vals[n.In[k]][c]) }
		out[i] = float32((float64(v)-p(3))/math.Sqrt(p(4)+mapEps)*p(1) + p(2))
	}
}
