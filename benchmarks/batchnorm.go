package benchmarks

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/onnx"
)

func init() {
	define(kind{
		// One of a sequence takes its rows as the batch.
		name: "batchnorm", doc: "scale and shift per channel, where no convolution takes them in; rows are a batch of vectors",
		axes: mapAxes, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			in, c := x, x.Shape[1]
			if a.has("seq") {
				c = x.Shape[2]
				in = b.as(x, b.layer+".rows", []int{x.Shape[0] * x.Shape[1], c})
			}
			y := b.node("batchnorm", b.layer+".batchnorm", in.Shape, b.stats[x], in,
				b.floats(".gamma", c, 1), b.floats(".beta", c, 0), b.floats(".mean", c, 0), b.floats(".var", c, 1)).Out[0]
			if a.has("seq") {
				y = b.as(y, b.layer+".sequence", x.Shape)
			}
			return y
		},
		frame: fuses, weights: noWeights, grid: asInModel, example: "batchnorm/P@c=16,h=16,w=16",
		// x[N,C,H,W], gamma[C], beta[C], mean[C], variance[C], epsilon 1e-5.
		operator: &operator{
			value: reference.Fill(batchNormReference), work: each,
			onnx:   onnxwriter.Op("BatchNormalization", onnx.FloatAttr("epsilon", mapEps)),
			tflite: tflitewriter.By("MUL, ADD with a constant per channel", batchNormTFLite),
			// Its parameters are float32.
			tf: tfgraph.OpBy("FusedBatchNormV3", func(b tfgraph.Builder, n *graph.Node) {
				in := []any{b.Get(n.In[0], false)}
				for _, v := range n.In[1:] {
					in = append(in, b.Floats(v.Data, v.Shape...))
				}
				b.Set(n.Out[0], b.Op("FusedBatchNormV3", tfgraph.Attrs{"epsilon": float32(mapEps), "is_training": false}, in...), false)
			}),
		},
	})
}

// batchNormTFLite is a product and a sum with a constant per channel, into which the four
// parameters fold.
func batchNormTFLite(w *tflitewriter.Writer, n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	gamma, beta, mean, variance := n.In[1].Data, n.In[2].Data, n.In[3].Data, n.In[4].Data
	channels := x.Shape[1]
	scale, shift := make([]float32, channels), make([]float32, channels)
	for c := range channels {
		scale[c] = gamma[c] / float32(math.Sqrt(float64(variance[c])+mapEps))
		shift[c] = beta[c] - mean[c]*scale[c]
	}
	constant := func(name string, data []float32) *graph.Value {
		v := &graph.Value{Name: n.Name + name, DType: n.In[1].DType, Shape: []int{channels, 1, 1}, Data: data}
		if y.DType == graph.Int8 {
			v.DType, v.Quant = graph.Int8, &graph.Quant{Scale: []float32{max(magnitude(data), 1e-9) / 127}, Zero: []int32{0}}
		}
		w.Weight(v)
		return v
	}
	scaled := &graph.Value{Name: n.Name + ".scaled", DType: y.DType, Shape: y.Shape}
	if y.DType == graph.Int8 { // a range that nothing of x's leaves
		q := x.Quant
		reach := q.Scale[0] * float32(max(127-q.Zero[0], q.Zero[0]+128))
		scaled.Quant = &graph.Quant{Scale: []float32{reach * magnitude(scale) / 127}, Zero: []int32{0}}
	}
	w.Node(&graph.Node{Op: Operator("mul"), Name: scaled.Name, In: []*graph.Value{x, constant(".scale", scale)}, Out: []*graph.Value{scaled}})
	w.Node(&graph.Node{Op: Operator("add"), Name: n.Name, In: []*graph.Value{scaled, constant(".shift", shift)}, Out: []*graph.Value{y}})
}

// magnitude is the largest magnitude.
func magnitude(v []float32) float32 {
	top := float32(0)
	for _, x := range v {
		top = max(top, x, -x)
	}
	return top
}

// batchNormReference has scale, shift, mean and variance of each channel.
func batchNormReference(e *reference.Env, n *graph.Node, out []float32) {
	x := n.In[0]
	area := reference.Product(x.Shape[2:])
	for i, v := range e.Of(x) {
		c := i / area % x.Shape[1]
		p := func(k int) float64 { return float64(e.Of(n.In[k])[c]) }
		out[i] = float32((float64(v)-p(3))/math.Sqrt(p(4)+mapEps)*p(1) + p(2))
	}
}
