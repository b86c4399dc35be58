package ortmodel

import (
	"slices"

	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// Blocked values have the shape N, C, H, W of the plain ones, C rounded up to the
// block: what their consumers see.

func nchwcConv(g *graph.Graph, n *graph.Node) {
	if !n.KnownInputs(2) {
		return
	}
	in, w := n.In[0].Shape, n.In[1].Shape
	if len(in) != 4 || len(w) != 4 {
		return
	}
	if win, ok := n.Slide(in[2:], n.KernelOf(1)); ok {
		n.Set(0, n.In[0].Type, append([]int{in[0], w[0]}, win.Out...))
	}
}

func nchwcPool(g *graph.Graph, n *graph.Node) { graph.PoolShape(g, n) }

func reorderInput(_ *graph.Graph, n *graph.Node) {
	if !n.KnownInputs(1) || len(n.In[0].Shape) != 4 {
		return
	}
	s := slices.Clone(n.In[0].Shape)
	if n.Int("channels_last", 0) == 1 {
		s = []int{s[0], s[3], s[1], s[2]}
	}
	n.Set(0, n.In[0].Type, s)
}

func reorderOutput(_ *graph.Graph, n *graph.Node) {
	if !n.KnownInputs(1) || len(n.In[0].Shape) != 4 {
		return
	}
	s := slices.Clone(n.In[0].Shape)
	if c := n.Int("channels", 0); c > 0 {
		s[1] = c
	}
	if n.Int("channels_last", 0) == 1 {
		s = []int{s[0], s[2], s[3], s[1]}
	}
	n.Set(0, n.In[0].Type, s)
}

func nchwcUpsample(_ *graph.Graph, n *graph.Node) {
	if !n.KnownInputs(1) || len(n.In[0].Shape) != 4 {
		return
	}
	s, f := slices.Clone(n.In[0].Shape), n.Ints("scales")
	if len(f) != 4 {
		return
	}
	for i := range s {
		if f[i] < 1 || s[i] > graph.MaxElements/f[i] {
			return
		}
		s[i] *= f[i]
	}
	n.Set(0, n.In[0].Type, s)
}

func lastConv(x, w int) graph.Rule {
	return func(g *graph.Graph, n *graph.Node) {
		if n.Int("channels_last", 0) == 0 {
			graph.ConvShape(x, w)(g, n)
			return
		}
		convLast(n, x, w, func(wt []int) []int { return wt[2:] })
	}
}

// nhwcConv has float channels-last data and weights M, C/g, kH, kW.
func nhwcConv(_ *graph.Graph, n *graph.Node) {
	convLast(n, 0, 1, func(wt []int) []int { return wt[2:] })
}

func convLast(n *graph.Node, x, w int, kernel func([]int) []int) {
	if n.Input(x) == nil || n.Input(w) == nil || !n.In[x].Known || !n.In[w].Known {
		return
	}
	in, wt := n.In[x].Shape, n.In[w].Shape
	if len(in) < 3 || len(wt) != len(in) {
		return
	}
	k := n.Ints("kernel_shape")
	if k == nil {
		k = kernel(wt)
	}
	if win, ok := n.Slide(in[1:len(in)-1], k); ok {
		n.Set(0, n.In[x].Type, slices.Concat(in[:1], win.Out, wt[:1]))
	}
}

func nhwcPool(_ *graph.Graph, n *graph.Node) { poolLast(n) }

func poolLast(n *graph.Node) {
	if !n.KnownInputs(1) || len(n.In[0].Shape) < 3 {
		return
	}
	in := n.In[0].Shape
	if win, ok := n.Slide(in[1:len(in)-1], n.Ints("kernel_shape")); ok {
		n.Set(0, n.In[0].Type, slices.Concat(in[:1], win.Out, in[len(in)-1:]))
	}
}

func lastPool(g *graph.Graph, n *graph.Node) {
	if n.Int("channels_last", 0) == 1 {
		poolLast(n)
	} else {
		graph.PoolShape(g, n)
	}
}

func lastGlobalPool(g *graph.Graph, n *graph.Node) {
	if n.Int("channels_last", 0) == 0 {
		graph.GlobalPoolShape(g, n)
		return
	}
	if !n.KnownInputs(1) || len(n.In[0].Shape) < 3 {
		return
	}
	s := slices.Clone(n.In[0].Shape)
	for i := 1; i < len(s)-1; i++ {
		s[i] = 1
	}
	n.Set(0, n.In[0].Type, s)
}

func binaryAt(a, b int) graph.Rule {
	return func(_ *graph.Graph, n *graph.Node) {
		if n.Input(a) == nil || n.Input(b) == nil || !n.In[a].Known || !n.In[b].Known {
			return
		}
		if s, ok := graph.Broadcast(n.In[a].Shape, n.In[b].Shape); ok {
			n.Set(0, n.In[a].Type, slices.Clone(s))
		}
	}
}

// qlinearConcat: y_scale, y_zero, then (x, scale, zero) for every part.
func qlinearConcat(_ *graph.Graph, n *graph.Node) {
	if len(n.In) < 5 || n.In[2] == nil || !n.In[2].Known {
		return
	}
	out := slices.Clone(n.In[2].Shape)
	a, ok := graph.Axis(n.Int("axis", 1), len(out))
	if !ok {
		return
	}
	for i := 5; i < len(n.In); i += 3 {
		if n.In[i] == nil || !n.In[i].Known || len(n.In[i].Shape) != len(out) {
			return
		}
		out[a] += n.In[i].Shape[a]
	}
	n.Set(0, n.In[2].Type, out)
}

// nbitsShape: A[…, K] times weights of few bits, K and N attributes.
func nbitsShape(_ *graph.Graph, n *graph.Node) {
	if !n.KnownInputs(1) || len(n.In[0].Shape) < 1 {
		return
	}
	s := slices.Clone(n.In[0].Shape)
	if k, cols := n.Int("K", 0), n.Int("N", 0); k >= 1 && cols >= 1 && s[len(s)-1] == k {
		s[len(s)-1] = cols
		n.Set(0, n.In[0].Type, s)
	}
}

// qgemm: A, a_scale, a_zero, B, b_scale, b_zero, C, y_scale, y_zero.
func qgemm(_ *graph.Graph, n *graph.Node) {
	a, b := n.Input(0), n.Input(3)
	if a == nil || b == nil || !a.Known || !b.Known || len(a.Shape) != 2 || len(b.Shape) != 2 {
		return
	}
	x, y := a.Shape, b.Shape
	if n.Int("transA", 0) == 1 {
		x = graph.SwapLast(x)
	}
	if n.Int("transB", 0) == 1 {
		y = graph.SwapLast(y)
	}
	typ := onnx.Float
	if n.Input(7) != nil {
		typ = a.Type
	}
	n.Set(0, typ, []int{x[0], y[1]})
}

// foldQLinear: a, its scale and zero point, b and its, those of the result. The
// quantiser takes shape arithmetic in floats for a part of the network.
func foldQLinear(f func(a, b float64) float64) graph.Fold {
	return func(_ *graph.Graph, n *graph.Node) ([]float64, bool) {
		a, ok1 := n.Real(0)
		b, ok2 := n.Real(3)
		scale, zero, ok3 := n.Grid(6)
		if !ok1 || !ok2 || !ok3 || len(a)*len(b) == 0 || len(a) != len(b) && len(a) != 1 && len(b) != 1 {
			return nil, false
		}
		out := make([]float64, max(len(a), len(b)))
		for i := range out {
			out[i] = f(a[i%len(a)], b[i%len(b)])
		}
		return graph.OnGrid(out, scale, zero, n.Out[0].Type)
	}
}

// foldQLinearConcat joins vectors: the scale and zero point of the result, then each
// part with its own.
func foldQLinearConcat(_ *graph.Graph, n *graph.Node) ([]float64, bool) {
	scale, zero, ok := n.Grid(0)
	if !ok || len(n.Out[0].Shape) != 1 {
		return nil, false
	}
	var out []float64
	for i := 2; i+2 < len(n.In); i += 3 {
		part, ok := n.Real(i)
		if !ok {
			return nil, false
		}
		out = append(out, part...)
	}
	return graph.OnGrid(out, scale, zero, n.Out[0].Type)
}
