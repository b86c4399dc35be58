package reference

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
)

func (e *env) linear(n *graph.Node, out []float32) {
	a, w, b := e.vals[n.In[0]], e.vals[n.In[1]], e.vals[n.In[2]]
	k, cols := n.In[0].Shape[1], n.Out[0].Shape[1]
	if n.Attrs.Strings["quant"] == graph.QuantDynamic {
		a = dynamic(a)
	}
	for i := range out {
		r, c := i/cols, i%cols
		sum := float64(b[c])
		for j := range k {
			sum += float64(a[r*k+j]) * float64(w[c*k+j])
		}
		out[i] = float32(clamp(n.Act(), sum))
	}
}

func (e *env) matmul(n *graph.Node, out []float32) {
	x, z := n.In[0], n.In[1]
	a, b := e.vals[x], e.vals[z]
	r := len(x.Shape)
	m, k, cols := x.Shape[r-2], x.Shape[r-1], n.Out[0].Shape[r-1]
	alpha := float64(1)
	if v, ok := n.Attrs.Floats["alpha"]; ok {
		alpha = float64(v)
	}
	trans := n.Int("transb", 0) == 1
	for i := range out {
		batch, row, col := i/(m*cols), i/cols%m, i%cols
		var sum float64
		for j := range k {
			at := (batch*k+j)*cols + col
			if trans {
				at = (batch*cols+col)*k + j
			}
			sum += float64(a[(batch*m+row)*k+j]) * float64(b[at])
		}
		out[i] = float32(alpha * sum)
	}
}

// dynamic rounds x to ONNX's DynamicQuantizeLinear: uint8 over its own range,
// which is widened to hold 0.
func dynamic(x []float32) []float32 {
	lo, hi := 0.0, 0.0
	for _, v := range x {
		lo, hi = min(lo, float64(v)), max(hi, float64(v))
	}
	s := (hi - lo) / 255
	if s == 0 {
		return x
	}
	zero := math.RoundToEven(min(255, max(0, -lo/s)))
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32((min(255, max(0, math.RoundToEven(float64(v)/s)+zero)) - zero) * s)
	}
	return out
}
