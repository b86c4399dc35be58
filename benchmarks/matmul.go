package benchmarks

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func init() {
	define(kind{
		name: "matmul", doc: "batched product of two activations, scaled by 1/√k; the second is a graph input",
		axes: []string{"b", "m", "k", "n"},
		in:   func(a args) Shape { return Shape{a.axis("b"), a.axis("m"), a.axis("k")} },
		out:  func(a args) Shape { return Shape{a.axis("b"), a.axis("m"), a.axis("n")} },
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			y := b.second("operand", Shape{a.axis("b"), a.axis("k"), a.axis("n")})
			return b.matMul(x, y, "matmul", false, 1/math.Sqrt(float64(a.axis("k"))))
		},
		frame: frame{how: ownFrame, own: matMulFrame}, weights: noWeights, grid: gridOf(productGrid), example: "matmul/P@b=2,k=16,m=8,n=8",
		// a[…,M,K], b[…,K,N] → y[…,M,N], times Floats alpha when given. Ints: transb{1}
		// says that b is […,N,K].
		operator: &operator{
			value: reference.Fill(matmulReference).Rounding(termsOfRow),
			work: products(func(n *graph.Node) int64 {
				x := n.In[0].Shape
				return int64(n.Out[0].Len()) * int64(x[len(x)-1])
			}),
			onnx:   onnxwriter.Whole("MatMul, and Mul by alpha", matMulONNX),
			tflite: tflitewriter.By("BATCH_MATMUL, and MUL by alpha", matMulTFLite),
			tf: tfgraph.By("BatchMatMulV2, and Mul by alpha", func(b tfgraph.Builder, n *graph.Node) {
				z := b.Op("BatchMatMulV2", tfgraph.Attrs{"adj_y": n.Int("transb", 0) == 1}, b.Get(n.In[0], true), b.Get(n.In[1], true))
				if alpha, ok := n.Attrs.Floats["alpha"]; ok {
					z = b.Op("Mul", nil, z, b.Number(float64(alpha), n.Out[0].DType))
				}
				b.Set(n.Out[0], z, true)
			}),
		},
	})
}

// matMulFrame has as producer a function that keeps shapes, because the product's operands
// are not maps. The conversion of the second operand, a graph input, stays in the difference.
func matMulFrame(op lut.Op, in Shape) Sum {
	pre := Chain{squash(in, framePrecision(op.Precision))}
	return difference(join(pre, Chain{op}), pre)
}

// second adds a further graph input in the current precision.
func (b *builder) second(name string, s Shape) *graph.Value {
	v := b.input(b.layer+"."+name, s, floatType(b.prec))
	return b.convert(v, activationType(b.prec), b.layer+"."+name+".in")
}

// matMul is alpha·x·y, or alpha·x·yᵀ.
func (b *builder) matMul(x, y *graph.Value, name string, transposed bool, alpha float64) *graph.Value {
	r := len(x.Shape)
	k, cols := x.Shape[r-1], y.Shape[r-1]
	if transposed {
		cols = y.Shape[r-2]
	}
	shape := append(append([]int{}, x.Shape[:r-1]...), cols)
	s, t := b.stats[x], b.stats[y]
	n := b.node("matmul", b.layer+"."+name, shape, stat{0, alpha * alpha * float64(k) * s.ms * t.ms}, x, y)
	if transposed {
		b.ints(n, "transb", 1)
	}
	if alpha != 1 {
		b.float(n, "alpha", float32(alpha))
	}
	return n.Out[0]
}

// matMulTFLite writes BATCH_MATMUL; alpha is a multiplication of the result.
func matMulTFLite(w *tflitewriter.Writer, n *graph.Node) {
	var in []int32
	for _, v := range n.In[:2] {
		in = append(in, w.Get(v, tflitewriter.RowMajor(len(v.Shape))))
	}
	y := w.Activation(n.Out[0], tflitewriter.RowMajor(len(n.Out[0].Shape)))
	product := y
	alpha, scaled := n.Attrs.Floats["alpha"]
	scaled = scaled && alpha != 1
	if scaled {
		product = w.Like(y, n.Name+".product")
		if q := w.Tensor(y).Quant; q != nil {
			w.Tensor(product).Quant = &tflitefb.Quant{Scale: []float32{q.Scale[0] / alpha}, Zero: q.Zero}
		}
	}
	w.Emit(tflitefb.BatchMatMul, w.Version(in[0], 2), in, []int32{product}, tflitefb.Options{Type: tflitefb.BatchMatMulOptions,
		Values: map[string]float64{"adj_y": float64(n.Int("transb", 0))}})
	if scaled {
		w.Arithmetic(tflitefb.Mul, tflitefb.ActNone, y, product, w.Scalar(alpha, y))
	}
}

// matMulONNX writes alpha·x·y. In float the factor is a Mul, which runtimes fuse into
// the product. In int8 it is free: the product is quantised with scale/alpha and
// read with scale, and a transposed operand is transposed as integers, so that the
// dequantise – multiply – quantise group stays whole.
func matMulONNX(w *onnxwriter.Writer, n *graph.Node) {
	x, y, out := n.In[0], n.In[1], n.Out[0]
	alpha, scaled := n.Attrs.Floats["alpha"]
	if !scaled {
		alpha = 1
	}
	var perm []int
	if n.Int("transb", 0) == 1 {
		for i := range y.Shape {
			perm = append(perm, i)
		}
		r := len(perm)
		perm[r-2], perm[r-1] = perm[r-1], perm[r-2]
	}
	if out.DType != graph.Int8 {
		b := w.In(y)
		if perm != nil {
			b = w.Emit("Transpose", []string{b}, n.Name+".t", onnxwriter.IntsAttr("perm", perm)).Outputs[0]
		}
		if alpha == 1 {
			w.Emit("MatMul", []string{w.In(x), b}, out.Name)
			return
		}
		p := w.Emit("MatMul", []string{w.In(x), b}, n.Name+".product").Outputs[0]
		w.Emit("Mul", []string{p, w.Scalar(n.Name+".alpha", onnxwriter.FloatOf(out), alpha)}, out.Name)
		return
	}
	b := w.In(y)
	if perm != nil {
		t := w.Emit("Transpose", []string{y.Name}, n.Name+".t", onnxwriter.IntsAttr("perm", perm)).Outputs[0]
		scale, zero, attrs := w.QuantParams(y)
		b = w.Dequantized(t, scale, zero, t+".dq", attrs)
	}
	w.Emit("MatMul", []string{w.In(x), b}, out.Name+".f")
	_, zero, attrs := w.QuantParams(out)
	coarse := w.Constant(onnx.FloatTensor(out.Name+".product.scale", onnx.Float, []float32{out.Quant.Scale[0] / alpha}))
	w.Emit("QuantizeLinear", []string{out.Name + ".f", coarse, zero}, out.Name, attrs...)
}

func matmulReference(e *reference.Env, n *graph.Node, out []float32) {
	x, z := n.In[0], n.In[1]
	a, b := e.Of(x), e.Of(z)
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

func productGrid(add func(gridAttrs, gridCoords)) {
	sequences(func(seq, dim int) { add(nil, gridCoords{"b": dim / headDim, "m": seq, "k": headDim, "n": seq}) })
}
