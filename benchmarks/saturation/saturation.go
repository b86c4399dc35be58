// Package saturation finds the products of an ONNX model that ONNX Runtime computes
// wrongly on x86 processors without an 8-bit dot product (AVX512-VNNI, AVX-VNNI).
//
// There it multiplies unsigned by signed bytes with vpmaddubsw, which adds pairs of
// products in 16 bits: 255·w + 255·v saturates where w + v leaves ±128. Weights of 7
// bits never do, weights of 8 bits nearly always do somewhere. Times are right all the
// same. onnxruntime issues 6004, 5849, 12072 and 14642.
//
// Which forms are computed so was found out by running each: agent/ort's
// TestSaturationIsKnown holds ONNX Runtime to it. What is not found here: attention and
// recurrent operators of com.microsoft, and products inside If and Loop.
package saturation

import (
	"fmt"
	"io/fs"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// Layer is one product that saturates.
type Layer struct {
	Name string // of the node, or of its output where the node has none
	Op   string
	// Pair is the largest magnitude of a sum of two of its weights of one sign, more than
	// 128; 0 where the operand is computed at run time and may hold any byte.
	Pair int
}

// Option is the session option with which ONNX Runtime makes constant weights unsigned
// and takes slower kernels that are exact.
const Option = "session.x64quantprecision"

// Curable reports whether Option=1 makes the product exact.
func (l Layer) Curable() bool { return l.Pair > 0 && l.Op != "QLinearMatMul" }

// pairFits is the largest sum of two weights that 16 bits hold beside 255.
const pairFits = 128

// Layers are the products of m that saturate, in its order. root is where external
// weights lie, nil for none; a weight that cannot be read is an error.
func Layers(m *onnx.Model, root fs.FS) ([]Layer, error) {
	if m.Graph == nil {
		return nil, nil
	}
	g := graph{root: root, constants: map[string]*onnx.Tensor{}, from: map[string]*onnx.Node{}, to: map[string][]*onnx.Node{}, types: map[string]onnx.DataType{}}
	for _, t := range m.Graph.Initializers {
		g.constants[t.Name] = t
	}
	for _, v := range slices.Concat(m.Graph.Inputs, m.Graph.ValueInfos, m.Graph.Outputs) {
		if v.Type != nil {
			g.types[v.Name] = v.Type.Elem
		}
	}
	for _, n := range m.Graph.Nodes {
		if a := n.Attr("value"); n.Op == "Constant" && a != nil && a.T != nil && len(n.Outputs) == 1 {
			g.constants[n.Outputs[0]] = a.T
		}
		for _, out := range n.Outputs {
			g.from[out] = n
		}
		for _, in := range n.Inputs {
			g.to[in] = append(g.to[in], n)
		}
	}
	var layers []Layer
	for _, n := range m.Graph.Nodes {
		pair, saturates, err := g.product(n)
		if err != nil {
			return nil, fmt.Errorf("node %q: %w", nameOf(n), err)
		}
		if saturates {
			layers = append(layers, Layer{nameOf(n), n.Op, pair})
		}
	}
	return layers, nil
}

func nameOf(n *onnx.Node) string {
	if n.Name == "" && len(n.Outputs) > 0 {
		return n.Outputs[0]
	}
	return n.Name
}

type graph struct {
	root      fs.FS
	constants map[string]*onnx.Tensor
	from      map[string]*onnx.Node
	to        map[string][]*onnx.Node
	types     map[string]onnx.DataType // that the file declares
}

// operands say where integer operators have their two factors.
var operands = map[string][2]int{
	"QLinearConv": {0, 3}, "QLinearMatMul": {0, 3}, "QGemm": {0, 3},
	"MatMulInteger": {0, 1}, "MatMulIntegerToFloat": {0, 1},
	"DynamicQuantizeMatMul": {0, 1}, // the first is quantised within, unsigned
}

// product says whether n is a product that saturates, and the sum of the two weights
// that say so.
func (g *graph) product(n *onnx.Node) (pair int, saturates bool, err error) {
	in := func(i int) string {
		if i >= len(n.Inputs) {
			return ""
		}
		return n.Inputs[i]
	}
	if at, ok := operands[n.Op]; ok {
		unsigned := n.Op == "DynamicQuantizeMatMul" || g.elem(in(at[0])) == onnx.Uint8
		if !unsigned || g.elem(in(at[1])) != onnx.Int8 || n.Op == "QLinearConv" && g.depthwise(n, in(at[1])) {
			return 0, false, nil
		}
		if g.constants[in(at[1])] == nil {
			return 0, true, nil
		}
		return g.pair(in(at[1]))
	}
	// Floating point between DequantizeLinear nodes, which ONNX Runtime makes integer: on
	// x86 with unsigned activations, whatever they were.
	switch n.Op {
	case "MatMul", "Gemm":
	case "Conv": // stays in float where its result is not quantised
		if len(n.Outputs) == 0 || !g.quantised(n.Outputs[0]) {
			return 0, false, nil
		}
	default:
		return 0, false, nil
	}
	x, w := g.from[in(0)], g.from[in(1)]
	if x == nil || w == nil || x.Op != "DequantizeLinear" || w.Op != "DequantizeLinear" || len(x.Inputs) == 0 || len(w.Inputs) == 0 {
		return 0, false, nil
	}
	weight := w.Inputs[0]
	if a := g.elem(x.Inputs[0]); a != onnx.Uint8 && a != onnx.Int8 || g.elem(weight) != onnx.Int8 {
		return 0, false, nil
	}
	q := g.from[weight]
	if q != nil && q.Op == "QuantizeLinear" && len(q.Inputs) > 1 && g.constants[q.Inputs[0]] != nil && g.constants[q.Inputs[1]] != nil {
		if n.Op == "Conv" && g.depthwise(n, q.Inputs[0]) {
			return 0, false, nil
		}
		ints, err := g.fake(q) // of quantisation-aware training: folded when the model is opened
		return largestPair(ints), largestPair(ints) > pairFits, err
	}
	if g.constants[weight] == nil || n.Op == "Conv" && g.depthwise(n, weight) {
		return 0, false, nil // two activations both become unsigned
	}
	return g.pair(weight)
}

// depthwise says whether each channel is a group with one filter, which has a kernel
// of its own that adds in 32 bits.
func (g *graph) depthwise(n *onnx.Node, weight string) bool {
	w := g.constants[weight]
	return w != nil && len(w.Dims) > 1 && n.Int("group", 1) == int64(w.Dims[0]) && w.Dims[1] == 1
}

// quantised says whether a value goes to a QuantizeLinear, perhaps through an activation
// that cuts off what is below 0, as the integers' own range does then.
func (g *graph) quantised(v string) bool {
	for _, n := range g.to[v] {
		if n.Op == "QuantizeLinear" {
			return true
		}
		if n.Op != "Relu" && n.Op != "Clip" || len(n.Outputs) != 1 {
			continue
		}
		for _, q := range g.to[n.Outputs[0]] {
			if q.Op == "QuantizeLinear" && len(q.Outputs) == 1 && g.fromZero(q) {
				return true
			}
		}
	}
	return false
}

// fromZero says whether a QuantizeLinear's smallest integer stands for 0.
func (g *graph) fromZero(q *onnx.Node) bool {
	if len(q.Inputs) < 3 || q.Inputs[2] == "" {
		return g.elem(q.Outputs[0]) == onnx.Uint8
	}
	t := g.constants[q.Inputs[2]]
	if t == nil {
		return false
	}
	zero, err := t.Ints()
	return err == nil && len(zero) == 1 && (t.Type == onnx.Uint8 && zero[0] == 0 || t.Type == onnx.Int8 && zero[0] == -128)
}

// elem is the element type of a value, Undefined where the graph does not say.
func (g *graph) elem(v string) onnx.DataType {
	if t := g.constants[v]; t != nil {
		return t.Type
	}
	if n := g.from[v]; n != nil {
		zero := -1 // the input whose type the output has
		switch n.Op {
		case "QuantizeLinear":
			if zero = 2; len(n.Inputs) < 3 || n.Inputs[2] == "" {
				if d := onnx.DataType(n.Int("output_dtype", 0)); d != onnx.Undefined {
					return d
				}
				return onnx.Uint8
			}
		case "DynamicQuantizeLinear":
			return onnx.Uint8
		case "QLinearConv", "QLinearMatMul":
			zero = 7
		case "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "MaxPool", "Slice", "Identity":
			zero = 0
		}
		if zero >= 0 && zero < len(n.Inputs) {
			return g.elem(n.Inputs[zero])
		}
	}
	return g.types[v]
}

// pair is the largest sum of two weights, and whether it saturates.
func (g *graph) pair(weight string) (int, bool, error) {
	t := g.constants[weight]
	if err := g.load(t); err != nil {
		return 0, false, err
	}
	ints, err := t.Ints()
	pair := largestPair(ints)
	return pair, pair > pairFits, err
}

func (g *graph) load(t *onnx.Tensor) error {
	if t.IsExternal && g.root == nil {
		return onnx.ErrExternal
	}
	return t.LoadExternal(g.root)
}

// fake are the integers that a QuantizeLinear makes of a constant, symmetric as signed
// weights are.
func (g *graph) fake(q *onnx.Node) ([]int64, error) {
	w, s := g.constants[q.Inputs[0]], g.constants[q.Inputs[1]]
	for _, t := range []*onnx.Tensor{w, s} {
		if err := g.load(t); err != nil {
			return nil, err
		}
	}
	data, err := w.Floats()
	if err != nil {
		return nil, err
	}
	scales, err := s.Floats()
	if err != nil {
		return nil, err
	}
	axis := int(q.Int("axis", 1))
	if axis < 0 {
		axis += len(w.Dims)
	}
	inner := 1
	for i := axis + 1; i < len(w.Dims); i++ {
		inner *= int(w.Dims[i])
	}
	if len(scales) == 0 || inner == 0 {
		return nil, fmt.Errorf("weights %q: %v of %d scales", w.Name, w.Dims, len(scales))
	}
	ints := make([]int64, len(data))
	for i, x := range data {
		if q := math.RoundToEven(float64(x) / float64(scales[i/inner%len(scales)])); !math.IsNaN(q) {
			ints[i] = int64(min(127, max(-128, q)))
		}
	}
	return ints, nil
}

// largestPair is the largest magnitude of a sum of two elements of one sign.
func largestPair(ints []int64) int {
	var most, next [2]int // of the positive and of the negative
	for _, v := range ints {
		sign, m := 0, int(v)
		if m < 0 {
			sign, m = 1, -m
		}
		if m > most[sign] {
			most[sign], next[sign] = m, most[sign]
		} else {
			next[sign] = max(next[sign], m)
		}
	}
	return max(most[0]+next[0], most[1]+next[1])
}
