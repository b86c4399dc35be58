package onnxreader

import (
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/onnx"
)

// quantised builds a model as a quantiser writes it: every tensor between two
// operators goes through a pair of conversions.
type quantised struct{ g onnx.Graph }

func (q *quantised) node(op, out string, in []string, attrs ...*onnx.Attr) string {
	q.g.Nodes = append(q.g.Nodes, &onnx.Node{Name: out, Op: op, Inputs: in, Outputs: []string{out}, Attrs: attrs})
	return out
}

// pair quantises x and back.
func (q *quantised) pair(x string) string {
	q.node("QuantizeLinear", x+".q", []string{x, "scale", "zero"})
	return q.node("DequantizeLinear", x+".d", []string{x + ".q", "scale", "zero"})
}

// conv is a 1×1 convolution of c channels to as many, quantised on both sides.
func (q *quantised) conv(name, x string, c int) string {
	q.g.Initializers = append(q.g.Initializers, onnx.IntTensor(name+".w", onnx.Int8, make([]int64, c*c), c, c, 1, 1))
	w := q.node("DequantizeLinear", name+".wd", []string{name + ".w", "scale", "zero8"})
	return q.pair(q.node("Conv", name, []string{x, w}))
}

func (q *quantised) keys(t *testing.T, c, side int, out string) []string {
	t.Helper()
	dim := func(v ...int64) *onnx.Type {
		typ := &onnx.Type{Elem: onnx.Float, HasShape: true}
		for _, d := range v {
			typ.Shape = append(typ.Shape, onnx.Dim{Known: true, Value: d})
		}
		return typ
	}
	q.g.Name = "g"
	q.g.Inputs = []*onnx.ValueInfo{{Name: "x", Type: dim(1, int64(c), int64(side), int64(side))}}
	q.g.Outputs = []*onnx.ValueInfo{{Name: out, Type: dim()}}
	q.g.Initializers = append(q.g.Initializers, onnx.FloatTensor("scale", onnx.Float, []float32{0.05}),
		onnx.IntTensor("zero", onnx.Uint8, []int64{128}), onnx.IntTensor("zero8", onnx.Int8, []int64{0}))
	net, err := ReadModel(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &q.g}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(net.Unpriced) > 0 {
		t.Fatalf("unpriced: %v", net.Unpriced)
	}
	return keysOf(net)
}

// Law: an activation in floats between quantised convolutions keeps the channels
// last, as ONNX Runtime 1.32's optimised graphs do: conversions of plain numbers and no
// transposition. Before the end of the network nothing would cancel one: it stands where
// the map leaves the convolution. Compared with the profiles of MobileNetV3.
func TestActivationBetweenQuantisedConvolutions(t *testing.T) {
	for _, last := range []bool{false, true} {
		var q quantised
		x := q.conv("a", q.pair("x"), 16)
		h := q.pair(q.node("HardSigmoid", "h", []string{x}))
		y := q.pair(q.node("Mul", "m", []string{x, h}))
		want := []string{"dequantize/int8@dim=16,seq=64", "hsigmoid/fp32@dim=16,seq=64", "quantize/int8@dim=16,seq=64", "mul/int8@c=16,h=8,w=8"}
		if last {
			y = q.node("GlobalAveragePool", "p", []string{y})
			want = []string{"dequantize/int8@dim=8,seq=128", "transpose[perm=1-0]/int8@d0=64,d1=16", "hsigmoid/fp32@dim=8,seq=128", "quantize/int8@dim=8,seq=128"}
		} else {
			y = q.conv("b", y, 16)
		}
		keys := q.keys(t, 16, 8, y)
		at := slices.IndexFunc(keys, func(k string) bool { return strings.HasPrefix(k, "dequantize") })
		if at < 0 || len(keys) < at+len(want) || !slices.Equal(keys[at:at+len(want)], want) {
			t.Errorf("last %v: read as\n%s\nwant, from the dequantisation on,\n%s", last, strings.Join(keys, "\n"), strings.Join(want, "\n"))
		}
	}
}

// Law: what is computed from quantised constants is computed in every inference, in
// floats of 24 bits, and asking a dequantised map for its shape dequantises it.
func TestShapesFromQuantisedConstants(t *testing.T) {
	var q quantised
	x := q.conv("a", q.pair("x"), 16)
	// 0.7·10 is 6.9999998 in float64 and 7 in float32.
	q.g.Initializers = append(q.g.Initializers, onnx.FloatTensor("seven", onnx.Float, []float32{0.7}, 1), onnx.FloatTensor("ten", onnx.Float, []float32{10}),
		onnx.IntTensor("rest", onnx.Int64, []int64{1, 16}, 2), onnx.IntTensor("one", onnx.Uint8, []int64{1}), onnx.IntTensor("no", onnx.Uint8, []int64{0}),
		onnx.FloatTensor("unit", onnx.Float, []float32{1}))
	once := q.node("DequantizeLinear", "once", []string{"one", "unit", "no"})
	times := q.node("Mul", "times", []string{"ten", once})
	size := q.node("Cast", "size", []string{q.node("Mul", "product", []string{"seven", times})}, onnx.IntAttr("to", int64(onnx.Int64)))
	shape := q.node("Concat", "shape", []string{"rest", size, size}, onnx.IntAttr("axis", 0))
	cut := q.node("Reshape", "cut", []string{x, shape})
	keys := q.keys(t, 16, 7, q.node("Relu", "y", []string{cut}))
	late := 0
	for _, k := range keys {
		if k == "sub[b=s]/fp32@dim=1,seq=1" {
			late++
		}
	}
	// Two products, a cast and a concatenation; the dequantisation goes into the first product.
	if late != 4 || !slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, "relu/fp32@") }) {
		t.Errorf("%d kernels on a few numbers in\n%s", late, strings.Join(keys, "\n"))
	}
}
