//go:build cgo

package tflite

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/internal/half"
	"github.com/isocost/isocost/lut"
)

// tolerance is the root mean square error allowed against the reference, relative
// to the reference's root mean square. fp32: summation order. fp16 models compute
// in float32 from float16 weights, the reference rounds every value to 11 bits.
// int8: both round to the same grids, a kernel may round a tie the other way; the
// catalogue's own tolerance against ONNX Runtime is the same. int8dyn: the reference
// quantises a layer's input by its own range over the tensor, XNNPACK over each
// pixel: two roundings of about 1 % of the rms each, several layers deep, judged on
// outputs of a few dozen elements.
var tolerance = map[lut.Precision]float64{
	lut.FP32: 1e-5, lut.FP16: 2e-2, lut.INT8: 2e-2, lut.INT8Dyn: 0.1, lut.INT8W: 1e-2,
}

// tfliteModels are the models of the catalogue's own test file in every precision
// that TensorFlow Lite has a form of.
func tfliteModels(t *testing.T) []backendtest.CatalogueModel {
	t.Helper()
	return slices.DeleteFunc(backendtest.Catalogue(t, "../../benchmarks/testdata/kernels.txt"), func(m backendtest.CatalogueModel) bool {
		return m.Precision == lut.BF16 || // of which there is none; tflitewriter's tests say so
			slices.ContainsFunc(m.Chain, func(op lut.Op) bool { return op.Attr("mode") == "cubic" }) // likewise
	})
}

func buildModel(t *testing.T, format agent.Format, c benchmarks.Chain) (agent.Model, *graph.Graph) {
	t.Helper()
	m, err := agent.Build(benchmarks.Model{Chain: c}, agent.BuildSpec{Format: format, Batch: 1, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	m.Name = c[len(c)/2].String()
	return m, m.Graph
}

// graphInputs are standard normal inputs, as float32 for the reference and as the
// file's tensors.
func graphInputs(g *graph.Graph) (map[string][]float32, map[string]agent.Tensor) {
	rng := rand.New(rand.NewPCG(1, 2))
	in, tensors := map[string][]float32{}, map[string]agent.Tensor{}
	for _, v := range g.Inputs {
		x := make([]float32, v.Len())
		var data []byte
		for i := range x {
			x[i] = float32(rng.NormFloat64())
			if v.DType == graph.Float16 {
				x[i] = half.ToFloat32(half.FromFloat32(x[i]))
			}
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x[i]))
		}
		in[v.Name] = x
		tensors[v.Name] = agent.Tensor{Name: v.Name, DType: "float32", Shape: v.Shape, Data: data}
	}
	return in, tensors
}

// TestCatalogueAgreesWithTheReference runs every model of the catalogue on both libraries and compares
// it with the reference interpreter.
func TestCatalogueAgreesWithTheReference(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every operator: make test")
	}
	kinds(t, func(t *testing.T, b *Backend) {
		ran := 0
		info, err := b.Info()
		if err != nil {
			t.Fatal(err)
		}
		check := func(t *testing.T, c benchmarks.Chain, p lut.Precision) {
			m, g := buildModel(t, info.Format, c)
			switch {
			case p == lut.INT8Dyn && has(g, "reciprocal"):
				t.Skip("the reciprocal of numbers near zero that two runtimes quantise differently")
			case p == lut.INT8 && slices.ContainsFunc(c, func(op lut.Op) bool { return op.Attr("op") == "prod" }):
				t.Skip("the product of 24 numbers is zero on an int8 grid")
			}
			in, tensors := graphInputs(g)
			s, err := b.Open(context.Background(), m, agent.Options{Provider: CPU, Threads: 1, Inputs: tensors})
			if b.lib.kind == Classic && errors.Is(err, agent.ErrUnsupported) && newer(m.Graph) {
				t.Skipf("newer than this library: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
			got, err := s.(agent.OutputReader).Outputs()
			if err != nil {
				t.Fatal(err)
			}
			ref, err := reference.Run(g, in)
			if err != nil {
				t.Fatal(err)
			}
			arithmetic, err := reference.Tolerance(g, in)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range g.Outputs {
				want := agent.Tensor{Name: v.Name, DType: "float32", Shape: v.Shape, Data: float32Data(ref[v.Name])}
				n, err := agent.CompareTensors(got[i:i+1], []agent.Tensor{want})
				if err != nil {
					t.Fatal(err)
				}
				limit := tolerance[p]
				// The arithmetic may allow more: the reciprocal of a number near zero magnifies the
				// errors of half precision, floor makes a step of those of a range chosen at run time.
				if p == lut.FP16 || p == lut.INT8Dyn {
					limit = max(limit, arithmetic[v.Name])
				}
				if p == lut.INT8 {
					if composed(g) {
						limit = 5e-2
					}
					// The mean of a sequence is small beside the steps of what it is the mean of; TensorFlow
					// Lite 2.9's cuts where the reference rounds, up to one step.
					if has(g, "mean") {
						limit = map[string]float64{LiteRT: 0.1, Classic: 0.15}[b.lib.kind]
					}
					// Grids may be coarse beside what is on them: one element in four may be off by a
					// step, with 2.9's two roundings in a change of scale one in two.
					share := 0.5
					if b.lib.kind == Classic {
						limit, share = max(limit, 4e-2), 0.7
					}
					limit = max(limit, share*step(g, v)/n.Scale)
				}
				if !(n.RelRMS <= limit) || n.Scale == 0 {
					t.Errorf("%v: output %s is off by %.3g of the reference's rms %.3g, limit %.3g", c, v.Name, n.RelRMS, n.Scale, limit)
				}
			}
			ran++
		}
		for _, m := range tfliteModels(t) {
			t.Run(m.Name(), func(t *testing.T) { check(t, m.Chain, m.Precision) })
		}
		t.Logf("%d models ran", ran)
	})
}

// composed says whether a graph has what TensorFlow Lite composes of two integer
// operators: the result between them is rounded as well, which the reference's is
// not.
func composed(g *graph.Graph) bool {
	return has(g, "silu", "hsigmoid", "batchnorm")
}

// step is the distance of two neighbours of the grid that an output was on before
// it was dequantised.
func step(g *graph.Graph, v *graph.Value) float64 {
	for _, n := range g.Nodes {
		if slices.Contains(n.Out, v) && n.In[0].Quant != nil {
			return float64(n.In[0].Quant.Scale[0])
		}
	}
	return 0
}

func has(g *graph.Graph, ops ...string) bool {
	return slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool { return slices.Contains(ops, n.Op.String()) })
}

// newer says whether a graph needs what TensorFlow Lite 2.9 lacks: transpositions
// of six axes.
func newer(g *graph.Graph) bool {
	return slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool { return n.Op.String() == "transpose" && len(n.In[0].Shape) > 5 })
}

func float32Data(v []float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
