//go:build cgo

package ort

import (
	"fmt"
	"slices"
	"testing"

	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// Law: of random graphs with quantisations and dequantisations around their operators, or some
// of them, and with operators that are quantised in the file, the rules make the kernels
// that ONNX Runtime makes, in the same precision each.
func TestQuantisedAgreeWithRuntime(t *testing.T) {
	d := backendtest.NewDifferential(t, 150)
	d.Of = " among conversions to bytes"
	agreeOnKernels(t, d, func(seed uint64) sample { return newQDQ(t, seed).sample() })
}

func newQDQ(t *testing.T, seed uint64) *fusions {
	t.Helper()
	q := &qdq{fusions: newLayers(seed, 4, []int{1, 16, 8, 8}, []int{1, 32, 5, 5}, []int{1, 5, 16}, []int{2, 4, 32}, []int{1, 16}, []int{3, 16})}
	q.opset = []int64{11, 13, 17, 19, 21}[q.rng.IntN(5)]
	q.bytes = []onnx.DataType{onnx.Uint8, onnx.Uint8, onnx.Int8}[q.rng.IntN(3)]
	q.grow(t, seed, q.step)
	return q.fusions
}

// qdq makes graphs of layers among quantisations, as quantisers write them and as they do not.
type qdq struct {
	*fusions
	bytes  onnx.DataType // of activations
	scales [][]float32   // of a product's input and weight
}

func (q *qdq) most() bool { return q.rng.IntN(5) > 0 }

// grid is a scale and a zero point: of the type, now and then one that other tensors have too.
func (q *qdq) grid(typ onnx.DataType, n int) []string {
	scale := q.scalar(onnx.Float, int64(1+q.rng.IntN(3)))
	if typ == onnx.Uint16 {
		return []string{scale, q.raw(typ, make([]byte, 2))}
	}
	zero := q.scalar(typ, 0)
	if n > 1 {
		v := make([]float32, n)
		for i := range v {
			v[i] = 0.25 + float32(i)
		}
		scale, zero = q.vector(v...), q.zeros(typ, n)
	} else if typ != onnx.Int32 && q.coin() {
		zero = q.scalar(typ, int64(q.rng.IntN(4)))
	}
	return []string{scale, zero}
}

func (q *qdq) raw(typ onnx.DataType, data []byte, dims ...int) string {
	name := fmt.Sprintf("c%d", len(q.g.Initializers))
	q.g.Initializers = append(q.g.Initializers, onnx.RawTensor(name, typ, data, dims...))
	return name
}

func (q *qdq) zeros(typ onnx.DataType, dims ...int) string {
	name := fmt.Sprintf("c%d", len(q.g.Initializers))
	q.g.Initializers = append(q.g.Initializers, onnx.IntTensor(name, typ, make([]int64, graph.Elements(dims)), dims...))
	return name
}

// pair quantises x and back. The grid is the type's of the graph, seldom another.
func (q *qdq) pair(x string) string {
	typ := q.bytes
	switch q.rng.IntN(12) {
	case 0:
		typ = []onnx.DataType{onnx.Uint8, onnx.Int8}[q.rng.IntN(2)]
	case 1:
		if q.opset >= 21 {
			typ = onnx.Uint16
		}
	}
	on := q.grid(typ, 1)
	y := q.add("QuantizeLinear", 1, nil, append([]string{x}, on...)...)[0]
	d := q.add("DequantizeLinear", 1, nil, append([]string{y}, on...)...)[0]
	if q.rng.IntN(12) == 0 { // dequantised once for each user
		q.floats = append(q.floats, q.add("DequantizeLinear", 1, nil, append([]string{y}, on...)...)[0])
	}
	return d
}

// in is x as an operator is to find it, out hands on what an operator made.
func (q *qdq) in(x string) string {
	for _, n := range q.g.Nodes {
		if n.Op == "DequantizeLinear" && n.Outputs[0] == x {
			return x
		}
	}
	if q.most() {
		return q.pair(x)
	}
	return x
}

func (q *qdq) out(y string) {
	if q.rng.IntN(5) == 0 {
		y = q.add("Relu", 1, nil, y)[0]
	}
	if q.most() {
		y = q.pair(y)
	}
	q.floats = append(q.floats, y)
}

// weight is a constant of bytes that is dequantised, by channel of an axis or as a whole, or
// of floats.
func (q *qdq) weight(axis int, dims ...int) string {
	if !q.most() {
		return q.tensor(onnx.Float, dims...)
	}
	typ := []onnx.DataType{onnx.Int8, onnx.Int8, onnx.Uint8}[q.rng.IntN(3)]
	w := q.tensor(typ, dims...)
	if q.opset >= 13 && q.coin() {
		return q.add("DequantizeLinear", 1, []*onnx.Attr{onnx.IntAttr("axis", int64(axis))}, append([]string{w}, q.grid(typ, dims[axis])...)...)[0]
	}
	return q.add("DequantizeLinear", 1, nil, append([]string{w}, q.grid(typ, 1)...)...)[0]
}

// read notes the scales by which tensors are dequantised, all or none.
func (q *qdq) read(names []string) {
	q.scales = nil
	for _, name := range names {
		for _, n := range q.g.Nodes {
			if n.Outputs[0] != name || n.Op != "DequantizeLinear" {
				continue
			}
			for _, t := range q.g.Initializers {
				if t.Name == n.Inputs[1] {
					s, _ := t.Floats()
					q.scales = append(q.scales, s)
				}
			}
		}
	}
}

func (q *qdq) bias(n int) string {
	if q.coin() {
		return q.tensor(onnx.Float, n)
	}
	b := q.tensor(onnx.Int32, n)
	if q.coin() && len(q.scales) == 2 { // as a quantiser writes it
		x, w := q.scales[0], q.scales[1]
		s := make([]float32, max(len(x), len(w)))
		for i := range s {
			s[i] = x[0] * w[i%len(w)]
		}
		on := []string{q.vector(s...), q.zeros(onnx.Int32, len(s))}
		var attrs []*onnx.Attr
		if len(s) == 1 {
			on = []string{q.number(s[0]), q.zeros(onnx.Int32)}
		} else {
			attrs = []*onnx.Attr{onnx.IntAttr("axis", 0)}
		}
		return q.add("DequantizeLinear", 1, attrs, append([]string{b}, on...)...)[0]
	}
	return q.add("DequantizeLinear", 1, nil, append([]string{b}, q.grid(onnx.Int32, 1)...)...)[0]
}

func (q *qdq) step() {
	x, s := q.last()
	switch q.rng.IntN(8) {
	case 0:
		q.layer() // in floats
		return
	case 1:
		q.written(x, s)
		return
	}
	one := func(name string, v int) []*onnx.Attr { return []*onnx.Attr{onnx.IntAttr(name, int64(v))} }
	steps := []func(){func() {
		q.out(q.add(q.one("Relu", "Sigmoid", "LeakyRelu", "Tanh", "Erf", "HardSigmoid"), 1, nil, q.in(x))[0])
	}, func() {
		y := q.of(s)
		q.out(q.add(q.one("Add", "Mul", "Sub"), 1, nil, q.in(x), q.in(y))[0])
	}, func() {
		q.out(q.add(q.one("Add", "Mul"), 1, nil, q.in(x), q.weight(0, s[len(s)-1]))[0])
	}, func() {
		if len(s) > 1 && s[1]%16 == 0 {
			q.out(q.add("Concat", 1, one("axis", 1), q.in(x), q.in(q.of(s)))[0])
		}
	}, func() {
		if len(s) < 4 {
			q.out(q.add("Softmax", 1, one("axis", -1), q.in(x))[0])
		}
	}, func() {
		q.out(q.add("Clip", 1, nil, q.in(x), q.scalar(onnx.Float, 0), q.scalar(onnx.Float, 96))[0])
	}, func() {
		q.out(q.add("Reshape", 1, nil, q.in(x), q.list(s[0], -1, s[len(s)-1]))[0])
	}}
	if len(s) == 4 {
		conv := func() { q.conv(x, s) }
		steps = append(steps, conv, conv, conv, conv, func() {
			q.out(q.add(q.one("MaxPool", "AveragePool"), 1, []*onnx.Attr{intsAttr("kernel_shape", 2, 2), intsAttr("strides", 2, 2)}, q.in(x))[0])
		}, func() {
			q.out(q.add("GlobalAveragePool", 1, nil, q.in(x))[0])
		}, func() {
			q.out(q.add("Resize", 1, []*onnx.Attr{onnx.StringAttr("mode", "nearest")}, q.in(x), q.vector(), q.vector(1, 1, 2, 2))[0])
		}, func() {
			q.out(q.add("Flatten", 1, nil, q.in(x))[0])
		})
		if s[2] < 2 || s[3] < 2 {
			steps = slices.Delete(steps, len(steps)-4, len(steps))
		}
	} else {
		linear := func() { q.linear(x, s) }
		steps = append(steps, linear, linear, linear)
	}
	steps[q.rng.IntN(len(steps))]()
}

// of is a tensor of a shape: x's neighbour where there is one.
func (q *qdq) of(s []int) string {
	for range 4 {
		y := q.floats[q.rng.IntN(len(q.floats))]
		if v := q.valueOf(y); v != nil && slices.Equal(v.Shape, s) {
			return y
		}
	}
	return q.add("Erf", 1, nil, q.tensorInput(s))[0]
}

// tensorInput is a further input of the graph.
func (q *qdq) tensorInput(s []int) string {
	name := fmt.Sprintf("x%d", len(q.g.Inputs))
	q.g.Inputs = append(q.g.Inputs, onnx.NewValue(name, onnx.Float, s...))
	return name
}

func (q *qdq) conv(x string, s []int) {
	k, group, out := []int{1, 3}[q.rng.IntN(2)], 1, 16*q.between(1, 2)
	if q.rng.IntN(3) == 0 {
		group, out = s[1], s[1]
	}
	in := []string{q.in(x), q.weight(0, out, s[1]/group, k, k)}
	q.read(in)
	if q.coin() {
		in = append(in, q.bias(out))
	}
	q.out(q.add("Conv", 1, []*onnx.Attr{intsAttr("pads", k/2, k/2, k/2, k/2), onnx.IntAttr("group", int64(group))}, in...)[0])
}

func (q *qdq) linear(x string, s []int) {
	n := 16 * q.between(1, 2)
	if len(s) == 2 && q.coin() {
		in := []string{q.in(x), q.weight(0, n, s[1])}
		q.read(in)
		if q.coin() {
			in = append(in, q.bias(n))
		}
		q.out(q.add("Gemm", 1, []*onnx.Attr{onnx.IntAttr("transB", 1)}, in...)[0])
		return
	}
	q.out(q.add("MatMul", 1, nil, q.in(x), q.weight(1, s[len(s)-1], n))[0])
}

// written is an operator that is quantised in the file already.
func (q *qdq) written(x string, s []int) {
	on := q.grid(q.bytes, 1)
	b := q.add("QuantizeLinear", 1, nil, append([]string{x}, on...)...)[0]
	in := append([]string{b}, on...)
	to := q.grid(q.bytes, 1)
	var y string
	switch {
	case q.rng.IntN(4) == 0:
		d := q.add("DynamicQuantizeLinear", 3, nil, x)
		if len(s) == 4 {
			y = q.add("ConvInteger", 1, nil, d[0], q.tensor(onnx.Uint8, 16, s[1], 1, 1), d[2])[0]
		} else {
			y = q.add("MatMulInteger", 1, nil, d[0], q.tensor(onnx.Uint8, s[len(s)-1], 16), d[2])[0]
		}
		f := q.add("Cast", 1, []*onnx.Attr{onnx.IntAttr("to", int64(onnx.Float))}, y)[0]
		q.goOn("Mul", nil, f, q.add("Mul", 1, nil, d[1], q.scalar(onnx.Float, 4))[0])
		return
	case len(s) == 4:
		typ := q.bytes
		w := q.tensor(typ, 16, s[1], 1, 1)
		y = q.add("QLinearConv", 1, nil, append(append(append(in, w), q.grid(typ, 1)...), to...)...)[0]
	default:
		y = q.add("QLinearMatMul", 1, nil, append(append(append(in, q.tensor(q.bytes, s[len(s)-1], 16)), q.grid(q.bytes, 1)...), to...)...)[0]
	}
	q.goOn("DequantizeLinear", nil, append([]string{y}, to...)...)
}
