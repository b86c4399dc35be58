//go:build cgo

package ort

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/cpu"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/saturation"
	"github.com/isocost/isocost/internal/onnx"
)

// product is a model of one product under construction: ones, quantised to the largest
// integer of type a, by weights that are all w and of type b.
type product struct {
	g    onnx.Graph
	n    int // of names
	a, b onnx.DataType
	w    int64
}

const productScale = 0.01 // of the weights

func (p *product) node(domain, op string, attrs []*onnx.Attr, in ...string) string {
	p.n++
	out := fmt.Sprintf("v%d", p.n)
	p.g.Nodes = append(p.g.Nodes, &onnx.Node{Name: fmt.Sprintf("n%d", p.n), Op: op, Domain: domain, Attrs: attrs, Inputs: in, Outputs: []string{out}})
	return out
}

func (p *product) constant(t *onnx.Tensor) string {
	p.n++
	t.Name = fmt.Sprintf("c%d", p.n)
	p.g.Initializers = append(p.g.Initializers, t)
	return t.Name
}

func (p *product) scalar(v float32) string {
	return p.constant(onnx.FloatTensor("", onnx.Float, []float32{v}))
}

func (p *product) zero(d onnx.DataType) string {
	return p.constant(onnx.IntTensor("", d, []int64{0}))
}

// largest returns the integer that 1 is quantised to.
func largest(d onnx.DataType) float32 {
	if d == onnx.Uint8 {
		return 255
	}
	return 127
}

func (p *product) scale() string { return p.scalar(1 / largest(p.a)) }

func (p *product) quantised(x string) string {
	return p.node("", "QuantizeLinear", nil, x, p.scale(), p.zero(p.a))
}

func (p *product) dequantised(q string) string {
	return p.node("", "DequantizeLinear", nil, q, p.scale(), p.zero(p.a))
}

func (p *product) weights(shape ...int) string {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return p.constant(onnx.IntTensor("", p.b, slices.Repeat([]int64{p.w}, n), shape...))
}

func (p *product) floatWeights(shape ...int) string {
	return p.node("", "DequantizeLinear", nil, p.weights(shape...), p.scalar(productScale), p.zero(p.b))
}

// fakeWeights are those of quantisation-aware training.
func (p *product) fakeWeights(rows, columns int) string {
	x := p.constant(onnx.FloatTensor("", onnx.Float, slices.Repeat([]float32{float32(p.w) * productScale}, rows*columns), rows, columns))
	q := p.node("", "QuantizeLinear", nil, x, p.scalar(productScale), p.zero(p.b))
	return p.node("", "DequantizeLinear", nil, q, p.scalar(productScale), p.zero(p.b))
}

// result is the scale of an 8-bit output that is a sum of depth products.
func (p *product) result(depth int) string {
	return p.scalar(float32(depth) * float32(p.w) * productScale / 100)
}

func (p *product) quantisedResult(depth int, y string) string {
	q := p.node("", "QuantizeLinear", nil, y, p.result(depth), p.zero(p.a))
	return p.node("", "DequantizeLinear", nil, q, p.result(depth), p.zero(p.a))
}

// real is an integer sum of products as a number.
func (p *product) real(y string) string {
	f := p.node("", "Cast", []*onnx.Attr{onnx.IntAttr("to", int64(onnx.Float))}, y)
	return p.node("", "Mul", nil, f, p.scalar(productScale/largest(p.a)))
}

func group(n int64) []*onnx.Attr { return []*onnx.Attr{onnx.IntAttr("group", n)} }

// productForms are the ways in which ONNX models multiply integers, or floats that ONNX
// Runtime makes integers. x is the input: 64 ones, or 64 channels of 3×3.
var productForms = []struct {
	name  string
	image bool
	depth int // of the sum
	build func(p *product, x string) string
}{
	{"QLinearConv", true, 64, func(p *product, x string) string {
		y := p.node("", "QLinearConv", nil, p.quantised(x), p.scale(), p.zero(p.a), p.weights(16, 64, 1, 1), p.scalar(productScale), p.zero(p.b), p.result(64), p.zero(p.a))
		return p.node("", "DequantizeLinear", nil, y, p.result(64), p.zero(p.a))
	}},
	{"QLinearConv depthwise", true, 9, func(p *product, x string) string {
		y := p.node("", "QLinearConv", group(64), p.quantised(x), p.scale(), p.zero(p.a), p.weights(64, 1, 3, 3), p.scalar(productScale), p.zero(p.b), p.result(9), p.zero(p.a))
		return p.node("", "DequantizeLinear", nil, y, p.result(9), p.zero(p.a))
	}},
	{"QLinearMatMul", false, 64, func(p *product, x string) string {
		y := p.node("", "QLinearMatMul", nil, p.quantised(x), p.scale(), p.zero(p.a), p.weights(64, 16), p.scalar(productScale), p.zero(p.b), p.result(64), p.zero(p.a))
		return p.node("", "DequantizeLinear", nil, y, p.result(64), p.zero(p.a))
	}},
	{"MatMulInteger", false, 64, func(p *product, x string) string {
		return p.real(p.node("", "MatMulInteger", nil, p.quantised(x), p.weights(64, 16), p.zero(p.a), p.zero(p.b)))
	}},
	{"MatMulInteger of activations", false, 64, func(p *product, x string) string {
		column := p.node("", "Reshape", nil, x, p.constant(onnx.IntTensor("", onnx.Int64, []int64{64, 1}, 2)))
		row := p.constant(onnx.FloatTensor("", onnx.Float, slices.Repeat([]float32{float32(p.w) * productScale}, 16), 1, 16))
		y := p.node("", "QuantizeLinear", nil, p.node("", "Mul", nil, column, row), p.scalar(productScale), p.zero(p.b))
		return p.real(p.node("", "MatMulInteger", nil, p.quantised(x), y, p.zero(p.a), p.zero(p.b)))
	}},
	{"MatMulInteger, dynamic", false, 64, func(p *product, x string) string {
		p.g.Nodes = append(p.g.Nodes, &onnx.Node{Name: "dynamic", Op: "DynamicQuantizeLinear", Inputs: []string{x}, Outputs: []string{"dq", "ds", "dz"}})
		y := p.node("", "MatMulInteger", nil, "dq", p.weights(64, 16), "dz", p.zero(p.b))
		f := p.node("", "Cast", []*onnx.Attr{onnx.IntAttr("to", int64(onnx.Float))}, y)
		return p.node("", "Mul", nil, f, p.node("", "Mul", nil, "ds", p.scalar(productScale)))
	}},
	{"ConvInteger", true, 64, func(p *product, x string) string {
		return p.real(p.node("", "ConvInteger", nil, p.quantised(x), p.weights(16, 64, 1, 1), p.zero(p.a), p.zero(p.b)))
	}},
	{"DynamicQuantizeMatMul", false, 64, func(p *product, x string) string {
		return p.node("com.microsoft", "DynamicQuantizeMatMul", nil, x, p.weights(64, 16), p.scalar(productScale), p.zero(p.b))
	}},
	{"MatMulIntegerToFloat", false, 64, func(p *product, x string) string {
		return p.node("com.microsoft", "MatMulIntegerToFloat", nil, p.quantised(x), p.weights(64, 16), p.scale(), p.scalar(productScale), p.zero(p.a), p.zero(p.b))
	}},
	{"QGemm", false, 64, func(p *product, x string) string {
		return p.node("com.microsoft", "QGemm", nil, p.quantised(x), p.scale(), p.zero(p.a), p.weights(64, 16), p.scalar(productScale), p.zero(p.b))
	}},
	{"Conv", true, 64, func(p *product, x string) string {
		return p.quantisedResult(64, p.node("", "Conv", nil, p.dequantised(p.quantised(x)), p.floatWeights(16, 64, 1, 1)))
	}},
	{"Conv with Relu", true, 64, func(p *product, x string) string {
		return p.quantisedResult(64, p.node("", "Relu", nil, p.node("", "Conv", nil, p.dequantised(p.quantised(x)), p.floatWeights(16, 64, 1, 1))))
	}},
	{"Conv to float", true, 64, func(p *product, x string) string {
		return p.node("", "Conv", nil, p.dequantised(p.quantised(x)), p.floatWeights(16, 64, 1, 1))
	}},
	{"Conv depthwise", true, 9, func(p *product, x string) string {
		return p.quantisedResult(9, p.node("", "Conv", group(64), p.dequantised(p.quantised(x)), p.floatWeights(64, 1, 3, 3)))
	}},
	{"Conv depthwise, two filters", true, 9, func(p *product, x string) string {
		return p.quantisedResult(9, p.node("", "Conv", group(64), p.dequantised(p.quantised(x)), p.floatWeights(128, 1, 3, 3)))
	}},
	{"Conv grouped", true, 18, func(p *product, x string) string {
		return p.quantisedResult(18, p.node("", "Conv", group(32), p.dequantised(p.quantised(x)), p.floatWeights(64, 2, 3, 3)))
	}},
	{"ConvTranspose", true, 64, func(p *product, x string) string {
		return p.quantisedResult(64, p.node("", "ConvTranspose", nil, p.dequantised(p.quantised(x)), p.floatWeights(64, 16, 1, 1)))
	}},
	{"MatMul", false, 64, func(p *product, x string) string {
		return p.quantisedResult(64, p.node("", "MatMul", nil, p.dequantised(p.quantised(x)), p.floatWeights(64, 16)))
	}},
	{"MatMul to float", false, 64, func(p *product, x string) string {
		return p.node("", "MatMul", nil, p.dequantised(p.quantised(x)), p.floatWeights(64, 16))
	}},
	{"MatMul of trained weights", false, 64, func(p *product, x string) string {
		return p.quantisedResult(64, p.node("", "MatMul", nil, p.dequantised(p.quantised(x)), p.fakeWeights(64, 16)))
	}},
	{"MatMul of activations", false, 64, func(p *product, x string) string {
		column := p.node("", "Reshape", nil, x, p.constant(onnx.IntTensor("", onnx.Int64, []int64{64, 1}, 2)))
		row := p.constant(onnx.FloatTensor("", onnx.Float, slices.Repeat([]float32{float32(p.w) * productScale}, 16), 1, 16))
		y := p.node("", "QuantizeLinear", nil, p.node("", "Mul", nil, column, row), p.scalar(productScale), p.zero(p.b))
		y = p.node("", "DequantizeLinear", nil, y, p.scalar(productScale), p.zero(p.b))
		return p.quantisedResult(64, p.node("", "MatMul", nil, p.dequantised(p.quantised(x)), y))
	}},
	{"Gemm", false, 64, func(p *product, x string) string {
		return p.quantisedResult(64, p.node("", "Gemm", []*onnx.Attr{onnx.IntAttr("transB", 1)}, p.dequantised(p.quantised(x)), p.floatWeights(16, 64)))
	}},
	{"Gemm to float", false, 64, func(p *product, x string) string {
		return p.node("", "Gemm", []*onnx.Attr{onnx.IntAttr("transB", 1)}, p.dequantised(p.quantised(x)), p.floatWeights(16, 64))
	}},
}

// TestSaturationIsKnown runs every form of an integer product with 8-bit and 7-bit
// weights. What is wrong is what benchmarks/saturation names, all of it and nothing else,
// on a processor without VNNI; elsewhere nothing is wrong.
func TestSaturationIsKnown(t *testing.T) {
	b := backend(t)
	lacksVNNI := runtime.GOARCH == "amd64" && !cpu.X86.HasAVX512VNNI && !cpu.X86.HasAVXVNNI
	named, ran := 0, 0
	for _, f := range productForms {
		for _, types := range [][2]onnx.DataType{{onnx.Uint8, onnx.Int8}, {onnx.Int8, onnx.Int8}, {onnx.Uint8, onnx.Uint8}, {onnx.Int8, onnx.Uint8}} {
			for _, w := range []int64{127, 64} {
				p := &product{a: types[0], b: types[1], w: w}
				shape := []int{1, 64}
				if f.image {
					shape = []int{1, 64, 3, 3}
				}
				p.g.Inputs = []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, shape...)}
				p.g.Outputs = []*onnx.ValueInfo{{Name: f.build(p, "x"), Type: &onnx.Type{Elem: onnx.Float}}}
				m := &onnx.Model{IRVersion: 10, Graph: &p.g, Opsets: []onnx.Opset{{Version: 21}, {Domain: "com.microsoft", Version: 1}}}
				name := fmt.Sprintf("%s, %v by %v weights of %d", f.name, p.a, p.b, w)
				got, err := ofOnes(t, b, m, shape, nil)
				if err != nil {
					continue // no kernel for these types
				}
				ran++
				layers, err := saturation.Layers(m, nil)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				named += len(layers)
				want := float64(f.depth) * float64(w) * productScale
				wrong := math.Abs(got/want-1) > 0.01
				if len(layers) > 0 && layers[0].Curable() {
					exact, err := ofOnes(t, b, m, shape, map[string]string{saturation.Option: "1"})
					if err != nil || math.Abs(exact/want-1) > 0.01 {
						t.Errorf("%s: with %s=1 %.3f of the result (%v)", name, saturation.Option, exact/want, err)
					}
				}
				switch {
				case wrong && !lacksVNNI:
					t.Errorf("%s: %.3f of the result, on a processor with an 8-bit dot product", name, got/want)
				case wrong && len(layers) == 0:
					t.Errorf("%s: %.3f of the result, and saturation.Layers names nothing", name, got/want)
				case !wrong && len(layers) > 0 && layers[0].Pair > 0 && lacksVNNI:
					t.Errorf("%s: right, but saturation.Layers names %+v", name, layers)
				}
			}
		}
	}
	if named < 15 || ran < 100 {
		t.Errorf("%d models ran, in which %d products are named", ran, named)
	}
}

// ofOnes is the first element that a model computes of an input of ones.
func ofOnes(t *testing.T, b *Backend, m *onnx.Model, shape []int, options map[string]string) (float64, error) {
	t.Helper()
	n := 1
	for _, d := range shape {
		n *= d
	}
	var data []byte
	for range n {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(1))
	}
	s, err := b.Open(t.Context(), agent.Model{Name: "product", Bytes: onnx.Encode(m)},
		agent.Options{Threads: 1, Provider: "cpu", ProviderOptions: options,
			Inputs: map[string]agent.Tensor{"x": {Name: "x", DType: "float32", Shape: shape, Data: data}}})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	v, err := outputs(t, s)[0].Floats()
	if err != nil {
		t.Fatal(err)
	}
	return v[0], nil
}
