package tflitewriter

import (
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// normEpsilon is the graph's, of the operators that carry none.
const normEpsilon = 1e-5

// norm writes layer, RMS and instance normalisation as the operators they are made
// of: over the last axis, or over a map's pixels, whose parameters are the channels'.
func (w *writer) norm(n *graph.Node) {
	rank := len(n.In[0].Shape)
	l, eps := rowMajor(rank), n.Attrs.Floats["eps"]
	axes := []int32{int32(rank - 1)}
	if n.Op == graph.InstanceNorm {
		l, eps, axes = channelsLast(rank), normEpsilon, []int32{1, 2}
	}
	x, y := w.ends(n, l, l)
	few := slices.Clone(w.m.Tensors[x].Shape) // of the statistics
	for _, a := range axes {
		few[a] = 1
	}
	statistic := func(name string) int32 { return w.shapedLike(x, n.Name+"."+name, few...) }
	square := w.like(x, n.Name+".square")
	centred := x
	if n.Op == graph.RMSNorm {
		w.arithmetic(tflitefb.Mul, tflitefb.ActNone, square, x, x)
	} else {
		mean := statistic("mean")
		w.reduceOp(tflitefb.Mean, x, mean, true, axes...)
		centred = w.like(x, n.Name+".centred")
		w.arithmetic(tflitefb.Sub, tflitefb.ActNone, centred, x, mean)
		w.emit(tflitefb.SquaredDifference, 1, []int32{x, mean}, []int32{square}, tflitefb.Options{Type: tflitefb.SquaredDifferenceOptions})
	}
	variance, sum, inverse := statistic("variance"), statistic("eps"), statistic("inverse")
	w.reduceOp(tflitefb.Mean, square, variance, true, axes...)
	w.arithmetic(tflitefb.Add, tflitefb.ActNone, sum, variance, w.scalar(eps, x))
	w.emit(tflitefb.Rsqrt, 1, []int32{sum}, []int32{inverse}, tflitefb.Options{})
	unit := w.like(x, n.Name+".unit")
	w.arithmetic(tflitefb.Mul, tflitefb.ActNone, unit, centred, inverse)
	gamma := w.get(n.In[1], rowMajor(1)) // along the file's last axis either way
	if n.Op == graph.RMSNorm {
		w.arithmetic(tflitefb.Mul, tflitefb.ActNone, y, unit, gamma)
		return
	}
	scaled := w.like(x, n.Name+".scaled")
	w.arithmetic(tflitefb.Mul, tflitefb.ActNone, scaled, unit, gamma)
	w.arithmetic(tflitefb.Add, tflitefb.ActNone, y, scaled, w.get(n.In[2], rowMajor(1)))
}

// batchNorm is a product and a sum with a constant a channel, into which the four
// parameters fold.
func (w *writer) batchNorm(n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	gamma, beta, mean, variance := n.In[1].Data, n.In[2].Data, n.In[3].Data, n.In[4].Data
	channels := x.Shape[1]
	scale, shift := make([]float32, channels), make([]float32, channels)
	for c := range channels {
		scale[c] = gamma[c] / float32(math.Sqrt(float64(variance[c])+normEpsilon))
		shift[c] = beta[c] - mean[c]*scale[c]
	}
	constant := func(name string, data []float32) *graph.Value {
		v := &graph.Value{Name: n.Name + name, DType: n.In[1].DType, Shape: []int{channels, 1, 1}, Data: data}
		if y.DType == graph.Int8 {
			v.DType, v.Quant = graph.Int8, &graph.Quant{Scale: []float32{max(largest(data), 1e-9) / 127}, Zero: []int32{0}}
		}
		w.weights[v] = true
		return v
	}
	scaled := &graph.Value{Name: n.Name + ".scaled", DType: y.DType, Shape: y.Shape}
	if y.DType == graph.Int8 { // a range that nothing of x's leaves
		q := x.Quant
		reach := q.Scale[0] * float32(max(127-q.Zero[0], q.Zero[0]+128))
		scaled.Quant = &graph.Quant{Scale: []float32{reach * largest(scale) / 127}, Zero: []int32{0}}
	}
	w.node(&graph.Node{Op: graph.Mul, Name: scaled.Name, In: []*graph.Value{x, constant(".scale", scale)}, Out: []*graph.Value{scaled}})
	w.node(&graph.Node{Op: graph.Add, Name: n.Name, In: []*graph.Value{scaled, constant(".shift", shift)}, Out: []*graph.Value{y}})
}

// largest is the largest magnitude.
func largest(v []float32) float32 {
	top := float32(0)
	for _, x := range v {
		top = max(top, x, -x)
	}
	return top
}
